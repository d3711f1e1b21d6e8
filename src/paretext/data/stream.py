"""The one way in which labelled texts are read: a first pass, and if need be more of them.

In the order of the work: `open_given` finds the file, folder or hub dataset, `choose_columns`
settles the two columns, and one pass finds the labels, their names and the rows that cannot be
used. A `Dataset` keeps the texts of that pass. What only counts needs no list of them: the stream
reads them anew in each pass, a part at a time, and holds 12 bytes a text, its row and its label.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paretext.core.errors import ParetextError
from paretext.core.progress import task
from paretext.data.columns import choose_columns
from paretext.data.given import Given, open_given
from paretext.data.reading import Label, NamedBy, good_rows, name_labels, require_rows
from paretext.data.sources import Source
from paretext.data.tables import OnBadRow

Chunk = tuple[Sequence[str], npt.NDArray[np.int64]]
"""Some texts and their labels."""
_EVERY = 8192


@dataclass(frozen=True, eq=False)
class LabelledStream:
    """n texts of a source, each with one of K labels; make it with `open_labelled`."""

    source: Source
    text_column: str
    label_column: str
    label_names: tuple[str, ...]
    labels: npt.NDArray[np.int32]
    """(n,) index into `label_names`."""
    rows: npt.NDArray[np.int64]
    """(n,) the row of each text in the source, counted from 1."""
    bad_rows: dict[str, tuple[int, ...]]
    """What is wrong with the rows that were left out -> their numbers."""

    @property
    def name(self) -> str:
        return self.source.name

    def __len__(self) -> int:
        return len(self.labels)

    def counts(self) -> npt.NDArray[np.int64]:
        """(K,) number of texts of each label."""
        return np.bincount(self.labels, minlength=len(self.label_names)).astype(np.int64)

    def chunks(self, size: int = _EVERY) -> Iterator[Chunk]:
        """All texts and labels in order, up to `size` at a time: one pass over the source."""
        texts: list[str] = []
        done = 0
        for text, _ in good_rows(self.source, self.text_column, self.label_column, {}):
            texts.append(text)
            if len(texts) == size:
                yield texts, self.labels[done : done + size].astype(np.int64)
                done, texts = done + size, []
        if done + len(texts) != len(self):
            raise ParetextError(
                f"{self.name} changed while it was read: {done + len(texts):,} texts where there "
                f"were {len(self):,}; start again when nobody writes to it."
            )
        if texts:
            yield texts, self.labels[done:].astype(np.int64)

    def texts_at(self, indices: npt.NDArray[np.int64]) -> list[str]:
        """The texts at `indices`, in that order: one pass, which ends at the last of them."""
        wanted = set(indices.tolist())
        wanted_texts: dict[int, str] = {}
        begin = 0
        for texts, _ in self.chunks():
            if len(wanted_texts) == len(wanted):
                break
            wanted_texts |= {i: texts[i - begin] for i in wanted if begin <= i < begin + len(texts)}
            begin += len(texts)
        return [wanted_texts[i] for i in indices.tolist()]

    def rows_at(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The rows in the source of the texts at `indices`, counted from 1."""
        return self.rows[indices]


def open_labelled(
    given: Given,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    label_names: Sequence[str] | None = None,
    split: str = "train",
    on_bad_row: OnBadRow = "fail",
    named_by: NamedBy | None = None,
    keep: list[str] | None = None,
) -> LabelledStream:
    """The texts, labels and names of `Dataset.read` with these arguments, left in the source.

    keep: takes the texts of the first pass. Raises ParetextError as `Dataset.read` does.
    """
    source = open_given(given, split, on_bad_row)
    text, label = choose_columns(source, text_column, label_column)
    bad: dict[str, list[int]] = {}
    first: dict[str, Label] = {}  # value of a label -> where it first stands
    codes: dict[str, int] = {}
    coded, rows = array("i"), array("q")
    with task(f"reading {source.name}", 0) as advance:
        for one_text, one_label in good_rows(source, text, label, bad):
            if keep is not None:
                keep.append(one_text)
            first.setdefault(one_label.value, one_label)
            coded.append(codes.setdefault(one_label.value, len(codes)))
            rows.append(one_label.row)
            if len(rows) % _EVERY == 0:
                advance(_EVERY)
    require_rows(source, len(rows), bad, on_bad_row)
    names, indices = name_labels(
        list(first.values()), label_names, source.class_names.get(label), source.name, named_by
    )
    labels = np.array(indices, np.int32)[np.frombuffer(coded, np.int32)]
    return LabelledStream(
        source,
        text,
        label,
        names,
        labels,
        np.frombuffer(rows, np.int64),
        {kind: tuple(numbers) for kind, numbers in bad.items()},
    )
