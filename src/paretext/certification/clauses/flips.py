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
    unlabelled = 0.05
    reason = (
        "a flip is harm only where it is wrong, which the other clauses count; two seeds of one "
        "fine-tuning differ in about as many answers as either gets wrong (12% of 77 classes "
        "taught by 2,000 texts), so a limit would say more of the task than of the compression. "
        "Without labels it is all that can be seen, and 5% stops a model that has become another"
    )
    judged = "how many answers flip"
    needs_labels = False
    reported = True

    promise = "changes {} of the answers"

    def judge(self, evidence: Evidence, limit: float) -> Clause:
        flipped = int((evidence.before != evidence.after).sum())

        def at(times: float) -> Interval:
            return proportion(flipped * times, evidence.n * times, evidence.confidence)

        return simple(self, limit, at(1.0), evidence.n, at=at)

    def estimate(self, drops: Drops) -> float:
        return drops.flips.estimate
