"""A cheap guess at texts in another language, from stop words and scripts.

A text of five words or more of which fewer than one in four is a stop word of the expected language
is looked at again: where at least three words and a quarter of all are stop words of another
language, that is the guess; where most letters are of another script, the script is. Short texts
without any stop words stay unjudged, so the count is a floor.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from paretext.data.dataset import Labelled
from paretext.data.stop_words import LANGUAGES, stop_words
from paretext.profile.characters import Examples
from paretext.profile.schema import OtherLanguage

_LEAST_WORDS, _MOST_OWN = 5, 0.25
_LEAST_HITS, _LEAST_SHARE = 3, 0.25
_LEAST_LETTERS = 10


class LanguageGuesses:
    def __init__(self, expected: str) -> None:
        self.lists = {code: stop_words(code) for code in LANGUAGES}
        self.expected = self.lists.pop(expected)
        self.script = _script("".join(self.expected))
        self.guesses: dict[str, Examples] = {}

    def add(
        self,
        texts: Sequence[str],
        words: Sequence[list[str]],
        shares: NDArray[np.float64],
        begin: int,
    ) -> None:
        """words: those of each text; shares: of stop words of the expected language in each."""
        for i in np.flatnonzero(shares < _MOST_OWN).tolist():
            guess = self._guess(texts[i], words[i])
            if guess:
                self.guesses.setdefault(guess, Examples()).add(begin + i, texts[i])

    def _guess(self, text: str, words: list[str]) -> str:
        if not text.isascii() and sum(map(str.isalpha, text)) >= _LEAST_LETTERS:
            script = _script(text)
            if script != self.script:
                return f"{script.lower()} script"
        if len(words) < _LEAST_WORDS:
            return ""
        # A word that the expected language has too says nothing about another one.
        hits = {
            code: sum(word in known and word not in self.expected for word in words)
            for code, known in self.lists.items()
        }
        best = max(hits, key=lambda code: hits[code])
        enough = hits[best] >= max(_LEAST_HITS, _LEAST_SHARE * len(words))
        return best if enough else ""

    def result(self, data: Labelled) -> tuple[OtherLanguage, ...]:
        ordered = sorted(self.guesses.items(), key=lambda item: -item[1].count)
        return tuple(
            OtherLanguage(guess=guess, count=examples.count, examples=examples.rows(data))
            for guess, examples in ordered
        )


def _script(text: str) -> str:
    """The script of most of the first 200 letters: the first word of their Unicode names."""
    letters = [letter for letter in text[:400] if letter.isalpha()][:200]
    names = Counter(unicodedata.name(letter, "UNKNOWN").split()[0] for letter in letters)
    return names.most_common(1)[0][0] if names else "LATIN"
