"""What the command line's arguments stand for: a recipe with flags over it, checked data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paretext.compression.recipe import Recipe
    from paretext.splits import Data
    from paretext.tables import OnBadRow


def read_recipe(
    path: Path | None,
    models: list[str] | None,
    max_length: int | None,
    presets: list[str] | None = None,
    *,
    remove_stop_words: bool | None = None,
    language: str | None = None,
    **training: Any,
) -> Recipe:
    """The recipe of the file, or the default one, with the flags that were given in it.

    A model that is missing is refused first.
    """
    from paretext.candidates import require_models
    from paretext.compression.recipe import Recipe, validated

    recipe = Recipe.read(path) if path else Recipe()
    if named := models or recipe.models:
        require_models(named)
    given = {name: value for name, value in training.items() if value is not None}
    values = recipe.model_dump(mode="json", by_alias=True)
    lengths = {"steps": None, "epochs": None} if {"steps", "epochs"} & given.keys() else {}
    values["training"] |= lengths | given  # a length that is given stands for the recipe's
    values["models"] = models or values["models"]
    if max_length is not None:
        values["max_length"] = max_length
    if remove_stop_words is not None:
        values["stop_words"] = "remove" if remove_stop_words else "keep"
    if language is not None:
        values["language"] = language
    return with_presets(validated(Recipe, values, "the settings"), presets, path)


def chosen_versions(model: str, path: Path | None, presets: list[str] | None) -> Recipe | None:
    """The recipe of a compression, where a file or presets were given; None without.

    A run is split and trained as it says itself, whatever the file has on that.
    """
    from paretext.compression.recipe import Recipe
    from paretext.parents import is_run, parent_of

    if path is None and not presets:
        return None
    own = parent_of(Path(model))[2] if is_run(model) else None
    given = with_presets(Recipe.read(path) if path else own or Recipe(), presets, path)
    return given if own is None else own.model_copy(update={"versions": given.versions})


def with_presets(recipe: Recipe, presets: list[str] | None, path: Path | None) -> Recipe:
    """The recipe with the presets' versions: after those of its file, or in place of the default
    ones."""
    from paretext.compression.recipe import Recipe, preset, validated

    if not presets:
        return recipe
    values = recipe.model_dump(mode="json", by_alias=True)
    added = [version for name in presets for version in preset(name)]
    own = values["versions"] if path else []
    values["versions"] = [*own, *(v.model_dump(mode="json", by_alias=True) for v in added)]
    return validated(Recipe, values, "the presets")


def read_unlabelled(path: Path | None, text_column: str | None, on_bad_row: OnBadRow) -> list[str]:
    """The texts of a file that needs no labels; none without a file."""
    from paretext.data_reading import read_texts

    return [] if path is None else read_texts(path, text_column, on_bad_row)


def parents_labels(parent: Path, labels: Path | None) -> tuple[str, ...]:
    """The label names of a trained parent, which the data is read with.

    ParetextError where a file of label names says otherwise: a model's outputs have their order
    already, and data in another one would teach and measure the wrong labels.
    """
    from paretext.data import read_label_names
    from paretext.errors import ParetextError
    from paretext.pretrained import label_names

    names = label_names(str(parent))
    given = names if labels is None else read_label_names(labels)
    if given != names:
        raise ParetextError(
            f"{labels} has the labels {', '.join(given[:10])}, and {parent} has "
            f"{', '.join(names[:10])}, 0 first; leave --labels out, the model names its own."
        )
    return names


def read_data(
    data: str,
    evaluation: str | None,
    selection: str | None,
    text_column: str | None,
    label_column: str | None,
    labels: Path | None,
    on_bad_row: OnBadRow,
    drop_leaks: bool,
    recipe: Recipe,
    names: tuple[str, ...] | None = None,
) -> Data:
    """Read all splits with the label names of the first, and check them."""
    from paretext.data import Dataset, read_label_names, require_trainable
    from paretext.splits import prepare

    columns: dict[str, Any] = {
        "text_column": text_column,
        "label_column": label_column,
        "on_bad_row": on_bad_row,
    }
    if labels is not None:
        names = read_label_names(labels)
    train = Dataset.read(data, label_names=names, **columns)
    require_trainable(train)  # before the labels of the others are looked up in its own
    others = [
        Dataset.read(source, label_names=train.label_names, split="validation", **columns)
        if source
        else None
        for source in (evaluation, selection)
    ]
    return prepare(train, others[0], recipe, selection=others[1], leaks_dropped=drop_leaks)
