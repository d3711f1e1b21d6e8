"""Clock: the time that a job may take, as people write it, and what is left of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from paretext.core.errors import ParetextError

_UNITS = {"h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(h|min|m|s)")
_WHOLE = re.compile(rf"(?:{_PART.pattern}\s*)+")


def seconds_in(text: str) -> float:
    """ "30m" or "1h 30m" in seconds; ParetextError for what is no time, or none at all."""
    plain = text.strip().lower()
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(plain))
    if not _WHOLE.fullmatch(plain) or not seconds:
        raise ParetextError(
            f"time is {text!r}; give a number with its unit, such as 90s, 30m or 2h30m."
        )
    return seconds


def in_words(seconds: float) -> str:
    """ "40 s", "12 min", "1 h 30 min" """
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{round(seconds)} s"
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


class Clock:
    """Runs from when it is made."""

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._now, self._begun = now, now()

    @property
    def left(self) -> float:
        """Seconds, below 0 where there are none."""
        return self.seconds - (self._now() - self._begun)
