"""The verb ablate."""

from __future__ import annotations

from typing import Annotated

import typer

from paretext.cli.inputs import read_data
from paretext.cli.options import (
    BatchSize,
    ClassWeights,
    DataFile,
    Device,
    DropLeaks,
    Epochs,
    EvalFile,
    Json,
    LabelColumn,
    Labels,
    Language,
    LearningRate,
    MaxLength,
    Models,
    OnBadRow,
    Out,
    Patience,
    Precision,
    RecipeFile,
    SelectionFile,
    Steps,
    Supersample,
    TextColumn,
)


def ablate(
    data: DataFile,
    eval_: EvalFile,
    out: Out,
    model: Models = None,
    remove_stop_words: Annotated[
        bool, typer.Option("--remove-stop-words", help="The change: one model with and without.")
    ] = False,
    language: Language = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(help="Seed of the training; give several (0). The split is the first one's."),
    ] = None,
    recipe: RecipeFile = None,
    selection: SelectionFile = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    labels: Labels = None,
    on_bad_row: OnBadRow = "fail",
    drop_leaks: DropLeaks = False,
    max_length: MaxLength = None,
    learning_rate: LearningRate = None,
    batch_size: BatchSize = None,
    steps: Steps = None,
    epochs: Epochs = None,
    patience: Patience = None,
    supersample: Supersample = None,
    class_weights: ClassWeights = None,
    precision: Precision = None,
    device: Device = None,
    json: Json = False,
) -> None:
    """Train twice with one thing changed, stop words or the encoder, and measure the difference.

    Example: paretext ablate --data train.csv --eval test.csv --model roberta-base
    --remove-stop-words --seed 1 --seed 2 --seed 3 --out runs/ablation

    Started again with the same arguments it goes on where it was.
    """
    from paretext.cli.console import dump_with, line, show_verdict, table
    from paretext.cli.endings import of_ablation
    from paretext.pipeline.ablation import ablate as ablate_all
    from paretext.pipeline.ablation import require_startable
    from paretext.pipeline.asked import asked_recipe
    from paretext.pipeline.sources import Sources

    seeds = seed or [0]
    settings = asked_recipe(
        recipe,
        model,
        max_length,
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
        seed=seeds[0],
    )
    require_startable(settings.models, remove_stop_words, seeds, out)
    Sources(data=data, eval=eval_, selection=selection).check()
    prepared = read_data(
        data, eval_, selection, text_column, label_column, labels, on_bad_row, drop_leaks, settings
    )
    found = ablate_all(
        settings.models, prepared, settings, out, remove_stop_words=remove_stop_words, seeds=seeds
    )
    verdict = of_ablation(found, settings.models, remove_stop_words, out)
    if json:
        dump_with(verdict, found.record())
        return
    table(found.columns, found.rows())
    line(f"Wrote {out}: ablation.md, ablation.json, candidates/.")
    show_verdict(verdict)
