"""The rise in Brier score: squared error of the probabilities, summed over classes (0 to 2)."""

from __future__ import annotations

from paretext.certification.catalogue import Rule
from paretext.certification.evidence import Evidence
from paretext.certification.records import Clause
from paretext.certification.verdicts import simple
from paretext.core.records import Interval


class Brier(Rule):
    name = "brier_rise"
    rank = 41
    default = 0.02
    reason = (
        "a proper score of all probabilities, not only the largest: one answer in a hundred that "
        "turns from sure and right to sure and wrong costs as much, as of accuracy"
    )
    judged = "its Brier score"
    needs_probabilities = True

    def judge(self, evidence: Evidence, limit: float) -> Clause:
        rise, values = evidence.rises.brier, evidence.rises.briers

        def at(times: float) -> Interval:
            return evidence.rises_if(times).brier

        return simple(self, limit, rise, evidence.n, values, at=at)
