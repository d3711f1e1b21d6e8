"""The verb compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paretext.cli.options import Json, LabelColumn, Labels, OnBadRow, Rounds, TextColumn, Threads
from paretext.core.run_folder import RunFolder


def compare(
    artifacts: Annotated[list[Path], typer.Argument(help="A run's folder, or artifacts.")],
    eval_: Annotated[
        str | None,
        typer.Option("--eval", help="To measure on (default: a run's held-out.csv)."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Where to write (default: RUN/comparison)."),
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="A classifier's folder, to measure in PyTorch.")
    ] = None,
    labels: Labels = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    on_bad_row: OnBadRow = "fail",
    threads: Threads = None,
    rounds: Rounds = 5,
    json: Json = False,
) -> None:
    """Measure artifacts on the same texts: quality with paired intervals, size, memory, speed.

    Differences are taken against the first artifact.

    Example: paretext compare runs/emotion --eval test.csv
    """
    from paretext.cli.console import show_comparison
    from paretext.cli.endings import of_comparison
    from paretext.pipeline.calls import compare as compare_all
    from paretext.pipeline.stages import artifacts_of

    found = compare_all(
        artifacts,
        eval_,
        out=out,
        baseline=baseline,
        labels=labels,
        text_column=text_column,
        label_column=label_column,
        on_bad_row=on_bad_row,
        threads=threads,
        rounds=rounds,
    )
    run = artifacts[0]
    folder = out or RunFolder(run).comparison
    made = artifacts_of(run) if RunFolder(run).artifacts.is_dir() else artifacts
    show_comparison(folder, of_comparison(found, made, folder), json)
