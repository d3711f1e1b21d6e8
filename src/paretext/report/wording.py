"""Scores and their differences in sentences: a gain is called one, and nothing has no sign."""

from __future__ import annotations

from paretext.core.records import Interval
from paretext.report.numbers import unsigned


def beside(drop: Interval, parent: str) -> str:
    """How a score stands to its parent's: drop is the parent's minus its own, paired."""
    verdict = "a loss" if drop.low > 0 else "a gain" if drop.high < 0 else "no difference shown"
    if drop.estimate >= 0:
        return f"{drop.written(unsigned)} below {parent}'s, {verdict}"
    gain = Interval(estimate=-drop.estimate, low=-drop.high, high=-drop.low)
    return f"{gain.written(unsigned)} above {parent}'s, {verdict}"
