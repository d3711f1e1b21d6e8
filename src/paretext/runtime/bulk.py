"""Files in, files out: every row with its predicted label and probabilities, in constant memory.

Row i of the output is row i of the source, always (`answering`). The work is done in parts, so that
a call that was killed goes on where it was (`parts`); by this process, or by Ray's workers.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

from paretext.core import progress
from paretext.core.cores import available_cores
from paretext.core.errors import ParetextError, cannot_write
from paretext.core.locks import work_in
from paretext.core.places import delete, fingerprint, is_remote, place
from paretext.data.columns import choose_text_column, shown
from paretext.data.inputs import Inputs, find_inputs
from paretext.data.reading import Bad, bad_kinds, named_rows, require_rows, rows_with_text
from paretext.data.sources import Source, open_file
from paretext.data.tables import FORMATS, OnBadRow, column_types, count_rows, format_of
from paretext.data.values import is_blank
from paretext.runtime.answering import (
    DIGITS,
    LABEL,
    Tally,
    answer,
    answer_columns,
    complete,
)
from paretext.runtime.artifact import Artifact
from paretext.runtime.parts import Job, Output, Part, Table, stamp

__all__ = ["LABEL", "predict_file", "predict_stream", "predict_texts"]


def predict_file(
    artifact: Artifact,
    source: str | Path,
    target: str | Path,
    text_column: str | None = None,
    on_bad_row: OnBadRow = "skip",
    name: str = "",
    cores: int | None = None,
    ray: str = "",
) -> dict[str, Any]:
    """Write the rows of `source` to `target`, with `predicted_label` and `probability_LABEL`.

    Of an artifact with a rule (`rule`) there is a column `unsure`, too, True or False, and the
    label of what is unsure is empty.

    source: a file, a folder of files or a glob. target: a file; or of several files a folder, which
        gets a file for each, of its name and in the folders that it lies in.
    on_bad_row: "skip" leaves the answers of a row without a text empty, and all of a row that
        cannot be read; "fail" raises before anything is predicted, and names them.
    name: what messages call the source, where its path says nothing.
    cores: how many to use (default: those there are). Where the artifact was loaded with threads=1
        the answers are the same, to the last bit, on any number of them.
    ray: the address of a Ray cluster whose workers do it, or "local" (`on_ray`); of Parquet.

    Returns the number of rows, of those without an answer by what is wrong with them, of those that
    are unsure, of truncated texts, of rows that an earlier call had done, and the seconds it took.
    The target appears when it is complete; a call that was killed goes on where it was. Raises
    ParetextError for files that cannot be read, columns that are not there, are others from file to
    file, or would be written twice, a source without a single text, a target inside the source,
    if it is a folder with something in it, if it is a file with anything but answers, and where
    `target` is `source` and would lose a row that cannot be read.
    """
    begin = time.perf_counter()
    target, inputs = place(target), find_inputs(source)
    inputs.refuse_as_target(target)
    job, sources = _plan(artifact, inputs, target, text_column, on_bad_row, name)
    if ray:
        _require_parquet(job)
    with _alone(job):
        tallies, before = _work(job, artifact, cores or available_cores(), ray, sources)
    total = reduce(Tally.and_then, tallies, Tally())
    return {
        "rows": total.rows,
        "unanswered": {problem: some.count for problem, some in total.bad.items()},
        "unsure": total.unsure,
        "truncated_texts": total.truncated,
        "rows_done_before": before,
        "seconds": time.perf_counter() - begin,
    }


def _plan(
    artifact: Artifact,
    inputs: Inputs,
    target: Path,
    text_column: str | None,
    on_bad_row: OnBadRow,
    name: str,
) -> tuple[Job, list[Source]]:
    """What there is to do. Every input is opened, its columns are checked, its rows counted."""
    several = not inputs.single and target.suffix.lower() not in FORMATS
    if not several:
        format_of(target)
    _check_target(target, several)
    added, column = answer_columns(artifact), text_column
    sources: list[Source] = []
    tables: list[Table] = []
    outputs: list[Output] = []
    with progress.task("counting rows", len(inputs.tables)) as advance:
        for path in inputs.tables:
            source = open_file(path, on_bad_row)
            sources.append(replace(source, name=name or source.name))
            column = choose_text_column(sources[-1], column)
            if twice := set(source.columns) & set(added):
                raise ParetextError(
                    f"{path} already has a column {shown(min(twice))}; rename it before predicting."
                )
            if on_bad_row == "fail":
                _require_texts(sources[-1], column)
            partition = {} if several else inputs.partition(path)
            partition = {key: said for key, said in partition.items() if key not in source.columns}
            rows, digest = count_rows(path, on_bad_row), fingerprint(path)
            tables.append(Table(path, rows, digest, partition, on_bad_row, stamp(path)))
            written = inputs.below(path, target) if several else ""
            typed = format_of(path if several else target).typed
            types: dict[str, Any] = dict.fromkeys(source.columns, "string")
            types |= column_types(path, on_bad_row) if typed else {}
            types |= dict.fromkeys(partition, "string") | added
            outputs.append(Output(written, (len(outputs),), types))
            advance()
    if not several:
        outputs = [_one(outputs, inputs.tables)]
    path = inputs.tables[0]
    there = not is_remote(target) and target.is_file()
    same = inputs.single and there and target.samefile(path)
    in_place = (name or str(path)) if same else ""
    if there and not same:
        _require_answers(target)
    assert column is not None
    job = Job(target, tuple(tables), tuple(outputs), column, artifact.manifest.identity, in_place)
    if several and not job.is_begun() and target.is_dir() and any(target.iterdir()):
        raise ParetextError(
            f"-o {target} is a folder with something in it, which is not replaced; give one that "
            "is empty or not there."
        )
    return job, sources


def _check_target(target: Path, several: bool) -> None:
    if target.is_dir() and not several:
        raise ParetextError(f"'{target}' is a folder: name a file in it.")
    if several and target.is_file():
        raise ParetextError(
            f"-o {target} is a file; of several inputs give a folder, or a name that ends in "
            "a table's suffix."
        )
    if not is_remote(target) and not target.parent.is_dir():
        raise ParetextError(f"'{target.parent}' is no folder: make it first.")


def _require_answers(target: Path) -> None:
    """ParetextError for a file that something else than this has written; an empty one is free."""
    if not target.stat().st_size:
        return
    columns: Sequence[str] = ()
    with contextlib.suppress(ParetextError):
        columns = open_file(target, "skip").columns
    if LABEL not in columns:
        raise ParetextError(
            f"{target} is there and does not hold answers of paretext; move it away, or give "
            "another -o."
        )


def _one(outputs: Sequence[Output], paths: Sequence[Path]) -> Output:
    """One file of all tables, which have to have the same columns."""
    first = outputs[0]
    for output, path in zip(outputs, paths, strict=True):
        different = set(output.types.items()) ^ set(first.types.items())
        if different:
            name = min(each for each, _ in different)
            kinds = [types.get(name) for types in (first.types, output.types)]
            if None in kinds:  # a type would be that of the output, where strings hold all
                kinds = ["missing" if kind is None else "there" for kind in kinds]
            raise ParetextError(
                f"the columns change from file to file: '{name}' is {kinds[0]} in {paths[0]} and "
                f"{kinds[1]} in {path}; mend one of them, or give -o a folder, which keeps the "
                "columns of each file."
            )
    return Output("", tuple(range(len(outputs))), first.types)


def _require_parquet(job: Job) -> None:
    names = [str(each.path) for each in job.tables]
    names += [str(job.published(number)) for number in range(len(job.outputs))]
    other = next((each for each in names if not each.lower().endswith(".parquet")), None)
    if other is not None:
        raise ParetextError(
            f"--ray reads and writes Parquet, of which workers can take a part each, and {other} is"
            " none; convert it, or leave --ray out."
        )


@contextlib.contextmanager
def _alone(job: Job) -> Iterator[None]:
    """Nobody else makes the same file meanwhile; what came to nothing leaves nothing."""
    lock = contextlib.nullcontext() if is_remote(job.folder) else work_in(job.folder)
    try:
        with lock:
            job.begin()
            try:
                yield
            except BaseException:
                some = any(job.tally(job.place(part)) for part in job.parts())
                if not some and not any(job.done(each) for each in range(len(job.outputs))):
                    delete(job.folder)
                raise
    except OSError as problem:
        raise cannot_write(job.target, problem) from None


def _work(
    job: Job, artifact: Artifact, cores: int, ray: str, sources: Sequence[Source]
) -> tuple[list[Tally], int]:
    """The tally of each output, and the rows that had been done before."""
    outputs = range(len(job.outputs))
    joined = {number: tally for number in outputs if (tally := job.done(number)) is not None}
    parts = [
        part
        for number in outputs
        if number not in joined
        for table in job.outputs[number].tables
        for part in job.tables[table].parts(table)
    ]
    done = {part: tally for part in parts if (tally := job.tally(job.place(part))) is not None}
    missing = [part for part in parts if part not in done]
    total = sum(table.rows for table in job.tables)
    before = total - sum(part.end - part.begin for part in missing)
    if before:
        progress.say(f"goes on: {before:,} of {total:,} rows were done before")
    with progress.task("predicting", total) as advance:
        advance(before)
        made: Iterator[tuple[Part, int, Tally | None]]
        if ray and missing:
            from paretext.runtime.on_ray import work_on_ray

            made = work_on_ray(job, missing, artifact, ray)
        else:
            made = job.work(missing, artifact, cores)
        try:
            for part, rows, tally in made:
                advance(rows)
                if tally is not None:
                    done[part] = tally
        except BaseException:
            if done:
                rows = sum(part.end - part.begin for part in done)
                progress.say(
                    f"{rows:,} of {total:,} rows are done and kept in {job.folder}; the same "
                    "command goes on there"
                )
            raise
    _say(job, done, sources, artifact.manifest.max_length)
    with progress.task("joining the parts", len(parts)) as advance:
        for number in outputs:
            if number not in joined:
                joined[number] = job.join(number, advance)
    job.publish()
    return [joined[number] for number in outputs], before


def _say(job: Job, done: dict[Part, Tally], sources: Sequence[Source], longest: int) -> None:
    """What there is to say of each input; ParetextError where there is not a single text."""
    tallies = [Tally() for _ in sources]
    for part, tally in sorted(done.items()):
        tallies[part.table] = tallies[part.table].and_then(tally)
    total = reduce(Tally.and_then, tallies, Tally())
    if total.rows and not total.answered:
        for part in job.parts():  # good for nothing
            job.discard(part)
        require_rows(sources[0], 0, tallies[0].bad_rows(), "skip")
    _say_cut(total.truncated, longest)
    for source, tally in zip(sources, tallies, strict=True):
        _say_tally(tally, source.name)


def _say_cut(texts: int, longest: int) -> None:
    if texts:
        progress.say(f"texts longer than {longest} tokens, their ends cut: {texts:,}")


def _say_tally(tally: Tally, name: str) -> None:
    if tally.bad:
        progress.say(
            f"{name}: left {tally.rows - tally.answered:,} of {tally.rows:,} rows without an "
            f"answer, {bad_kinds(tally.bad_rows())}."
        )
    if tally.replaced.count:
        progress.say(
            f"{name}: characters that are not valid Unicode are written as U+FFFD in "
            f"{tally.replaced.count:,} of {tally.rows:,} rows "
            f"({named_rows(tally.replaced.numbers())})."
        )


def predict_stream(
    artifact: Artifact, pieces: Iterable[Sequence[str]], on_bad_row: OnBadRow, name: str
) -> Iterator[dict[str, Any]]:
    """What `predict_texts` has of each text, as the texts come: a piece is answered at once.

    A text that is none keeps its place and has null for its answers, one that is unsure for its
    label alone; "fail" ends there with a ParetextError. name: what messages call the source.
    """
    column, labels, tally = "text", artifact.manifest.labels, Tally()
    source = Source(name, [column], {}, lambda: [column], lambda _: iter(()))
    for piece in pieces:
        chunk = answer(artifact, column, [{column: text} for text in piece], DIGITS)
        rows = complete(chunk, tally)
        if tally.bad and on_bad_row == "fail":
            require_rows(source, tally.answered, tally.bad_rows(), "fail")
        for row in rows:
            shares = (
                {label: row[f"probability_{label}"] for label in labels} if LABEL in row else None
            )
            yield {"text": row[column], "label": row.get(LABEL) or None, "probabilities": shares}
    if not tally.answered:
        require_rows(source, 0, tally.bad_rows(), "skip")
    _say_cut(tally.truncated, artifact.manifest.max_length)
    _say_tally(tally, name)


def predict_texts(artifact: Artifact, texts: Sequence[str]) -> list[dict[str, Any]]:
    """For each text its label, None where the artifact is unsure, and all labels' probabilities.

    A text with nothing to read in it is answered too, and that is said.
    """
    for number, text in enumerate(texts, 1):
        if is_blank(text):
            progress.say(
                f"text {number} has nothing to read in it; its answer is the one that the model "
                "gives to no text"
            )
    labels, probabilities = artifact.manifest.labels, artifact.probabilities(texts)
    names = artifact.decide(probabilities).tolist()
    return [
        {"text": text, "label": name or None, "probabilities": dict(zip(labels, row, strict=True))}
        for text, name, row in zip(texts, names, probabilities.astype(float), strict=True)
    ]


def _require_texts(source: Source, column: str) -> None:
    """A pass over the source that raises ParetextError if a row has no text."""
    bad: Bad = {}
    good = sum(1 for _ in rows_with_text(source, column, bad))
    require_rows(source, good, bad, "fail")
