"""Paired proportions: what one model gets right and the other does not, on the same texts.

Of n texts `lost` are right by the reference alone and `won` by the candidate alone. The drop is
(lost - won) / n, and the texts on which both agree say nothing about its sign.

- `score_interval`: Tango's score interval (1998, *Statistics in Medicine* 17:891). It inverts the
  score test of "the drop is d", with the variance under that hypothesis, and so has a sensible
  width where lost = won = 0: [-z^2/(n+z^2), z^2/(n+z^2)].
- `mcnemar`: the exact test of "no drop" (McNemar 1947): of lost + won texts each fell either way
  with probability 1/2.
- `holm_levels`, `holm_p_values`: Holm's step-down procedure (1979) for several classes at once.
  The smallest p-value is tested at level/K, the next at level/(K-1), and so on until one is not
  rejected; the chance of one or more wrong rejections is at most the level.
- `upper_share`: the exact upper end of a share (Clopper & Pearson 1934, *Biometrika* 26:404).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from paretext.core.records import Interval
from paretext.measure.metrics import FloatArray

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pairs:
    """n texts: right by the reference alone (lost), by the candidate alone (won), or the same."""

    n: Any
    lost: Any
    won: Any
    kept: Any = field(default=None, compare=False)
    """Right by both, where that is known."""

    def times(self, factor: float) -> Pairs:
        """As if each text had been seen so often."""
        return Pairs(self.n * factor, self.lost * factor, self.won * factor)

    @classmethod
    def count(cls, reference: BoolArray, candidate: BoolArray) -> Pairs:
        """From (n,) marks of what each got right."""
        lost, won = (reference & ~candidate).sum(), (candidate & ~reference).sum()
        kept = int((reference & candidate).sum())
        return cls(len(reference), int(lost), int(won), kept)

    @property
    def drop(self) -> float:
        return float((self.lost - self.won) / self.n)


def mcnemar(pairs: Pairs) -> float:
    """Two-sided exact p-value of "candidate and reference are right equally often"."""
    from scipy.stats import binomtest

    discordant = int(pairs.lost + pairs.won)
    return float(binomtest(int(pairs.won), discordant).pvalue) if discordant else 1.0


def score_z(pairs: Pairs, drop: float) -> FloatArray:
    """Tango's score statistic of "the drop is `drop`": standard normal if so; falls with `drop`.

    Of counts that are arrays, an array.
    """
    n, lost, won = (np.asarray(each, float) for each in (pairs.n, pairs.lost, pairs.won))
    # The likelihood's maximum under the hypothesis: q is the chance of a won text.
    b = -lost - won + (2 * n - lost + won) * drop
    c = -won * drop * (1 - drop)
    q = (np.sqrt(np.maximum(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    variance = n * (2 * q + drop * (1 - drop))
    difference = lost - won - n * drop
    # Without variance only the drop itself is possible.
    sure = np.where(difference == 0, 0.0, np.copysign(np.inf, difference))
    return np.asarray(
        np.divide(difference, np.sqrt(np.maximum(variance, 0)), out=sure, where=variance > 0)
    )


def _score_of_one(n: float, lost: float, won: float, drop: float) -> float:
    """`score_z` of plain numbers: an end takes a dozen of them, and NumPy 20 times as long."""
    b = -lost - won + (2 * n - lost + won) * drop
    c = -won * drop * (1 - drop)
    q = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    variance = n * (2 * q + drop * (1 - drop))
    difference = lost - won - n * drop
    if variance > 0:
        return difference / math.sqrt(variance)
    return math.copysign(math.inf, difference) if difference else 0.0


def score_interval(pairs: Pairs, low_level: float, high_level: float) -> Interval:
    """The drop with its score interval; each end misses with (about) its own level."""
    low_z, high_z = (NormalDist().inv_cdf(1 - level) for level in (low_level, high_level))
    return Interval(
        pairs.drop,
        _end(pairs, low_z, -1.0),
        _end(pairs, -high_z, 1.0),
    )


def _end(pairs: Pairs, z: float, bound: float) -> float:
    """Where the score is z, between the estimate and `bound` (-1 or 1)."""
    from scipy.optimize import brentq

    n, lost, won = float(pairs.n), float(pairs.lost), float(pairs.won)

    def excess(drop: float) -> float:
        return _score_of_one(n, lost, won, drop) - z

    if abs(bound - pairs.drop) < 1e-12 or excess(bound) * math.copysign(1, bound) > 0:
        return bound
    start = pairs.drop + math.copysign(1e-12, bound)  # at the estimate itself 0/0 may stand
    return float(brentq(excess, start, bound, xtol=1e-10))


def upper_share(count: float, n: float, level: float) -> float:
    """The exact upper end, one-sided, of a share of which `count` of n showed (Clopper & Pearson
    1934)."""
    from scipy.special import betaincinv

    return 1.0 if count >= n else float(betaincinv(count + 1, n - count, 1 - level))


def holm_p_values(p_values: Sequence[float]) -> list[float]:
    """The p values corrected by Holm's procedure: each is the least level that rejects its own."""
    order = np.argsort(p_values, kind="stable")
    steps = np.array(p_values)[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1) if len(order) else []
    return [float(value) for value in corrected]


def holm_levels(p_values: Sequence[float], level: float) -> list[float]:
    """The level at which Holm tests each hypothesis; p <= that level is a rejection."""
    levels = [0.0] * len(p_values)
    step = 0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        levels[index] = level / (len(p_values) - step)
        if step == rank and p_values[index] <= levels[index]:
            step += 1
        step = min(step, len(p_values) - 1)
    return levels
