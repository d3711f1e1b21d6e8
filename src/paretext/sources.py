"""What a job is given: its tables and how they are read, and how its versions are measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paretext.certification.budget import Budget
from paretext.data import Dataset, read_label_names
from paretext.data_reading import NamedBy, read_texts
from paretext.tables import OnBadRow


@dataclass(frozen=True)
class Sources:
    """The tables of a job: files, folders or hub names.

    data: labelled texts to learn from; eval: texts that are only measured on; selection: texts to
    choose epochs and the parent on; unlabelled: more texts of the same kind; labels: a file with
    the label names, one a line, 0 first.
    """

    data: str | None = None
    eval: str | None = None
    selection: str | None = None
    unlabelled: str | None = None
    labels: str | Path | None = None
    text_column: str | None = None
    label_column: str | None = None
    on_bad_row: OnBadRow = "fail"
    drop_leaks: bool = False

    def names(self) -> tuple[str, ...] | None:
        """The label names of the file `labels`, if there is one."""
        return None if self.labels is None else read_label_names(self.labels)

    def train(self, names: Sequence[str] | None, by: NamedBy | None) -> Dataset | None:
        return self._labelled(self.data, names, by, "train")

    def evaluation(self, names: Sequence[str], by: NamedBy) -> Dataset | None:
        return self._labelled(self.eval, names, by, "validation")

    def chosen_by(self, names: Sequence[str], by: NamedBy) -> Dataset | None:
        return self._labelled(self.selection, names, by, "validation")

    def texts(self) -> tuple[str, ...]:
        """Those without labels; none where no file of them was given."""
        if self.unlabelled is None:
            return ()
        return tuple(read_texts(Path(self.unlabelled), self.text_column, self.on_bad_row))

    def _labelled(
        self, source: str | None, names: Sequence[str] | None, by: NamedBy | None, split: str
    ) -> Dataset | None:
        if source is None:
            return None
        return Dataset.read(
            source,
            text_column=self.text_column,
            label_column=self.label_column,
            label_names=names,
            split=split,
            on_bad_row=self.on_bad_row,
            named_by=by,
        )


@dataclass(frozen=True)
class Measuring:
    """budget: the certificates' limits (None: the documented ones); threads: cores to use (None:
    all); rounds: of timing."""

    budget: Budget | None = None
    threads: int | None = None
    rounds: int = 5
