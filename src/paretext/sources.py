"""What a job is given: its tables and how they are read, and how its versions are measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paretext.certification.budget import Budget
from paretext.data import Dataset, read_label_names
from paretext.data_given import Given
from paretext.data_reading import read_texts
from paretext.tables import OnBadRow


@dataclass(frozen=True)
class Sources:
    """The tables of a job: paths, hub names, or what a Python caller holds (`data_given`).

    data: labelled texts to learn from; eval: texts that are only measured on; selection: texts to
    choose epochs and the parent on; unlabelled: more texts of the same kind; labels: the label
    names, 0 first, or a file with one a line.
    """

    data: Given = None
    eval: Given = None
    selection: Given = None
    unlabelled: Given = None
    labels: str | Path | Sequence[str] | None = None
    text_column: str | None = None
    label_column: str | None = None
    on_bad_row: OnBadRow = "fail"
    drop_leaks: bool = False

    def names(self) -> tuple[str, ...] | None:
        """The label names that were given, if any were."""
        if self.labels is None or not isinstance(self.labels, str | Path):
            return None if self.labels is None else tuple(self.labels)
        return read_label_names(self.labels)

    def train(self, names: Sequence[str] | None = None) -> Dataset | None:
        return self._labelled(self.data, names, "train")

    def evaluation(self, names: Sequence[str]) -> Dataset | None:
        return self._labelled(self.eval, names, "validation")

    def chosen_by(self, names: Sequence[str]) -> Dataset | None:
        return self._labelled(self.selection, names, "validation")

    def texts(self) -> tuple[str, ...]:
        """Those without labels; none where no file of them was given."""
        if self.unlabelled is None:
            return ()
        return tuple(read_texts(self.unlabelled, self.text_column, self.on_bad_row))

    def _labelled(self, source: Given, names: Sequence[str] | None, split: str) -> Dataset | None:
        if source is None:
            return None
        return Dataset.read(
            source,
            text_column=self.text_column,
            label_column=self.label_column,
            label_names=names,
            split=split,
            on_bad_row=self.on_bad_row,
        )


@dataclass(frozen=True)
class Measuring:
    """budget: the certificates' limits (None: the documented ones); threads: cores to use (None:
    all); rounds: of timing."""

    budget: Budget | None = None
    threads: int | None = None
    rounds: int = 5
