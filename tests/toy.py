"""A toy problem that a tiny encoder learns in seconds: two words of each text decide its label."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from paretext.data.dataset import Dataset

LABELS = ("fear", "joy", "sad")
_DECIDING = {
    "fear": ("scared", "afraid", "nervous"),
    "joy": ("happy", "glad", "cheerful"),
    "sad": ("sad", "gloomy", "lonely"),
}
_FILLERS = ("today", "again", "at work", "with my friends", "since monday", "and i do not know why")


def texts_and_labels(n: int, seed: int = 0) -> list[tuple[str, str]]:
    """n distinct texts; half of them have the label joy, a third sad, the rest fear."""
    generator = random.Random(seed)
    rows = []
    for index in range(n):
        label = LABELS[(1, 2, 1, 0, 1, 2)[index % 6]]
        fillers = generator.sample(_FILLERS, generator.randint(1, 4))
        first, second = generator.sample(_DECIDING[label], 2)
        words = [f"{first} and {second}", *fillers, f"no {seed}-{index}"]
        rows.append((" ".join(words), label))
    return rows


def dataset(n: int, seed: int = 0) -> Dataset:
    rows = texts_and_labels(n, seed)
    labels = np.array([LABELS.index(label) for _, label in rows])
    return Dataset(tuple(text for text, _ in rows), labels, LABELS, f"toy {seed}")


def write(path: Path, rows: Iterable[tuple[str, str]]) -> Path:
    """A CSV file of texts and labels."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return path
