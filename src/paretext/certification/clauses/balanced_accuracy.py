"""The drop in balanced accuracy, the mean recall."""

from __future__ import annotations

from paretext.certification.catalogue import Rule
from paretext.certification.evidence import Evidence
from paretext.certification.records import Clause
from paretext.certification.verdicts import simple
from paretext.measure.intervals import Drops


class BalancedAccuracy(Rule):
    name = "balanced_accuracy_drop"
    rank = 11
    default = 0.015
    reason = (
        "a rare class weighs as much as a common one, and its few texts make it noisier than "
        "macro-F1"
    )
    judged = "its balanced accuracy"

    def judge(self, evidence: Evidence, limit: float) -> Clause:
        found, values = evidence.drops.balanced_accuracy, evidence.scores("balanced_accuracy")
        return simple(self, limit, found, evidence.n, values)

    def estimate(self, drops: Drops) -> float:
        return drops.balanced_accuracy.estimate
