"""Altered copies of texts for a student to learn its teacher's answers from.

A copy is one of four: some words replaced by other words of the texts (as often as those use them),
some words left out, a part cut out, or its beginning joined to another text's end. None of them
needs a label, since the teacher gives one. Source: Tang et al. 2019, "Distilling Task-Specific
Knowledge from BERT into Simple Neural Networks", section 3.3; the joining as in Guo et al. 2019,
"Augmenting Data with Mixup for Sentence Classification", on words.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

CHANGED = 0.15
"""Share of words that are replaced or left out."""


def altered(texts: Sequence[str], copies: int, seed: int) -> list[list[str]]:
    """`copies` rounds of an altered copy of every text, always the same for the same seed: more
    rounds begin with the ones of fewer."""
    chance = random.Random(seed)
    words = [word for text in texts for word in text.split()]

    def copy(text: str) -> str:
        change = chance.choice((_replace, _leave_out, _cut, _join))
        return " ".join(change(text.split(), words, texts, chance)) or text

    return [[copy(text) for text in texts] for _ in range(copies)]


def _replace(
    own: list[str], words: list[str], texts: Sequence[str], chance: random.Random
) -> list[str]:
    return [chance.choice(words) if chance.random() < CHANGED else word for word in own]


def _leave_out(
    own: list[str], words: list[str], texts: Sequence[str], chance: random.Random
) -> list[str]:
    return [word for word in own if chance.random() >= CHANGED]


def _cut(
    own: list[str], words: list[str], texts: Sequence[str], chance: random.Random
) -> list[str]:
    length = chance.randint(max(1, len(own) // 2), len(own))
    start = chance.randint(0, len(own) - length)
    return own[start : start + length]


def _join(
    own: list[str], words: list[str], texts: Sequence[str], chance: random.Random
) -> list[str]:
    other = chance.choice(texts).split()
    return own[: chance.randint(1, len(own))] + other[chance.randint(0, len(other) - 1) :]
