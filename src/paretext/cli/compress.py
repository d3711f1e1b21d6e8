"""The verb compress."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paretext.cli.options import (
    Budgets,
    DropLeaks,
    Json,
    LabelColumn,
    Labels,
    OnBadRow,
    Presets,
    RecipeFile,
    Rounds,
    SelectionFile,
    TextColumn,
    Threads,
    UnlabelledFile,
)
from paretext.core.run_folder import RunFolder

Model = Annotated[
    str, typer.Argument(help="A classifier: its Hugging Face folder, its hub id, or a run.")
]
EvalFile = Annotated[
    str | None,
    typer.Option("--eval", help="Labelled, only measured on (default: part of the others)."),
]
DataFile = Annotated[
    str | None, typer.Option("--data", help="Labelled texts, for the versions that learn.")
]


def compress(
    model: Model,
    eval_: EvalFile = None,
    data: DataFile = None,
    unlabelled: UnlabelledFile = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The run's folder (the run, or runs/NAME)."),
    ] = None,
    preset: Presets = None,
    recipe: RecipeFile = None,
    labels: Labels = None,
    selection: SelectionFile = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    on_bad_row: OnBadRow = "fail",
    drop_leaks: DropLeaks = False,
    budget: Budgets = None,
    threads: Threads = None,
    rounds: Rounds = 5,
    json: Json = False,
) -> None:
    """From a fine-tuned classifier to the folder to deploy: make smaller and faster versions,
    certify what that changed, measure all of them, and say which to take.

    Example: paretext compress my-classifier --eval held_out.csv

    With --eval alone the version is INT8. Versions that learn (the default one is called safe) take
    --data, or --unlabelled: texts without labels, of the kind that the model is used on.
    """
    from paretext.cli.console import dump_with, line, show_comparison, show_verdict
    from paretext.cli.endings import of_run
    from paretext.pipeline.calls import compress as compress_job
    from paretext.pipeline.stages import artifacts_of
    from paretext.runtime.manifest import Manifest

    folder = compress_job(
        model,
        eval=eval_,
        data=data,
        unlabelled=unlabelled,
        preset=preset,
        recipe=recipe,
        selection=selection,
        labels=labels,
        text_column=text_column,
        label_column=label_column,
        on_bad_row=on_bad_row,
        drop_leaks=drop_leaks,
        out=out,
        budget=budget,
        threads=threads,
        rounds=rounds,
    ).folder
    verdict = of_run(folder)
    if (RunFolder(folder).comparison / "comparison.json").is_file():
        show_comparison(RunFolder(folder).comparison, verdict, json)
        return
    made = artifacts_of(folder)
    if json:
        found = {each.name: Manifest.read(each).model_dump(mode="json") for each in made}
        dump_with(verdict, found)
        return
    line(f"Wrote {folder / 'artifacts'}: {', '.join(each.name for each in made)}.")
    show_verdict(verdict)
