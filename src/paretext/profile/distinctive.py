"""The words that set a class apart: log odds with an informative Dirichlet prior.

Raw counts find "the", ratios of counts find words seen once. Monroe, Colaresi & Quinn (2008,
"Fightin' Words", Political Analysis 16(4), section 3.5.1) take, of a word's odds in the
class against its odds in all others, the logarithm of the ratio, shrunk towards the word's odds in
the whole data (the prior), and divide it by its standard error:

    delta = log((y + a) / (n + A - y - a)) - log((y' + a) / (n' + A - y' - a))
    z = delta / sqrt(1 / (y + a) + 1 / (y' + a))

with y of n words in the class, y' of n' elsewhere, and a = A * (y + y') / (n + n') for the prior.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paretext.core.errors import ParetextError
from paretext.profile.schema import Distinctive, DistinctiveWord, shown
from paretext.profile.words import WordCounts

PRIOR_WORDS = 1000
_MOST_WORDS = 50_000  # the most frequent; a rarer word cannot set a class apart in such data
_SHOWN = 40
_LEAST_Z = 1.96


def distinctive(counted: WordCounts, label_names: tuple[str, ...]) -> Distinctive:
    """Up to 40 words of each class, highest z first; none with z below 1.96.

    Raises ParetextError if the texts hold no word at all.
    """
    words, counts = counted.table(_MOST_WORDS)
    if not words:
        raise ParetextError(
            "no word is left in the texts, only punctuation and symbols: give texts with words."
        )
    deltas, scores = log_odds(counts, counted.totals, PRIOR_WORDS)
    elsewhere = counts.sum(axis=1, keepdims=True) - counts
    by_class = {}
    for k, name in enumerate(label_names):
        best = np.argsort(-scores[:, k], kind="stable")[:_SHOWN]
        by_class[name] = tuple(
            DistinctiveWord(
                word=shown(words[i]),
                count=int(counts[i, k]),
                elsewhere=int(elsewhere[i, k]),
                log_odds=float(deltas[i, k]),
                z=float(scores[i, k]),
            )
            for i in best.tolist()
            if scores[i, k] >= _LEAST_Z and counts[i, k]
        )
    return Distinctive(
        words=int(counted.totals.sum()),
        distinct=len(set().union(*counted.counts)),
        prior_words=PRIOR_WORDS,
        forgotten=counted.forgotten,
        by_class=by_class,
    )


def log_odds(
    counts: NDArray[np.int64], totals: NDArray[np.int64], prior_words: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(V, K) log odds ratios and their z, of each word in each class against all other classes.

    counts: (V, K) of some words; totals: (K,) of all words.
    """
    everywhere, n = counts.sum(axis=1, keepdims=True), totals.sum()
    prior = prior_words * everywhere / n
    here, there = counts + prior, everywhere - counts + prior
    deltas = _logit(here, totals + prior_words) - _logit(there, n - totals + prior_words)
    return deltas, deltas / np.sqrt(1 / here + 1 / there)


def _logit(count: NDArray[np.float64], total: NDArray[np.int64]) -> NDArray[np.float64]:
    # A text that says one word only has odds without limit: half a word keeps them finite.
    odds: NDArray[np.float64] = np.log(count / np.maximum(total - count, 0.5))
    return odds
