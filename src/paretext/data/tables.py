"""Rows in, rows out: CSV, TSV, JSON Lines and Parquet, one row at a time.

A row is a dict from column name to value. The suffix of the path says the format (`formats`), so
that nothing is guessed from the content. Reading and writing stream: memory stays flat however long
the file.

    with RowWriter("out.jsonl", columns("in.csv")) as writer:
        for row in read_rows("in.csv"):
            writer.write(row)

Text is UTF-8, with or without a byte order mark; blank lines are passed over. Rows are counted from
1, the header not included; errors name the row and, in text formats, the line.

A row that cannot be read ends the reading, unless `scan_rows` is asked to skip such rows: it then
has a `BadRow` in its place, so that every row keeps its number, and reading goes on behind it:

* after the line on which the fault was met; where a quote is never closed, after the line on which
  it was opened. Each line of a record whose quotes do not match is a bad row.
* a byte that is not UTF-8 costs its field alone: it is a lone surrogate there (PEP 383), which is
  no text to whoever looks at that field.
* a Parquet file that is damaged is an error all the same: nothing says where its next row begins.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import paretext.data.formats  # noqa: F401  (its files register)
from paretext.core.errors import ParetextError, cannot_write, first_line
from paretext.core.files import nearest_path
from paretext.core.places import move, place
from paretext.core.wording import listed
from paretext.data.formats.base import (
    BAD_VALUE,
    FORMATS,
    BadRow,
    Format,
    OnBadRow,
    Place,
    Row,
    TableSink,
    lines,
)

__all__ = [
    "FORMATS",
    "BadRow",
    "OnBadRow",
    "Row",
    "RowWriter",
    "column_types",
    "columns",
    "count_rows",
    "existing",
    "format_of",
    "read_rows",
    "scan_rows",
    "text_lines",
]


def format_of(path: str | Path) -> Format:
    """The format that the suffix of `path` says; ParetextError for one that is not known."""
    suffix = place(path).suffix.lower()
    if suffix not in FORMATS:
        named = f"the suffix '{suffix}'" if suffix else "no suffix"
        raise ParetextError(
            f"'{path}' has {named}, so its format is unknown: name it "
            f"{listed(sorted(FORMATS), 'or')}."
        )
    return FORMATS[suffix]


def columns(path: str | Path, on_bad_row: OnBadRow = "fail") -> list[str]:
    """The column names of the table at `path`, in order."""
    path = existing(path)
    return format_of(path).columns(path, on_bad_row)


def column_types(path: str | Path, on_bad_row: OnBadRow = "fail") -> dict[str, Any]:
    """The columns of the table at `path`, each with an Arrow type that can hold all its values.

    A type is one of pyarrow's, or its name. A column of JSON Lines whose values are of several
    kinds, or objects, is one of strings. Takes a pass over such a file.
    """
    path = existing(path)
    return format_of(path).types(path, on_bad_row)


def read_rows(path: str | Path) -> Iterator[Row]:
    """The rows of the table at `path`, as a stream of dicts.

    CSV and TSV values are strings (an empty field is ""); JSON Lines and Parquet values keep their
    type. Raises ParetextError at once for a missing file or an unknown suffix, and during the
    iteration for content that cannot be read, naming the row; a table without rows is an error.
    """
    rows = scan_rows(path, "fail")
    return (row for row in rows if not isinstance(row, BadRow))  # there is none: the first raises


def scan_rows(
    path: str | Path, on_bad_row: OnBadRow, names: Sequence[str] | None = None, first: int = 0
) -> Iterator[Row | BadRow]:
    """`read_rows`, with a BadRow in the place of each row that cannot be read if told to skip.

    names: the columns that will be looked at (default: all); others may be left out.
    first: how many rows to pass over.
    """
    path = existing(path)
    return format_of(path).rows_from(path, on_bad_row, names, first)


def count_rows(path: str | Path, on_bad_row: OnBadRow) -> int:
    """The rows of the table at `path`: a pass over it, unless its format says how many."""
    path = existing(path)
    return format_of(path).count(path, on_bad_row)


def text_lines(path: str | Path) -> Iterator[str]:
    """The lines of a plain UTF-8 text file, without their line ends."""
    path = existing(path)
    with path.open("rb") as binary:
        place = Place(path)
        for line in lines(binary, place):
            place.row += 1
            yield line.rstrip("\r\n")


def existing(path: str | Path) -> Path:
    """The path of a file that is there and can be read; ParetextError if it is not."""
    path = place(path)
    if path.is_dir():
        raise ParetextError(f"'{path}' is a folder: name a file in it.")
    try:
        with path.open("rb") as binary:
            if not binary.read(1):
                raise ParetextError(f"'{path}' is empty: 0 bytes; give a file with rows.")
    except FileNotFoundError:
        near = nearest_path(path) or ": check the path."
        raise ParetextError(f"'{path}' does not exist{near}") from None
    except OSError as problem:
        raise ParetextError(
            f"'{path}' cannot be opened ({problem.strerror}): check its permissions."
        ) from None
    return path


class RowWriter:
    """Writes rows to a table, all or nothing.

    ::

        with RowWriter("predictions.csv", ["text", "label"]) as writer:
            writer.write({"text": "what a day", "label": "joy"})

    Rows go to a temporary file beside `path`, which takes the name `path` when the block ends well
    and is removed when it ends in an error, so a reader never meets half a table. A field that a
    row leaves out is written as empty (null); one that `fields` does not name is an error.

    CSV and TSV hold strings: None and not-a-number become the empty field, lists and dicts become
    JSON, dates ISO 8601. A string is written as it is, also one that a spreadsheet would take for a
    formula. JSON Lines holds null for not-a-number and the infinities, which JSON lacks. A Parquet
    column has the type that `types` gives it (pyarrow's, or its name), or takes it from the first
    rows (8,192 of them); one that is empty there holds strings, and strings hold any value as CSV
    would.
    """

    def __init__(
        self,
        path: str | Path,
        fields: Sequence[str],
        types: Mapping[str, Any] | None = None,
        *,
        called: str | Path = "",
        before: int = 0,
    ) -> None:
        """called: what errors name in place of `path`, where that is only a part of it; before: the
        rows of it that stand in other parts."""
        self.path = place(path)
        self._called, self._before = called or self.path, before
        self.fields = list(fields)
        self._types = dict(types or {})
        self.rows = 0
        self._format = format_of(path)
        if not self.fields or len(set(self.fields)) != len(self.fields):
            raise ParetextError(
                f"'{called or path}' needs one or more distinct columns, not {self.fields}."
            )
        self._format.check_writing()
        self._temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.part")
        self._sink: TableSink | None = None

    def __enter__(self) -> RowWriter:
        if self.path.is_dir():
            raise ParetextError(f"'{self.path}' is a folder: name a file in it.")
        if not self.path.parent.is_dir():
            raise ParetextError(f"'{self.path.parent}' is no folder: make it first.")
        try:
            binary = self._temporary.open("xb")
        except OSError as problem:
            raise self._error(problem) from None
        try:
            self._sink = self._format.sink(binary, self.fields, self._types)
        except BaseException as problem:
            binary.close()
            self._temporary.unlink(missing_ok=True)
            if isinstance(problem, (OSError, *BAD_VALUE)):
                raise self._error(problem) from None
            raise
        return self

    def write(self, row: Mapping[str, object]) -> None:
        """Append one row. Raises ParetextError for an unknown field or a value with no place."""
        if self._sink is None:
            raise ParetextError(f"'{self.path}' is not open: write inside `with RowWriter(...)`.")
        unknown = [name for name in row if name not in self.fields]
        if unknown:
            raise ParetextError(
                f"'{self._called}' has no column '{unknown[0]}': its columns are "
                f"{listed(self.fields)}."
            )
        self.rows += 1
        try:
            self._sink.write({name: _python(row.get(name)) for name in self.fields})
        except (OSError, *BAD_VALUE) as problem:
            raise self._error(problem) from None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        sink, self._sink = self._sink, None
        if sink is None:
            return
        try:
            try:
                if error is None:
                    sink.finish()
            finally:
                sink.close()
            if error is None:
                move(self._temporary, self.path)
        except (OSError, *BAD_VALUE) as problem:
            raise self._error(problem) from None
        finally:
            self._temporary.unlink(missing_ok=True)

    def _error(self, problem: Exception) -> ParetextError:
        if isinstance(problem, OSError):
            return cannot_write(self._called, problem)
        what = first_line(problem)
        if isinstance(problem, UnicodeEncodeError):
            what = "a text holds half of a surrogate pair, which is not valid Unicode"
        remedy = (
            "mend the value" if self._format.name == "jsonl" else "mend the value, or use .jsonl"
        )
        place = f"a value by row {self._before + self.rows:,}" if self.rows else "a column's name"
        return ParetextError(f"'{self._called}' cannot hold {place} ({what}): {remedy}.")


def _python(value: object) -> object:
    """Numpy scalars and arrays as Python's own numbers and lists."""
    return value.tolist() if hasattr(value, "tolist") else value
