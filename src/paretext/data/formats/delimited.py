"""CSV and TSV after RFC 4180, strictly: a stray quote is an error and swallows no row after it."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, ClassVar

from paretext.core.errors import ParetextError
from paretext.data.formats.base import (
    BadRow,
    Format,
    OnBadRow,
    Place,
    Row,
    TableSink,
    as_json,
    checked_header,
    lines,
    text_value,
)

QUOTES = BadRow("quotes that do not match")
FIELDS = BadRow("more or fewer fields than the header names")

# The csv module's limit (131,072 characters a field) is one number for the whole process. It is
# lifted only while one row is parsed, under a lock, and put back. 2**31 - 1 is the most that fits a
# C long on every platform.
_NO_LIMIT = 2**31 - 1
_limit_lock = threading.Lock()


class _Delimited(Format):
    delimiter: ClassVar[str]

    def columns(self, path: Path, on_bad_row: OnBadRow) -> list[str]:
        with path.open("rb") as binary:
            place = Place(path)
            return self._header(_records(binary, self.delimiter, place, "fail"), place)

    def rows(
        self, path: Path, on_bad_row: OnBadRow, names: Sequence[str] | None
    ) -> Iterator[Row | BadRow]:
        with path.open("rb") as binary:
            place = Place(path)
            records = _records(binary, self.delimiter, place, on_bad_row)
            header = self._header(records, place)
            place.row = 1
            for record in records:
                if isinstance(record, BadRow):
                    yield record
                elif len(record) == len(header):
                    yield dict(zip(header, record, strict=True))
                elif on_bad_row == "skip":
                    yield FIELDS
                else:
                    raise place.error(
                        f"{_fields(len(record))} where the header names {len(header)}: put a field "
                        "that has the delimiter in it between quotes."
                    )
                place.row += 1
            if place.row == 1:
                raise ParetextError(f"'{path}' has a header and no rows: give a file with rows.")

    def sink(self, binary: IO[bytes], fields: list[str], types: Mapping[str, Any]) -> TableSink:
        return DelimitedSink(binary, fields, self.delimiter)

    def _header(self, records: Iterator[list[str] | BadRow], place: Place) -> list[str]:
        header = next(records, None)
        if header is None or isinstance(header, BadRow):  # a bad header has raised
            raise place.error("there are only blank lines: the first line must name the columns.")
        if len(header) == 1:
            for other, suffix in ((",", ".csv"), ("\t", ".tsv"), (";", ""), ("|", "")):
                if other != self.delimiter and other in header[0]:
                    name = "a tab" if other == "\t" else f"'{other}'"
                    remedy = f"name the file {suffix}" if suffix else "save it with commas"
                    raise place.error(
                        f"the columns seem to be separated by {name}, which is not how "
                        f".{self.name} is read: {remedy}."
                    )
        return checked_header(header, place)


class Csv(_Delimited):
    name = "csv"
    suffixes = (".csv",)
    delimiter = ","


class Tsv(_Delimited):
    name = "tsv"
    suffixes = (".tsv",)
    delimiter = "\t"


def _records(
    binary: IO[bytes], delimiter: str, place: Place, on_bad_row: OnBadRow
) -> Iterator[list[str] | BadRow]:
    reader = csv.reader(lines(binary, place, on_bad_row), delimiter=delimiter, strict=True)
    while True:
        place.line, place.next_line = place.lines_read + 1, None
        record: list[str] | BadRow | None
        with _limit_lock:
            limit = csv.field_size_limit(_NO_LIMIT)
            try:
                record = next(reader, None)
            except csv.Error as problem:
                if on_bad_row == "fail" or not place.row:
                    raise place.error(
                        f"the quotes do not match ({problem}): put a field that has a quote in it "
                        'between quotes and double the quote ("") inside, or use .jsonl.'
                    ) from None
                record = QUOTES
            finally:
                csv.field_size_limit(limit)
        if record is None:
            return
        if not isinstance(record, BadRow):
            if record:  # [] is a blank line
                yield record
        elif not place.ended:
            for _ in range(place.line, max(place.lines_read, place.line) + 1):
                yield record
        else:  # the quote is never closed, so it opened no field, and the lines after it are rows
            yield record
            if place.next_line is None:  # a line that only carriage returns divide
                return
            binary.seek(place.next_line)
            place.lines_read, place.ended = place.line, False
            rest = lines(binary, place, on_bad_row)
            reader = csv.reader(rest, delimiter=delimiter, strict=True)


def _fields(count: int) -> str:
    return f"{count} field" if count == 1 else f"{count} fields"


class DelimitedSink(TableSink):
    def __init__(self, binary: IO[bytes], fields: list[str], delimiter: str) -> None:
        super().__init__(binary)
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
        self._put(map(csv_value, row.values()))


def csv_value(value: object) -> object:
    """`value` as CSV holds it: what the csv module is to write."""
    value = text_value(value)
    return as_json(value) if isinstance(value, (list, dict)) else value
