"""Scores and their differences in sentences: a gain is called one, and nothing has no sign."""

from __future__ import annotations

from paretext.core.records import Interval
from paretext.report.numbers import unsigned


def span(found: Interval) -> str:
    """ "0.912 [0.900, 0.924]" """
    if found.is_withheld:
        return f"{unsigned(found.estimate)} (interval withheld)"
    return f"{unsigned(found.estimate)} [{unsigned(found.low)}, {unsigned(found.high)}]"


def beside(drop: Interval, parent: str) -> str:
    """How a score stands to its parent's: drop is the parent's minus its own, paired."""
    found = "a loss" if drop.low > 0 else "a gain" if drop.high < 0 else "no difference shown"
    if drop.estimate >= 0:
        return f"{span(drop)} below {parent}'s, {found}"
    gain = Interval(estimate=-drop.estimate, low=-drop.high, high=-drop.low)
    return f"{span(gain)} above {parent}'s, {found}"
