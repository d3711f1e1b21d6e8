"""What texts of a class can promise, and whether they keep it.

A class of 52 texts cannot show that it loses less than 2% of them: even if none were lost, 5% more
may be. So a limit is widened, class by class, to what its texts can promise at all:

    promise = max(limit, upper end of 2 losses in n texts)

with the exact upper end of Clopper and Pearson (1934) at 95%: 0.116 for 52 texts, 0.41 for 13. The
class keeps it where the upper end of what was lost is within it. That end is the smaller of two: of
the texts lost, whatever was won (Clopper and Pearson at 95%, exact), and of the drop, lost less won
(Tango at 97.5%: many small flips that cancel out do no harm). A class that has in truth lost its
promise keeps it with a chance of at most 5.0% (summed over all outcomes at 8 to 800 texts and 0 to
12% won; 5.6% at 5 texts).

A class that lost all that the reference had right keeps nothing, however few those are.

That **every** class keeps its promise is claimed only if each one does, so the chance of a wrong
claim is that of one class, whatever their number: an intersection-union test (Berger 1982,
*Technometrics* 24:295), without any correction. That **some** class is broken is claimed if any one
is, so there Holm's procedure corrects (`measure.proportions`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from paretext.core.records import Interval, Verdict
from paretext.measure.deciding import MOST_TEXTS, two_digits
from paretext.measure.metrics import FloatArray
from paretext.measure.proportions import Pairs, holm_levels, score_interval, score_z, upper_share

_LOSSES = 2
"""That a class may show and still keep its promise: with 0 or 1 good versions fail too often."""
_DRAWS, _SEED = 400, 0


@dataclass(frozen=True)
class Guard:
    """One class: what its texts can promise, what was found, and the verdict."""

    promise: float
    drop: Interval
    verdict: Verdict


def guards(pairs: Sequence[Pairs], limit: float, tail: float) -> list[Guard]:
    """Each class's; tail: of one end of a two-sided interval, 0.025 for 95%."""
    beyond = [1 - NormalDist().cdf(float(score_z(each, limit))) for each in pairs]
    lows = holm_levels(beyond, tail)
    return [_guard(each, limit, tail, low) for each, low in zip(pairs, lows, strict=True)]


def _guard(pairs: Pairs, limit: float, tail: float, low_level: float) -> Guard:
    promise = promised(pairs.n, limit, tail)
    interval = score_interval(pairs, low_level, tail)
    lost = upper_share(pairs.lost, pairs.n, 2 * tail)
    drop = Interval(interval.estimate, interval.low, min(interval.high, lost))
    if drop.low > limit:
        return Guard(promise, drop, "broken")
    gone = pairs.kept == 0 and pairs.lost > 0
    return Guard(promise, drop, "holds" if drop.high <= promise and not gone else "undecided")


def promised(n: float, limit: float, tail: float) -> float:
    """The smallest limit from `limit` on that n texts can be asked to keep."""
    return max(limit, upper_share(min(_LOSSES, n), n, 2 * tail))


def texts_for_all(pairs: Sequence[Pairs], limit: float, tail: float) -> int | None:
    """About how many texts of all classes would decide, about every second time.

    A class's own rate is known from few texts, and one lost text of a rare class must not decide:
    rates are drawn towards those of all classes, as far as the classes are alike (the beta-binomial
    of the highest likelihood).
    """
    n = np.array([each.n for each in pairs], float)
    lost, won = (np.array([getattr(each, name) for each in pairs]) for name in ("lost", "won"))
    rates = _rates(n, lost, won)
    total = float(n.sum())
    most = MOST_TEXTS / total
    beyond = rates[0] - rates[1] > limit
    times = [1.0]
    if beyond.any():  # some class will show that it is broken
        level = tail / len(pairs)
        shown = [
            _until_broken(texts, gone, back, limit, level, most)
            for texts, gone, back in zip(n, *rates, strict=True)
        ]
        times = [each for each, past in zip(shown, beyond, strict=True) if past and each]
        return two_digits(total * min(times)) if times else None
    factor = _first(lambda times: _all_hold(n * times, rates, limit, tail) >= 0.5, most)
    return two_digits(total * factor) if factor else None


def _rates(n: FloatArray, lost: FloatArray, won: FloatArray) -> FloatArray:
    """(2, K) shares lost and won of each class, drawn towards their means."""
    from scipy.special import betaln

    shares = np.maximum([lost.sum() / n.sum(), won.sum() / n.sum()], 1e-9)
    weights = np.geomspace(3, 30_000, 25)
    a, b = weights * shares[0], weights * (1 - shares[0])
    fit = betaln(lost[:, None] + a, n[:, None] - lost[:, None] + b) - betaln(a, b)
    weight = weights[fit.sum(axis=0).argmax()]
    return np.asarray((np.stack([lost, won]) + weight * shares[:, None]) / (n + weight))


def _all_hold(n: FloatArray, rates: FloatArray, limit: float, tail: float) -> float:
    """How probably every class keeps its promise."""
    rng, together = np.random.default_rng(_SEED), 1.0
    z = NormalDist().inv_cdf(1 - tail)
    for texts, (lost, won) in zip(np.maximum(np.round(n), 1).astype(int), rates.T, strict=True):
        drawn = rng.multinomial(texts, [lost, won, max(1 - lost - won, 0.0)], _DRAWS)
        promise = promised(texts, limit, tail)
        counts = np.unique(drawn[:, 0])
        kept = [upper_share(int(each), int(texts), 2 * tail) <= promise for each in counts]
        by_losses = np.array(kept)[np.searchsorted(counts, drawn[:, 0])]
        score = score_z(Pairs(texts, drawn[:, 0], drawn[:, 1]), promise)
        together *= float((by_losses | (score <= -z)).mean())
    return together


def _until_broken(
    n: float, lost: float, won: float, limit: float, level: float, most: float
) -> float | None:
    z = NormalDist().inv_cdf(1 - level)
    return _first(
        lambda times: (
            float(score_z(Pairs(n * times, lost * n * times, won * n * times), limit)) > z
        ),
        most,
    )


def _first(decides: Callable[[float], bool], most: float) -> float | None:
    """The least multiple from 1 on that decides, to about 5%."""
    if decides(1.0):
        return 1.0
    low, high = 1.0, 2.0
    while not decides(high):
        low, high = high, high * 2
        if low > most:
            return None
    while high / low > 1.05:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high
