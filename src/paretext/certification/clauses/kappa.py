"""The drop in Cohen's kappa, accuracy beyond chance."""

from __future__ import annotations

from paretext.certification.catalogue import Rule
from paretext.certification.evidence import Evidence
from paretext.certification.records import Clause
from paretext.certification.verdicts import simple
from paretext.measure.intervals import Drops


class Kappa(Rule):
    name = "kappa_drop"
    rank = 12
    default = 0.015
    reason = (
        "with K classes of which one is common, a drop of 0.01 in accuracy is one of about 0.013"
    )
    judged = "its kappa"

    def judge(self, evidence: Evidence, limit: float) -> Clause:
        found, values = evidence.drops.kappa, evidence.scores("kappa")
        return simple(self, limit, found, evidence.n, values)

    def estimate(self, drops: Drops) -> float:
        return drops.kappa.estimate
