"""Altered copies of texts for a student to learn its teacher's answers from.

A copy is one of four: some words replaced by other words of the texts (as often as those use them),
some words left out, a part cut out, or its beginning joined to another text's end. Then some of its
words become neighbours of theirs (`neighbours`), where those are given. None of them needs a label,
since the teacher gives one. Source: Tang et al. 2019, "Distilling Task-Specific Knowledge from BERT
into Simple Neural Networks", section 3.3; the joining as in Guo et al. 2019, "Augmenting Data with
Mixup for Sentence Classification", on words.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from paretext.compression.methods.neighbours import core

CHANGED = 0.15
"""Share of words that are replaced or left out."""
MOVED = 0.2
"""Share of words that become a neighbour."""


def altered(
    texts: Sequence[str], copies: int, seed: int, near: Mapping[str, Sequence[str]] = {}
) -> list[list[str]]:
    """`copies` rounds of an altered copy of every text, always the same for the same seed: more
    rounds begin with the ones of fewer. near: neighbours by word."""
    chance = random.Random(seed)
    words = [word for text in texts for word in text.split()]

    def copy(text: str) -> str:
        change = chance.choice((_replace, _leave_out, _cut, _join))
        changed = change(text.split(), words, texts, chance)
        return " ".join(_moved(word, near, chance) for word in changed) or text

    return [[copy(text) for text in texts] for _ in range(copies)]


def _moved(word: str, near: Mapping[str, Sequence[str]], chance: random.Random) -> str:
    parts = core(word) if near and chance.random() < MOVED else None
    if parts is None or parts[1] not in near:
        return word
    return parts[0] + chance.choice(near[parts[1]]) + parts[2]


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
