"""Flips: the texts that the candidate answers otherwise than the reference, and where they cluster.

A flip that was right and is wrong now costs quality; one the other way wins it back; both surprise
whoever compares today's output with yesterday's (Yan et al. 2021, *Positive-Congruent Training*).
The slices show whether flips gather in one kind of text: a label, short or long texts, negations,
texts with a word that no other of these texts has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from paretext.certification.records import Flips, Slice
from paretext.core.records import proportion
from paretext.data.dataset import Dataset
from paretext.data.tables import RowWriter
from paretext.data.words import words_of
from paretext.measure.metrics import FloatArray, IntArray
from paretext.measure.proportions import BoolArray

COLUMNS = (
    *("row", "text", "label", "reference_answer", "candidate_answer", "effect"),
    *("reference_probability", "candidate_probability"),
    *("reference_probability_of_candidate_answer", "candidate_probability_of_reference_answer"),
)
MARK = ",".join(COLUMNS[2:6])
"""In the head of every list of flips."""
_NEGATIONS = frozenset(
    (
        *("no", "not", "never", "none", "nobody", "nothing", "neither", "nor", "nowhere"),
        *("cannot", "without", "hardly", "barely", "dont", "doesnt", "didnt", "isnt", "arent"),
        *("wasnt", "werent", "wont", "wouldnt", "couldnt", "shouldnt", "cant", "havent", "hasnt"),
    )
)
_LENGTHS = ((1, 5), (6, 10), (11, 20), (21, 40), (41, None))

Kind = Literal["label", "length", "negation", "rare words"]


def find_flips(
    data: Dataset, reference: FloatArray, candidate: FloatArray, confidence: float
) -> Flips:
    """Counts and slices; reference, candidate: (n, K) probabilities of the data's texts."""
    before, after = reference.argmax(axis=1), candidate.argmax(axis=1)
    flipped = before != after
    return Flips(
        texts=len(data),
        flipped=int(flipped.sum()),
        lost=int((flipped & (before == data.labels)).sum()),
        won=int((flipped & (after == data.labels)).sum()),
        slices=tuple(
            Slice(
                kind=kind,
                name=name,
                texts=int(members.sum()),
                flips=proportion(int(flipped[members].sum()), int(members.sum()), confidence),
            )
            for kind, name, members in _slices(data)
            if members.any()
        ),
    )


def write_flips(
    path: Path,
    data: Dataset,
    reference: FloatArray,
    candidate: FloatArray,
    *,
    texts: bool,
    probabilities: bool = True,
    truth: IntArray | None = None,
) -> None:
    """A CSV row for each flipped text, the candidate's most confident answers first.

    row: the text's row in its source, 1 the first. Without `texts` the column is left out, so that
    the file can go where the texts must not; without `probabilities` those are.
    truth: (n,) class ids, -1 where none is known, in place of the data's own labels.
    """
    before, after = reference.argmax(axis=1), candidate.argmax(axis=1)
    rows = np.flatnonzero(before != after)
    names, labels = data.label_names, data.labels if truth is None else truth
    columns = [name for name in COLUMNS if texts or name != "text"]
    columns = [name for name in columns if probabilities or "probability" not in name]
    with RowWriter(path, columns) as writer:
        order = rows[np.argsort(-candidate[rows, after[rows]], kind="stable")]
        for i, row in zip(order, data.rows_at(order).tolist(), strict=True):
            old, new, true = before[i], after[i], labels[i]
            effect = "lost" if old == true else "won" if new == true else "wrong both times"
            values = {
                "row": row,
                "text": data.texts[i],
                "label": names[true] if true >= 0 else "",
                "reference_answer": names[old],
                "candidate_answer": names[new],
                "effect": effect if true >= 0 else "",
                "reference_probability": round(float(reference[i, old]), 6),
                "candidate_probability": round(float(candidate[i, new]), 6),
                "reference_probability_of_candidate_answer": round(float(reference[i, new]), 6),
                "candidate_probability_of_reference_answer": round(float(candidate[i, old]), 6),
            }
            writer.write({name: values[name] for name in columns})


def _slices(data: Dataset) -> Iterator[tuple[Kind, str, BoolArray]]:
    words = [words_of(text) for text in data.texts]
    for k, name in enumerate(data.label_names):
        yield "label", name, data.labels == k
    lengths = np.array([len(each) for each in words])
    for low, high in _LENGTHS:
        name = f"{low} to {high} words" if high else f"{low} words or more"
        least = 0 if low == 1 else low
        yield "length", name, (lengths >= least) & (lengths <= (high or lengths.max()))
    yield from _with_and_without("negation", [_negated(each) for each in words])
    texts_with = Counter(word for each in words for word in set(each))
    rare = [any(texts_with[word] == 1 for word in each) for each in words]
    yield from _with_and_without("rare words", rare)


def _with_and_without(kind: Kind, marks: Sequence[bool]) -> Iterator[tuple[Kind, str, BoolArray]]:
    members = np.array(marks, dtype=np.bool_)
    yield kind, "with", members
    yield kind, "without", ~members


def _negated(words: Sequence[str]) -> bool:
    """English negations; other languages have all their texts in "without"."""
    return any(word in _NEGATIONS or word.endswith("n't") for word in words)
