"""The verb predict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from paretext.cli.options import Json, TextColumn, Threads
from paretext.core.errors import ParetextError
from paretext.core.run_folder import RunFolder

_MOST = 3
"""Labels of a text that the screen shows; --json has all."""


def predict(
    artifact: Annotated[
        Path, typer.Argument(help="An artifact's folder, or a run's: the version it recommends.")
    ],
    texts: Annotated[
        str | None,
        typer.Argument(
            help="CSV, TSV, JSONL or Parquet with a column of texts; - is standard input; anything "
            "else is itself the text."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="File to write; its suffix is its format; - is standard output."
        ),
    ] = None,
    text: Annotated[list[str] | None, typer.Option(help="Classify this text instead.")] = None,
    form: Annotated[
        Literal["lines", "csv", "tsv", "jsonl"],
        typer.Option("--format", help="Of -: a text a line in, its label a line out; or a table."),
    ] = "lines",
    text_column: TextColumn = None,
    on_bad_row: Annotated[
        Literal["fail", "skip"],
        typer.Option(help="Rows without a text: leave their answers empty, or fail"),
    ] = "skip",
    require_certificate: Annotated[
        bool,
        typer.Option(
            "--require-certificate", help="Refuse an artifact without a certificate that holds."
        ),
    ] = False,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Add predicted_label and a probability per label to every row of a file. No PyTorch needed.

    Row for row: one that has no text, or cannot be read, keeps its place with these columns empty;
    such rows are counted and named. With --on-bad-row fail nothing is written if there is one.

    Example: paretext predict runs/emotion/artifacts/int8 input.csv -o output.csv

    Example: cut -f2 log.tsv | paretext predict runs/emotion - | sort | uniq -c
    """
    from paretext.certification.gate import check_certificate
    from paretext.cli.standard import STANDARD
    from paretext.data.tables import existing

    if (texts is None) == (not text):
        which = "and not both" if text else "and needs one: a file, - or a text"
        raise ParetextError(f"predict takes either a file of texts or --text, {which}.")
    by_hand = text or ([texts] if texts is not None and _is_text(texts) else None)
    source = STANDARD if texts == "-" else Path(texts or "")
    target = STANDARD if output is None and source == STANDARD else output
    if by_hand is not None and output is not None:
        raise ParetextError(
            f"-o {output} takes the answers to a file, and the text was given by hand: leave -o "
            "out, --json prints all probabilities."
        )
    if json and target == STANDARD:
        raise ParetextError(
            "--json describes a file that was written, and standard output takes the answers "
            "themselves: leave --json out, --format jsonl makes them JSON, or give -o output.csv."
        )
    folder = _artifact_of(artifact)
    from paretext.runtime.artifact import Artifact

    loaded = Artifact.load(folder, threads=threads)
    if by_hand is None and source != STANDARD:
        existing(source)
    if by_hand is None and target is None:
        raise ParetextError(
            "predict needs a file to write: give -o output.csv, or -o - for standard output."
        )
    check_certificate(folder, require_certificate)
    if by_hand is not None:
        _answer(loaded, folder, by_hand, json)
    elif target is not None:
        _answer_file(loaded, folder, source, target, form, text_column, on_bad_row, json)


def _is_text(given: str) -> bool:
    """Whether it is no file: a name that ends as tables do is one, there or not."""
    from paretext.data.tables import FORMATS

    if given == "-":
        return False
    try:
        return Path(given).suffix.lower() not in FORMATS and not Path(given).exists()
    except (OSError, ValueError):  # longer than any name, or with what no name has
        return True


def _artifact_of(given: Path) -> Path:
    """The folder itself, or of a run's the version that its page recommends, which is said."""
    from paretext.runtime.manifest import NAME

    if (given / NAME).is_file() or not RunFolder(given).artifacts.is_dir():
        return given
    from paretext.core.progress import say
    from paretext.report.run_gather import gather

    artifacts = RunFolder(given).artifacts
    report = gather(given)
    version = report.conclusion.version
    if version is None:
        made = sorted(each for each in artifacts.iterdir() if (each / NAME).is_file())
        listed = f"name one of {', '.join(map(str, made))}" if made else "there is none yet"
        lacks = next((each.said for each in report.missing if each.part == "comparison"), "")
        why = f" ({lacks.rstrip('.')})" if lacks else ""
        raise ParetextError(f"the run {given} recommends none of its artifacts{why}; {listed}.")
    say(f"answers by {version}, which the run recommends: {artifacts / version}")
    return artifacts / version


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


def _answer_file(
    loaded: Any,
    folder: Path,
    source: Path,
    target: Path,
    form: Literal["lines", "csv", "tsv", "jsonl"],
    text_column: str | None,
    on_bad_row: Literal["fail", "skip"],
    as_json: bool,
) -> None:
    from paretext.cli.console import dump_with, line, show_verdict
    from paretext.cli.endings import of_answers
    from paretext.cli.standard import STANDARD, STANDARD_INPUT, TEXT, standard_files
    from paretext.core.progress import say
    from paretext.runtime.bulk import LABEL, predict_file

    with standard_files(source, target, form, LABEL) as (read, written):
        name = STANDARD_INPUT if source == STANDARD else ""
        if source == STANDARD and form == "lines":
            text_column = TEXT
        found = predict_file(loaded, read, written, text_column, on_bad_row, name)
    if as_json:
        dump_with(of_answers(folder, target), found)
        return
    unanswered = sum(found["unanswered"].values())
    without = f", {unanswered:,} of them without an answer" if unanswered else ""
    told, where = (say, "standard output") if target == STANDARD else (line, target)
    rows = "1 row" if found["rows"] == 1 else f"{found['rows']:,} rows"
    told(f"{rows} in {found['seconds']:.1f} s{without} -> {where}")
    if target != STANDARD:  # which holds the answers and nothing else
        show_verdict(of_answers(folder, target))
