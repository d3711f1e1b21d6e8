"""The limits of a budget, as far as a search can see them on its selection split."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from paretext.certification.catalogue import CATALOGUE, Rule, unit_of
from paretext.certification.units import written


def is_cost(name: str) -> bool:
    """Whether bytes or time alone say what an artifact has of it."""
    return type(CATALOGUE[name]).price is not Rule.price


def is_drop(name: str) -> bool:
    """Whether it is estimated for every artifact that was taught; what is neither this nor a cost
    is for the certificate alone."""
    return type(CATALOGUE[name]).estimate is not Rule.estimate


def price(name: str, size: float, p95_ms: float) -> float:
    """What an artifact has of a cost, in the unit of its limit."""
    cost = CATALOGUE[name].price(size, p95_ms)
    assert cost is not None
    return cost


class Figures(Protocol):
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
        return {name: value for name, value in self.values.items() if is_cost(name)}

    def unseen(self) -> list[str]:
        """The clauses that only the certificate can judge."""
        return [name for name in self.values if not is_cost(name) and not is_drop(name)]

    def excess_of_costs(self, size: float, p95_ms: float) -> dict[str, float]:
        """How far above each limit, as the logarithm of the ratio; below it is negative."""
        return {
            name: math.log(price(name, size, p95_ms) / limit)
            for name, limit in self.costs().items()
        }

    def excess_of_drops(self, drops: Mapping[str, float]) -> dict[str, float]:
        """How far above each limit, as a difference; below it is negative."""
        return {name: drops[name] - limit for name, limit in self.values.items() if is_drop(name)}

    def broken_costs(self, size: float, p95_ms: float) -> list[str]:
        """A phrase for each limit that is exceeded."""
        excess = self.excess_of_costs(size, p95_ms)
        return [
            f"{self.phrase(name)} is not met by {written(price(name, size, p95_ms), unit_of(name))}"
            for name, over in excess.items()
            if over > 0
        ]

    def broken_drops(self, drops: Mapping[str, float]) -> list[str]:
        return [
            f"{self.phrase(name)} is not met by {drops[name]:.4f}"
            for name, over in self.excess_of_drops(drops).items()
            if over > 0
        ]

    def broken(self, measured: Figures) -> list[str]:
        """A phrase for each limit that an artifact does not hold."""
        return [
            *self.broken_costs(measured.bytes, measured.p95_ms),
            *self.broken_drops(measured.drops),
        ]

    def phrase(self, name: str) -> str:
        """A limit in words: "size <= 5 MB"."""
        return f"{name} <= {written(self.values[name], unit_of(name))}"
