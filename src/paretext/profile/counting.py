"""One pass over labelled texts that feeds every statistic which can be counted as texts go by.

Memory does not grow with the texts' lengths, and with their number only by 12 bytes each (to know
them again) and by a sample of bounded size, for what must compare texts with each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from paretext.data import Labelled
from paretext.data_checks import Identities
from paretext.profile.characters import OddCharacterCounts
from paretext.profile.languages import LanguageGuesses
from paretext.profile.lengths import LengthCounts
from paretext.profile.schema import ProfileSettings
from paretext.profile.stop_words import StopWordCounts, words_of
from paretext.profile.tokens import TokenCounts
from paretext.profile.words import WordCounts
from paretext.progress import task

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


@dataclass(frozen=True)
class Counted:
    """What one pass found."""

    identities: Identities
    lengths: LengthCounts
    stop_words: StopWordCounts
    words: WordCounts
    tokens: TokenCounts | None
    characters: OddCharacterCounts
    languages: LanguageGuesses
    sample: Sample


def count(data: Labelled, settings: ProfileSettings, sample_size: int) -> Counted:
    """Pass over `data` once.

    Raises ParetextError for a language without a list or a model without a tokenizer, before
    anything is read.
    """
    n, n_classes = len(data), len(data.label_names)
    found = Counted(
        identities=Identities(data),
        lengths=LengthCounts(n_classes),
        stop_words=StopWordCounts(settings.language, n_classes),
        words=WordCounts(n_classes),
        tokens=TokenCounts(settings, n_classes) if settings.model else None,
        characters=OddCharacterCounts(),
        languages=LanguageGuesses(settings.language),
        sample=_drawn(n, sample_size, settings.seed),
    )
    begin = 0
    with task(f"counting {data.name}", n) as advance:
        for texts, labels in data.chunks():
            found.identities.add(texts, labels)
            found.lengths.add([len(text.split()) for text in texts], labels)
            words = [words_of(text) for text in texts]
            shares = found.stop_words.add(words, labels)
            found.languages.add(texts, words, shares, begin)
            found.words.add(texts, labels)
            found.characters.add(texts, begin)
            if found.tokens:
                found.tokens.add(texts, labels)
            chosen = found.sample.indices[_between(found.sample.indices, begin, len(texts))]
            found.sample.texts.extend(texts[i - begin][:SAMPLE_CHARACTERS] for i in chosen)
            found.sample.labels[_between(found.sample.indices, begin, len(texts))] = labels[
                chosen - begin
            ]
            begin += len(texts)
            advance(len(texts))
    return found


def _drawn(n: int, size: int, seed: int) -> Sample:
    """The places of the sample; its texts and labels come as they pass."""
    if n <= size:
        indices = np.arange(n)
    else:
        indices = np.sort(np.random.default_rng(seed).choice(n, size, replace=False))
    return Sample(indices, np.empty(len(indices), np.int64))


def _between(indices: NDArray[np.int64], begin: int, size: int) -> slice:
    first, last = np.searchsorted(indices, (begin, begin + size))
    return slice(int(first), int(last))
