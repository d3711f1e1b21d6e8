"""The drop in accuracy from many texts without labels and labels of some that two models differ on.

Where reference and candidate answer alike, both are right or both are wrong: whatever the label,
the drop is zero. So of N texts only the m flipped ones can hold a drop, and a label is needed there
alone (*active labeling* in ease.ml/ci: Renggli et al. 2019, MLSys, sec. 4.1.2):

    drop = P(flipped) x (P(lost | flipped) - P(won | flipped))

The first factor is known from all N texts, the second from s of the m flips, taken at random: two
samples, one within the other (double sampling: Neyman 1938, *JASA* 33:101; Cochran 1977, *Sampling
Techniques*, ch. 12). The texts are draws from one source, so given m the flips are draws from the
source's flips, and a random part of them is as well. With p = P(flipped), d = P(lost | flipped) -
P(won | flipped) and v = P(lost | flipped) + P(won | flipped), the estimate m/N (lost - won)/s has
the variance

    p (v - d^2) / (N s/m) + d^2 p (1 - p) / N

Its interval is made as Tango's (`proportions`): an end is where the difference from a supposed drop
is z standard errors, those of the likeliest p and v under that drop. With every flip labelled, s =
m, the variance becomes (p v - drop^2) / N, and the interval is Tango's of N labelled texts.

Without any label the drop is at most P(flipped), whose exact upper end is what can be said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from paretext.core.records import Interval
from paretext.measure.metrics import FloatArray
from paretext.measure.proportions import upper_share

_STEPS = 40
"""Of a search that narrows to 0.62 each time; the likelihood is flat where it ends."""
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Flipped:
    """Of `texts` texts `flips` flipped; of `labelled` of those, at random, what the labels say."""

    texts: Any
    flips: Any
    labelled: Any = 0
    lost: Any = 0
    """Right by the reference alone."""
    won: Any = 0
    """Right by the candidate alone."""
    unclear: Any = 0
    """Labelled as "cannot tell": each may be lost or won, and each end supposes the worse."""

    @property
    def drop(self) -> float:
        """The estimate; NaN without a label on a flip."""
        if not self.flips:
            return 0.0
        if not self.labelled:
            return math.nan
        return float(self.flips / self.texts * (self.lost - self.won) / self.labelled)


def flipped_interval(flipped: Flipped, low_level: float, high_level: float) -> Interval:
    """The drop in accuracy; each end misses with about its own level."""
    if not flipped.labelled:  # nothing, or nothing that could be
        high = upper_share(flipped.flips, flipped.texts, high_level)
        low = -upper_share(flipped.flips, flipped.texts, low_level)
        return Interval(flipped.drop, low, high)
    worst = Flipped(
        flipped.texts, flipped.flips, flipped.labelled, flipped.lost + flipped.unclear, flipped.won
    )
    best = Flipped(
        flipped.texts, flipped.flips, flipped.labelled, flipped.lost, flipped.won + flipped.unclear
    )
    low_z, high_z = (NormalDist().inv_cdf(1 - level) for level in (low_level, high_level))
    return Interval(flipped.drop, _end(best, low_z, -1.0), _end(worst, -high_z, 1.0))


def flipped_z(flipped: Flipped, drop: Any) -> FloatArray:
    """How many standard errors the estimate is above a supposed drop; of arrays, an array.

    At least one flip is labelled.
    """
    texts, flips, labelled, lost, won, drop = np.broadcast_arrays(
        *(
            np.asarray(each, float)
            for each in (
                flipped.texts,
                flipped.flips,
                flipped.labelled,
                flipped.lost,
                flipped.won,
                drop,
            )
        )
    )
    both = labelled - lost - won

    def parts(p: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """d, and the likeliest chances of a won and of a lost flip, where p of all texts flip."""
        d = drop / p
        b = (2 * labelled - lost + won) * d - lost - won
        c = -won * d * (1 - d)
        root = np.sqrt(np.maximum(b * b - 8 * labelled * c, 0.0))
        q = np.clip((root - b) / (4 * labelled), np.maximum(-d, 0.0), (1 - d) / 2)
        return d, q, q + d

    def likelihood(p: FloatArray) -> FloatArray:
        _, q, r = parts(p)
        return np.asarray(
            _times_log(lost, r)
            + _times_log(won, q)
            + _times_log(both, 1 - q - r)
            + _times_log(flips, p)
            + _times_log(texts - flips, 1 - p)
        )

    # The likelihood is concave in p: sums of logarithms of what is linear in the cells' chances.
    low, high = np.abs(drop) + 1e-12, np.full_like(drop, 1 - 1e-12)
    low = np.minimum(low, high)
    for _ in range(_STEPS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        better = likelihood(left) < likelihood(right)
        low, high = np.where(better, left, low), np.where(better, high, right)
    p = (low + high) / 2
    d, q, r = parts(p)
    variance = (p * (q + r - d**2) * flips / labelled + d**2 * p * (1 - p)) / texts
    difference = flips / texts * (lost - won) / labelled - drop
    sure = np.where(difference == 0, 0.0, np.copysign(np.inf, difference))
    return np.asarray(
        np.divide(difference, np.sqrt(np.maximum(variance, 0)), out=sure, where=variance > 0)
    )


def labels_needed(flipped: Flipped, limit: float, level: float, power: float = 0.9) -> int | None:
    """About how many labels in all would show, with that power, that the drop is within a limit;
    None where those of all flips would not.

    Where some are there, the rates go on as they are; without any, as many flips are lost as won,
    and no label makes both wrong (which takes the most labels).
    """
    s = max(flipped.labelled, 1)
    share = (flipped.lost + flipped.unclear - flipped.won) / s if flipped.labelled else 0.0
    either = (flipped.lost + flipped.unclear + flipped.won) / s if flipped.labelled else 1.0
    either = max(either, 1 / (s + 2))
    beyond = NormalDist().inv_cdf(power) * math.sqrt(max(either - share**2, 0.0))

    z = NormalDist().inv_cdf(1 - level)

    def decides(labels: int) -> bool:
        net = min(share + beyond / math.sqrt(labels), either)
        lost, won = (either + net) / 2 * labels, (either - net) / 2 * labels
        again = Flipped(flipped.texts, flipped.flips, labels, lost, won)
        return bool(flipped_z(again, limit) <= -z)

    if not flipped.flips or not decides(flipped.flips):  # all of them are not enough
        return None
    low, high = 0, int(flipped.flips)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high


def _end(flipped: Flipped, z: float, bound: float) -> float:
    """Where the score is z, between the estimate and `bound` (-1 or 1)."""
    from scipy.optimize import brentq

    def excess(drop: float) -> float:
        return float(flipped_z(flipped, drop)) - z

    start = flipped.drop + math.copysign(1e-12, bound)
    limit = math.copysign(1 - 1e-9, bound)
    if excess(limit) * math.copysign(1, bound) > 0:
        return bound
    return float(brentq(excess, start, limit, xtol=1e-7))


def _times_log(count: FloatArray, chance: FloatArray) -> FloatArray:
    """count x log(chance), and 0 where nothing was counted."""
    return np.asarray(np.where(count > 0, count * np.log(np.maximum(chance, 1e-300)), 0.0))
