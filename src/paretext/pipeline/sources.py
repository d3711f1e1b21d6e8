"""What a job is given: its tables and how they are read, and how its versions are measured.

What can be refused is refused at once, in this order: a model that is missing, what the arguments
alone show, a folder that is in use or another job's, files that are not there. Then the tables are
read and checked. PyTorch, whose import takes seconds, comes after all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field, field_validator

from paretext.certification.budget import Budget
from paretext.core.clock import Clock, seconds_in
from paretext.core.errors import ParetextError
from paretext.core.files import sha256
from paretext.core.settings import Settings
from paretext.data.given import Given
from paretext.data.reading import NamedBy, read_texts
from paretext.data.tables import FORMATS, OnBadRow, existing

if TYPE_CHECKING:
    from paretext.data.dataset import Dataset

Several = str | Path | Sequence[str | Path] | None
Learned = Annotated[
    Given, Field(title="FILE", description="Training texts: a table, a hub dataset.")
]
Limits = Annotated[
    Several | Budget,
    Field(title="LIMITS...", description='Limits: a YAML file, or "size<=5MB, flips<=3%".'),
]


class Reading(Settings):
    """Labelled texts to measure on, and how a table is read.

    eval: a path, a hub name, or what a Python caller holds (`data.given`); labels: the names, or a
    file with them.
    """

    model_config = ConfigDict(title="Data")

    eval: Given = Field(None, title="FILE", description="Labelled texts, only measured on.")
    labels: str | Path | Sequence[str] | None = Field(
        None, title="FILE", description="The label names, 0 first: one a line, or a,b,c."
    )
    text_column: str | None = Field(
        None, title="NAME", description="Column of the texts (default: guessed)."
    )
    label_column: str | None = Field(
        None, title="NAME", description="Column of the labels (default: guessed)."
    )
    on_bad_row: OnBadRow = Field("fail", description="Rows that cannot be used.")

    def names(self) -> tuple[str, ...] | None:
        """The label names that were given, if any were."""
        if self.labels is None or not isinstance(self.labels, str | Path):
            return None if self.labels is None else tuple(self.labels)
        from paretext.data.dataset import read_label_names

        return read_label_names(self.labels)

    def named_by(self) -> NamedBy | None:
        """Who gives those names."""
        return NamedBy.file(self.labels) if isinstance(self.labels, str | Path) else None

    def evaluation(self, names: Sequence[str] | None, by: NamedBy | None) -> Dataset | None:
        return self.labelled(self.eval, names, by, "validation")

    def labelled(
        self, source: Given, names: Sequence[str] | None, by: NamedBy | None, split: str
    ) -> Dataset | None:
        if source is None:
            return None
        from paretext.data.dataset import Dataset

        return Dataset.read(
            source,
            text_column=self.text_column,
            label_column=self.label_column,
            label_names=names,
            split=split,
            on_bad_row=self.on_bad_row,
            named_by=by,
        )


class Sources(Reading):
    """All tables of a job."""

    data: Learned = None
    unlabelled: Given = Field(
        None, title="FILE", description="More texts of the same kind, for distillation."
    )
    selection: Given = Field(
        None, title="FILE", description="Texts to choose by (default: 15% of --data)."
    )
    drop_leaks: bool = Field(False, description="Leave texts out of --eval that stand in training.")

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

    def train(self, names: Sequence[str] | None, by: NamedBy | None) -> Dataset | None:
        return self.labelled(self.data, names, by, "train")

    def chosen_by(self, names: Sequence[str], by: NamedBy) -> Dataset | None:
        return self.labelled(self.selection, names, by, "validation")

    def texts(self) -> tuple[str, ...]:
        """Those without labels; none where no file of them was given."""
        if self.unlabelled is None:
            return ()
        return tuple(read_texts(self.unlabelled, self.text_column, self.on_bad_row))


class Budgeted(Settings):
    """The certificates' limits; None: the documented ones."""

    model_config = ConfigDict(title="Measuring and output")

    budget: Limits = None

    def limits(self) -> Budget | None:
        """ParetextError for limits that are none."""
        if self.budget is None or isinstance(self.budget, Budget):
            return self.budget
        return Budget.of(listed(self.budget) or ())


class Cores(Settings):
    """What works, and what is measured on."""

    model_config = ConfigDict(title="Measuring and output")

    threads: int | None = Field(None, ge=1, description="Cores to use (default: all).")


class Timed(Settings):
    """How long a job may take."""

    model_config = ConfigDict(title="Measuring and output")

    time: str | None = Field(
        None, title="30m", description="Most time that it may take (default: no limit)."
    )

    @field_validator("time")
    @classmethod
    def _is_time(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                seconds_in(value)
            except ParetextError as error:
                raise ValueError(str(error).rstrip(".")) from None
        return value

    def clock(self) -> Clock | None:
        """One that runs from now; None without a limit."""
        return None if self.time is None else Clock(seconds_in(self.time))


class Timing(Cores):
    """How speed is measured."""

    rounds: int = Field(5, ge=1, description="Interleaved rounds of timing.")


def listed(given: Several) -> list[str] | None:
    """What may be one or several, as a list; None where none was given."""
    if given is None:
        return None
    return [str(given)] if isinstance(given, str | Path) else [str(each) for each in given]


def as_path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)
