"""Paired proportions: what one model gets right and the other does not, on the same texts.

Of n texts `lost` are right by the reference alone and `won` by the candidate alone. The drop is
(lost - won) / n, and the texts on which both agree say nothing about its sign.

- `score_interval`: Tango's score interval (1998, *Statistics in Medicine* 17:891). It inverts the
  score test of "the drop is d", with the variance under that hypothesis, and so has a sensible
  width where lost = won = 0: [-z^2/(n+z^2), z^2/(n+z^2)].
- `mcnemar`: the exact test of "no drop" (McNemar 1947): of lost + won texts each fell either way
  with probability 1/2.
- `holm_levels`: Holm's step-down procedure (1979) for several classes at once. The smallest
  p-value is tested at level/K, the next at level/(K-1), and so on until one is not rejected; the
  chance of one or more wrong rejections is at most the level. Each class's interval is drawn at the
  level at which Holm tested it, so a verdict can be read off its interval; all intervals together
  cover with the confidence named only where all are at level/K.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from paretext.core.records import Interval

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pairs:
    """n texts: right by the reference alone (lost), by the candidate alone (won), or the same."""

    n: int
    lost: int
    won: int

    @classmethod
    def count(cls, reference: BoolArray, candidate: BoolArray) -> Pairs:
        """From (n,) marks of what each got right."""
        lost, won = (reference & ~candidate).sum(), (candidate & ~reference).sum()
        return cls(len(reference), int(lost), int(won))

    @property
    def drop(self) -> float:
        return (self.lost - self.won) / self.n


def mcnemar(pairs: Pairs) -> float:
    """Two-sided exact p-value of "candidate and reference are right equally often"."""
    from scipy.stats import binomtest

    discordant = pairs.lost + pairs.won
    return float(binomtest(pairs.won, discordant).pvalue) if discordant else 1.0


def score_z(pairs: Pairs, drop: float) -> float:
    """Tango's score statistic of "the drop is `drop`": standard normal if so; falls with `drop`."""
    n, lost, won = pairs.n, pairs.lost, pairs.won
    # The likelihood's maximum under the hypothesis: q is the chance of a won text.
    b = -lost - won + (2 * n - lost + won) * drop
    c = -won * drop * (1 - drop)
    q = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    variance = n * (2 * q + drop * (1 - drop))
    difference = lost - won - n * drop
    if variance <= 0:
        return 0.0 if difference == 0 else math.copysign(math.inf, difference)
    return difference / math.sqrt(variance)


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

    def excess(drop: float) -> float:
        return score_z(pairs, drop) - z

    if abs(bound - pairs.drop) < 1e-12 or excess(bound) * math.copysign(1, bound) > 0:
        return bound
    start = pairs.drop + math.copysign(1e-12, bound)  # at the estimate itself 0/0 may stand
    return float(brentq(excess, start, bound, xtol=1e-10))


def unchanged_bound(n: int, level: float) -> float:
    """Upper bound of a rate that showed in none of n texts (Clopper & Pearson 1934)."""
    return float(1 - level ** (1 / n))


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


def simultaneous(
    pairs: Sequence[Pairs], limit: float, level: float, unchanged: int | None = None
) -> list[Interval]:
    """The drops of several classes, each end at the level at which Holm tests it against `limit`.

    level: family-wise, of one end (0.025 for 95% intervals).
    unchanged: the number of all texts, where the two models answer every one of them the same in
        all probabilities. Then nothing ties a difference that might show later to one class or
        another, all texts bear on each class, and the bound is that of 0 changes in `unchanged`.
    """
    if unchanged is not None:
        p_high = [(1 - limit) ** unchanged] * len(pairs)
        ends = [unchanged_bound(unchanged, each) for each in holm_levels(p_high, level)]
        return [Interval(0.0, -end, end) for end in ends]
    at_limit = [NormalDist().cdf(score_z(each, limit)) for each in pairs]
    high = holm_levels(at_limit, level)  # rejected: the drop is below the limit
    low = holm_levels([1 - p for p in at_limit], level)  # rejected: it is above
    return [score_interval(each, *levels) for each, *levels in zip(pairs, low, high, strict=True)]
