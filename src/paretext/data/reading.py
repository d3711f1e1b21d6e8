"""From the rows of a source to texts, labels and label names.

`good_rows` sets bad rows apart, `name_labels` turns labels into indices; `stream` has the order of
the work. What is a text and what a label is decided in `values`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from paretext.core.errors import ParetextError
from paretext.core.progress import say
from paretext.core.wording import first_few
from paretext.data.columns import choose_text_column, nearest, quoted, shown
from paretext.data.given import Given, open_texts
from paretext.data.sources import Source
from paretext.data.tables import BadRow, OnBadRow, Row, text_lines
from paretext.data.values import (
    SEVERAL_LABELS,
    alike,
    all_integers,
    integer,
    is_blank,
    is_integer,
    label_name,
    label_problem,
    label_value,
    repeated,
    text_problem,
)

_SHOWN = 5  # rows or values that a message names

Bad = dict[str, list[int]]
"""What is wrong with the rows that cannot be used -> their numbers, counted from 1."""


class Numbers(Sequence[int]):
    """`count` numbers of rows, of which only the first few are kept."""

    def __init__(self, first: Sequence[int], count: int) -> None:
        self.first, self._count = list(first[: _SHOWN + 1]), count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: Any) -> Any:
        return self.first[place]


class Label(NamedTuple):
    """A label as its source has it."""

    row: int  # counted from 1
    value: str  # as labels are compared


class NamedBy(NamedTuple):
    """Who gives the label names ("the file lacks"), and what mends a label that is not among
    them."""

    whose: str
    remedy: str

    @classmethod
    def file(cls, path: str | Path) -> NamedBy:
        return cls(f"{path} lacks", f"mend the rows, or add the name to {path}")

    @classmethod
    def texts(cls, name: str) -> NamedBy:
        """The labels of other texts, those to train on."""
        return cls(
            f"the labels of {name} lack",
            f"mend the rows, or add texts of the label to {name}",
        )

    @classmethod
    def model(cls, name: str | Path, labels: Sequence[str]) -> NamedBy:
        """A model's or an artifact's own names, which are numbers where nobody has named them."""
        remedy = "mend the rows, or give a model that was trained with such labels"
        if all(map(GENERIC.fullmatch, labels)):
            remedy = (
                "these say nothing, so name its outputs: --labels FILE, one name a line, that of "
                "output 0 first"
            )
        return cls(f"the labels of {name} lack", remedy)


_BY_CALLER = NamedBy("label_names lacks", "mend the rows or add the name")
GENERIC = re.compile(r"LABEL_\d+")
"""What transformers calls an output that nobody has named."""


def read_texts(source: Given, text_column: str | None, on_bad_row: OnBadRow) -> list[str]:
    """Texts that need no labels; see `paretext.data.dataset.Dataset.read`."""
    opened = open_texts(source, on_bad_row)
    column = choose_text_column(opened, text_column)
    bad: Bad = {}
    texts = [str(row[column]) for _, row in rows_with_text(opened, column, bad)]
    require_rows(opened, len(texts), bad, on_bad_row)
    return texts


def read_label_names(path: str | Path) -> tuple[str, ...]:
    """The names of labels 0, 1, 2, ... from a UTF-8 text file with one name a line; or those that
    are given themselves, "sadness,joy,love", where there is no such file.

    Raises ParetextError for a blank line between names or a name that stands twice.
    """
    listed = "," in str(path) and not Path(path).exists()
    lines = str(path).split(",") if listed else text_lines(path)
    names = [label_name(line) for line in lines]
    while names and is_blank(names[-1]):
        names.pop()
    if not names:
        raise ParetextError(f"'{path}' has only blank lines: write one label name a line.")
    for i, name in enumerate(names):
        if is_blank(name):
            raise ParetextError(f"'{path}', line {i + 1} is blank: write the name of label {i}.")
    if twice := repeated(names):
        first, second = twice
        raise ParetextError(
            f"'{path}', line {second + 1} repeats the name {shown(names[second])} of line "
            f"{first + 1}: every label needs its own."
        )
    _say_alike(names, f"'{path}'")
    return tuple(names)


def row_problem(row: Row | BadRow, text_column: str) -> str:
    """Why a row has no text that can be used, worded to follow "with"; "" if it has one."""
    return row.problem if isinstance(row, BadRow) else text_problem(row.get(text_column))


def rows_with_text(source: Source, text_column: str, bad: Bad) -> Iterator[tuple[int, Row]]:
    """Every row whose text can be used, in order, with its number from 1; the others are counted in
    `bad`."""
    for n, row in enumerate(source.rows([text_column]), start=1):
        problem = row_problem(row, text_column)
        if problem or isinstance(row, BadRow):
            bad.setdefault(problem, []).append(n)
        else:
            yield n, row


def good_rows(
    source: Source, text_column: str, label_column: str, bad: Bad
) -> Iterator[tuple[str, Label]]:
    """Text and label of every row that can be used, in order; the others are counted in `bad`."""
    own_names = source.class_names.get(label_column)
    for n, row in enumerate(source.rows([text_column, label_column]), start=1):
        problem = row_problem(row, text_column)
        if not problem and not isinstance(row, BadRow):
            label = row.get(label_column)
            problem = label_problem(label, own_names)
            if not problem:
                yield str(row[text_column]), Label(n, label_value(label, own_names))
        if problem:
            bad.setdefault(problem, []).append(n)


def require_rows(
    source: Source, good: int, bad: Mapping[str, Sequence[int]], on_bad_row: OnBadRow
) -> None:
    """Raise ParetextError for bad rows, or say how many are skipped; raise if no row is good."""
    n = good + sum(map(len, bad.values()))
    if not good and SEVERAL_LABELS in bad:
        raise ParetextError(
            f"{source.name}: each text has several labels, a list of them in row "
            f"{bad[SEVERAL_LABELS][0]} for one, and paretext reads one label a text: give a column "
            "with one label."
        )
    if bad and on_bad_row == "fail":
        raise ParetextError(
            f"{source.name}: {n - good:,} of {n:,} rows cannot be used, {bad_kinds(bad)}: mend "
            "them, or leave them out with --on-bad-row skip."
        )
    if not good:
        raise ParetextError(
            f"{source.name}: none of its {n:,} rows can be used, {bad_kinds(bad)}: give it texts."
        )
    if bad:
        say(f"{source.name}: left out {n - good:,} of {n:,} rows, {bad_kinds(bad)}.")


def bad_kinds(bad: Mapping[str, Sequence[int]]) -> str:
    """ "3 with no text (rows 2, 3, 4); 1 with no label (row 6)"."""
    return "; ".join(
        f"{len(rows):,} with {kind} ({named_rows(rows)})" for kind, rows in bad.items()
    )


def named_rows(rows: Sequence[int]) -> str:
    """The numbers of the first rows."""
    first = ", ".join(map(str, rows[:_SHOWN]))
    return f"row{'s' * (len(rows) > 1)} {first}{', ...' if len(rows) > _SHOWN else ''}"


def name_labels(
    labels: list[Label],
    label_names: Sequence[str] | None,
    own_names: tuple[str, ...] | None,
    source: str,
    named_by: NamedBy | None = None,
) -> tuple[tuple[str, ...], list[int]]:
    """The label names, and the index of each of `labels` among them.

    label_names: what the caller wants them to be, and named_by where it has them from; own_names:
    those that the source declares.
    """
    if label_names is not None and (
        isinstance(label_names, str) or not all(isinstance(name, str) for name in label_names)
    ):
        raise ParetextError(f"label_names is {label_names!r}: give a list of strings.")
    if all_integers(label.value for label in labels):
        labels = [Label(label.row, integer(label.value)) for label in labels]
    if label_names is not None:
        return _look_up(labels, tuple(label_names), source, named_by or _BY_CALLER)
    if own_names is not None:
        by = NamedBy("its own class names lack", "mend the rows or its class names")
        return _look_up(labels, tuple(map(label_name, own_names)), source, by)
    return _name_labels(labels, source)


def _name_labels(labels: list[Label], source: str) -> tuple[tuple[str, ...], list[int]]:
    """Names made from the labels themselves: sorted, integers by value."""
    distinct = {label.value for label in labels}
    if all_integers(distinct):
        names = sorted(distinct, key=int)
        say(f"{source}: labels are numbers, which become their names; --labels gives others.")
    else:
        names = sorted(distinct)
        _say_alike(names, source)
    position = {name: i for i, name in enumerate(names)}
    return tuple(names), [position[label.value] for label in labels]


def _look_up(
    labels: list[Label], names: tuple[str, ...], source: str, by: NamedBy
) -> tuple[tuple[str, ...], list[int]]:
    """Indices into given names: by name, or by position for integers when the names are words.

    The names stay as they are, as those of a model must; only the comparison is of labels.
    """
    position = {label_name(name): i for i, name in enumerate(names)}
    if all_integers(label.value for label in labels) and not any(map(is_integer, position)):
        position = {str(i): i for i in range(len(names))}
        allowed = f"there are {len(names)} label names, so labels are 0 to {len(names) - 1}"
    else:
        allowed = f"the labels are {quoted(names)}"
    unknown: dict[str, int] = {}
    for label in labels:
        if label.value not in position:
            unknown.setdefault(label.value, label.row)
    if unknown:
        where = [
            f"{shown(value)} (row {row}{nearest(value, position) if i < _SHOWN else ''})"
            for i, (value, row) in enumerate(unknown.items())
        ]
        noun = "a label" if len(unknown) == 1 else "labels"
        raise ParetextError(
            f"{source} has {noun} that {by.whose}, {first_few(where, _SHOWN)}: {allowed}; "
            f"{by.remedy}."
        )
    return names, [position[label.value] for label in labels]


def _say_alike(names: Sequence[str], source: str) -> None:
    groups = alike(names)
    if groups:
        listed = "; ".join(quoted(group) for group in groups[:_SHOWN])
        more = f" and {len(groups) - _SHOWN} more" if len(groups) > _SHOWN else ""
        say(
            f"{source}: these labels differ only in case or blanks and are different labels: "
            f"{listed}{more}; where one is meant, write it alike in every row."
        )
