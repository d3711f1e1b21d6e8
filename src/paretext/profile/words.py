"""How often each class uses each word, in bounded memory.

The table keeps at most two million entries: beyond that, entries seen least are
dropped and counted, as lossy counting does (Manku & Motwani 2002, "Approximate Frequency Counts
over Data Streams", section 4.2). Words that matter here are frequent and stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_MOST_ENTRIES = 2_000_000


class WordCounts:
    """counts: for each of K classes, word -> how often; totals: (K,) all words of each class."""

    def __init__(self, n_classes: int, most_entries: int = _MOST_ENTRIES) -> None:
        self.counts: list[Counter[str]] = [Counter() for _ in range(n_classes)]
        self.totals = np.zeros(n_classes, np.int64)
        self.forgotten = 0
        self._most_entries = most_entries
        self._least = 1

    def add(self, texts: Sequence[list[str]], labels: NDArray[np.int64]) -> None:
        """texts: the words of each."""
        for words, label in zip(texts, labels.tolist(), strict=True):
            self.counts[label].update(words)
            self.totals[label] += len(words)
        while sum(map(len, self.counts)) > self._most_entries:
            self._forget()

    def _forget(self) -> None:
        """Drop every entry seen `_least` times or less; the next time, one more."""
        for own in self.counts:
            rare = [word for word, count in own.items() if count <= self._least]
            for word in rare:
                self.forgotten += own.pop(word)
        self._least += 1

    def table(self, most: int) -> tuple[list[str], NDArray[np.int64]]:
        """The `most` frequent words, most frequent first, and their (V, K) counts."""
        total: Counter[str] = Counter()
        for own in self.counts:
            total.update(own)
        # Ties are broken by the word, so that the order of the rows does not matter.
        words = sorted(total, key=lambda word: (-total[word], word))[:most]
        counts = [[own[word] for own in self.counts] for word in words]
        return words, np.array(counts, np.int64).reshape(len(words), len(self.counts))
