"""Tables as streams of rows: CSV, TSV, JSON Lines and Parquet.

* CSV and TSV follow RFC 4180 strictly: a quoted field may hold the delimiter, line breaks and
  doubled quotes; a stray quote is an error and never swallows the rows after it. Every value is a
  string. Blank lines are passed over.
* JSON Lines holds one object a line; rows may leave keys out.
* Parquet needs pyarrow, imported only when such a file is met.

Text is UTF-8, with or without a byte order mark. Rows are counted from 1, the header not included;
errors name the row and, in text formats, the line.
"""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from paretext.errors import ParetextError

Row = dict[str, object]

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
"""Suffix of the file's name (in lower case) -> format."""

DELIMITERS = {"csv": ",", "tsv": "\t"}
_READ_ROWS = 1024  # rows of a Parquet file that are Python objects at one time

# The csv module's limit (131,072 characters a field) is one number for the whole process. It is
# lifted only while one row is parsed, under a lock, and put back. 2**31 - 1 is the most that fits a
# C long on every platform.
_NO_LIMIT = 2**31 - 1
_limit_lock = threading.Lock()


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


def columns(path: str | Path) -> list[str]:
    """The column names of the table at `path`, in order.

    For JSON Lines these are the keys of all rows in the order they first appear, which takes one
    pass over the file, since any row may leave a key out.
    """
    path, kind = _existing(path), format_of(path)
    if kind == "jsonl":
        return list(dict.fromkeys(key for row in _read_jsonl(path) for key in row))
    if kind == "parquet":
        with _parquet_file(path) as file:
            return _checked_header([str(n) for n in file.schema_arrow.names], _Place(path))
    with path.open("rb") as binary:
        place = _Place(path)
        return _csv_header(_csv_records(binary, DELIMITERS[kind], place), place, kind)


def read_rows(path: str | Path) -> Iterator[Row]:
    """The rows of the table at `path`, as a stream of dicts.

    CSV and TSV values are strings (an empty field is ""); JSON Lines and Parquet values keep their
    type. Raises ParetextError at once for a missing file or an unknown suffix, and during the
    iteration for content that cannot be read, naming the row; a table without rows is an error.
    """
    path, kind = _existing(path), format_of(path)
    if kind == "jsonl":
        return _read_jsonl(path)
    if kind == "parquet":
        return _read_parquet(path)
    return _read_csv(path, kind)


def text_lines(path: str | Path) -> Iterator[str]:
    """The lines of a plain UTF-8 text file, without their line ends."""
    path = _existing(path)
    with path.open("rb") as binary:
        place = _Place(path)
        for line in _lines(binary, place):
            place.row += 1
            yield line.rstrip("\r\n")


class _Place:
    """Where the reader stands; `error` makes a sentence that begins with it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.row = 0  # 0 is the header
        self.line = 0  # where the row begins; 0 where the format has no lines
        self.lines_read = 0

    def error(self, problem: str) -> ParetextError:
        row = f"row {self.row}" if self.row else "the header"
        line = f" (line {self.line})" if self.line else ""
        return ParetextError(f"'{self.path}', {row}{line}: {problem}")


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if path.is_dir():
        raise ParetextError(f"'{path}' is a folder: name a file in it.")
    try:
        with path.open("rb") as binary:
            if not binary.read(1):
                raise ParetextError(f"'{path}' is empty: 0 bytes; give a file with rows.")
    except FileNotFoundError:
        raise ParetextError(f"'{path}' does not exist: check the path.") from None
    except OSError as problem:
        raise ParetextError(
            f"'{path}' cannot be opened ({problem.strerror}): check its permissions."
        ) from None
    return path


def _lines(binary: IO[bytes], place: _Place) -> Iterator[str]:
    """Decoded lines with their ends kept; a lone carriage return, as in a quoted field, ends one.

    Splitting the bytes at line feeds before decoding is safe (no other UTF-8 character contains
    that byte) and lets a bad byte be found at its own row, where a buffered decoder runs ahead.
    """
    start = 0
    for raw in binary:
        place.lines_read += 1
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as bad:
            utf16 = start == 0 and raw.startswith((b"\xff\xfe", b"\xfe\xff"))
            place.line = place.lines_read
            coding = "UTF-16" if utf16 else "WINDOWS-1252"
            raise place.error(
                f"byte 0x{raw[bad.start]:02x} at offset {start + bad.start} is not UTF-8: "
                f"save the file as UTF-8, for example with `iconv -f {coding} -t UTF-8`."
            ) from None
        if start == 0:
            text = text.removeprefix("\ufeff")
        start += len(raw)
        if "\r" in text:
            yield from io.StringIO(text, newline="")
        else:
            yield text


def _csv_records(binary: IO[bytes], delimiter: str, place: _Place) -> Iterator[list[str]]:
    reader = csv.reader(_lines(binary, place), delimiter=delimiter, strict=True)
    while True:
        place.line = place.lines_read + 1
        with _limit_lock:
            limit = csv.field_size_limit(_NO_LIMIT)
            try:
                record = next(reader, None)
            except csv.Error as problem:
                raise place.error(
                    f"the quotes do not match ({problem}): put a field that has a quote in it "
                    'between quotes and double the quote ("") inside, or use .jsonl.'
                ) from None
            finally:
                csv.field_size_limit(limit)
        if record is None:
            return
        if record:  # [] is a blank line
            yield record


def _csv_header(records: Iterator[list[str]], place: _Place, kind: str) -> list[str]:
    header = next(records, None)
    if header is None:
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
    return _checked_header(header, place)


def _checked_header(header: list[str], place: _Place) -> list[str]:
    twice = [name for i, name in enumerate(header) if name in header[:i]]
    if twice:
        raise place.error(f"the column '{twice[0]}' is named twice: rename one of them.")
    return header


def _read_csv(path: Path, kind: str) -> Iterator[Row]:
    with path.open("rb") as binary:
        place = _Place(path)
        records = _csv_records(binary, DELIMITERS[kind], place)
        header = _csv_header(records, place, kind)
        place.row = 1
        for record in records:
            if len(record) != len(header):
                raise place.error(
                    f"{_fields(len(record))} where the header names {len(header)}: put a field "
                    "that has the delimiter in it between quotes."
                )
            yield dict(zip(header, record, strict=True))
            place.row += 1
        if place.row == 1:
            raise ParetextError(f"'{path}' has a header and no rows: give a file with rows.")


def _read_jsonl(path: Path) -> Iterator[Row]:
    with path.open("rb") as binary:
        place = _Place(path)
        place.row = 1
        for line in _lines(binary, place):
            if not line.strip():
                continue
            place.line = place.lines_read
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as problem:
                raise place.error(
                    f"not JSON ({problem}): write one object a line, such as "
                    '{"text": "...", "label": "joy"}.'
                ) from None
            if not isinstance(row, dict):
                raise place.error(
                    f"{_json_kind(row)} where an object is needed: write one object a line, such "
                    'as {"text": "...", "label": "joy"}.'
                )
            yield row
            place.row += 1
        if place.row == 1:
            raise ParetextError(f"'{path}' has only blank lines: give a file with rows.")


def _read_parquet(path: Path) -> Iterator[Row]:
    with _parquet_file(path) as file:
        place = _Place(path)
        _checked_header([str(n) for n in file.schema_arrow.names], place)
        place.row = 1
        try:
            for batch in file.iter_batches(batch_size=_READ_ROWS):
                # Row by row only to name the row: a batch with bad bytes fails as a whole.
                try:
                    rows = batch.to_pylist()
                except UnicodeDecodeError:
                    rows = (batch.slice(i, 1).to_pylist()[0] for i in range(batch.num_rows))
                for row in rows:
                    yield row
                    place.row += 1
        except UnicodeDecodeError as bad:
            raise place.error(
                f"byte 0x{bad.object[bad.start]:02x} at offset {bad.start} of a text is not "
                "UTF-8: write the column again as UTF-8 strings."
            ) from None
        except (OSError, import_pyarrow().lib.ArrowException) as problem:
            raise place.error(f"damaged ({first_line(problem)}): write the file again.") from None
        if place.row == 1:
            raise ParetextError(f"'{path}' has columns and no rows: give a file with rows.")


def import_pyarrow() -> Any:
    try:
        import pyarrow.parquet
    except ImportError:
        raise ParetextError(
            'Parquet files need pyarrow, which is not installed: pip install "paretext[train]".'
        ) from None
    return pyarrow


def _parquet_file(path: Path) -> Any:
    pyarrow = import_pyarrow()
    try:
        return pyarrow.parquet.ParquetFile(path)
    except (OSError, pyarrow.lib.ArrowException) as problem:
        raise ParetextError(
            f"'{path}' is not a Parquet file that can be read ({first_line(problem)}): "
            "write it again, or give it the suffix of its real format."
        ) from None


def _json_kind(value: object) -> str:
    names = {list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _fields(count: int) -> str:
    return f"{count} field" if count == 1 else f"{count} fields"


def listed(names: Iterable[str], word: str = "or") -> str:
    *most, last = list(names)
    return f"{', '.join(most)} {word} {last}" if most else last


def first_line(problem: BaseException) -> str:
    return (str(problem).splitlines() or [type(problem).__name__])[0].rstrip(".")
