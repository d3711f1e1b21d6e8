"""What a job is given: its tables and how they are read, and how its versions are measured.

What can be refused is refused at once, in this order: a model that is missing, what the arguments
alone show, a folder that is in use or another job's, files that are not there. Then the tables are
read and checked. PyTorch, whose import takes seconds, comes after all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from paretext.certification.budget import Budget
from paretext.core.errors import ParetextError
from paretext.core.files import sha256
from paretext.data.dataset import Dataset, read_label_names
from paretext.data.given import Given
from paretext.data.reading import NamedBy, read_texts
from paretext.data.tables import FORMATS, OnBadRow, existing


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

    def check(self) -> None:
        """ParetextError, before any is read, for a file that is not there, and for one that would
        both teach and measure: the same path, or a copy."""
        given = {
            "--data": self.data,
            "--unlabelled": self.unlabelled,
            "--selection": self.selection,
            "--eval": self.eval,
        }
        files = {
            option: existing(path)
            for option, path in given.items()
            if isinstance(path, str | Path)
            and Path(path).suffix.lower() in FORMATS
            and not Path(path).is_dir()
        }
        for (first, one), (second, other) in combinations(files.items(), 2):
            if "--unlabelled" in (first, second) and second != "--eval":
                continue  # from texts without labels anything may be learned
            if one.samefile(other):
                alike = f"{second} is {other}, and so is {first}"
            elif one.stat().st_size == other.stat().st_size and sha256(one) == sha256(other):
                alike = f"{second} ({other}) is a copy of {first} ({one})"
            else:
                continue
            raise ParetextError(
                f"{alike}, so a score on it would be one of memory; give other texts with {second}."
            )

    def names(self) -> tuple[str, ...] | None:
        """The label names that were given, if any were."""
        if self.labels is None or not isinstance(self.labels, str | Path):
            return None if self.labels is None else tuple(self.labels)
        return read_label_names(self.labels)

    def named_by(self) -> NamedBy | None:
        """Who gives those names."""
        return NamedBy.file(self.labels) if isinstance(self.labels, str | Path) else None

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
        return tuple(read_texts(self.unlabelled, self.text_column, self.on_bad_row))

    def _labelled(
        self, source: Given, names: Sequence[str] | None, by: NamedBy | None, split: str
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
