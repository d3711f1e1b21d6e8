"""One pass over labelled texts that feeds every statistic which can be counted as texts go by.

Memory does not grow with the texts' lengths, and with their number only by 12 bytes each (to know
them again) and by a sample of bounded size, for what must compare texts with each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from paretext.core.progress import task
from paretext.data.checks import Identities
from paretext.data.dataset import Labelled
from paretext.data.words import words_of
from paretext.profile.characters import OddCharacterCounts
from paretext.profile.languages import LanguageGuesses
from paretext.profile.lengths import LengthCounts
from paretext.profile.schema import ProfileSettings
from paretext.profile.stop_words import StopWordCounts
from paretext.profile.tokens import TokenCounts
from paretext.profile.words import WordCounts

SAMPLE_CHARACTERS = 2000
"""Texts of the sample are cut at so many characters, so that its memory is bounded."""


@dataclass(frozen=True)
class Sample:
    """Some texts, cut at 2,000 characters: indices (m,) ascending, texts, labels (m,)."""

    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    texts: list[str] = field(default_factory=list)

    def keep(self, chosen: NDArray[np.int64]) -> Sample:
        """The members at the positions `chosen`."""
        texts = [self.texts[i] for i in chosen.tolist()]
        return Sample(self.indices[chosen], self.labels[chosen], texts)

    def at_most(self, size: int, seed: int) -> Sample:
        """`size` of the members at random, or all."""
        if len(self.indices) <= size:
            return self
        chosen = np.random.default_rng(seed).choice(len(self.indices), size, replace=False)
        return self.keep(np.sort(chosen))


class Gathered:
    """What comparing texts needs: the identity of every one, and a sample, drawn beforehand."""

    def __init__(self, data: Labelled, size: int, seed: int) -> None:
        n = len(data)
        drawn = np.arange(n)
        if n > size:
            drawn = np.sort(np.random.default_rng(seed).choice(n, size, replace=False))
        self.data = data
        self.identities = Identities(data)
        self.sample = Sample(drawn, np.empty(len(drawn), np.int64))

    def add(self, texts: Sequence[str], labels: NDArray[np.int64], begin: int) -> None:
        """The texts from index `begin` on, and their labels."""
        self.identities.add(texts, labels)
        first, last = np.searchsorted(self.sample.indices, (begin, begin + len(texts)))
        chosen = self.sample.indices[first:last] - begin
        self.sample.texts.extend(texts[i][:SAMPLE_CHARACTERS] for i in chosen.tolist())
        self.sample.labels[first:last] = labels[chosen]

    def distinct(self) -> Sample:
        """The sample with each text once."""
        keys = self.identities.keys[self.sample.indices]
        return self.sample.keep(np.sort(np.unique(keys, return_index=True)[1]))


def gather(data: Labelled, size: int, seed: int) -> Gathered:
    """One pass over `data` for its identities and a sample of `size` texts."""
    gathered, begin = Gathered(data, size, seed), 0
    with task(f"reading {data.name}", len(data)) as advance:
        for texts, labels in data.chunks():
            gathered.add(texts, labels, begin)
            begin += len(texts)
            advance(len(texts))
    return gathered


@dataclass(frozen=True)
class Counted:
    """What one pass over the training texts found."""

    gathered: Gathered
    lengths: LengthCounts
    stop_words: StopWordCounts
    words: WordCounts
    tokens: TokenCounts | None
    characters: OddCharacterCounts
    languages: LanguageGuesses


def count(data: Labelled, settings: ProfileSettings, sample_size: int) -> Counted:
    """Pass over `data` once.

    Raises ParetextError for a language without a list or a model without a tokenizer, before
    anything is read.
    """
    n_classes = len(data.label_names)
    counted = Counted(
        gathered=Gathered(data, sample_size, settings.seed),
        lengths=LengthCounts(n_classes),
        stop_words=StopWordCounts(settings.language, n_classes),
        words=WordCounts(n_classes),
        tokens=TokenCounts(settings, n_classes) if settings.model else None,
        characters=OddCharacterCounts(),
        languages=LanguageGuesses(settings.language),
    )
    begin = 0
    with task(f"counting {data.name}", len(data)) as advance:
        for texts, labels in data.chunks():
            words = [words_of(text) for text in texts]
            counted.gathered.add(texts, labels, begin)
            counted.lengths.add(list(map(len, words)), labels)
            shares = counted.stop_words.add(words, labels)
            counted.languages.add(texts, words, shares, begin)
            counted.words.add(words, labels)
            counted.characters.add(texts, begin)
            if counted.tokens:
                counted.tokens.add(texts, labels)
            begin += len(texts)
            advance(len(texts))
    return counted
