"""What is wrong with the data before anything is trained: repeats, conflicts and leaks.

* A repeated text counts twice in training and in every score.
* A text with two labels cannot be got right; it sets a ceiling on what any model reaches.
* A leaked text, one that stands in training and in evaluation, is answered from memory, so the
  score promises more than new texts will give.

Two texts are the same here if they are equal after Unicode NFC (a letter and its accent may be
stored as one character or two) and with the white space at both ends removed; case, punctuation
and inner spaces count. On the emotion data the strictest reading (exact strings) and a looser one
(case and spaces ignored) give the same figures: 31 repeats, 30 conflicts, 5 leaks.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from paretext.core.errors import ParetextError
from paretext.core.progress import say
from paretext.core.wording import first_few
from paretext.data.dataset import Dataset, Fingerprint, Labelled

MOST = 0.5
"""Texts are no longer held out where this share of them was seen. Far beyond what repeats in one
kind of texts make, and below what any mix-up of files does."""
WORST = 5
"""Labels that a sentence names, the worst first; of the rest it has the number."""
_LISTED = 20
"""Labels up to which each is named with its count."""
_EXAMPLES = 3
_SHOWN_CHARACTERS = 80


class PartReport(BaseModel):
    """What stands in one dataset."""

    model_config = ConfigDict(frozen=True)

    name: str
    fingerprint: str
    rows: int
    class_counts: dict[str, int]
    """Label name -> rows, in the order of the labels."""
    duplicate_texts: int
    """Rows whose text already stood in an earlier row."""
    conflicting_texts: int
    """Distinct texts that stand with two or more labels."""
    conflict_examples: tuple[str, ...]
    """Up to 3 conflicting texts, in the order they first appear."""

    def sentences(self) -> list[str]:
        """The report in sentences, one finding each."""
        said = [f"{self.name}: {_classes(self.class_counts, self.rows)}."]
        empty = [name for name, count in self.class_counts.items() if count == 0]
        if empty:
            of_all = f"{len(empty):,} of the {len(self.class_counts):,} labels:"
            which = "the label" if len(empty) == 1 else of_all
            quoted = [f"'{name}'" for name in empty]
            said.append(f"{self.name}: no text has {which} {first_few(quoted, WORST)}.")
        if self.duplicate_texts:
            said.append(f"{self.name}: {_rows(self.duplicate_texts)} the text of an earlier row.")
        if self.conflicting_texts:
            said.append(
                f"{self.name}: {_texts(self.conflicting_texts)} with two or more labels, such as "
                f"{_example(self.conflict_examples)}."
            )
        if not self.duplicate_texts:  # a conflict is always a repeat too
            said.append(f"{self.name}: every text stands once.")
        return said


class DataReport(PartReport):
    """What stands in the training data, and in the evaluation data if there is any."""

    evaluation: PartReport | None = None
    leaked_texts: int = 0
    """Rows of the evaluation data whose text also stands in the training data."""
    leak_examples: tuple[str, ...] = ()
    """Up to 3 leaked texts."""

    def sentences(self) -> list[str]:
        """The report in sentences, one finding each: training, evaluation, leaks."""
        said = super().sentences()
        if self.evaluation is None:
            return said
        said += self.evaluation.sentences()
        if self.leaked_texts:
            share = self.leaked_texts / self.evaluation.rows
            said.append(
                f"{self.evaluation.name}: {self.leaked_texts:,} of {self.evaluation.rows:,} rows "
                f"({share:.2%}) have a text that also stands in {self.name}, such as "
                f"{_example(self.leak_examples)}."
            )
        else:
            said.append(f"{self.evaluation.name}: no text stands in {self.name}.")
        return said


def text_identity(text: str) -> str:
    """What makes two texts the same text: NFC, without white space at either end."""
    return unicodedata.normalize("NFC", text).strip()


class Identities:
    """What tells n texts apart, from texts that come in parts: 12 bytes a text, however long.

    A text is known by Python's 64-bit hash of its identity; the chance that two among a million
    different texts share one is 3 in 100 million.
    """

    def __init__(self, data: Labelled) -> None:
        self.data = data
        self.keys = np.empty(len(data), np.int64)
        """(n,) equal for equal texts, in this process."""
        self.labels = np.empty(len(data), np.int32)
        self._fingerprint = Fingerprint(data.label_names, len(data))
        self._n = 0

    def add(self, texts: Sequence[str], labels: npt.NDArray[np.int64]) -> None:
        part = slice(self._n, self._n + len(texts))
        self.keys[part], self.labels[part] = _keys(texts), labels
        self._fingerprint.add(texts)
        self._n = part.stop

    @property
    def fingerprint(self) -> str:
        return self._fingerprint.hexdigest(self.labels)

    def first_rows(self) -> npt.NDArray[np.int64]:
        """Index of the first row of each distinct text, in order."""
        return np.sort(np.unique(self.keys, return_index=True)[1]).astype(np.int64)

    def conflicting_keys(self) -> npt.NDArray[np.int64]:
        """The keys of the texts that stand with two or more labels."""
        order = np.lexsort((self.labels, self.keys))
        keys, labels = self.keys[order], self.labels[order]
        differs = (keys[1:] == keys[:-1]) & (labels[1:] != labels[:-1])
        return np.unique(keys[1:][differs])

    def leaked(self, known: Identities) -> npt.NDArray[np.bool_]:
        """(n,) whether the text also stands in `known`."""
        return np.isin(self.keys, known.keys)


def identities(data: Labelled) -> Identities:
    """One pass over `data`."""
    passed = Identities(data)
    for texts, labels in data.chunks():
        passed.add(texts, labels)
    return passed


def check(train: Labelled, evaluation: Labelled | None = None) -> DataReport:
    """Count rows, classes, repeats, conflicts and leaks; changes nothing."""
    held = None if evaluation is None else identities(evaluation)
    return report(identities(train), held)


def report(train: Identities, evaluation: Identities | None) -> DataReport:
    """What `check` says, of texts that have been passed over."""
    counted = DataReport(**_part(train).model_dump())
    if evaluation is None:
        return counted
    leaked = np.flatnonzero(evaluation.leaked(train))
    distinct = leaked[np.sort(np.unique(evaluation.keys[leaked], return_index=True)[1])]
    return counted.model_copy(
        update={
            "evaluation": _part(evaluation),
            "leaked_texts": len(leaked),
            "leak_examples": tuple(evaluation.data.texts_at(distinct[:_EXAMPLES])),
        }
    )


def drop_leaks(train: Dataset, evaluation: Dataset) -> Dataset:
    """The evaluation data without the rows whose text also stands in the training data.

    The training data stays whole: a cleaner test is worth more than a few rows of it. Says how many
    rows went. Raises ParetextError if none would be left.
    """
    leaked = np.isin(_keys(evaluation.texts), _keys(train.texts))
    count = int(leaked.sum())
    if count == len(evaluation):
        raise ParetextError(
            f"{evaluation.name}: all {count:,} texts also stand in {train.name}: evaluate on texts "
            "that were not trained on."
        )
    if count == 0:
        return evaluation
    say(
        f"{evaluation.name}: left out {count:,} of {len(evaluation):,} rows whose text also stands "
        f"in {train.name}."
    )
    return evaluation.take(~leaked)


def require_apart(known: Sequence[str], name: str, held: Dataset) -> None:
    """ParetextError where most of the texts to be held out are among the `known` ones of that name:
    a score on them is no measurement. A few that repeat are counted and said (`check`)."""
    repeated = int(np.isin(_keys(held.texts), _keys(known)).sum())
    if repeated >= MOST * len(held):
        raise ParetextError(
            f"{held.name}: {repeated:,} of its {len(held):,} texts also stand in {name}, so a "
            "score on them would be one of memory; give other texts (--drop-leaks leaves those of "
            "--eval out that stand in --data)."
        )


def say_cut(split: str, longer: int, texts: int, max_length: int) -> None:
    """Say how many texts of a split are longer than the model's input; nothing where all fit."""
    if longer:
        say(
            f"{longer:,} of {texts:,} {split} texts are longer than {max_length} tokens; "
            "their ends are cut"
        )


def _keys(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    return np.fromiter((hash(text_identity(text)) for text in texts), np.int64, len(texts))


def _part(own: Identities) -> PartReport:
    data, first = own.data, own.first_rows()
    conflicts = first[np.isin(own.keys[first], own.conflicting_keys())]
    return PartReport(
        name=data.name,
        fingerprint=own.fingerprint,
        rows=len(data),
        class_counts=dict(zip(data.label_names, data.counts().tolist(), strict=True)),
        duplicate_texts=len(data) - len(first),
        conflicting_texts=len(conflicts),
        conflict_examples=tuple(data.texts_at(conflicts[:_EXAMPLES])),
    )


def _classes(counts: dict[str, int], rows: int) -> str:
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    said = f"{rows:,} texts with {len(counts):,} labels"
    if len(ordered) <= _LISTED:
        return f"{said} ({', '.join(f'{name} {count:,}' for name, count in ordered)})"
    most = ordered[0][1]
    fewest = [each for each in ordered[: -WORST - 1 : -1] if each[1] < most]
    if not fewest:
        return f"{said}, {most:,} of each"
    listed = ", ".join(f"{name} {count:,}" for name, count in fewest)
    return f"{said}, {ordered[-1][1]:,} to {most:,} of each (fewest {listed})"


def _rows(count: int) -> str:
    return "1 row repeats" if count == 1 else f"{count:,} rows repeat"


def _texts(count: int) -> str:
    return "1 text stands" if count == 1 else f"{count:,} texts stand"


def _example(texts: tuple[str, ...]) -> str:
    text = " ".join(texts[0].split())
    cut = f"{text[: _SHOWN_CHARACTERS - 3]}..." if len(text) > _SHOWN_CHARACTERS else text
    return f"'{cut}'"
