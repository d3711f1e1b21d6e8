"""Labelled texts: the Dataset every stage works on.

Texts, labels and label names travel together, so that no stage ever guesses which number is which
class. A Dataset is checked once, when it is made, and never changes. Its fingerprint says whether
two datasets are the same; manifests and certificates carry it.

Reading (files, folders, hub names; columns; label names) is in `stream`, the report on duplicates,
conflicting labels and leaks in `checks`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from paretext.core.errors import ParetextError
from paretext.core.wording import first_few
from paretext.data.columns import shown
from paretext.data.formats.base import OnBadRow, is_unicode
from paretext.data.given import Given
from paretext.data.reading import NamedBy, read_label_names
from paretext.data.stream import Chunk, open_labelled
from paretext.data.values import is_blank, label_name, repeated, text_problem

__all__ = ["Dataset", "Fingerprint", "Labelled", "read_label_names", "require_trainable"]

Indices = Sequence[int] | npt.NDArray[np.int64] | npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Dataset:
    """n texts, each with one of K labels.

    Two datasets hold the same if their `fingerprint` is the same; `name` is no part of it.

    Raises ParetextError when made from parts that do not fit: no text, a blank text, a label
    outside 0..K-1, a label name that is empty or stands twice.
    """

    texts: tuple[str, ...]
    """(n,) as they were read: never stripped, lower-cased or normalised."""
    labels: npt.NDArray[np.int64]
    """(n,) index into `label_names`; read-only."""
    label_names: tuple[str, ...]
    """(K,) name of label 0, 1, ..., K-1; some may have no text."""
    name: str = "dataset"
    """Where it came from; used in messages only."""
    answered_by: str | None = None
    """The model whose answers the labels are; None where people gave them."""
    rows: npt.NDArray[np.int64] | None = None
    """(n,) the row of each text in its source, counted from 1; None where it is its place."""

    def __post_init__(self) -> None:
        for field, value in (("texts", self.texts), ("label_names", self.label_names)):
            if isinstance(value, str):
                raise ParetextError(f"{field} is one string, {value!r}: give a list of strings.")
            object.__setattr__(self, field, tuple(value))
        object.__setattr__(self, "labels", _checked_labels(self.labels, len(self.texts)))
        _check_label_names(self.label_names)
        _check_texts(self.texts)
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(self.label_names):
            raise ParetextError(
                f"label {low if low < 0 else high} is outside 0..{len(self.label_names) - 1}: "
                "labels are indices into label_names."
            )

    def __len__(self) -> int:
        return len(self.texts)

    @classmethod
    def read(
        cls,
        source: Given,
        *,
        text_column: str | None = None,
        label_column: str | None = None,
        label_names: Sequence[str] | None = None,
        split: str = "train",
        on_bad_row: OnBadRow = "fail",
        named_by: NamedBy | None = None,
    ) -> Dataset:
        """Read labelled texts from a file, a folder, the Hugging Face hub, or what a caller holds.

        source: a .csv, .tsv, .jsonl, .ndjson or .parquet file; a folder that `datasets` loads; a
            hub name, "owner/name", "owner/name:config" or "owner/name@split"; or a DataFrame, a
            `datasets` object, a dict of columns, a pair (texts, labels), or a Dataset.
        text_column, label_column: guessed from usual names where not given, and the guess is said.
        label_names: names of labels 0, 1, ... A label is then looked up: by name, or, if every
            label is an integer and no name looks like one, by position. Evaluation data is read
            with the names of the training data, and a label those lack is an error. Without them,
            names come from the dataset's own class names, or else are the distinct labels, sorted.
        split: the part of a folder or hub dataset to read; "@split" in the source wins.
        on_bad_row: what to do with a row that cannot be read, or has no text or no label: "fail",
            or "skip" and say how many of which kind, and which rows.
        named_by: where `label_names` come from, to be said of a label that they lack.

        Raises ParetextError with one sentence for anything that cannot be read.
        """
        if isinstance(source, Dataset):
            return source if label_names is None else source.named(label_names)
        texts: list[str] = []
        read = open_labelled(
            source,
            text_column=text_column,
            label_column=label_column,
            label_names=label_names,
            split=split,
            on_bad_row=on_bad_row,
            named_by=named_by,
            keep=texts,
        )
        labels = read.labels.astype(np.int64)
        return cls(tuple(texts), labels, read.label_names, read.name, rows=read.rows)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of label names, texts and labels, in order."""
        fingerprint = Fingerprint(self.label_names, len(self))
        fingerprint.add(self.texts)
        return fingerprint.hexdigest(self.labels)

    def counts(self) -> npt.NDArray[np.int64]:
        """(K,) number of texts of each label."""
        return np.bincount(self.labels, minlength=len(self.label_names)).astype(np.int64)

    def chunks(self, size: int = 8192) -> Iterator[Chunk]:
        """All texts and labels in order, up to `size` at a time."""
        for begin in range(0, len(self), size):
            yield self.texts[begin : begin + size], self.labels[begin : begin + size]

    def texts_at(self, indices: npt.NDArray[np.int64]) -> list[str]:
        """The texts at `indices`, in that order."""
        return [self.texts[i] for i in indices]

    def rows_at(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The rows in the source of the texts at `indices`, counted from 1."""
        return indices + 1 if self.rows is None else self.rows[indices]

    def take(self, indices: Indices) -> Dataset:
        """The rows at `indices` (integers, in that order, or a mask of n booleans).

        All label names are kept. Raises ParetextError if nothing is left.
        """
        return self._take(indices, self.name)

    def _take(self, indices: Indices, name: str) -> Dataset:
        # An empty list would be an array of floats to numpy, which cannot index.
        chosen = np.arange(len(self))[np.asarray(indices) if len(indices) else slice(0)]
        texts = tuple(self.texts[i] for i in chosen)
        rows = self.rows_at(chosen)
        return replace(self, texts=texts, labels=self.labels[chosen], rows=rows, name=name)

    def aligned(self, label_names: Sequence[str]) -> Dataset:
        """The same texts with the labels counted in the order of a model's `label_names`.

        Raises ParetextError unless these are the names that the data has.
        """
        names, own = tuple(label_names), [label_name(name) for name in self.label_names]
        wanted = [label_name(name) for name in names]
        if names == self.label_names:
            return self
        if set(wanted) != set(own):
            raise ParetextError(
                f"the model's labels are {_listed(names)}, and those of {self.name} are "
                f"{_listed(self.label_names)}: read the data with the model's label names."
            )
        places = np.array([wanted.index(name) for name in own])
        return replace(self, labels=places[self.labels], label_names=names)

    def named(self, label_names: Sequence[str]) -> Dataset:
        """The same texts with their labels counted among `label_names`, which may be more.

        Raises ParetextError for a label that these lack.
        """
        names = tuple(map(label_name, label_names))
        own = [label_name(name) for name in self.label_names]
        if absent := [own[k] for k in np.unique(self.labels) if own[k] not in names]:
            raise ParetextError(
                f"{self.name} has the label {absent[0]!r}, which is none of {_listed(names)}; "
                "give texts with those labels."
            )
        places = np.array([names.index(name) if name in names else -1 for name in own])
        return replace(self, labels=places[self.labels], label_names=tuple(label_names))

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name!r}, {len(self):,} texts, {len(self.label_names)} labels: "
            f"{_listed(self.label_names[:3])}{', ...' if len(self.label_names) > 3 else ''})"
        )

    def split(self, share: float, seed: int) -> tuple[Dataset, Dataset]:
        """(rest, held-out): a stratified split with `share` of the texts held out.

        ceil(share x n) texts are held out, as scikit-learn does. Each class gives the whole part of
        its own share, and the classes with the largest remainders give one more; then every class
        keeps at least one text on each side, which can move the total by a few when classes are
        tiny. Within a class the choice is random by `seed`; both parts keep the order of the rows.

        Raises ParetextError if `share` is not between 0 and 1 or a label has a single text.
        """
        if not 0 < share < 1:
            raise ParetextError(f"the held-out share is {share}: give a number between 0 and 1.")
        counts = self.counts()
        single = [self.label_names[k] for k in np.flatnonzero(counts == 1)]
        if single:
            raise ParetextError(
                f"{self.name}: a split needs 2 texts of every label, and there is 1 of "
                f"{first_few(list(map(repr, single)), 5)} ({len(single):,} of "
                f"{int((counts > 0).sum()):,} labels): add texts of them, drop them, or give texts "
                "to choose on with --selection."
            )
        held_counts = _apportion(counts, share)
        generator = np.random.default_rng(seed)
        held = np.zeros(len(self), dtype=np.bool_)
        for label, count in enumerate(held_counts):
            rows = np.flatnonzero(self.labels == label)
            held[generator.permutation(rows)[:count]] = True
        return (
            self._take(~held, f"{self.name} (without the held-out part)"),
            self._take(held, f"{self.name} (held-out part)"),
        )


class Labelled(Protocol):
    """What counting needs of labelled texts: a Dataset in memory, or a file read in passes."""

    @property
    def name(self) -> str: ...

    @property
    def label_names(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    def counts(self) -> npt.NDArray[np.int64]: ...

    def chunks(self) -> Iterator[Chunk]: ...

    def texts_at(self, indices: npt.NDArray[np.int64]) -> list[str]: ...

    def rows_at(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]: ...


class Fingerprint:
    """`Dataset.fingerprint`, from n texts that come in parts.

    Every string goes in after its length in bytes, and each list after its count, so no two
    different datasets give the same bytes: ("ab", "c") is not ("a", "bc").
    """

    def __init__(self, label_names: tuple[str, ...], n: int) -> None:
        self._digest = hashlib.sha256(b"paretext-dataset-1")
        self._digest.update(len(label_names).to_bytes(8, "little"))
        self.add(label_names)
        self._digest.update(n.to_bytes(8, "little"))

    def add(self, strings: Sequence[str]) -> None:
        for string in strings:
            coded = string.encode("utf-8")
            self._digest.update(len(coded).to_bytes(8, "little") + coded)

    def hexdigest(self, labels: npt.NDArray[np.integer[Any]]) -> str:
        """SHA-256 (hex), given the (n,) labels of all texts."""
        digest = self._digest.copy()
        digest.update(labels.astype("<i8").tobytes())
        return digest.hexdigest()


def require_trainable(dataset: Labelled) -> None:
    """Raise ParetextError unless at least two labels have texts.

    A label with one text can be trained on; it cannot be held out, and `Dataset.split` says so.
    """
    present = [name for name, n in zip(dataset.label_names, dataset.counts(), strict=True) if n]
    if len(present) < 2:
        raise ParetextError(
            f"{dataset.name}: all {len(dataset):,} texts have the label {shown(present[0])}: "
            "training needs texts of two or more labels (was the right label column read?)."
        )


def _apportion(counts: npt.NDArray[np.int64], share: float) -> npt.NDArray[np.int64]:
    """(K,) how many of each class to hold out: largest remainders, then 1..count-1."""
    ideal = counts * share
    held = np.floor(ideal).astype(np.int64)
    missing = math.ceil(counts.sum() * share) - int(held.sum())
    # A stable sort: of equal remainders the lower label comes first, on every machine.
    by_remainder = np.argsort(held - ideal, kind="stable")
    by_remainder = by_remainder[counts[by_remainder] > 0]
    held[by_remainder[:missing]] += 1
    return np.where(counts > 0, np.clip(held, 1, np.maximum(counts - 1, 1)), 0)


def _listed(names: Sequence[str]) -> str:
    return first_few(list(map(repr, names)), 10)


def _checked_labels(labels: object, n: int) -> npt.NDArray[np.int64]:
    array = np.asarray(labels)
    if n == 0:
        raise ParetextError("no texts are left: a dataset needs at least one.")
    if array.shape != (n,):
        raise ParetextError(f"labels have the shape {array.shape} for {n} texts: give one a text.")
    if not np.issubdtype(array.dtype, np.integer):
        raise ParetextError(f"labels are of type {array.dtype}: give indices into label_names.")
    array = array.astype(np.int64)  # astype copies, so the caller's array stays writable
    array.setflags(write=False)
    return array


def _check_label_names(names: tuple[str, ...]) -> None:
    if not names:
        raise ParetextError("there are no label names: give one for each label.")
    for i, name in enumerate(names):
        if not isinstance(name, str) or is_blank(name) or not is_unicode(name):
            raise ParetextError(f"the name of label {i} is {name!r}: give it a text.")
    if twice := repeated(names):
        first, second = twice
        raise ParetextError(
            f"labels {first} and {second} are both named {shown(names[second])}: rename one."
        )


def _check_texts(texts: tuple[str, ...]) -> None:
    for i, text in enumerate(texts):
        if problem := text_problem(text):
            raise ParetextError(
                f"text {i} (counted from 0) is {shown(repr(text))}, {problem}: it must hold words."
            )
