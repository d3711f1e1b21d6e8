"""Tables as streams of rows: CSV, TSV, JSON Lines and Parquet.

* CSV and TSV follow RFC 4180 strictly: a quoted field may hold the delimiter, line breaks and
  doubled quotes; a stray quote is an error and never swallows the rows after it. Every value is a
  string. Blank lines are passed over.
* JSON Lines holds one object a line; rows may leave keys out.
* Parquet needs pyarrow, imported only when such a file is met.

Text is UTF-8, with or without a byte order mark. Rows are counted from 1, the header not included;
errors name the row and, in text formats, the line.

A row that cannot be read ends the reading, unless `scan_rows` is asked to skip such rows: it then
has a `BadRow` in its place, so that every row keeps its number, and reading goes on behind it:

* after the line on which the fault was met; where a quote is never closed, after the line on which
  it was opened. Each line of a record whose quotes do not match is a bad row.
* a byte that is not UTF-8 costs its field alone: it is a lone surrogate there (PEP 383), which is
  no text to whoever looks at that field.
* a Parquet file that is damaged is an error all the same: nothing says where its next row begins.
"""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from paretext.core.errors import ParetextError
from paretext.core.files import nearest_path
from paretext.data.table_parquet import common_type, json_kinds, parquet_file, read_parquet
from paretext.data.table_rows import (
    BadRow,
    OnBadRow,
    Place,
    Row,
    checked_header,
    is_unicode,
    listed,
)

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
"""Suffix of the file's name (in lower case) -> format."""

DELIMITERS = {"csv": ",", "tsv": "\t"}

QUOTES = BadRow("quotes that do not match")
FIELDS = BadRow("more or fewer fields than the header names")
NO_OBJECT = BadRow("a line that is no JSON object")

# The csv module's limit (131,072 characters a field) is one number for the whole process. It is
# lifted only while one row is parsed, under a lock, and put back. 2**31 - 1 is the most that fits a
# C long on every platform.
_NO_LIMIT = 2**31 - 1
_limit_lock = threading.Lock()

_DEEPEST = 100  # lists and objects in each other; what is read must be written again


def format_of(path: str | Path) -> str:
    """The format that the suffix of `path` says: "csv", "tsv", "jsonl" or "parquet".

    Raises ParetextError for any other suffix.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        found = f"the suffix '{suffix}'" if suffix else "no suffix"
        raise ParetextError(
            f"'{path}' has {found}, so its format is unknown: name it {listed(FORMATS)}."
        )
    return FORMATS[suffix]


def columns(path: str | Path, on_bad_row: OnBadRow = "fail") -> list[str]:
    """The column names of the table at `path`, in order.

    For JSON Lines these are the keys of all rows in the order they first appear, which takes one
    pass over the file, since any row may leave a key out.
    """
    path, kind = existing(path), format_of(path)
    if kind == "jsonl":
        rows = _read_jsonl(path, on_bad_row)
        names = list(dict.fromkeys(key for row in rows if isinstance(row, dict) for key in row))
        return names if names or on_bad_row == "fail" else columns(path)  # which says why
    if kind == "parquet":
        with parquet_file(path) as file:
            return list(file.schema_arrow.names)
    with path.open("rb") as binary:
        place = Place(path)
        return _csv_header(_csv_records(binary, DELIMITERS[kind], place, "fail"), place, kind)


def column_types(path: str | Path, on_bad_row: OnBadRow = "fail") -> dict[str, Any]:
    """The columns of the table at `path`, each with an Arrow type that can hold all its values.

    A type is one of pyarrow's, or its name. A column of JSON Lines whose values are of several
    kinds, or objects, is one of strings. Takes a pass over such a file.
    """
    path, kind = existing(path), format_of(path)
    if kind == "parquet":
        with parquet_file(path) as file:
            return {field.name: field.type for field in file.schema_arrow}
    if kind != "jsonl":
        return dict.fromkeys(columns(path), "string")
    kinds: dict[str, set[str]] = {}
    for row in _read_jsonl(path, on_bad_row):
        for name, value in row.items() if isinstance(row, dict) else ():
            kinds.setdefault(name, set()).update(json_kinds(value))
    return {name: common_type(found) for name, found in kinds.items()}


def read_rows(path: str | Path) -> Iterator[Row]:
    """The rows of the table at `path`, as a stream of dicts.

    CSV and TSV values are strings (an empty field is ""); JSON Lines and Parquet values keep their
    type. Raises ParetextError at once for a missing file or an unknown suffix, and during the
    iteration for content that cannot be read, naming the row; a table without rows is an error.
    """
    rows = scan_rows(path, "fail")
    return (row for row in rows if not isinstance(row, BadRow))  # there is none: the first raises


def scan_rows(
    path: str | Path, on_bad_row: OnBadRow, names: Sequence[str] | None = None
) -> Iterator[Row | BadRow]:
    """`read_rows`, with a BadRow in the place of each row that cannot be read if told to skip.

    names: the columns that will be looked at (default: all); others may be left out.
    """
    path, kind = existing(path), format_of(path)
    if kind == "jsonl":
        return _read_jsonl(path, on_bad_row)
    if kind == "parquet":
        return read_parquet(path, on_bad_row, names)
    return _read_csv(path, kind, on_bad_row)


def text_lines(path: str | Path) -> Iterator[str]:
    """The lines of a plain UTF-8 text file, without their line ends."""
    path = existing(path)
    with path.open("rb") as binary:
        place = Place(path)
        for line in _lines(binary, place):
            place.row += 1
            yield line.rstrip("\r\n")


def existing(path: str | Path) -> Path:
    """The path of a file that is there and can be read; ParetextError if it is not."""
    path = Path(path)
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


def _lines(binary: IO[bytes], place: Place, on_bad_row: OnBadRow = "fail") -> Iterator[str]:
    """Decoded lines with their ends kept; a lone carriage return, as in a quoted field, ends one.

    Splitting the bytes at line feeds before decoding is safe (no other UTF-8 character contains
    that byte) and lets a bad byte be found at its own row, where a buffered decoder runs ahead.
    """
    start = binary.tell()
    for raw in binary:
        place.lines_read += 1
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as bad:
            utf16 = start == 0 and raw.startswith((b"\xff\xfe", b"\xfe\xff"))
            if on_bad_row == "fail" or utf16 or not place.row:
                place.line = place.lines_read
                coding = "UTF-16" if utf16 else "WINDOWS-1252"
                raise place.error(
                    f"byte 0x{raw[bad.start]:02x} at offset {start + bad.start} is not UTF-8: "
                    f"save the file as UTF-8, for example with `iconv -f {coding} -t UTF-8`."
                ) from None
            text = raw.decode("utf-8", "surrogateescape")
        if start == 0:
            text = text.removeprefix("\ufeff")
        start += len(raw)
        if place.lines_read == place.line:
            place.next_line = start
        if "\r" in text:
            yield from io.StringIO(text, newline="")
        else:
            yield text
    place.ended = True


def _csv_records(
    binary: IO[bytes], delimiter: str, place: Place, on_bad_row: OnBadRow
) -> Iterator[list[str] | BadRow]:
    reader = csv.reader(_lines(binary, place, on_bad_row), delimiter=delimiter, strict=True)
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
            lines = _lines(binary, place, on_bad_row)
            reader = csv.reader(lines, delimiter=delimiter, strict=True)


def _csv_header(records: Iterator[list[str] | BadRow], place: Place, kind: str) -> list[str]:
    header = next(records, None)
    if header is None or isinstance(header, BadRow):  # a bad header has raised
        raise place.error("there are only blank lines: the first line must name the columns.")
    if len(header) == 1:
        for other, suffix in ((",", ".csv"), ("\t", ".tsv"), (";", ""), ("|", "")):
            if other != DELIMITERS[kind] and other in header[0]:
                name = "a tab" if other == "\t" else f"'{other}'"
                remedy = f"name the file {suffix}" if suffix else "save it with commas"
                raise place.error(
                    f"the columns seem to be separated by {name}, which is not how .{kind} is "
                    f"read: {remedy}."
                )
    return checked_header(header, place)


def _read_csv(path: Path, kind: str, on_bad_row: OnBadRow) -> Iterator[Row | BadRow]:
    with path.open("rb") as binary:
        place = Place(path)
        records = _csv_records(binary, DELIMITERS[kind], place, on_bad_row)
        header = _csv_header(records, place, kind)
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


def _read_jsonl(path: Path, on_bad_row: OnBadRow) -> Iterator[Row | BadRow]:
    with path.open("rb") as binary:
        place = Place(path)
        place.row = 1
        for line in _lines(binary, place, on_bad_row):
            if not line.strip():
                continue
            place.line = place.lines_read
            try:
                yield _json_object(line)
            except ValueError as problem:
                if on_bad_row == "fail":
                    raise place.error(
                        f"{problem}: write one object a line, such as "
                        '{"text": "...", "label": "joy"}.'
                    ) from None
                yield NO_OBJECT
            place.row += 1
        if place.row == 1:
            raise ParetextError(f"'{path}' has only blank lines: give a file with rows.")


def _json_object(line: str) -> Row:
    """The object that a line holds. Raises ValueError, which says what it holds instead."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"not JSON ({problem})") from None
    if not isinstance(row, dict):
        raise ValueError(f"{_json_kind(row)} where an object is needed")
    if not all(map(is_unicode, row)):
        raise ValueError("a key that is not valid Unicode")
    if line.count("[") + line.count("{") > _DEEPEST and _depth(row) > _DEEPEST:
        raise ValueError(f"lists or objects more than {_DEEPEST} deep in each other")
    return row


def _depth(value: object) -> int:
    """How deep lists and objects stand in each other."""
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, (list, dict))]:
        depth += 1
        level = [x for each in level for x in (each.values() if isinstance(each, dict) else each)]
    return depth


def _json_kind(value: object) -> str:
    names = {list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _fields(count: int) -> str:
    return f"{count} field" if count == 1 else f"{count} fields"
