"""The verb predict."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field

from paretext.cli.chosen import artifact_of
from paretext.cli.commands import Json
from paretext.core.errors import ParetextError
from paretext.core.files import nearest_path
from paretext.core.settings import Settings
from paretext.data.tables import OnBadRow
from paretext.pipeline.sources import Cores

_MOST = 3
"""Labels of a text that the screen shows; --json has all."""


class Rows(Settings):
    model_config = ConfigDict(title="Data")

    text_column: str | None = Field(
        None, title="NAME", description="Column of the texts (default: guessed)."
    )
    on_bad_row: OnBadRow = Field(
        "skip", description="Rows without a text: leave their answers empty, or fail."
    )


class Predict(Rows, Cores):
    artifact: Path = Field(
        title="ARTIFACT",
        description="An artifact's folder, or a run's: the version it recommends.",
    )
    texts: str | None = Field(
        None,
        title="TEXTS",
        description="CSV, TSV, JSONL or Parquet with a column of texts, a folder or a glob of such "
        "files; - is standard input; anything else is itself the text.",
    )
    text: tuple[str, ...] = Field(
        (), title="WORDS...", description="Classify this text instead; may repeat."
    )
    format: Literal["lines", "csv", "tsv", "jsonl"] = Field(
        "lines", description="Of -: a text a line in, its label a line out; or a table."
    )
    require_certificate: bool = Field(
        False, description="Refuse an artifact without a certificate that holds."
    )
    ray: str | None = Field(
        None,
        title="[ADDRESS]",
        description="Let Ray's workers do it, of Parquet: here, or of the cluster at ADDRESS.",
    )
    out: str | None = Field(
        None,
        title="PATH",
        description="File to write; its suffix is its format; - is standard output; of several "
        "files a folder, which keeps their names and partitions.",
    )


def predict(asked: Predict, json: Json = False) -> None:
    """Add predicted_label and a probability per label to every row of a file. No PyTorch needed.

    Row for row: one that has no text, or cannot be read, keeps its place with these columns empty;
    such rows are counted and named. With --on-bad-row fail nothing is written if there is one.

    Example: paretext predict runs/emotion/artifacts/int8 input.csv -o output.csv

    A folder, or a glob in quotes, becomes a folder of the same files, or one file. What was killed
    goes on where it was when the same command is given again.

    Example: paretext predict runs/emotion/artifacts/int8 texts/ -o answers/

    Example: cut -f2 log.tsv | paretext predict runs/emotion - | sort | uniq -c

    With - and --json each line is answered as it comes: an object with its text, label and
    probabilities.
    """
    from paretext.certification.gate import check_certificate
    from paretext.cli.standard import STANDARD
    from paretext.core.places import place
    from paretext.data.inputs import find_inputs

    if (asked.texts is None) == (not asked.text):
        which = "and not both" if asked.text else "and needs one: a file, - or a text"
        raise ParetextError(f"predict takes either a file of texts or --text, {which}.")
    texts, output = asked.texts, None if asked.out is None else place(asked.out)
    if texts is not None and _is_text(texts):
        _require_no_file(texts)
    by_hand = asked.text or ((texts,) if texts is not None and _is_text(texts) else None)
    source = STANDARD if texts == "-" else place("" if by_hand else texts or "")
    target = STANDARD if output is None and source == STANDARD else output
    if by_hand is not None and output is not None:
        raise ParetextError(
            f"-o {output} takes the answers to a file, and the text was given by hand: leave -o "
            "out, --json prints all probabilities."
        )
    if by_hand is not None and asked.ray is not None:
        raise ParetextError(
            "--ray answers Parquet files, and the text was given by hand: leave --ray out."
        )
    streams = json and source == target == STANDARD and asked.format == "lines"
    if json and target == STANDARD and asked.format in ("csv", "tsv"):
        raise ParetextError(
            f"--json and --format {asked.format} are two forms of the same answers; give one."
        )
    folder = artifact_of(asked.artifact, "answers by")
    from paretext.runtime.artifact import Artifact

    by_file = by_hand is None and not streams
    loaded = Artifact.load(folder, threads=1 if by_file else asked.threads)
    if by_hand is None and source != STANDARD:
        inputs = find_inputs(source)
        if inputs.single and target is not None and _is_another_folder(target, source):
            target /= source.name
    if by_hand is None and target is None:
        raise ParetextError(
            "predict needs a file to write: give -o output.csv, or -o - for standard output."
        )
    check_certificate(folder, asked.require_certificate)
    if by_hand is not None:
        _answer(loaded, folder, by_hand, json)
    elif streams:
        _answer_stream(loaded, asked.on_bad_row)
    elif target is not None:
        _answer_file(loaded, folder, source, target, asked, json)


def _is_text(given: str) -> bool:
    """Whether it is no file: a name that ends as tables do is one, there or not, and so are a
    pattern and a URL of a folder."""
    from paretext.data.inputs import is_pattern
    from paretext.data.tables import FORMATS

    if given == "-" or re.fullmatch(r"\w+://\S+/?", given):
        return False
    try:
        named = Path(given).suffix.lower() in FORMATS or Path(given).exists() or is_pattern(given)
        return not named
    except (OSError, ValueError):  # longer than any name, or with what no name has
        return True


def _is_another_folder(target: Path, source: Path) -> bool:
    """Whether it is a folder, and not the one that holds the source."""
    return target.is_dir() and target.resolve() != source.parent.resolve()


def _require_no_file(text: str) -> None:
    """ParetextError for one word with a suffix that is nearly the name of a file that is there."""
    if re.fullmatch(r"\S+\.\w{1,8}", text) and (near := nearest_path(Path(text))):
        raise ParetextError(f"'{text}' does not exist{near} (A text like that: --text '{text}'.)")


def _answer(loaded: Any, folder: Path, texts: Sequence[str], as_json: bool) -> None:
    """Each text with its most probable labels, downwards; the first is the answer."""
    from paretext.cli.console import dump, line, show_verdict, table
    from paretext.cli.endings import of_texts
    from paretext.runtime.bulk import predict_texts

    answers = predict_texts(loaded, texts)
    if as_json:
        dump(answers)
        return
    for answer in answers:
        probable = sorted(answer["probabilities"].items(), key=lambda each: -each[1])
        table(
            ("label", "probability"),
            [(label, f"{probability:.3f}") for label, probability in probable[:_MOST]],
            title=answer["text"],
        )
    if (more := len(loaded.manifest.labels) - _MOST) > 0:
        line(f"The {_MOST} most probable labels; --json has the other {more:,}.")
    show_verdict(of_texts(answers, folder))


def _answer_stream(loaded: Any, on_bad_row: OnBadRow) -> None:
    """An object a line, each as soon as its line is there."""
    from paretext.cli.console import dump
    from paretext.cli.standard import STANDARD_INPUT, lines_as_they_come
    from paretext.runtime.bulk import predict_stream

    for answer in predict_stream(loaded, lines_as_they_come(), on_bad_row, STANDARD_INPUT):
        dump(answer, indent=None)


def _answer_file(
    loaded: Any, folder: Path, source: Path, target: Path, asked: Predict, as_json: bool
) -> None:
    from paretext.cli.console import dump_with, line, show_verdict
    from paretext.cli.endings import of_answers
    from paretext.cli.standard import STANDARD, STANDARD_INPUT, TEXT, standard_files
    from paretext.core.progress import say
    from paretext.runtime.bulk import LABEL, predict_file

    printed = target == STANDARD
    form = "jsonl" if as_json and printed else asked.format
    text_column, name = asked.text_column, ""
    if source == STANDARD:
        name = STANDARD_INPUT
        text_column = TEXT if form == "lines" else text_column
    with standard_files(source, target, form, LABEL) as (read, written):
        counts = predict_file(
            *(loaded, read, written, text_column, asked.on_bad_row, name),
            cores=asked.threads,
            ray=asked.ray or "",
        )
    if as_json and not printed:
        dump_with(of_answers(folder, target), counts)
        return
    unanswered = sum(counts["unanswered"].values())
    without = f", {unanswered:,} of them without an answer" if unanswered else ""
    without += f", {counts['unsure']:,} unsure" if counts["unsure"] else ""
    told, where = (say, "standard output") if printed else (line, target)
    rows = "1 row" if counts["rows"] == 1 else f"{counts['rows']:,} rows"
    told(f"{rows} in {counts['seconds']:.1f} s{without} -> {where}")
    if not printed:  # which holds the answers and nothing else
        show_verdict(of_answers(folder, target))
