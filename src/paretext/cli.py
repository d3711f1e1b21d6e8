"""The command line: a verb is a public function; libraries are imported by the verb they serve."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from paretext import __version__, progress
from paretext.cli_inputs import read_data, read_recipe, read_unlabelled, with_presets
from paretext.cli_options import (
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
    LearningRate,
    MaxLength,
    Models,
    OnBadRow,
    Out,
    Patience,
    Precision,
    Presets,
    RecipeFile,
    Rounds,
    Seed,
    SelectionFile,
    Supersample,
    TextColumn,
    Threads,
    UnlabelledFile,
)
from paretext.errors import ParetextError
from paretext.files import is_full_disk

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(asked: bool | None) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


_PATH_ERRORS = (
    *(errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
)


@app.callback()
def paretext(
    version: Annotated[
        bool | None,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = None,
) -> None:
    """Make transformer text classifiers small and fast on ordinary CPUs, and see what that cost.

    Start with: paretext demo
    """


@app.command()
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
    learning_rate: LearningRate = None,
    batch_size: BatchSize = None,
    epochs: Epochs = None,
    patience: Patience = None,
    supersample: Supersample = None,
    class_weights: ClassWeights = None,
    precision: Precision = None,
    device: Device = None,
    seed: Seed = None,
    threads: Threads = None,
    rounds: Rounds = 5,
    json: Json = False,
) -> None:
    """Everything: train the candidates, compress the best, compare all versions on --eval.

    Example: paretext run --data train.csv --eval validation.csv --model roberta-base
    --model distilroberta-base --out runs/emotion

    Started again with the same arguments it goes on where it was.
    """
    from paretext.console import show_comparison
    from paretext.run import run as run_all

    settings = read_recipe(
        recipe,
        model,
        max_length,
        preset,
        learning_rate=learning_rate,
        batch_size=batch_size,
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
    more = read_unlabelled(unlabelled, text_column)
    run_all(prepared, settings, out, unlabelled=more, threads=threads, rounds=rounds)
    show_comparison(out / "comparison", json)


@app.command()
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
    learning_rate: LearningRate = None,
    batch_size: BatchSize = None,
    epochs: Epochs = None,
    patience: Patience = None,
    supersample: Supersample = None,
    class_weights: ClassWeights = None,
    precision: Precision = None,
    device: Device = None,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Fine-tune one or more encoders; the best on the selection split becomes the parent.

    Example: paretext train --data train.csv --model roberta-base --out runs/emotion
    """
    from paretext.console import dump, line, table
    from paretext.run import best_epoch
    from paretext.run import train as train_all

    settings = read_recipe(
        recipe,
        model,
        max_length,
        learning_rate=learning_rate,
        batch_size=batch_size,
        epochs=epochs,
        patience=patience,
        supersample=supersample,
        class_weights=class_weights,
        precision=precision,
        device=device,
        seed=seed,
    )
    prepared = read_data(
        data, None, selection, text_column, label_column, labels, on_bad_row, False, settings
    )
    trained = train_all(settings.models, prepared, settings, out)
    best = {name: best_epoch(folder.parent) for name, folder in trained.folders.items()}
    if json:
        dump({"parent": trained.parent, "candidates": best})
        return
    table(
        ("candidate", "macro-F1 on selection", "epoch"),
        [(n, f"{row['selection_macro_f1']:.4f}", str(row["epoch"])) for n, row in best.items()],
    )
    line(f"The parent is {trained.parent}: {trained.folders[trained.parent]}")


@app.command()
def compress(
    source: Annotated[Path, typer.Argument(help="A run's folder, or a classifier's.")],
    data: DataFile,
    out: Annotated[Path | None, typer.Option(help="Where to write (default: the run).")] = None,
    recipe: RecipeFile = None,
    preset: Presets = None,
    unlabelled: UnlabelledFile = None,
    selection: SelectionFile = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    labels: Labels = None,
    on_bad_row: OnBadRow = "fail",
    json: Json = False,
) -> None:
    """Make the compressed versions of a trained classifier, each as an artifact.

    Example: paretext compress runs/emotion --data train.csv --preset safe --preset tiny
    """
    from paretext.classifier import label_names
    from paretext.compression import compress as compress_all
    from paretext.console import dump, table
    from paretext.files import folder_bytes
    from paretext.manifest import Manifest
    from paretext.run import check_splits, parent_of

    parent, name, settings = parent_of(source)
    if recipe is not None:
        given = read_recipe(recipe, None, None)
        trained_here = (source / "parent.json").is_file()  # split and trained as the run says
        settings = (
            settings.model_copy(update={"versions": given.versions}) if trained_here else given
        )
    settings = with_presets(settings, preset, recipe)
    names = None if labels else label_names(str(parent))
    prepared = read_data(
        data,
        None,
        selection,
        text_column,
        label_column,
        labels,
        on_bad_row,
        False,
        settings,
        names,
    )
    check_splits(source, prepared)
    made = compress_all(
        parent,
        settings,
        prepared.train,
        prepared.selection,
        out or source,
        parent_name=name,
        unlabelled=read_unlabelled(unlabelled, text_column),
    )
    manifests = {each.name: Manifest.read(each.folder) for each in made}
    if json:
        dump({name: manifest.model_dump(mode="json") for name, manifest in manifests.items()})
        return
    table(
        ("version", "MB", "zeros", "flips in agreement check", "artifact"),
        [
            (
                each.name,
                f"{folder_bytes(each.folder) / 1e6:.1f}",
                f"{manifests[each.name].matrices.share:.1%}",
                f"{manifests[each.name].agreement.flipped_predictions} of "
                f"{manifests[each.name].agreement.texts}",
                str(each.folder),
            )
            for each in made
        ],
    )


@app.command()
def compare(
    artifacts: Annotated[list[Path], typer.Argument(help="A run's folder, or artifacts.")],
    eval_: EvalFile,
    out: Annotated[
        Path | None, typer.Option(help="Where to write (default: comparison/ in the run).")
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
    from paretext.comparison import compare as compare_all
    from paretext.console import show_comparison
    from paretext.data import Dataset
    from paretext.files import Stages
    from paretext.manifest import Manifest
    from paretext.run import versions_to_compare

    versions, folder = versions_to_compare(artifacts, baseline, out)
    first = next(v.target.folder for v in versions if v.target.kind == "artifact")
    data = Dataset.read(
        eval_,
        text_column=text_column,
        label_column=label_column,
        label_names=Manifest.read(first).labels,
        split="validation",
        on_bad_row=on_bad_row,
    )
    Stages(folder.parent).forget(folder.name)
    compare_all(versions, data, folder, threads=threads, rounds=rounds)
    show_comparison(folder, json)


@app.command()
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
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Add predicted_label and a probability per label to every row of a file. No PyTorch needed.

    Example: paretext predict runs/emotion/artifacts/int8 input.csv -o output.csv
    """
    from paretext.artifact import Artifact
    from paretext.bulk import predict_file, predict_texts
    from paretext.console import dump, line, table

    if (texts is None) == (not text):
        raise ParetextError("predict takes either a file of texts or --text, and needs one.")
    loaded = Artifact.load(artifact, threads=threads)
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
    found = predict_file(loaded, texts, output, text_column)
    if json:
        dump(found)
    else:
        line(f"{found['rows']:,} rows in {found['seconds']:.1f} s -> {output}")


@app.command()
def inspect(
    path: Annotated[Path, typer.Argument(help="An artifact, a classifier's folder or a run.")],
    json: Json = False,
) -> None:
    """Say what a folder is: labels, recipe, lineage, sizes; verify an artifact's digests.

    Example: paretext inspect runs/emotion/artifacts/int8
    """
    from paretext.console import dump, pairs, readable
    from paretext.inspection import describe

    found = describe(path)
    if json:
        dump(found)
        return
    pairs({name: readable(value) for name, value in found.items()}, title=str(path))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="The run's folder.")] = Path("runs/demo"),
    seed: Annotated[int, typer.Option(help="Seed of the corpus and of training.")] = 0,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """The whole job in a few minutes, offline: generated texts, a small RoBERTa from scratch.

    Example: paretext demo
    """
    from paretext.console import line, show_comparison
    from paretext.demo.job import run_demo

    run_demo(out, seed=seed, threads=threads)
    show_comparison(out / "comparison", json)
    if not json:
        line(f"Look at {out / 'comparison' / 'trade-off.png'}, then classify a text of your own:")
        int8 = out / "artifacts" / "int8"
        line(f'  {sys.argv[0]} predict {int8} --text "i feel wonderful today"')


def main() -> None:
    """Run a verb; what the user can mend becomes one sentence and exit status 2."""
    from paretext.console import ConsoleSink, err

    _quiet_libraries()
    try:
        with progress.using(ConsoleSink()):
            app()
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        err.print(f"paretext: {sentence}", markup=False, soft_wrap=True)
        sys.exit(2)


def _sentence(error: Exception) -> str | None:
    """What to tell the user of an error that is theirs to mend; None for a fault of ours."""
    if isinstance(error, ParetextError):
        return str(error)
    if is_full_disk(error):
        path = getattr(error, "filename", None)
        where = f" while writing {path}" if path else ""
        return (
            f"the disk is full{where}; free some space and run the same command again, "
            "finished stages are kept."
        )
    if isinstance(error, OSError) and error.errno in _PATH_ERRORS and error.filename:
        return f"{error.filename} cannot be used ({error.strerror}); check the path."
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("paretext"):
        return f'{error.name} is not installed; pip install "paretext[train]".'
    return None


def _quiet_libraries() -> None:
    """Their progress bars and warnings would tear ours; set only where the user has not."""
    for name, value in {
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "TOKENIZERS_PARALLELISM": "true",
    }.items():
        os.environ.setdefault(name, value)


if __name__ == "__main__":
    main()
