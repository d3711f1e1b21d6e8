"""Lengths, and what padding them costs.

A batch is padded to its longest text. Of n texts, B drawn at random without replacement are all of
length <= l with probability C(c, B) / C(n, B), c being the texts of length <= l; that gives the
expected longest, and so the expected share of padding, from the histogram of lengths alone. Sorted
texts fill their batches in order, which the histogram gives exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from paretext.profile.schema import Bin, ClassLength, Lengths

_QUANTILES = {"min": 0.0, "p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}
_QUANTILES |= {"p99": 0.99, "max": 1.0}
_BINS = 30


class LengthCounts:
    """How many texts of each class have each length; memory grows with distinct lengths only."""

    def __init__(self, n_classes: int) -> None:
        self.by_class: list[Counter[int]] = [Counter() for _ in range(n_classes)]

    def add(self, lengths: Sequence[int], labels: NDArray[np.int64]) -> None:
        for length, label in zip(lengths, labels.tolist(), strict=True):
            self.by_class[label][length] += 1

    def lengths(
        self,
        unit: Literal["words", "tokens"],
        label_names: tuple[str, ...],
        batch_size: int,
        limit: int | None = None,
    ) -> Lengths:
        """The figures; padding counts texts as cut at `limit`."""
        values, counts = _sorted(sum(self.by_class, Counter()))
        cut = values if limit is None else np.minimum(values, limit)
        return Lengths(
            unit=unit,
            mean=float(values @ counts / counts.sum()),
            quantiles={name: _quantile(values, counts, q) for name, q in _QUANTILES.items()},
            histogram=_histogram(values, counts),
            by_class=tuple(
                _class_length(name, *_sorted(own))
                for name, own in zip(label_names, self.by_class, strict=True)
                if own
            ),
            batch_size=batch_size,
            padding_random=padding_random(cut, counts, batch_size),
            padding_sorted=padding_sorted(cut, counts, batch_size),
        )

    def longer(self, limit: int) -> int:
        """Texts longer than `limit`."""
        return sum(n for own in self.by_class for length, n in own.items() if length > limit)


def padding_random(values: NDArray[np.int64], counts: NDArray[np.int64], batch_size: int) -> float:
    """Expected share of padding over all batches of a random order.

    values: (m,) lengths, ascending; counts: (m,) texts of each.
    """
    n = int(counts.sum())
    full, rest = divmod(n, batch_size)
    size = full * batch_size * _expected_longest(values, counts, batch_size) if full else 0.0
    size += rest * _expected_longest(values, counts, rest) if rest else 0.0
    return _padding(float(values @ counts), size)


def padding_sorted(values: NDArray[np.int64], counts: NDArray[np.int64], batch_size: int) -> float:
    """Share of padding when the texts, sorted by length, fill the batches in order."""
    n = int(counts.sum())
    ends = np.minimum(np.arange(batch_size, n + batch_size, batch_size), n)
    longest = values[np.searchsorted(np.cumsum(counts), ends)]
    return _padding(float(values @ counts), float(longest @ np.diff(ends, prepend=0)))


def _padding(words: float, size: float) -> float:
    return max(1 - words / size, 0.0) if size else 0.0


def _expected_longest(
    values: NDArray[np.int64], counts: NDArray[np.int64], batch_size: int
) -> float:
    n, below = int(counts.sum()), np.cumsum(counts).astype(np.float64)
    drawn = np.arange(batch_size)
    none_longer = np.ones(len(values))
    for i in drawn:  # C(c, B) / C(n, B), a factor for each text drawn
        none_longer *= np.maximum(below - i, 0) / (n - i)
    return float(values @ np.diff(none_longer, prepend=0.0))


def _sorted(lengths: Counter[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    values = np.array(sorted(lengths), np.int64)
    return values, np.array([lengths[value] for value in values.tolist()], np.int64)


def _quantile(values: NDArray[np.int64], counts: NDArray[np.int64], q: float) -> int:
    """The least length that at least a share q of the texts does not exceed."""
    rank = max(int(np.ceil(q * counts.sum())), 1)
    return int(values[np.searchsorted(np.cumsum(counts), rank)])


def _class_length(name: str, values: NDArray[np.int64], counts: NDArray[np.int64]) -> ClassLength:
    return ClassLength(
        label=name,
        mean=float(values @ counts / counts.sum()),
        median=_quantile(values, counts, 0.5),
        p95=_quantile(values, counts, 0.95),
    )


def _histogram(values: NDArray[np.int64], counts: NDArray[np.int64]) -> tuple[Bin, ...]:
    """About 30 bins of equal width up to the 99.5th percentile; the last holds all longer texts."""
    low, high = int(values[0]), _quantile(values, counts, 0.995) + 1
    width = max(-(-(high - low) // _BINS), 1)
    edges = np.arange(low, high + width, width)
    heights, _ = np.histogram(np.minimum(values, edges[-1] - 1), edges, weights=counts)
    tops = [*edges[1:-1].tolist(), max(int(edges[-1]), int(values[-1]) + 1)]
    return tuple(
        Bin(low=int(bottom), high=int(top), count=round(float(count)))
        for bottom, top, count in zip(edges[:-1], tops, heights, strict=True)
    )
