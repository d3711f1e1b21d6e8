"""What every table reader shares: rows, bad rows, and the place that an error names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from paretext.core.errors import ParetextError

Row = dict[str, object]

OnBadRow = Literal["fail", "skip"]
"""What to do with a row that cannot be used: raise a ParetextError, or go on without it."""


class BadRow(NamedTuple):
    """Stands in the place of a row that cannot be read."""

    problem: str
    """What is wrong with the row, worded to follow "with"."""


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


def listed(names: Iterable[str], word: str = "or") -> str:
    *most, last = list(names)
    return f"{', '.join(most)} {word} {last}" if most else last


def first_line(problem: BaseException) -> str:
    return (str(problem).splitlines() or [type(problem).__name__])[0].rstrip(".")
