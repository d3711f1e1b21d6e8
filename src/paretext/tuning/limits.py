"""The limits of a budget, as far as a search can see them on its selection split."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from paretext.certification.budget import kind_of
from paretext.certification.units import written

COSTS = ("size", "p95_latency")
DROPS = (
    "macro_f1_drop",
    "balanced_accuracy_drop",
    "kappa_drop",
    "accuracy_drop",
    "recall_drop",
    "flips",
)
"""What is estimated for every artifact that was taught; the other clauses are for the certificate
alone."""


class Measured(Protocol):
    """What limits are held against: bytes, milliseconds at batch 1, and drops by clause."""

    @property
    def bytes(self) -> int: ...
    @property
    def p95_ms(self) -> float: ...
    @property
    def drops(self) -> Mapping[str, float]: ...


@dataclass(frozen=True)
class Limits:
    """values: by clause, in base units: bytes, milliseconds, shares of 1."""

    values: Mapping[str, float]

    def __bool__(self) -> bool:
        return bool(self.values)

    def costs(self) -> dict[str, float]:
        return {name: value for name, value in self.values.items() if name in COSTS}

    def unseen(self) -> list[str]:
        """The clauses that only the certificate can judge."""
        return [name for name in self.values if name not in (*COSTS, *DROPS)]

    def excess_of_costs(self, size: float, p95_ms: float) -> dict[str, float]:
        """How far above each limit, as the logarithm of the ratio; below it is negative."""
        found = {"size": size, "p95_latency": p95_ms}
        return {name: math.log(found[name] / limit) for name, limit in self.costs().items()}

    def excess_of_drops(self, drops: Mapping[str, float]) -> dict[str, float]:
        """How far above each limit, as a difference; below it is negative."""
        return {name: drops[name] - limit for name, limit in self.values.items() if name in DROPS}

    def broken_costs(self, size: float, p95_ms: float) -> list[str]:
        """A phrase for each limit that is exceeded."""
        found = {"size": size, "p95_latency": p95_ms}
        excess = self.excess_of_costs(size, p95_ms)
        return [
            f"{self.phrase(name)} is not met by {written(found[name], kind_of(name))}"
            for name, over in excess.items()
            if over > 0
        ]

    def broken_drops(self, drops: Mapping[str, float]) -> list[str]:
        return [
            f"{self.phrase(name)} is not met by {drops[name]:.4f}"
            for name, over in self.excess_of_drops(drops).items()
            if over > 0
        ]

    def broken(self, found: Measured) -> list[str]:
        """A phrase for each limit that an artifact does not hold."""
        return [
            *self.broken_costs(found.bytes, found.p95_ms),
            *self.broken_drops(found.drops),
        ]

    def phrase(self, name: str) -> str:
        """A limit in words: "size <= 5 MB"."""
        return f"{name} <= {written(self.values[name], kind_of(name))}"
