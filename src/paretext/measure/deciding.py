"""How many texts would decide whether a quantity lies below a limit.

If the rates stay as they were found and every text counted `times` times, what would the interval
be? That is asked of the interval's own method, so that what does not shrink with the square root of
the texts (a prior, an exact bound) is told rightly. At the number that is found the end that faces
the limit meets it: that many new texts decide about every second time.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from paretext.core.records import Interval

MOST_TEXTS = 1_000_000
"""That anybody is told would decide."""
_TRIES = 4


def texts_needed(n: int, at: Callable[[float], Interval], limit: float) -> int | None:
    """About how many texts would decide; None if it is decided, or if no number would.

    at: the interval if each of the n texts counted so many times. An estimate on the limit is never
    decided, and one beside it by more than MOST_TEXTS, which nobody has. Rounded up to two digits,
    which is more than it can promise.
    """
    now = at(1.0)
    if not now.low <= limit < now.high or now.estimate == limit:
        return None
    below = now.estimate < limit

    def open_(interval: Interval) -> float:
        """How far the end that faces the limit lies beyond it."""
        return interval.high - limit if below else limit - interval.low

    gap = abs(limit - now.estimate)
    # The end moves almost in a line with 1 / sqrt(times): from here towards the estimate.
    before, over = 1.0, open_(now)
    step = gap / (gap + over)
    for _ in range(_TRIES):
        if n / step**2 > MOST_TEXTS:
            return None
        beyond = open_(at(step**-2))
        slope = (over - beyond) / (before - step)
        if abs(beyond) <= 0.02 * gap or slope <= 0:
            break
        before, over, step = step, beyond, step - beyond / slope
        if step <= 0:
            return None
        step = min(step, 1.0)
        if before == step:
            break
    needed = n / step**2
    return two_digits(needed) if needed <= MOST_TEXTS else None


def two_digits(needed: float) -> int:
    """Rounded up to two digits."""
    digits = int(10 ** max(math.floor(math.log10(needed)) - 1, 0))
    return math.ceil(needed / digits) * digits
