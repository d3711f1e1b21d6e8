"""Milliseconds, 95th percentile over texts at batch 1, tokenisation included, on this machine."""

from __future__ import annotations

from typing import Any

from paretext.certification.catalogue import Rule
from paretext.certification.evidence import Evidence
from paretext.certification.records import Clause
from paretext.certification.verdicts import simple
from paretext.core.records import Interval
from paretext.measure.cost import Target, benchmark

ROUNDS = 7
"""The least and the largest of 7 enclose the median of all rounds there could be in 63 of 64
cases."""


class P95Latency(Rule):
    name = "p95_latency"
    also = ("p95",)
    rank = 61
    unit = "ms"
    reason = "what is fast enough is the caller's to say"
    judged = "its latency"
    needs_labels = False

    def judge(self, evidence: Evidence, limit: float) -> Clause | None:
        deployed = evidence.deployed
        if deployed is None:
            return None
        target = Target("candidate", deployed.candidate)
        measured = benchmark([target], deployed.texts, threads=deployed.threads, rounds=ROUNDS)
        cost = measured[target.name].cost
        rounds = cost.rounds["batch1_ms_p95"]
        found = Interval(cost.batch1_ms_p95, min(rounds), max(rounds))
        # More texts would not settle it; a quieter machine might.
        known: dict[str, Any] = {"candidate": cost.batch1_ms_p95, "texts_needed": None}
        if cost.unsteady:
            known |= {"verdict": "undecided", "why": f"the machine was busy: {cost.unsteady}"}
        return simple(self, limit, found, evidence.n).model_copy(update=known)

    def price(self, size: float, p95_ms: float) -> float:
        return p95_ms
