"""The verb run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paretext.cli.options import (
    BatchSize,
    Budgets,
    ClassWeights,
    DataFile,
    Device,
    DropLeaks,
    Epochs,
    Json,
    LabelColumn,
    Labels,
    Language,
    LearningRate,
    MaxLength,
    Models,
    OnBadRow,
    Patience,
    Precision,
    Presets,
    RecipeFile,
    RemoveStopWords,
    Rounds,
    Seed,
    SelectionFile,
    Steps,
    Supersample,
    TextColumn,
    Threads,
    UnlabelledFile,
)
from paretext.core.run_folder import RunFolder


def run(
    data: DataFile,
    eval_: Annotated[
        str | None,
        typer.Option("--eval", help="Only measured on (default: 20% of --data, held out)."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The run's folder (default: runs/NAME).")
    ] = None,
    model: Models = None,
    recipe: RecipeFile = None,
    preset: Presets = None,
    unlabelled: UnlabelledFile = None,
    selection: SelectionFile = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    labels: Labels = None,
    on_bad_row: OnBadRow = "fail",
    drop_leaks: DropLeaks = False,
    max_length: MaxLength = None,
    remove_stop_words: RemoveStopWords = None,
    language: Language = None,
    learning_rate: LearningRate = None,
    batch_size: BatchSize = None,
    steps: Steps = None,
    epochs: Epochs = None,
    patience: Patience = None,
    supersample: Supersample = None,
    class_weights: ClassWeights = None,
    precision: Precision = None,
    device: Device = None,
    seed: Seed = None,
    budget: Budgets = None,
    threads: Threads = None,
    rounds: Rounds = 5,
    json: Json = False,
) -> None:
    """From a table of labelled texts to the folder to deploy: profile the data, train, compress,
    certify and measure, and say which version to take.

    Example: paretext run --data tickets.csv

    Default model: distilroberta-base; a linear one runs too. Can be resumed.
    """
    from paretext.cli.console import show_comparison
    from paretext.cli.endings import of_run
    from paretext.pipeline.calls import run as run_job

    folder = run_job(
        data,
        eval=eval_,
        model=model,
        preset=preset,
        recipe=recipe,
        unlabelled=unlabelled,
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
        max_length=max_length,
        remove_stop_words=remove_stop_words,
        language=language,
        learning_rate=learning_rate,
        batch_size=batch_size,
        steps=steps,
        epochs=epochs,
        patience=patience,
        supersample=supersample,
        class_weights=class_weights,
        precision=precision,
        device=device,
        seed=seed,
    ).folder
    show_comparison(RunFolder(folder).comparison, of_run(folder), json)
