"""Parquet files and Arrow tables as streams of rows; pyarrow is imported only when one is met."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from paretext.core.errors import ParetextError, first_line
from paretext.core.places import is_remote
from paretext.data.formats.base import (
    BadRow,
    Format,
    OnBadRow,
    Place,
    Row,
    TableSink,
    checked_header,
)
from paretext.data.formats.delimited import csv_value

_READ_ROWS = 1024  # rows of a Parquet file that are Python objects at one time
_ROW_GROUP = 8192  # rows of a Parquet row group


class Parquet(Format):
    name = "parquet"
    suffixes = (".parquet",)
    typed = True

    def columns(self, path: Path, on_bad_row: OnBadRow) -> list[str]:
        with parquet_file(path) as file:
            return list(file.schema_arrow.names)

    def types(self, path: Path, on_bad_row: OnBadRow) -> dict[str, Any]:
        with parquet_file(path) as file:
            return {field.name: field.type for field in file.schema_arrow}

    def rows(
        self, path: Path, on_bad_row: OnBadRow, names: Sequence[str] | None
    ) -> Iterator[Row | BadRow]:
        return _read(path, on_bad_row, names, 0)

    def rows_from(
        self, path: Path, on_bad_row: OnBadRow, names: Sequence[str] | None, first: int
    ) -> Iterator[Row | BadRow]:
        return _read(path, on_bad_row, names, first)

    def count(self, path: Path, on_bad_row: OnBadRow) -> int:
        with parquet_file(path) as file:
            rows: int = file.metadata.num_rows
        if not rows:
            raise ParetextError(f"'{path}' has columns and no rows: give a file with rows.")
        return rows

    def join(self, parts: Sequence[Path], binary: IO[bytes], fields: list[str]) -> None:
        writer = None
        for part in parts:
            with parquet_file(part) as file:
                if writer is None:
                    writer = import_pyarrow().parquet.ParquetWriter(binary, file.schema_arrow)
                for group in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(group))
        if writer is not None:
            writer.close()

    def check_writing(self) -> None:
        import_pyarrow()

    def sink(self, binary: IO[bytes], fields: list[str], types: Mapping[str, Any]) -> TableSink:
        return ParquetSink(binary, fields, types)


def _read(
    path: Path, on_bad_row: OnBadRow, names: Sequence[str] | None, first: int
) -> Iterator[Row | BadRow]:
    with parquet_file(path) as file:
        place = Place(path)
        groups, passed = _groups_from(file, first)
        place.row = 1 + passed
        try:
            chosen = None if names is None else list(names)
            for batch in file.iter_batches(_READ_ROWS, row_groups=groups, columns=chosen):
                begin = min(max(first + 1 - place.row, 0), batch.num_rows)
                place.row += begin
                for row in arrow_rows(batch.slice(begin), on_bad_row):
                    yield row
                    place.row += 1
        except UnicodeDecodeError as bad:
            raise place.error(not_utf8(bad)) from None
        except (OSError, import_pyarrow().lib.ArrowException) as problem:
            raise place.error(f"damaged ({first_line(problem)}): write the file again.") from None
        except (ValueError, OverflowError) as problem:
            raise place.error(
                f"a value that Python cannot hold ({first_line(problem)}): write it as a string."
            ) from None
        if place.row == 1 and not first:
            raise ParetextError(f"'{path}' has columns and no rows: give a file with rows.")


def _groups_from(file: Any, first: int) -> tuple[list[int], int]:
    """The row groups from the one that holds row number `first`, of 0, and the rows before it."""
    passed, groups = 0, range(file.num_row_groups)
    for group in groups:
        rows = file.metadata.row_group(group).num_rows
        if passed + rows > first:
            return list(groups[group:]), passed
        passed += rows
    return [], passed


def arrow_rows(batch: Any, on_bad_row: OnBadRow) -> Iterator[Row]:
    """The rows of an Arrow table or record batch.

    Bytes of a string that are not UTF-8, and dates and times that Python cannot hold, raise a
    UnicodeDecodeError or another ValueError or an OverflowError at their row; or else the bytes
    become lone surrogates and the dates strings.
    """
    try:
        rows = batch.to_pylist()
    except (ValueError, OverflowError):  # one cell fails the whole batch
        names = batch.schema.names
        for i in range(batch.num_rows):
            yield {name: _cell(batch.column(name)[i], on_bad_row) for name in names}
    else:
        yield from rows


def _cell(scalar: Any, on_bad_row: OnBadRow) -> object:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        if on_bad_row == "fail":
            raise
        if hasattr(scalar, "as_buffer"):
            return scalar.as_buffer().to_pybytes().decode("utf-8", "surrogateescape")
        return "\udcff"  # a list or an object with such a string in it
    except (ValueError, OverflowError):
        if on_bad_row == "fail":
            raise
        return scalar.cast(import_pyarrow().string()).as_py()


def not_utf8(bad: UnicodeDecodeError) -> str:
    """The sentence on a string of a Parquet file or a dataset, without its place."""
    return (
        f"byte 0x{bad.object[bad.start]:02x} at offset {bad.start} of a text is not "
        "UTF-8: write the column again as UTF-8 strings."
    )


def json_kinds(value: object) -> set[str]:
    """The kinds of a value of JSON and, if it is a list, of the values in it."""
    if isinstance(value, list):
        within = set().union(*map(json_kinds, value))
        return {"list", *(f"item {kind}" for kind in within)}
    if isinstance(value, int) and not isinstance(value, bool):
        # Up to 2**53 a double holds it, too, should there be fractions among the others.
        return {"int" if abs(value) <= 2**53 else "int64" if abs(value) < 2**63 else "long"}
    kinds = {str: "string", bool: "bool", float: "double", type(None): "null"}
    return {kinds.get(type(value), "object")}


def common_type(kinds: set[str]) -> Any:
    """The Arrow type, or its name, that holds values of all `kinds`; strings hold any."""
    present = kinds - {"null"}
    items = {kind.removeprefix("item ") for kind in present if kind.startswith("item ")}
    if present and present - {f"item {kind}" for kind in items} == {"list"}:
        pyarrow, inner = import_pyarrow(), common_type(items)
        if inner == "string" and not items <= {"string", "null"}:
            return "string"
        return pyarrow.list_(pyarrow.type_for_alias(inner) if isinstance(inner, str) else inner)
    if present and present <= {"int", "int64"}:
        return "int64"
    if present and present <= {"int", "double"}:
        return "double"
    return "bool" if present == {"bool"} else "string"


def import_pyarrow() -> Any:
    try:
        import pyarrow.parquet
    except ImportError:
        raise ParetextError(
            'Parquet files need pyarrow, which is not installed: pip install "paretext[train]".'
        ) from None
    return pyarrow


def parquet_file(path: Path) -> Any:
    """An open ParquetFile whose columns have names that can be told apart."""
    pyarrow = import_pyarrow()
    try:
        file = pyarrow.parquet.ParquetFile(path.open("rb") if is_remote(path) else path)
        names = list(file.schema_arrow.names)  # one that is not UTF-8 raises here
    except (OSError, ValueError, pyarrow.lib.ArrowException) as problem:
        raise ParetextError(
            f"'{path}' is not a Parquet file that can be read ({first_line(problem)}): "
            "write it again, or give it the suffix of its real format."
        ) from None
    checked_header(names, Place(path))
    return file


class ParquetSink(TableSink):
    def __init__(self, binary: IO[bytes], fields: list[str], types: Mapping[str, Any]) -> None:
        super().__init__(binary)
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
        guessed = pyarrow.array([row[name] for row in self._rows]).type
        return pyarrow.string() if pyarrow.types.is_null(guessed) else guessed

    def finish(self) -> None:
        if self._rows or self._writer is None:
            self._flush()
        self._writer.close()

    def close(self) -> None:
        if self._writer is not None:  # else it would be closed later, on a file that is closed
            with contextlib.suppress(Exception):
                self._writer.close()
            self._writer.is_open = False
        super().close()


def _string(value: object) -> str | None:
    """`value` as the string that CSV has in its place."""
    value = csv_value(value)
    return None if value is None else str(value)
