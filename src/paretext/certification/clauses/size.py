"""The bytes of the deployed folder, less its certificate."""

from __future__ import annotations

from pathlib import Path

from paretext.certification.catalogue import Rule
from paretext.certification.evidence import Evidence
from paretext.certification.records import Clause
from paretext.certification.verdicts import simple
from paretext.core.files import folder_bytes
from paretext.core.records import Interval
from paretext.runtime.manifest import CERTIFICATE


class Size(Rule):
    name = "size"
    rank = 60
    unit = "bytes"
    reason = "what fits is the caller's to say"
    judged = "its size"
    needs_labels = False

    def judge(self, evidence: Evidence, limit: float) -> Clause | None:
        if evidence.deployed is None:
            return None
        folders = (evidence.deployed.reference, evidence.deployed.candidate)
        before, after = map(deployed_bytes, folders)
        return simple(self, limit, Interval(after, after, after), evidence.n, (before, after))

    def price(self, size: float, p95_ms: float) -> float:
        return size


def deployed_bytes(folder: Path) -> int:
    """All bytes of a folder but a certificate's, so that certifying does not change the size."""
    path = folder / CERTIFICATE
    return folder_bytes(folder) - (path.stat().st_size if path.is_file() else 0)
