"""What a search has found: the Pareto front of its trials, and the one that it recommends.

A trial is on the front if none is at least as good in macro-F1, bytes and time and better in one.

The winner is chosen among those of the front that hold every limit on the selection split. The
highest macro-F1 is the best, but on some thousand texts scores differ by luck: whatever lies within
one standard error of the best, the error of the paired difference on the same texts, is as good,
and among those the cheapest wins (the one-standard-error rule: Breiman et al. 1984, *Classification
and Regression Trees*, section 3.4.3; Hastie et al. 2009, *The Elements of Statistical Learning*,
section 7.10). The cheapest has the smallest product of bytes and p95 latency: one per cent of
either weighs the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paretext.measure.intervals import STANDARD_ERROR, paired_drops
from paretext.tuning.limits import Limits, is_drop


@dataclass(frozen=True)
class Candidate:
    """A taught trial: its artifact's quality on selection, its size, and its times."""

    name: str
    family: str
    values: dict[str, Any]
    macro_f1: float
    drops: dict[str, float]
    bytes: int
    p95_ms: float
    ms_per_text: float

    def record(self) -> dict[str, Any]:
        return asdict(self)


def front(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates that no other one beats, the smallest first."""
    costs = np.array([(-c.macro_f1, c.bytes, c.p95_ms) for c in candidates])
    kept = [
        candidate
        for candidate, own in zip(candidates, costs, strict=True)
        if not ((costs <= own).all(axis=1) & (costs < own).any(axis=1)).any()
    ]
    return sorted(kept, key=lambda c: (c.bytes, c.p95_ms, -c.macro_f1))


def winner(
    candidates: Sequence[Candidate],
    limits: Limits,
    labels: NDArray[np.int64],
    answers: Mapping[str, NDArray[np.int64]],
    classes: int,
) -> Candidate | None:
    """The one to recommend, as the module says; None if none holds every limit.

    answers: each candidate's class for each selection text, (n,), by its name.
    """
    holding = [each for each in candidates if not limits.broken(each)]
    if not holding:
        return None
    best = max(holding, key=lambda c: (c.macro_f1, -c.bytes))

    def as_good(other: Candidate) -> bool:
        worse = paired_drops(
            labels, answers[best.name], answers[other.name], classes, confidence=STANDARD_ERROR
        )
        return worse.macro_f1.low <= 0

    return min(filter(as_good, holding), key=lambda c: (c.bytes * c.p95_ms, -c.macro_f1))


def nearest_miss(candidates: Sequence[Candidate], limits: Limits) -> str:
    """Which limit no candidate holds, and how close they came, in a sentence."""
    for clause, limit in limits.values.items():
        if not is_drop(clause):
            continue
        best = min(candidates, key=lambda c: c.drops[clause])
        if best.drops[clause] > limit:
            return (
                f"{limits.phrase(clause)} was not met on the selection split: the nearest is "
                f"{best.name} with {best.drops[clause]:.4f}; allow more, or give more trials."
            )
    nearest = min(candidates, key=lambda c: len(limits.broken(c)))
    return (
        f"no trained artifact holds all limits together: the nearest is {nearest.name}, and "
        f"{'; '.join(limits.broken(nearest))}; allow more, or give more trials."
    )
