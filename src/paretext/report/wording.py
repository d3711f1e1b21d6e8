"""Figures in sentences: the larger of two numbers is named as such, and nothing has no sign."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Bounds(Protocol):
    """An estimate and the ends of its interval."""

    @property
    def estimate(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def fixed(value: float, digits: int = 3, sign: str = "") -> str:
    """A number with so many digits; one that is rounded to nothing has no sign."""
    text = f"{value:{sign}.{digits}f}"
    return text.lstrip("+-") if float(text) == 0 else text


def span(found: Bounds, digits: int = 3, sign: str = "") -> str:
    """ "0.912 [0.900, 0.924]" """
    low, high = (fixed(each, digits, sign) for each in (found.low, found.high))
    return f"{fixed(found.estimate, digits, sign)} [{low}, {high}]"


def times(ratio: float, more: str, less: str, digits: int = 1) -> str:
    """ "4.0x smaller", and "1.9x larger" for a ratio below 1."""
    if f"{ratio:.{digits}f}" == f"{1:.{digits}f}":
        return f"as {_POSITIVE[more]}"
    return f"{ratio:.{digits}f}x {more}" if ratio > 1 else f"{1 / ratio:.{digits}f}x {less}"


_POSITIVE = {"smaller": "large", "faster": "fast"}


def beside(drop: Bounds, parent: str, digits: int = 3) -> str:
    """How a score stands to its parent's: drop is the parent's minus its own, paired."""
    if fixed(drop.estimate, digits) == fixed(0, digits):
        low, high = (fixed(each, digits) for each in (drop.low, drop.high))
        said = f"as {parent}'s, 0 [{low}, {high}]"
    elif drop.estimate > 0:
        said = f"{span(drop, digits)} below {parent}'s"
    else:
        low, high = (fixed(-each, digits) for each in (drop.high, drop.low))
        said = f"{fixed(-drop.estimate, digits)} [{low}, {high}] above {parent}'s"
    return f"{said}, {shown(drop)}"


def shown(drop: Bounds) -> str:
    """What an interval of a drop shows."""
    return "a loss" if drop.low > 0 else "a gain" if drop.high < 0 else "no difference shown"


def listed(phrases: Sequence[str]) -> str:
    """ "a, b and c" """
    *before, last = phrases
    return f"{', '.join(before)} and {last}" if before else last


def sentence(text: str) -> str:
    """The same with a capital letter."""
    return text[:1].upper() + text[1:]
