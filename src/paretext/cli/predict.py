"""The verb predict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from paretext.cli.options import Json, TextColumn, Threads
from paretext.errors import ParetextError


def predict(
    artifact: Annotated[Path, typer.Argument(help="An artifact's folder.")],
    texts: Annotated[
        Path | None, typer.Argument(help="CSV, TSV, JSONL or Parquet with a column of texts.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; its suffix is its format.")
    ] = None,
    text: Annotated[list[str] | None, typer.Option(help="Classify this text instead.")] = None,
    text_column: TextColumn = None,
    on_bad_row: Annotated[
        Literal["fail", "skip"],
        typer.Option(help="Rows without a text: leave their answers empty and say so, or fail."),
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
    """
    from paretext.artifact import Artifact
    from paretext.bulk import predict_file, predict_texts
    from paretext.certification.gate import check_certificate
    from paretext.cli.console import dump, line, table

    if (texts is None) == (not text):
        raise ParetextError("predict takes either a file of texts or --text, and needs one.")
    loaded = Artifact.load(artifact, threads=threads)
    check_certificate(artifact, require_certificate)
    if text:
        answers = predict_texts(loaded, text)
        if json:
            dump(answers)
            return
        head = ("text", "label", *loaded.manifest.labels)
        rows = [
            (a["text"], a["label"], *(f"{p:.3f}" for p in a["probabilities"].values()))
            for a in answers
        ]
        table(head, rows)
        return
    if texts is None or output is None:
        raise ParetextError("predict needs a file to write: give -o output.csv.")
    found = predict_file(loaded, texts, output, text_column, on_bad_row)
    if json:
        dump(found)
        return
    unanswered = sum(found["unanswered"].values())
    without = f", {unanswered:,} of them without an answer" if unanswered else ""
    line(f"{found['rows']:,} rows in {found['seconds']:.1f} s{without} -> {output}")
