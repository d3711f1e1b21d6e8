"""Files in, files out: every row with its predicted label and probabilities, in constant memory.

Row i of the output is row i of the source, always. A row is answered if its text is one that
training would take (`data.values`); else it keeps its place with empty answers, is counted and
named. What cannot be written as UTF-8, half a surrogate pair or bytes that are not UTF-8, is
written as U+FFFD, and that is said, too.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.data.columns import choose_text_column, shown
from paretext.data.formats.base import is_unicode, replace_surrogates
from paretext.data.reading import (
    Bad,
    bad_kinds,
    named_rows,
    require_rows,
    row_problem,
    rows_with_text,
)
from paretext.data.sources import Source, open_file
from paretext.data.tables import (
    BadRow,
    OnBadRow,
    Row,
    RowWriter,
    column_types,
    format_of,
)
from paretext.data.values import is_blank
from paretext.runtime.artifact import CHUNK_TEXTS, Artifact, softmax
from paretext.runtime.rule import UNSURE

LABEL, UNSURE_COLUMN = "predicted_label", "unsure"
DIGITS = 6
"""Significant ones of a probability that is written as text; Parquet has all that there are."""


def predict_file(
    artifact: Artifact,
    source: Path,
    target: Path,
    text_column: str | None = None,
    on_bad_row: OnBadRow = "skip",
    name: str = "",
) -> dict[str, Any]:
    """Write `source`'s rows to `target`, with `predicted_label` and `probability_LABEL` columns.

    Of an artifact with a rule (`rule`) there is a column `unsure`, too, True or False, and the
    label of what is unsure is empty.

    on_bad_row: "skip" leaves the answers of a row without a text empty, and all of a row that
        cannot be read; "fail" raises before anything is predicted, and names them.
    name: what messages call the source, where its path says nothing.

    Returns the number of rows, of those without an answer by what is wrong with them, of those that
    are unsure, and of truncated texts, and the seconds it took. The file appears when it is
    complete. Raises ParetextError for files that cannot be read, a column that is not there,
    columns that would be written twice, a source without a single text, and where `target` is
    `source` and would lose a row that cannot be read.
    """
    begin = time.perf_counter()
    opened = open_file(source, on_bad_row)
    opened = replace(opened, name=name or opened.name)
    column = choose_text_column(opened, text_column)
    added = [LABEL, *(f"probability_{label}" for label in artifact.manifest.labels)]
    types: dict[str, Any] = {LABEL: "string"} | dict.fromkeys(added[1:], "double")
    if artifact.manifest.operating is not None:
        added.append(UNSURE_COLUMN)
        types[UNSURE_COLUMN] = "bool"
    if twice := set(opened.columns) & set(added):
        raise ParetextError(
            f"{source} already has a column {shown(min(twice))}; rename it before predicting."
        )
    if on_bad_row == "fail":
        _require_texts(opened, column)
    typed, in_place = format_of(target).typed, target.exists() and target.samefile(source)
    if typed:
        types |= column_types(source, on_bad_row)
    job = _Job(artifact, opened, column, added, in_place, digits=None if typed else DIGITS)
    with (
        RowWriter(target, [*opened.columns, *added], types) as writer,
        progress.task("predicting", 0) as advance,
    ):
        rows = opened.rows(None)
        while chunk := list(itertools.islice(rows, CHUNK_TEXTS)):
            for row in job.answers(chunk):
                writer.write(row)
            advance(len(chunk))
        if not job.answered:
            require_rows(opened, 0, job.bad, "skip")
    job.say()
    return {
        "rows": writer.rows,
        "unanswered": {problem: len(rows) for problem, rows in job.bad.items()},
        "unsure": job.unsure,
        "truncated_texts": job.truncated,
        "seconds": time.perf_counter() - begin,
    }


def predict_stream(
    artifact: Artifact, pieces: Iterable[Sequence[str]], on_bad_row: OnBadRow, name: str
) -> Iterator[dict[str, Any]]:
    """What `predict_texts` has of each text, as the texts come: a piece is answered at once.

    A text that is none keeps its place and has null for its answers, one that is unsure for its
    label alone; "fail" ends there with a
    ParetextError. name: what messages call the source.
    """
    column, labels = "text", artifact.manifest.labels
    source = Source(name, [column], {}, lambda: [column], lambda _: iter(()))
    named = {label: f"probability_{label}" for label in labels}
    job = _Job(artifact, source, column, [LABEL, *named.values()], in_place=False)
    for piece in pieces:
        answered = job.answers([{column: text} for text in piece])
        if job.bad and on_bad_row == "fail":
            require_rows(source, job.answered, job.bad, "fail")
        for answer in answered:
            shares = (
                {label: answer[each] for label, each in named.items()} if LABEL in answer else None
            )
            yield {
                "text": answer[column],
                "label": answer.get(LABEL) or None,
                "probabilities": shares,
            }
    if not job.answered:
        require_rows(source, 0, job.bad, "skip")
    job.say()


def predict_texts(artifact: Artifact, texts: Sequence[str]) -> list[dict[str, Any]]:
    """For each text its label (None where the artifact is unsure) and all labels' probabilities.

    A text with nothing to read in it is answered too, and that is said.
    """
    for place, text in enumerate(texts, 1):
        if is_blank(text):
            progress.say(
                f"text {place} has nothing to read in it; its answer is the one that the model "
                "gives to no text"
            )
    labels, found = artifact.manifest.labels, artifact.probabilities(texts)
    names = artifact.decide(found).tolist()
    return [
        {
            "text": text,
            "label": name or None,
            "probabilities": dict(zip(labels, row, strict=True)),
        }
        for text, name, row in zip(texts, names, found.astype(float), strict=True)
    ]


def _require_texts(source: Source, column: str) -> None:
    """A pass over the source that raises ParetextError if a row has no text."""
    bad: Bad = {}
    good = sum(1 for _ in rows_with_text(source, column, bad))
    require_rows(source, good, bad, "fail")


class _Job:
    """Answers rows, a chunk at a time, and remembers what there was to say about them."""

    def __init__(
        self,
        artifact: Artifact,
        source: Source,
        column: str,
        added: list[str],
        in_place: bool,
        digits: int | None = DIGITS,
    ) -> None:
        self.artifact = artifact
        self.source = source
        self.column = column
        self.added = added
        self.in_place = in_place
        self.digits = digits
        self.rows = self.answered = self.truncated = self.unsure = 0
        self.bad: Bad = {}
        self.replaced: list[int] = []
        """Rows with characters that were replaced."""

    def answers(self, rows: Sequence[Row | BadRow]) -> list[Row]:
        """The rows as they are to be written."""
        problems = [row_problem(row, self.column) for row in rows]
        texts = [
            str(row[self.column])
            for row, problem in zip(rows, problems, strict=True)
            if not problem and not isinstance(row, BadRow)
        ]
        answers = self._predict(texts)
        written: list[Row] = []
        for row, problem in zip(rows, problems, strict=True):
            self.rows += 1
            given = {} if isinstance(row, BadRow) else self._unicode(row)
            if problem:
                self.bad.setdefault(problem, []).append(self.rows)
                self._require_other_file(isinstance(row, BadRow), f"with {problem}")
            written.append(given if problem else {**given, **next(answers)})
        return written

    def say(self) -> None:
        name = self.source.name
        if self.truncated:
            longest = self.artifact.manifest.max_length
            progress.say(f"texts longer than {longest} tokens, their ends cut: {self.truncated:,}")
        if self.bad:
            progress.say(
                f"{name}: left {self.rows - self.answered:,} of {self.rows:,} rows without an "
                f"answer, {bad_kinds(self.bad)}."
            )
        if self.replaced:
            progress.say(
                f"{name}: characters that are not valid Unicode are written as U+FFFD in "
                f"{len(self.replaced):,} of {self.rows:,} rows ({named_rows(self.replaced)})."
            )

    def _predict(self, texts: list[str]) -> Any:
        """An iterator over the answers' columns."""
        if not texts:
            return iter(())
        found = self.artifact.answers(texts)
        self.truncated += found.truncated
        probabilities = softmax(found.logits)
        written = probabilities.tolist()
        if self.digits:
            written = [[float(f"{each:.{self.digits}g}") for each in row] for row in written]
        self.answered += len(texts)
        names = self.artifact.decide(probabilities).tolist()
        self.unsure += names.count(UNSURE)
        if UNSURE_COLUMN in self.added:
            written = [[*row, name == UNSURE] for row, name in zip(written, names, strict=True)]
        return (
            dict(zip(self.added, [name, *values], strict=True))
            for name, values in zip(names, written, strict=True)
        )

    def _unicode(self, row: Row) -> Row:
        """The row with U+FFFD in the place of what UTF-8 cannot hold."""
        mended = {name: _mended(value) for name, value in row.items()}
        if any(mended[name] is not value for name, value in row.items()):
            self.replaced.append(self.rows)
            self._require_other_file(True, "with characters that are not valid Unicode")
        return mended

    def _require_other_file(self, loses: bool, what: str) -> None:
        if loses and self.in_place:
            raise ParetextError(
                f"{self.source.name}, row {self.rows} is one {what}, which would be lost if the "
                "answers took the place of the file: write them to another with -o."
            )


def _mended(value: object) -> object:
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
