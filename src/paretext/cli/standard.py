"""Standard input and output as the tables that a verb reads and writes.

A table is read twice (its columns first) and written all or nothing, which a pipe allows neither
of; so both go through files in a temporary folder, and memory stays flat however long they are.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, Literal, cast

from paretext.core.errors import ParetextError
from paretext.core.locks import temporary_folder
from paretext.data.tables import read_rows

STANDARD = Path("-")
STANDARD_INPUT = "standard input"
TEXT = "text"
"""The column that lines become."""
_PIECE = 2**16
"""Bytes of standard input that are taken at once, at most."""
Format = Literal["lines", "csv", "tsv", "jsonl"]


@contextmanager
def standard_files(
    source: Path, target: Path, form: Format, label: str
) -> Iterator[tuple[Path, Path]]:
    """The two files to work with in place of those that are `-`.

    form: of what is `-`. Of lines, each is a text, and what is written is the column `label` of its
        row, a line each.
    """
    if STANDARD not in (source, target):
        yield source, target
        return
    suffix = "jsonl" if form == "lines" else form
    with temporary_folder() as folder:
        read, written = source, target
        if source == STANDARD:
            read = folder / f"standard-input.{suffix}"
            with read.open("wb") as file:
                _take(sys.stdin.buffer, file, form)
        if target == STANDARD:
            written = folder / f"standard-output.{suffix}"
        try:
            yield read, written
        except ParetextError as error:
            if source != STANDARD:
                raise
            raise ParetextError(str(error).replace(str(read), STANDARD_INPUT)) from None
        if target == STANDARD:
            _give(written, sys.stdout.buffer, form, label)


def lines_as_they_come() -> Iterator[list[str]]:
    """The lines of standard input, as many at a time as are there; a stream may never end."""
    given, rest = cast("BufferedReader", sys.stdin.buffer), b""
    while piece := given.read1(_PIECE):  # waits for something, not for all of it
        *whole, rest = (rest + piece).split(b"\n")
        yield list(map(_text, whole))
    if rest:
        yield [_text(rest)]


def _text(line: bytes) -> str:
    """A line's text, without its end; bytes that are not UTF-8 are lone surrogates (PEP 383)."""
    return line.decode("utf-8", "surrogateescape").removesuffix("\n").removesuffix("\r")


def _take(given: IO[bytes], file: IO[bytes], form: Format) -> None:
    if form != "lines":
        shutil.copyfileobj(given, file)
        return
    for line in given:
        file.write(json.dumps({TEXT: _text(line)}).encode() + b"\n")


def _give(written: Path, out: IO[bytes], form: Format, label: str) -> None:
    if form == "lines":
        for row in read_rows(written):
            out.write(f"{row[label] or ''}\n".encode())
    else:
        with written.open("rb") as file:
            shutil.copyfileobj(file, out)
    out.flush()
