"""The rise in Brier score: squared error of the probabilities, summed over classes (0 to 2)."""

from __future__ import annotations

from paretext.certification.catalogue import Rule
from paretext.certification.evidence import Evidence
from paretext.certification.records import Clause
from paretext.certification.verdicts import simple


class Brier(Rule):
    name = "brier_rise"
    rank = 41
    default = 0.01
    reason = (
        "a proper score of all probabilities, not only the largest: one answer in 200 that turns "
        "from sure and right to sure and wrong costs as much"
    )
    judged = "its Brier score"

    def judge(self, evidence: Evidence, limit: float) -> Clause:
        return simple(self, limit, evidence.rises.brier, evidence.n, evidence.rises.briers)
