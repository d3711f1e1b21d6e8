"""Phrases put together."""

from __future__ import annotations

from collections.abc import Sequence


def listed(phrases: Sequence[str]) -> str:
    """ "a, b and c" """
    *before, last = phrases
    return f"{', '.join(before)} and {last}" if before else last


def sentence(text: str) -> str:
    """The same with a capital letter."""
    return text[:1].upper() + text[1:]
