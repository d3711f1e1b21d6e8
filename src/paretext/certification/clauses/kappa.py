"""The drop in Cohen's kappa, accuracy beyond chance."""

from __future__ import annotations

from paretext.certification.catalogue import Rule
from paretext.certification.evidence import Evidence
from paretext.certification.records import Clause
from paretext.certification.verdicts import simple
from paretext.core.records import Interval
from paretext.measure.intervals import Drops


class Kappa(Rule):
    name = "kappa_drop"
    rank = 12
    reported = True
    reason = (
        "reported, not limited: accuracy on a scale that the classes' shares stretch (where one "
        "has 80%, a drop of 0.015 in kappa is one of 0.0048 in accuracy)"
    )
    judged = "its kappa"

    def judge(self, evidence: Evidence, limit: float) -> Clause:
        drop, values = evidence.drops.kappa, evidence.scores("kappa")

        def at(times: float) -> Interval:
            return evidence.drops_if(times).kappa

        return simple(self, limit, drop, evidence.n, values, at=at)

    def estimate(self, drops: Drops) -> float:
        return drops.kappa.estimate
