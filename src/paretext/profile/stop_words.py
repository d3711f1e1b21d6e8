"""Stop words: how much of the texts they are.

Two shares are given, for they differ: of all words, and the mean of every text's own share, which
the reference study reports as "share of stop words" (49.22% there).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from paretext.data.stop_words import list_name, stop_words
from paretext.profile.schema import StopWords


class StopWordCounts:
    def __init__(self, language: str, n_classes: int) -> None:
        self.language = language
        self.known = stop_words(language)
        self.words = self.stops = self.only = 0
        self.share_sums = np.zeros(n_classes)
        self.texts = np.zeros(n_classes, np.int64)

    def add(self, texts: Sequence[list[str]], labels: NDArray[np.int64]) -> NDArray[np.float64]:
        """texts: the words of each. Returns each text's share of stop words, 0 without words."""
        stops = np.array([sum(map(self.known.__contains__, words)) for words in texts], np.int64)
        totals = np.array([len(words) for words in texts], np.int64)
        shares = stops / np.maximum(totals, 1)
        self.words += int(totals.sum())
        self.stops += int(stops.sum())
        self.only += int((stops == totals).sum())
        self.share_sums += np.bincount(labels, shares, len(self.share_sums))
        self.texts += np.bincount(labels, minlength=len(self.texts))
        return shares

    def result(self, label_names: tuple[str, ...]) -> StopWords:
        texts = int(self.texts.sum())
        return StopWords(
            language=self.language,
            list_name=list_name(self.language),
            words_in_list=len(self.known),
            per_text=self.stops / texts,
            share_of_words=self.stops / max(self.words, 1),
            mean_share=float(self.share_sums.sum() / texts),
            only=self.only,
            by_class={
                name: float(self.share_sums[k] / self.texts[k])
                for k, name in enumerate(label_names)
                if self.texts[k]
            },
        )
