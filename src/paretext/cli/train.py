"""The verb train."""

from __future__ import annotations

from paretext.cli.inputs import read_data
from paretext.cli.options import (
    BatchSize,
    ClassWeights,
    DataFile,
    Device,
    Epochs,
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
    RemoveStopWords,
    Seed,
    SelectionFile,
    Steps,
    Supersample,
    TextColumn,
)


def train(
    data: DataFile,
    out: Out,
    model: Models = None,
    recipe: RecipeFile = None,
    selection: SelectionFile = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    labels: Labels = None,
    on_bad_row: OnBadRow = "fail",
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
    json: Json = False,
) -> None:
    """Train one or more models; the best encoder on the selection split becomes the parent.

    Example: paretext train --data train.csv --model roberta-base --model tfidf --out runs/emotion
    """
    from paretext.cli.console import dump_with, show_verdict, table
    from paretext.cli.endings import of_training
    from paretext.pipeline.asked import asked_recipe
    from paretext.pipeline.candidates import best_epoch
    from paretext.pipeline.sources import Sources
    from paretext.pipeline.stages import require_startable
    from paretext.pipeline.stages import train as train_all

    settings = asked_recipe(
        recipe,
        model,
        max_length,
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
    )
    require_startable(settings.models, out)
    Sources(data=data, selection=selection).check()
    prepared = read_data(
        data, None, selection, text_column, label_column, labels, on_bad_row, False, settings
    )
    trained = train_all(settings.models, prepared, settings, out)
    best = {name: best_epoch(folder.parent) for name, folder in trained.folders.items()}
    scores = {name: float(row["selection_macro_f1"]) for name, row in best.items()}
    verdict = of_training(trained.parent, trained.folders, scores, trained.encoder, out)
    if json:
        dump_with(verdict, {"parent": trained.parent, "candidates": best})
        return
    table(
        ("candidate", "macro-F1 on selection", "step", "epoch"),
        [
            (n, f"{row['selection_macro_f1']:.4f}", str(row.get("step", "")), str(row["epoch"]))
            for n, row in best.items()
        ],
    )
    show_verdict(verdict)
