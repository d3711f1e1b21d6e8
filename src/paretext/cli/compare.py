"""The verb compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paretext.cli.options import Json, LabelColumn, OnBadRow, Rounds, TextColumn, Threads


def compare(
    artifacts: Annotated[list[Path], typer.Argument(help="A run's folder, or artifacts.")],
    eval_: Annotated[
        str | None,
        typer.Option("--eval", help="Labelled texts to measure on (a run's held-out.csv)."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Where to write (comparison/ in the run)."),
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="A classifier's folder, to measure in PyTorch.")
    ] = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    on_bad_row: OnBadRow = "fail",
    threads: Threads = None,
    rounds: Rounds = 5,
    json: Json = False,
) -> None:
    """Measure artifacts on the same texts: quality with paired intervals, size, memory, speed.

    Differences are taken against the first artifact. Example: paretext compare
    runs/emotion/artifacts/parent runs/emotion/artifacts/int8 --eval test.csv --out comparison
    """
    from paretext.cli.console import show_comparison
    from paretext.cli.endings import of_comparison
    from paretext.compression.recipe import PARENT
    from paretext.core.files import Stages
    from paretext.core.locks import change
    from paretext.data.dataset import Dataset
    from paretext.data.reading import NamedBy
    from paretext.measure.comparison import compare as compare_all
    from paretext.pipeline.stages import evaluation_of, versions_to_compare
    from paretext.report.run_page import write_report
    from paretext.runtime.manifest import Manifest

    versions, folder = versions_to_compare(artifacts, baseline, out)
    eval_ = evaluation_of(artifacts[0], eval_)
    first = next(v.target.folder for v in versions if v.target.kind == "artifact")
    labels = Manifest.read(first).labels
    data = Dataset.read(
        eval_,
        text_column=text_column,
        label_column=label_column,
        label_names=labels,
        named_by=NamedBy.model(first, labels),
        split="validation",
        on_bad_row=on_bad_row,
    )
    with change(folder):
        Stages(folder.parent).forget(folder.name)
        found = compare_all(versions, data, folder, threads=threads, rounds=rounds)
    if (folder.parent / "artifacts" / PARENT).is_dir() and folder.name == "comparison":
        write_report(folder.parent)
    made = [each.target.folder for each in versions if each.target.kind == "artifact"]
    show_comparison(folder, of_comparison(found, made, folder), json)
