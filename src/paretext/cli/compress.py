"""The verb compress."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paretext.cli.inputs import (
    check_files,
    parents_labels,
    read_data,
    read_recipe,
    read_unlabelled,
    with_presets,
)
from paretext.cli.options import (
    DataFile,
    Json,
    LabelColumn,
    Labels,
    OnBadRow,
    Presets,
    RecipeFile,
    SelectionFile,
    TextColumn,
    UnlabelledFile,
)


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
    from paretext.cli.console import dump, table
    from paretext.compression import compress as compress_all
    from paretext.compression.build import require_compressible
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
    names = parents_labels(parent, labels)
    require_compressible(parent, settings, out or source, name)
    check_files(data, selection=selection, unlabelled=unlabelled)
    prepared = read_data(
        data,
        None,
        selection,
        text_column,
        label_column,
        None,
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
        unlabelled=read_unlabelled(unlabelled, text_column, on_bad_row),
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
