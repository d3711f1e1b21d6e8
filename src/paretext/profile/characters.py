"""Odd characters: signs that a text was damaged on its way here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from paretext.data.dataset import Labelled
from paretext.profile.schema import NumberedText, OddCharacters, shown

EXAMPLES = 5

_CONTROL = re.compile(
    # C0 but tab and line ends; C1; soft hyphen; zero width (the joiner of emoji is fine), bidi
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
_LATIN, _OTHER = "A-Za-zÀ-ÖØ-öø-ɏ", "\u0370-\u03ff\u0400-\u04ff"
_MIXED = re.compile(f"[{_LATIN}][{_OTHER}]|[{_OTHER}][{_LATIN}]")
_MEANINGS = {
    "control": "control, zero-width or direction characters",
    "replacement": "the replacement character U+FFFD: a byte could not be read",
    "mojibake": "UTF-8 that was read as another encoding (ftfy's heuristic)",
    "mixed scripts": "Latin letters next to Greek or Cyrillic ones inside a word",
}


@dataclass
class Examples:
    """How many texts, and where the first few stand."""

    count: int = 0
    places: list[tuple[int, str]] = field(default_factory=list)

    def add(self, index: int, text: str) -> None:
        self.count += 1
        if len(self.places) < EXAMPLES:
            self.places.append((index, shown(text)))

    def rows(self, data: Labelled) -> tuple[NumberedText, ...]:
        numbers = data.rows_at(np.array([index for index, _ in self.places], np.int64))
        return tuple(
            NumberedText(row=row, text=text)
            for row, (_, text) in zip(numbers.tolist(), self.places, strict=True)
        )


def kinds_of(text: str) -> list[str]:
    """The kinds of odd characters in a text."""
    from ftfy.badness import is_bad

    kinds = ["control"] if _CONTROL.search(text) else []
    if text.isascii():
        return kinds
    if "\ufffd" in text:
        kinds.append("replacement")
    elif is_bad(text):
        kinds.append("mojibake")
    if _MIXED.search(text):
        kinds.append("mixed scripts")
    return kinds


class OddCharacterCounts:
    def __init__(self) -> None:
        self.kinds = {kind: Examples() for kind in _MEANINGS}

    def add(self, texts: Sequence[str], begin: int) -> None:
        for index, text in enumerate(texts, begin):
            for kind in kinds_of(text):
                self.kinds[kind].add(index, text)

    def result(self, data: Labelled) -> tuple[OddCharacters, ...]:
        return tuple(
            OddCharacters(
                kind=kind,
                meaning=_MEANINGS[kind],
                count=examples.count,
                examples=examples.rows(data),
            )
            for kind, examples in self.kinds.items()
            if examples.count
        )
