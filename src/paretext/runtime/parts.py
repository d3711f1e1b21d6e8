"""A long prediction in parts, so that one that was killed goes on where it was.

Beside the output NAME stands a folder `.NAME.parts` while the work lasts. In it:

    job.json             what the job is: digests of the inputs and of the artifact, its settings
    00000-00000.parquet  the answers to `PART_ROWS` rows of an input, whole from its first moment
    00000-00000.json     its digest and its tally; without it, or with another digest, the part is
                         none, and is made again

A part is written under another name and renamed; then comes its record. When all parts of an output
are there they are joined, the result gets its place by a rename, and the folder goes away. So at
any moment there is the old output, or none, or the whole new one, and a row is in exactly one part.
A part is a function of the artifact and of its rows alone, whoever makes it: this process or a
worker on another machine.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from paretext.core.errors import ParetextError, cannot_write
from paretext.core.files import sha256
from paretext.core.places import delete, is_remote, move
from paretext.data.tables import FORMATS, BadRow, Row, RowWriter, scan_rows
from paretext.runtime.answering import DIGITS, Tally, answered, complete, in_chunks
from paretext.runtime.artifact import Artifact

PART_ROWS = 16384
_JOURNAL = "job.json"
_WHOLE = "whole"
_FORMAT = 1


class Part(NamedTuple):
    """Rows `begin` to `end` (not included) of a table, counted from 0."""

    table: int
    number: int
    begin: int
    end: int


@dataclass(frozen=True)
class Table:
    """An input. partition: columns that the folders above it say, where they become columns."""

    path: Path
    rows: int
    digest: str
    partition: dict[str, str | None]
    on_bad_row: Any
    stamp: tuple[int, float] = field(compare=False)

    def parts(self, table: int) -> list[Part]:
        begins = range(0, self.rows, PART_ROWS)
        return [
            Part(table, number, begin, min(begin + PART_ROWS, self.rows))
            for number, begin in enumerate(begins)
        ]


@dataclass(frozen=True)
class Output:
    """A file to write, from the tables of these numbers. types: the Arrow type of each column."""

    name: str
    tables: tuple[int, ...]
    types: dict[str, Any]


class _Record(BaseModel):
    sha256: str
    tally: Tally


@dataclass(frozen=True)
class Job:
    """target: the file to make, or where `outputs` have names below it the folder."""

    target: Path
    tables: tuple[Table, ...]
    outputs: tuple[Output, ...]
    column: str
    artifact: str
    in_place: str = ""

    @property
    def folder(self) -> Path:
        return self.target.with_name(f".{self.target.name}.parts")

    @property
    def is_folder(self) -> bool:
        return bool(self.outputs[0].name)

    def journal(self) -> str:
        """What the job is; the same for the same job."""
        inputs = [
            [str(each.path), each.digest, each.rows, each.partition, each.on_bad_row]
            for each in self.tables
        ]
        outputs = [[each.name, each.tables, list(each.types)] for each in self.outputs]
        said = {"format": _FORMAT, "rows_of_a_part": PART_ROWS, "text_column": self.column}
        said |= {"artifact": self.artifact, "target": str(self.target)}
        return json.dumps(said | {"inputs": inputs, "outputs": outputs}, indent=1)

    def is_begun(self) -> bool:
        """Whether an earlier process has begun this very job."""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return (self.folder / _JOURNAL).read_text(encoding="utf-8") == self.journal()
        return False

    def parts(self) -> list[Part]:
        return [part for number, table in enumerate(self.tables) for part in table.parts(number)]

    def place(self, part: Part) -> Path:
        return self.folder / f"{part.table:05d}-{part.number:05d}{self._suffix(part.table)}"

    def discard(self, part: Part) -> None:
        for each in (self.place(part), self.place(part).with_suffix(".json")):
            each.unlink(missing_ok=True)

    def joined(self, output: int) -> Path:
        first = self.outputs[output].tables[0]
        return self.folder / f"{output:05d}{self._suffix(first)}"

    def published(self, output: int) -> Path:
        name = self.outputs[output].name
        return self.target / name if name else self.target

    def _output(self, table: int) -> Output:
        return self.outputs[self._number(table)]

    def _number(self, table: int) -> int:
        """Of the output that a table goes into: each into its own, or all into one."""
        return table if self.is_folder else 0

    def _suffix(self, table: int) -> str:
        name = self._output(table).name
        return (Path(name) if name else self.target).suffix.lower()

    # --- what is done

    def begin(self) -> None:
        """Make the folder; parts of another job in it are deleted."""
        if self.is_begun():
            return
        for each in list(self.folder.iterdir()) if self.folder.is_dir() else []:
            if each.is_file():
                each.unlink()
        delete(self.folder / _WHOLE)  # not all of the folder: whoever works in it holds its lock
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / _JOURNAL).write_text(self.journal(), encoding="utf-8")

    def tally(self, made: Path, *others: Path) -> Tally | None:
        """Of a finished file; None where it is not there, or not as it was made."""
        try:
            text = made.with_suffix(".json").read_text(encoding="utf-8")
            record = _Record.model_validate_json(text)
            places = (each for each in (made, *others) if each.is_file())
            if any(sha256(each) == record.sha256 for each in places):
                return record.tally
        except (OSError, ValidationError, UnicodeDecodeError):
            pass
        return None

    # --- parts

    def work(
        self, parts: Iterable[Part], artifact: Artifact, cores: int = 1
    ) -> Iterator[tuple[Part, int, Tally | None]]:
        """Make the parts, in the order given. Yields after each chunk the part, how many rows were
        done, and with the last of a part its tally."""
        for suffix, group in itertools.groupby(parts, lambda each: self._suffix(each.table)):
            digits = None if FORMATS[suffix].typed else DIGITS
            yield from self._work(list(group), artifact, cores, digits)

    def _work(
        self, parts: Sequence[Part], artifact: Artifact, cores: int, digits: int | None
    ) -> Iterator[tuple[Part, int, Tally | None]]:
        answers = answered(artifact, self.column, self._chunks(parts), digits, cores)
        with contextlib.closing(answers):  # type: ignore[type-var]
            for part, chunks in itertools.groupby(answers, lambda each: each[0]):
                tally, place = Tally(), self.place(part)
                types, table = self._output(part.table).types, self.tables[part.table]
                with RowWriter(
                    place,
                    list(types),
                    types,
                    called=self.published(self._number(part.table)),
                    before=part.begin,
                ) as writer:
                    for _, chunk in chunks:
                        for row in complete(chunk, tally, part.begin, self.in_place):
                            writer.write({**row, **table.partition})
                        if tally.rows < part.end - part.begin:
                            yield part, len(chunk.rows), None
                    if tally.rows != part.end - part.begin:
                        raise _changed(table)
                self._record(place, tally)
                yield part, len(chunk.rows), tally

    def _chunks(self, parts: Sequence[Part]) -> Iterator[tuple[Part, list[Row | BadRow]]]:
        """The rows of the parts in chunks; neighbours are read in one pass."""
        rows: Iterator[Row | BadRow] = iter(())
        stands: tuple[int, int] | None = None
        for part in parts:
            if stands != (part.table, part.begin):
                table = self.tables[part.table]
                rows = scan_rows(table.path, table.on_bad_row, None, part.begin)
            some = False
            for chunk in in_chunks(itertools.islice(rows, part.end - part.begin)):
                some = True
                yield part, chunk
            if not some:
                raise _changed(self.tables[part.table])
            stands = part.table, part.end

    def _record(self, made: Path, tally: Tally) -> None:
        record = _Record(sha256=sha256(made), tally=tally)
        made.with_suffix(".json").write_text(record.model_dump_json(), encoding="utf-8")

    # --- from parts to outputs

    def join(self, output: int, advance: Callable[..., None]) -> Tally:
        """Make one file of an output's parts, which are deleted then; its tally."""
        whole, made = self.outputs[output], self.joined(output)
        parts = [part for table in whole.tables for part in self.tables[table].parts(table)]
        places = [self.place(part) for part in parts]
        total = self.tally(made, self.published(output))
        if total is None:
            tallies = [self.tally(place) for place in places]
            if None in tallies:
                raise ParetextError(
                    f"parts in {self.folder} were changed or deleted by somebody else; give the "
                    "same command again."
                )
            begun = made.with_name(f".{made.name}.part")
            try:
                with begun.open("wb") as binary:
                    FORMATS[made.suffix].join(places, binary, list(whole.types))
                    if not is_remote(begun):
                        binary.flush()
                        os.fsync(binary.fileno())
            except OSError as problem:
                with contextlib.suppress(OSError):
                    begun.unlink(missing_ok=True)
                raise cannot_write(self.published(output), problem) from None
            move(begun, made)
            total = reduce(Tally.and_then, filter(None, tallies), Tally())
            self._record(made, total)
        for part in parts:
            self.discard(part)
            advance(1)
        return total

    def publish(self) -> None:
        """Give what is joined its place, and delete the folder."""
        for table in self.tables:
            if stamp(table.path) != table.stamp:
                delete(self.folder)  # what is joined answers a table that is no more
                raise _changed(table)
        try:
            if self.is_folder:
                self._publish_folder()
            elif self.joined(0).is_file():
                move(self.joined(0), self.target)
        except OSError as problem:
            raise cannot_write(self.target, problem) from None
        delete(self.folder)

    def _publish_folder(self) -> None:
        """On a disk the whole folder appears at once; elsewhere, file by file."""
        remote = is_remote(self.target)
        tree = self.target if remote else self.folder / _WHOLE
        for number, output in enumerate(self.outputs):
            if self.joined(number).is_file():
                place = tree / output.name
                place.parent.mkdir(parents=True, exist_ok=True)
                move(self.joined(number), place)
        if not remote and tree.is_dir():
            with contextlib.suppress(FileNotFoundError):
                self.target.rmdir()  # an empty one
            tree.rename(self.target)

    def done(self, output: int) -> Tally | None:
        """The tally of an output that is joined, wherever the moment of the kill has left it."""
        name = self.outputs[output].name
        return self.tally(
            self.joined(output), self.published(output), self.folder / "whole" / (name or "none")
        )


def stamp(path: Path) -> tuple[int, float]:
    """Changes when a file is written to."""
    status = path.stat()
    return status.st_size, 0.0 if is_remote(path) else status.st_mtime_ns


def _changed(table: Table) -> ParetextError:
    return ParetextError(
        f"{table.path} changed while it was read; start again when nobody writes to it."
    )
