"""What an artifact's certificate means to whoever is about to use the artifact."""

from __future__ import annotations

from pathlib import Path

from paretext import progress
from paretext.certification.certificate import Certificate
from paretext.errors import ParetextError


def check_certificate(artifact: str | Path, required: bool = False) -> None:
    """Say so where the certificate is broken; ParetextError if one that holds is `required`."""
    certificate = Certificate.of(artifact)
    if certificate is None:
        if required:
            raise ParetextError(
                f"{artifact} has no certificate, and one is required; make it with: "
                "paretext certify."
            )
        return
    named = [clause.name for clause in certificate.clauses if clause.verdict == certificate.verdict]
    listed = f"{certificate.verdict} ({', '.join(named)})"
    if required and certificate.verdict != "holds":
        raise ParetextError(
            f"the certificate of {artifact} is {listed}, and one that holds is required; use "
            "another version, or certify under another budget."
        )
    if certificate.verdict == "broken":
        progress.say(
            f"warning: the certificate of {artifact} is {listed}: it answers worse than "
            f"{certificate.reference.name} by more than its budget allows"
        )
