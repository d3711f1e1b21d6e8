"""Phrases put together."""

from __future__ import annotations

from collections.abc import Sequence


def listed(phrases: Sequence[str], word: str = "and") -> str:
    """ "a, b and c" """
    *before, last = phrases
    return f"{', '.join(before)} {word} {last}" if before else last


def first_few(phrases: Sequence[str], most: int) -> str:
    """ "a, b, c and 4 more" """
    more = f" and {len(phrases) - most:,} more" if len(phrases) > most else ""
    return ", ".join(phrases[:most]) + more


def sentence(text: str) -> str:
    """The same with a capital letter."""
    return text[:1].upper() + text[1:]
