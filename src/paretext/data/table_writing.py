"""Tables written row by row, all or nothing: CSV, TSV, JSON Lines and Parquet."""

from __future__ import annotations

import contextlib
import csv
import datetime
import io
import json
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol

from paretext.core.errors import ParetextError
from paretext.data.table_parquet import import_pyarrow
from paretext.data.table_reading import DELIMITERS, format_of
from paretext.data.table_rows import Row, first_line, listed

_ROW_GROUP = 8192  # rows of a Parquet row group

_BAD_VALUE = (ValueError, TypeError, NotImplementedError, OverflowError)
"""What json and pyarrow raise for a value that has no place in the format."""


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
        self, path: str | Path, fields: Sequence[str], types: Mapping[str, Any] | None = None
    ) -> None:
        self.path = Path(path)
        self.fields = list(fields)
        self._types = dict(types or {})
        self.rows = 0
        self._kind = format_of(path)
        if not self.fields or len(set(self.fields)) != len(self.fields):
            raise ParetextError(f"'{path}' needs one or more distinct columns, not {self.fields}.")
        if self._kind == "parquet":
            import_pyarrow()
        self._temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.part")
        self._sink: _Sink | None = None

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
            if self._kind == "jsonl":
                self._sink = _JsonlSink(binary)
            elif self._kind == "parquet":
                self._sink = _ParquetSink(binary, self.fields, self._types)
            else:
                self._sink = _CsvSink(binary, self.fields, DELIMITERS[self._kind])
        except BaseException as problem:
            binary.close()
            self._temporary.unlink(missing_ok=True)
            if isinstance(problem, (OSError, *_BAD_VALUE)):
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
                f"'{self.path}' has no column '{unknown[0]}': its columns are "
                f"{listed(self.fields, 'and')}."
            )
        self.rows += 1
        try:
            self._sink.write({name: _python(row.get(name)) for name in self.fields})
        except (OSError, *_BAD_VALUE) as problem:
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
                os.replace(self._temporary, self.path)
        except (OSError, *_BAD_VALUE) as problem:
            raise self._error(problem) from None
        finally:
            self._temporary.unlink(missing_ok=True)

    def _error(self, problem: Exception) -> ParetextError:
        if isinstance(problem, OSError):
            return ParetextError(
                f"'{self.path}' cannot be written ({problem.strerror or first_line(problem)}): "
                "check the folder's permissions and free space."
            )
        what = first_line(problem)
        if isinstance(problem, UnicodeEncodeError):
            what = "a text holds half of a surrogate pair, which is not valid Unicode"
        remedy = "mend the value" if self._kind == "jsonl" else "mend the value, or use .jsonl"
        place = f"a value by row {self.rows}" if self.rows else "a column's name"
        return ParetextError(f"'{self.path}' cannot hold {place} ({what}): {remedy}.")


class _Sink(Protocol):
    binary: IO[bytes]

    def write(self, row: Row) -> None: ...

    def finish(self) -> None: ...

    def close(self) -> None: ...


class _CsvSink:
    def __init__(self, binary: IO[bytes], fields: list[str], delimiter: str) -> None:
        self.binary = binary
        self._buffer = io.StringIO(newline="")
        self._writer = csv.writer(self._buffer, delimiter=delimiter)
        self._put(fields)

    def _put(self, values: Iterable[object]) -> None:
        # The csv module quotes a carriage return only when its own line end contains one, so rows
        # are made with "\r\n" and stored with "\n".
        self._buffer.seek(0)
        self._buffer.truncate()
        self._writer.writerow(values)
        self.binary.write(self._buffer.getvalue()[:-2].encode("utf-8") + b"\n")

    def write(self, row: Row) -> None:
        self._put(map(_csv_value, row.values()))

    def finish(self) -> None:
        pass

    def close(self) -> None:
        self.binary.close()


class _JsonlSink:
    def __init__(self, binary: IO[bytes]) -> None:
        self.binary = binary

    def write(self, row: Row) -> None:
        row = {name: _text_value(value) for name, value in row.items()}
        self.binary.write(_json(row).encode("utf-8") + b"\n")

    def finish(self) -> None:
        pass

    def close(self) -> None:
        self.binary.close()


class _ParquetSink:
    def __init__(self, binary: IO[bytes], fields: list[str], types: dict[str, Any]) -> None:
        self.binary = binary
        self._fields = fields
        self._types = types
        self._rows: list[Row] = []
        self._writer: Any = None
        self._strings: list[str] = []

    def write(self, row: Row) -> None:
        self._rows.append(row)
        if len(self._rows) == _ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        pyarrow = import_pyarrow()
        if self._writer is None:
            fields = [pyarrow.field(name, self._type(name)) for name in self._fields]
            self._strings = [each.name for each in fields if pyarrow.types.is_string(each.type)]
            self._writer = pyarrow.parquet.ParquetWriter(self.binary, pyarrow.schema(fields))
        for row in self._rows:
            for name in self._strings:
                if not isinstance(row[name], (str, type(None))):
                    row[name] = _string(row[name])
        schema = self._writer.schema
        self._writer.write_table(pyarrow.Table.from_pylist(self._rows, schema=schema))
        self._rows = []

    def _type(self, name: str) -> Any:
        """The type of a column: as given, or that of its first rows."""
        if name in self._types:
            return self._types[name]
        pyarrow = import_pyarrow()
        found = pyarrow.array([row[name] for row in self._rows]).type
        return pyarrow.string() if pyarrow.types.is_null(found) else found

    def finish(self) -> None:
        if self._rows or self._writer is None:
            self._flush()
        self._writer.close()

    def close(self) -> None:
        if self._writer is not None:  # else it would be closed later, on a file that is closed
            with contextlib.suppress(Exception):
                self._writer.close()
            self._writer.is_open = False
        self.binary.close()


def _python(value: object) -> object:
    """Numpy scalars and arrays as Python's own numbers and lists."""
    return value.tolist() if hasattr(value, "tolist") else value


def _text_value(value: object) -> object:
    """`value` as the text formats hold it: not-a-number is None, a date is ISO 8601."""
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, (datetime.date, datetime.time)):
        return _json_default(value)
    return value


def _csv_value(value: object) -> object:
    """`value` as CSV holds it: what the csv module is to write."""
    value = _text_value(value)
    return _json(value) if isinstance(value, (list, dict)) else value


def _string(value: object) -> str | None:
    """`value` as the string that CSV has in its place."""
    value = _csv_value(value)
    return None if value is None else str(value)


def _json(value: object) -> str:
    try:
        return _dumps(value, allow_nan=False)
    except ValueError:  # not a number, or infinite, somewhere in it
        text = _dumps(value, allow_nan=True)
        return _dumps(json.loads(text, parse_constant=lambda _: None), allow_nan=False)


def _dumps(value: object, allow_nan: bool) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=allow_nan, default=_json_default)


def _json_default(value: object) -> str:
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} has no JSON form")
