"""The verb verify."""

from __future__ import annotations

from pathlib import Path

import typer
from pydantic import Field

from paretext.cli.certify import STATUS
from paretext.cli.commands import Json
from paretext.data.given import Given
from paretext.pipeline.sources import Cores, Reading


class Verify(Reading, Cores):
    artifact: Path = Field(title="ARTIFACT", description="An artifact with a certificate.")
    eval: Given = Field(None, title="FILE", description="The texts that it was certified on.")
    against: Path | None = Field(
        None, title="FOLDER", description="The reference that it was certified against."
    )
    rerun: bool = Field(False, description="Measure every claim anew, on this machine.")
    force: bool = Field(False, description="Verify one on texts that were trained on too.")


def verify(asked: Verify, json: Json = False) -> None:
    """Check a certificate: digests of all it names, the machine, and with --rerun its claims.

    Exit status: that of the verdict (0 holds, 1 broken, 3 undecided); 2 if something was changed.
    Example: paretext verify runs/emotion/artifacts/int8 --eval test.csv
    """
    from paretext.certification.verify import verify as verify_one
    from paretext.cli.console import dump, line, show_certificate, show_verdict
    from paretext.cli.endings import of_certificate
    from paretext.data.reading import NamedBy

    given, texts = asked.names(), None
    if asked.eval is not None:
        names = _names(asked.artifact, asked.against, given)
        by = NamedBy.model(asked.against or asked.artifact, names)
        texts = asked.labelled(asked.eval, names, by, "test")
    verification = verify_one(
        *(asked.artifact, texts, asked.against),
        labels=given,
        rerun=asked.rerun,
        threads=asked.threads,
        force=asked.force,
    )
    certificate = verification.again or verification.certificate
    verdict = of_certificate(certificate, asked.artifact, asked.against)
    if json:
        dump(
            {
                "verdict": verification.verdict,
                "checked": verification.checked,
                "warnings": verification.warnings,
                "certificate": certificate.model_dump(mode="json"),
                "conclusion": verdict.model_dump(mode="json"),
            }
        )
    else:
        show_certificate(certificate)
        for sentence in verification.checked:
            line(f"- {sentence}")
        for sentence in verification.warnings:
            line(f"- warning: {sentence}")
        show_verdict(verdict)
    raise typer.Exit(STATUS[verification.gate])


def _names(artifact: Path, against: Path | None, given: tuple[str, ...] | None) -> tuple[str, ...]:
    """The reference's label names; without it the certificate's, which are the same in order."""
    from paretext.certification.certificate import Certificate
    from paretext.certification.model import labels_of

    certificate = Certificate.of(artifact) if against is None else None
    if certificate is not None:
        return tuple(certificate.data.counts)
    return labels_of(against or artifact, given)
