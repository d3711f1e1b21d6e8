"""The verb run."""

from __future__ import annotations

from paretext.cli.inputs import read_data, read_recipe, read_unlabelled
from paretext.cli.options import (
    BatchSize,
    BudgetFile,
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


def run(
    data: DataFile,
    eval_: EvalFile,
    out: Out,
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
    budget: BudgetFile = None,
    threads: Threads = None,
    rounds: Rounds = 5,
    json: Json = False,
) -> None:
    """Everything: profile the data, train the candidates, compress the best, certify and compare
    all on --eval, and write it up on one page.

    Example: paretext run --data train.csv --eval validation.csv --model roberta-base
    --model distilroberta-base --out runs/emotion

    Started again with the same arguments it goes on where it was.
    """
    from paretext.certification.budget import Budget
    from paretext.cli.console import show_comparison, show_page
    from paretext.run import run as run_all

    limits = Budget.read(budget) if budget else None
    settings = read_recipe(
        recipe,
        model,
        max_length,
        preset,
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
    prepared = read_data(
        data, eval_, selection, text_column, label_column, labels, on_bad_row, drop_leaks, settings
    )
    more = read_unlabelled(unlabelled, text_column, on_bad_row)
    run_all(prepared, settings, out, unlabelled=more, budget=limits, threads=threads, rounds=rounds)
    show_comparison(out / "comparison", json)
    if not json:
        show_page(out)
