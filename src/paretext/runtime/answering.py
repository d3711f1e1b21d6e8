"""Rows with texts in, the same rows with their answers out, and what there was to say about them.

A row is answered if its text is one that training would take (`data.values`); else it keeps its
place with empty answers, is counted and named. What cannot be written as UTF-8, half a surrogate
pair or bytes that are not UTF-8, is written as U+FFFD, and that is said, too.

Rows are answered `CHUNK_ROWS` at a time, counted from the first row of their part, by calls of one
core each, several chunks at a time. So which texts share a call depends on the file alone, and the
answers are the same to the last bit on any number of cores, and of machines of one kind.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel

from paretext.core.errors import ParetextError
from paretext.data.formats.base import is_unicode, replace_surrogates
from paretext.data.reading import Numbers, row_problem
from paretext.data.tables import BadRow, Row
from paretext.runtime.artifact import Artifact, softmax
from paretext.runtime.rule import UNSURE

LABEL, UNSURE_COLUMN = "predicted_label", "unsure"
DIGITS = 6
"""Significant ones of a probability that is written as text; Parquet has all that there are."""
CHUNK_ROWS = 512
Key = TypeVar("Key")
_KEPT = 6
"""Numbers of rows that a message may name."""


class Some(BaseModel):
    """A number of rows, and which the first of them are, counted from 1."""

    count: int = 0
    first: list[int] = []

    def add(self, row: int) -> None:
        self.count += 1
        if len(self.first) < _KEPT:
            self.first.append(row)

    def and_then(self, later: Some) -> Some:
        kept = [*self.first, *later.first][:_KEPT]
        return Some(count=self.count + later.count, first=kept)

    def numbers(self) -> Numbers:
        return Numbers(self.first, self.count)


class Tally(BaseModel):
    """What is told of rows when they are done; it stays small, however many there are."""

    rows: int = 0
    answered: int = 0
    unsure: int = 0
    """Of those that are answered."""
    truncated: int = 0
    bad: dict[str, Some] = {}
    """What is wrong with the rows that have no answer."""
    replaced: Some = Some()
    """Rows with characters that were replaced."""

    def bad_rows(self) -> dict[str, Numbers]:
        """What is wrong with the rows that have no answer -> their numbers."""
        return {kind: some.numbers() for kind, some in self.bad.items()}

    def and_then(self, later: Tally) -> Tally:
        kinds = dict.fromkeys([*self.bad, *later.bad])
        none = Some()
        return Tally(
            rows=self.rows + later.rows,
            answered=self.answered + later.answered,
            unsure=self.unsure + later.unsure,
            truncated=self.truncated + later.truncated,
            bad={
                kind: self.bad.get(kind, none).and_then(later.bad.get(kind, none)) for kind in kinds
            },
            replaced=self.replaced.and_then(later.replaced),
        )


def answer_columns(artifact: Artifact) -> dict[str, str]:
    """The columns that a row gains, in order, with their Arrow types; `unsure`, True or False,
    where the artifact has a rule (`rule`)."""
    shares = (f"probability_{label}" for label in artifact.manifest.labels)
    rule = {} if artifact.manifest.operating is None else {UNSURE_COLUMN: "bool"}
    return {LABEL: "string"} | dict.fromkeys(shares, "double") | rule


class Chunk(NamedTuple):
    """Rows with what is wrong with each ("" for nothing), and the answers to the others."""

    rows: Sequence[Row | BadRow]
    problems: list[str]
    answers: list[Row]
    truncated: int


def answer(
    artifact: Artifact, column: str, rows: Sequence[Row | BadRow], digits: int | None
) -> Chunk:
    """The answers to the rows that have a text in `column`; digits: significant ones to keep."""
    problems = [row_problem(row, column) for row in rows]
    texts = [
        str(row[column])
        for row, problem in zip(rows, problems, strict=True)
        if not problem and not isinstance(row, BadRow)
    ]
    if not texts:
        return Chunk(rows, problems, [], 0)
    outputs = artifact.answers(texts)
    probabilities = softmax(outputs.logits)
    written = probabilities.tolist()
    if digits:
        written = [[float(f"{each:.{digits}g}") for each in row] for row in written]
    names, added = artifact.decide(probabilities).tolist(), list(answer_columns(artifact))
    if UNSURE_COLUMN in added:
        written = [[*row, name == UNSURE] for row, name in zip(written, names, strict=True)]
    answers: list[Row] = [
        dict(zip(added, [name, *values], strict=True))
        for name, values in zip(names, written, strict=True)
    ]
    return Chunk(rows, problems, answers, outputs.truncated)


def complete(chunk: Chunk, tally: Tally, before: int = 0, in_place: str = "") -> list[Row]:
    """The rows of a chunk as they are to be written; what there is to say of them goes to `tally`.

    before: the rows of the source that stand before those that `tally` counts.
    in_place: the source's name where the answers take its place; ParetextError for a row that would
        be lost by that.
    """
    answers, written = iter(chunk.answers), []
    tally.truncated += chunk.truncated
    tally.answered += len(chunk.answers)
    tally.unsure += sum(each[LABEL] == UNSURE for each in chunk.answers)
    for row, problem in zip(chunk.rows, chunk.problems, strict=True):
        tally.rows += 1
        number = before + tally.rows
        given = {} if isinstance(row, BadRow) else _unicode(row)
        if given and given is not row:
            tally.replaced.add(number)
            _require_other_file(in_place, number, "with characters that are not valid Unicode")
        if problem:
            if isinstance(row, BadRow):
                _require_other_file(in_place, number, f"with {problem}")
            tally.bad.setdefault(problem, Some()).add(number)
        written.append(given if problem else {**given, **next(answers)})
    return written


def in_chunks(rows: Iterable[Row | BadRow]) -> Iterator[list[Row | BadRow]]:
    remaining = iter(rows)
    return iter(lambda: list(itertools.islice(remaining, CHUNK_ROWS)), [])


def answered(
    artifact: Artifact,
    column: str,
    chunks: Iterable[tuple[Key, Sequence[Row | BadRow]]],
    digits: int | None,
    cores: int = 1,
) -> Iterator[tuple[Key, Chunk]]:
    """The chunks, each with its key and its answers, in order; on that many cores at a time."""
    if cores == 1:
        for key, rows in chunks:
            yield key, answer(artifact, column, rows, digits)
        return
    waiting: deque[tuple[Key, Future[Chunk]]] = deque()
    with ThreadPoolExecutor(cores) as pool:
        try:
            for key, rows in chunks:
                waiting.append((key, pool.submit(answer, artifact, column, rows, digits)))
                if len(waiting) > cores:  # one more than can be worked at: none has to wait for us
                    key, done = waiting.popleft()
                    yield key, done.result()
            while waiting:
                key, done = waiting.popleft()
                yield key, done.result()
        finally:
            for _, each in waiting:
                each.cancel()


def _require_other_file(source: str, row: int, what: str) -> None:
    if source:
        raise ParetextError(
            f"{source}, row {row} is one {what}, which would be lost if the answers took the place "
            "of the file: write them to another with -o."
        )


def _unicode(row: Row) -> Row:
    """The row itself, or with U+FFFD in the place of what UTF-8 cannot hold."""
    mended = {name: _mended(value) for name, value in row.items()}
    same = all(mended[name] is value for name, value in row.items())
    return row if same else mended


def _mended(value: object) -> Any:
    """`value` itself, or a copy without lone surrogates if there are any in it."""
    if isinstance(value, str):
        return value if is_unicode(value) else replace_surrogates(value)
    if isinstance(value, list):
        items = [_mended(each) for each in value]
        return value if all(a is b for a, b in zip(items, value, strict=True)) else items
    if isinstance(value, dict):
        pairs = {_mended(name): _mended(each) for name, each in value.items()}
        same = all(a is b for a, b in zip(pairs.values(), value.values(), strict=False))
        return value if same and pairs.keys() == value.keys() else pairs
    return value
