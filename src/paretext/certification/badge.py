"""What the comparison shows of the certificate in an artifact."""

from __future__ import annotations

from pathlib import Path

from paretext.certification.certificate import Certificate
from paretext.certification.held_out import doubts
from paretext.measure.comparison import Badge
from paretext.runtime.manifest import Manifest


def badge_of(artifact: Path) -> Badge | None:
    """None where there is no certificate, or one that proves nothing (`held_out.doubts`)."""
    found = Certificate.of(artifact)
    if found is None or doubts(found, Manifest.read(artifact)):
        return None
    broken, undecided = (
        tuple(clause.name for clause in found.clauses if clause.verdict == verdict)
        for verdict in ("broken", "undecided")
    )
    return Badge(found.verdict, found.reference.name, broken, undecided)
