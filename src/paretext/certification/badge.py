"""What the comparison shows of the certificate in an artifact."""

from __future__ import annotations

from pathlib import Path

from paretext.certification.certificate import Certificate
from paretext.certification.held_out import doubts
from paretext.measure.comparison import Badge
from paretext.runtime.manifest import Manifest


def badge_of(artifact: Path) -> Badge | None:
    """None where there is no certificate, or one that proves nothing (`held_out.doubts`)."""
    certificate = Certificate.of(artifact)
    if certificate is None or doubts(certificate, Manifest.read(artifact)):
        return None
    broken, undecided = (
        tuple(clause.name for clause in certificate.clauses if clause.verdict == verdict)
        for verdict in ("broken", "undecided")
    )
    return Badge(certificate.verdict, certificate.reference.name, broken, undecided)
