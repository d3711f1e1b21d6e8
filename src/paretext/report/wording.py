"""Scores and their differences in sentences: a gain is called one, and nothing has no sign."""

from __future__ import annotations

from collections.abc import Sequence

from paretext.certification.records import Span
from paretext.report.numbers import unsigned


def span(found: Span) -> str:
    """ "0.912 [0.900, 0.924]" """
    return f"{unsigned(found.estimate)} [{unsigned(found.low)}, {unsigned(found.high)}]"


def beside(drop: Span, parent: str) -> str:
    """How a score stands to its parent's: drop is the parent's minus its own, paired."""
    found = "a loss" if drop.low > 0 else "a gain" if drop.high < 0 else "no difference shown"
    if drop.estimate >= 0:
        return f"{span(drop)} below {parent}'s, {found}"
    gain = Span(estimate=-drop.estimate, low=-drop.high, high=-drop.low)
    return f"{span(gain)} above {parent}'s, {found}"


def listed(phrases: Sequence[str]) -> str:
    """ "a, b and c" """
    *before, last = phrases
    return f"{', '.join(before)} and {last}" if before else last


def sentence(text: str) -> str:
    """The same with a capital letter."""
    return text[:1].upper() + text[1:]
