"""The share of answers that change, for better or worse."""

from __future__ import annotations

from paretext.certification.catalogue import Rule
from paretext.certification.evidence import Evidence
from paretext.certification.records import Clause
from paretext.certification.verdicts import simple
from paretext.core.records import Interval, proportion
from paretext.measure.intervals import Drops


class Flips(Rule):
    name = "flips"
    rank = 30
    default = 0.05
    reason = (
        "whoever compares today's output with yesterday's sees every flip, good ones too; most "
        "sit where the reference was unsure and cancel out, and 5% lets those through and stops a "
        "model that has merely become another one of equal score"
    )
    judged = "how many answers flip"
    needs_labels = False

    promise = "changes {} of the answers"

    def judge(self, evidence: Evidence, limit: float) -> Clause:
        flipped = int((evidence.before != evidence.after).sum())

        def at(times: float) -> Interval:
            return proportion(flipped * times, evidence.n * times, evidence.confidence)

        return simple(self, limit, at(1.0), evidence.n, at=at)

    def estimate(self, drops: Drops) -> float:
        return drops.flips.estimate
