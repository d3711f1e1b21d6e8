"""How like two sets of texts are: those with labels, and those without.

A classifier is trained to tell the two sets apart, on half of each and asked about the other half,
both ways: naive Bayes on which words a text has (Lewis 1998, "Naive Bayes at Forty"). Where it does
no better than a coin (AUC 0.5), the sets are alike as far as words tell; at 1 they have nothing in
common (a classifier two-sample test: Lopez-Paz & Oquab 2017, "Revisiting Classifier Two-Sample
Tests"). A text's score is the mean log odds of its words for the second set, so that long texts
count no more than short ones; what scores higher than all but 1% of the first set's texts is
unlike them, and where that is so of no more than a few percent, nothing is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as record

from paretext.data.words import words_of

FEWEST = 40
"""Texts of the smaller set, below which nothing is told apart."""
_BEYOND = 0.99
_ALIKE = 0.04
"""The share of the second set beyond that point up to which no text is called unlike: of sets of
one kind 1 to 3% lie there."""
_PRIOR = 20
"""Texts that every set is given beside its own, of the words of both."""


@record(frozen=True, config=ConfigDict(arbitrary_types_allowed=True))
class Likeness:
    """Of the texts of a second set to those of a first one.

    texts: of the second. auc: of the classifier between them, 0.5 to 1; None where a set is too
    small. unseen: the share of the second set's words that the first never has. words: the median
    number of words of a text, (first, second). unlike: how many texts of the second are unlike.
    """

    texts: int
    auc: float | None
    unseen: float
    words: tuple[float, float]
    unlike: int

    def __str__(self) -> str:
        told = (
            "too few to say how like the labelled ones they are"
            if self.auc is None
            else f"told apart from the labelled ones with an AUC of {self.auc:.2f} (alike: 0.5)"
        )
        first, second = self.words
        return (
            f"{told}; {self.unseen:.0%} of their words are in no labelled text; "
            f"{second:g} words a text beside {first:g}"
        )


def likeness(
    first: Sequence[str], second: Sequence[str], seed: int = 0
) -> tuple[Likeness, NDArray[np.bool_]]:
    """How like the texts of `second` are to those of `first`, and which of them are, (texts,)."""
    table: dict[str, int] = {}
    word_lists = [[words_of(text) for text in texts] for texts in (first, second)]
    sets = [[_ids(words, table) for words in each] for each in word_lists]
    known = np.zeros(len(table), np.bool_)
    for ids in sets[0]:
        known[ids] = True
    there = sum(np.count_nonzero(~known[ids]) for ids in sets[1])
    total = sum(len(ids) for ids in sets[1])
    lengths = [float(np.median([len(words) for words in each] or [0])) for each in word_lists]
    alike = np.ones(len(second), np.bool_)
    auc = None
    if min(len(first), len(second)) >= FEWEST:
        own, other = _scores(sets, len(table), seed)
        auc = max(0.5, _auc(own, other))
        beyond = other > np.quantile(own, _BEYOND)
        if beyond.mean() > _ALIKE:
            alike = ~beyond
    return (
        Likeness(
            texts=len(second),
            auc=auc,
            unseen=there / total if total else 0.0,
            words=(lengths[0], lengths[1]),
            unlike=int(np.count_nonzero(~alike)),
        ),
        alike,
    )


def _ids(words: Sequence[str], table: dict[str, int]) -> NDArray[np.int64]:
    """The numbers of the words of a text, each once."""
    return np.array(sorted({table.setdefault(word, len(table)) for word in words}), np.int64)


def _scores(
    sets: Sequence[Sequence[NDArray[np.int64]]], words: int, seed: int
) -> list[NDArray[np.float64]]:
    """Each text's mean log odds for the second set, by what the other half of the texts tells."""
    chance = np.random.default_rng(seed)
    halves = [chance.permutation(len(each)) % 2 for each in sets]
    log_odds = [np.zeros(len(each)) for each in sets]
    for half in (0, 1):
        counted = []
        for each, own in zip(sets, halves, strict=True):
            kept = [ids for ids, other in zip(each, own, strict=True) if other != half]
            counted.append((np.bincount(np.concatenate(kept), minlength=words), len(kept)))
        pooled = sum(counts for counts, _ in counted) / sum(texts for _, texts in counted)
        rates = [(counts + _PRIOR * pooled) / (texts + _PRIOR) for counts, texts in counted]
        odds = np.log(np.divide(rates[1], rates[0], where=pooled > 0, out=np.ones(words)))
        for scores, each, own in zip(log_odds, sets, halves, strict=True):
            for row in np.flatnonzero(own == half).tolist():
                scores[row] = odds[each[row]].mean() if len(each[row]) else 0.0
    return log_odds


def _auc(low: NDArray[np.float64], high: NDArray[np.float64]) -> float:
    """How often one of `high` is above one of `low`, ties counted half (Mann-Whitney)."""
    order = np.sort(low)
    below, upto = (np.searchsorted(order, high, side) for side in ("left", "right"))
    return float((below + upto).mean() / (2 * len(low)))
