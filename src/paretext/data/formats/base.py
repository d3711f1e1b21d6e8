"""What every format shares: rows, bad rows, the place that an error names, and the register.

A format is one file that defines a `Format` with its suffixes; it is known from then on.
"""

from __future__ import annotations

import datetime
import io
import itertools
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, ClassVar, Literal, NamedTuple

from paretext.core.errors import ParetextError

Row = dict[str, object]

OnBadRow = Literal["fail", "skip"]
"""What to do with a row that cannot be used: raise a ParetextError, or go on without it."""


class BadRow(NamedTuple):
    """Stands in the place of a row that cannot be read."""

    problem: str
    """What is wrong with the row, worded to follow "with"."""


FORMATS: dict[str, Format] = {}
"""By the suffix of the file's name, in lower case."""
BAD_VALUE = (ValueError, TypeError, NotImplementedError, OverflowError)
"""What json and pyarrow raise for a value that has no place in the format."""


class Format:
    """A file format. Its subclass with `suffixes` is registered where it is defined."""

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]] = ()
    typed: ClassVar[bool] = False
    """Whether its columns have types of their own."""

    def __init_subclass__(cls, **_: Any) -> None:
        for suffix in cls.suffixes:
            FORMATS[suffix] = cls()

    def columns(self, path: Path, on_bad_row: OnBadRow) -> list[str]:
        """The names of the columns, in order."""
        raise NotImplementedError

    def types(self, path: Path, on_bad_row: OnBadRow) -> dict[str, Any]:
        """Each column with an Arrow type, or its name, that can hold all its values."""
        return dict.fromkeys(self.columns(path, on_bad_row), "string")

    def rows(
        self, path: Path, on_bad_row: OnBadRow, names: Sequence[str] | None
    ) -> Iterator[Row | BadRow]:
        """The rows; names: the columns that will be looked at, others may be left out."""
        raise NotImplementedError

    def rows_from(
        self, path: Path, on_bad_row: OnBadRow, names: Sequence[str] | None, first: int
    ) -> Iterator[Row | BadRow]:
        """The rows behind the first ones, which are read all the same unless a format can jump."""
        return itertools.islice(self.rows(path, on_bad_row, names), first, None)

    def count(self, path: Path, on_bad_row: OnBadRow) -> int:
        """How many rows there are."""
        return sum(1 for _ in self.rows(path, on_bad_row, []))

    def join(self, parts: Sequence[Path], binary: IO[bytes], fields: list[str]) -> None:
        """Write the rows of several tables of these fields as one."""
        head = io.BytesIO()
        self.sink(head, fields, {})
        for number, part in enumerate(parts):
            with part.open("rb") as file:
                file.seek(len(head.getvalue()) if number else 0)
                shutil.copyfileobj(file, binary)

    def check_writing(self) -> None:
        """ParetextError where it cannot be written, for want of a library."""

    def sink(self, binary: IO[bytes], fields: list[str], types: Mapping[str, Any]) -> TableSink:
        """What writes rows of these fields into an open file."""
        raise NotImplementedError


class TableSink:
    """Writes rows into an open file; `close` comes also after an error, `finish` only without."""

    def __init__(self, binary: IO[bytes]) -> None:
        self.binary = binary

    def write(self, row: Row) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        """Write what is held back."""

    def close(self) -> None:
        self.binary.close()


class Place:
    """Where the reader stands; `error` makes a sentence that begins with it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.row = 0  # 0 is the header
        self.line = 0  # where the row begins; 0 where the format has no lines
        self.lines_read = 0
        self.next_line: int | None = None  # offset of the line after the one where the row begins
        self.ended = False  # whether a line was asked for after the last one

    def error(self, problem: str) -> ParetextError:
        row = f"row {self.row}" if self.row else "the header"
        line = f" (line {self.line})" if self.line else ""
        return ParetextError(f"'{self.path}', {row}{line}: {problem}")


def checked_header(header: list[str], place: Place) -> list[str]:
    twice = [name for i, name in enumerate(header) if name in header[:i]]
    if twice:
        raise place.error(f"the column '{twice[0]}' is named twice: rename one of them.")
    return header


def lines(binary: IO[bytes], place: Place, on_bad_row: OnBadRow = "fail") -> Iterator[str]:
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


def depth(value: object) -> int:
    """How deep lists and objects stand in each other."""
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, (list, dict))]:
        depth += 1
        level = [x for each in level for x in (each.values() if isinstance(each, dict) else each)]
    return depth


def is_unicode(text: str) -> bool:
    """False for a string with half a surrogate pair, which JSON can hold and UTF-8 cannot."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def replace_surrogates(text: str) -> str:
    """`text` with U+FFFD, the replacement character, for each half of a surrogate pair."""
    return "".join("\ufffd" if "\ud800" <= each <= "\udfff" else each for each in text)


def text_value(value: object) -> object:
    """`value` as the text formats hold it: not-a-number is None, a date is ISO 8601."""
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, (datetime.date, datetime.time)):
        return _json_default(value)
    return value


def as_json(value: object) -> str:
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
