"""Milliseconds, 95th percentile over texts at batch 1, tokenisation included, on this machine."""

from __future__ import annotations

from statistics import median
from typing import Any

from paretext.certification.catalogue import Rule
from paretext.certification.evidence import Evidence
from paretext.certification.records import Clause
from paretext.certification.verdicts import simple
from paretext.core.records import Interval
from paretext.measure.cost import Target, benchmark

PROCESSES, ROUNDS = 6, 2
"""Rounds of one process share its memory and its threads' places, and are no independent draws; so
each figure is the median of a process's rounds, and the least and the largest of 6 enclose the
median of all processes that there could be in 31 of 32 cases."""


TEXTS = 500
"""About so many of the texts are timed, evenly taken; more say nothing more."""


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
        texts = deployed.texts[:: max(1, len(deployed.texts) // TEXTS)]
        costs = [
            benchmark([target], texts, threads=deployed.threads, rounds=ROUNDS)[target.name].cost
            for _ in range(PROCESSES)
        ]
        times = [cost.batch1_ms_p95 for cost in costs]
        interval = Interval(median(times), min(times), max(times))
        # More texts would not settle it; a quieter machine might.
        known: dict[str, Any] = {"candidate": interval.estimate}
        if busy := [cost.unsteady for cost in costs if cost.unsteady]:
            known |= {"verdict": "undecided", "why": f"the machine was busy: {busy[0]}"}
        return simple(self, limit, interval, evidence.n).model_copy(update=known)

    def price(self, size: float, p95_ms: float) -> float:
        return p95_ms
