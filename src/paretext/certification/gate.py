"""What an artifact's certificate means to whoever is about to use the artifact."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from paretext.certification.certificate import Certificate
from paretext.certification.held_out import doubts, require_sound
from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.measure.cost import machine
from paretext.runtime.manifest import Manifest


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
    doubt = doubts(certificate, Manifest.read(Path(artifact)))
    if required:
        require_sound(certificate, Path(artifact))
    if doubt:
        progress.say(f"warning: the certificate of {artifact} proves nothing, since {doubt}")
    elif certificate.standing is not None and not certificate.standing.is_good:
        progress.say(
            f"warning: the certificate of {artifact} compares two models and says nothing good of "
            f"either: {certificate.standing.reason}"
        )
    named = [clause.name for clause in certificate.clauses if clause.verdict == certificate.verdict]
    listed = f"{certificate.verdict} ({', '.join(named)})"
    if required and certificate.verdict != "holds":
        raise ParetextError(
            f"the certificate of {artifact} is {listed}, and one that holds is required; use "
            "another version, or certify under another budget."
        )
    if required and certificate.looks is not None and certificate.looks.stopped_at is not None:
        raise ParetextError(
            f"{artifact} may not be chosen on the texts of its certificate: "
            f"{certificate.looks.stopped_at}, larger and asked before it, does not hold; use "
            "another version, or certify this one on other texts."
        )
    if certificate.verdict == "broken":
        progress.say(
            f"warning: the certificate of {artifact} is {listed}: it answers worse than "
            f"{certificate.reference.name} by more than its budget allows"
        )


def check_machine(certificate: Certificate, artifact: str | Path) -> None:
    """ParetextError if what was certified need not be so here, with the clauses that it is about.

    Other instruction sets, or another ONNX Runtime, can give INT8 other answers, so nothing is
    certified there. On another CPU of the same kind answers are the same, and times are not.
    """
    here = machine(int(certificate.machine["threads"]))
    sets, runtime = "instruction_sets", "onnxruntime"
    then, now = certificate.machine["versions"].get(runtime), here["versions"].get(runtime)
    difference = ""
    if set(certificate.machine[sets]) != set(here[sets]):
        difference = (
            f"with {_listed(certificate.machine[sets])}, and here are {_listed(here[sets])}"
        )
    elif then != now:
        difference = f"with onnxruntime {then}, and here is {now}"
    clauses = [clause.name for clause in certificate.clauses]
    if not difference:
        clauses = [name for name in clauses if "latency" in name]
        if clauses and certificate.machine["cpu"] != here["cpu"]:
            difference = f"on {certificate.machine['cpu']}, and here is {here['cpu']}"
    if difference:
        raise ParetextError(
            f"{', '.join(clauses)} of {artifact} was certified {difference}: certify it on this "
            "machine with: paretext certify, or see what differs with: paretext verify --rerun."
        )


def _listed(sets: Sequence[str]) -> str:
    return ", ".join(sets) or "no instruction set that is known"
