"""The drop in macro-F1, the usual headline."""

from __future__ import annotations

from paretext.certification.catalogue import Rule
from paretext.certification.evidence import Evidence
from paretext.certification.records import Clause
from paretext.certification.verdicts import simple
from paretext.core.records import Interval
from paretext.measure.intervals import Drops


class MacroF1(Rule):
    name = "macro_f1_drop"
    also = ("f1_drop",)
    rank = 10
    default = 0.01
    reason = (
        "what reports round to, and about the spread between fine-tuning seeds (0.006 on our "
        "emotion data)"
    )
    judged = "its macro-F1"
    promise = "loses {} of macro-F1"

    def judge(self, evidence: Evidence, limit: float) -> Clause:
        drop, values = evidence.drops.macro_f1, evidence.scores("macro_f1")

        def at(times: float) -> Interval:
            return evidence.drops_if(times).macro_f1

        return simple(self, limit, drop, evidence.n, values, at=at, withheld=evidence.withheld)

    def estimate(self, drops: Drops) -> float:
        return drops.macro_f1.estimate
