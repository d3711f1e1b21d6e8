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
from pathlib import Path
from typing import IO, Literal

from paretext.core.errors import ParetextError
from paretext.core.locks import temporary_folder
from paretext.data.tables import read_rows

STANDARD = Path("-")
STANDARD_INPUT = "standard input"
TEXT = "text"
"""The column that lines become."""
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


def _take(given: IO[bytes], file: IO[bytes], form: Format) -> None:
    if form != "lines":
        shutil.copyfileobj(given, file)
        return
    for line in given:
        text = line.decode("utf-8", "surrogateescape").removesuffix("\n").removesuffix("\r")
        file.write(json.dumps({TEXT: text}).encode() + b"\n")


def _give(written: Path, out: IO[bytes], form: Format, label: str) -> None:
    if form == "lines":
        for row in read_rows(written):
            out.write(f"{row[label] or ''}\n".encode())
    else:
        with written.open("rb") as file:
            shutil.copyfileobj(file, out)
    out.flush()
