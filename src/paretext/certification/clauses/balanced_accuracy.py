"""The drop in balanced accuracy, the mean recall."""

from __future__ import annotations

from paretext.certification.catalogue import Rule
from paretext.certification.evidence import Evidence
from paretext.certification.records import Clause
from paretext.certification.verdicts import simple
from paretext.core.records import Interval
from paretext.measure.intervals import Drops


class BalancedAccuracy(Rule):
    name = "balanced_accuracy_drop"
    rank = 11
    reported = True
    reason = (
        "reported, not limited: macro-F1 and every label's recall limit the same from both sides, "
        "and its few texts of a rare class make it noisier"
    )
    judged = "its balanced accuracy"

    def judge(self, evidence: Evidence, limit: float) -> Clause:
        drop, values = evidence.drops.balanced_accuracy, evidence.scores("balanced_accuracy")

        def at(times: float) -> Interval:
            return evidence.drops_if(times).balanced_accuracy

        return simple(self, limit, drop, evidence.n, values, at=at, withheld=evidence.withheld)

    def estimate(self, drops: Drops) -> float:
        return drops.balanced_accuracy.estimate
