"""Tables written row by row, all or nothing: CSV, TSV, JSON Lines and Parquet."""

from __future__ import annotations

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

from paretext.errors import ParetextError
from paretext.table_reading import (
    DELIMITERS,
    Row,
    first_line,
    format_of,
    import_pyarrow,
    listed,
)

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
    JSON, dates ISO 8601. JSON Lines holds null for not-a-number. A Parquet column takes its type
    from the first rows (8,192 of them); one that is empty there holds strings.
    """

    def __init__(self, path: str | Path, fields: Sequence[str]) -> None:
        self.path = Path(path)
        self.fields = list(fields)
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
                self._sink = _ParquetSink(binary, self.fields)
            else:
                self._sink = _CsvSink(binary, self.fields, DELIMITERS[self._kind])
        except BaseException:
            binary.close()
            self._temporary.unlink(missing_ok=True)
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
                sink.binary.close()
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
        return ParetextError(
            f"'{self.path}' cannot hold a value by row {self.rows} ({what}): {remedy}."
        )


class _Sink(Protocol):
    binary: IO[bytes]

    def write(self, row: Row) -> None: ...

    def finish(self) -> None: ...


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
        values = (_text_value(value) for value in row.values())
        self._put(_json(v) if isinstance(v, (list, dict)) else v for v in values)

    def finish(self) -> None:
        pass


class _JsonlSink:
    def __init__(self, binary: IO[bytes]) -> None:
        self.binary = binary

    def write(self, row: Row) -> None:
        row = {name: _text_value(value) for name, value in row.items()}
        self.binary.write(_json(row).encode("utf-8") + b"\n")

    def finish(self) -> None:
        pass


class _ParquetSink:
    def __init__(self, binary: IO[bytes], fields: list[str]) -> None:
        self.binary = binary
        self._fields = fields
        self._rows: list[Row] = []
        self._writer: Any = None

    def write(self, row: Row) -> None:
        self._rows.append(row)
        if len(self._rows) == _ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        pyarrow = import_pyarrow()
        if self._writer is None:
            arrays = [pyarrow.array([row[name] for row in self._rows]) for name in self._fields]
            types = [pyarrow.string() if pyarrow.types.is_null(a.type) else a.type for a in arrays]
            schema = pyarrow.schema(list(zip(self._fields, types, strict=True)))
            self._writer = pyarrow.parquet.ParquetWriter(self.binary, schema)
        schema = self._writer.schema
        self._writer.write_table(pyarrow.Table.from_pylist(self._rows, schema=schema))
        self._rows = []

    def finish(self) -> None:
        if self._rows or self._writer is None:
            self._flush()
        self._writer.close()


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


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_json_default)


def _json_default(value: object) -> str:
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} has no JSON form")
