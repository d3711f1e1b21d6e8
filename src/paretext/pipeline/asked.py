"""What was asked for, on a command line or in Python: a recipe with single settings over it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paretext.compression.recipe import Recipe, preset, validated
from paretext.pipeline.candidates import require_models
from paretext.pipeline.parents import is_run, parent_of


def asked_recipe(
    given: str | Path | Recipe | None,
    models: Sequence[str] | None,
    max_length: int | None,
    presets: Sequence[str] | None = None,
    *,
    remove_stop_words: bool | None = None,
    language: str | None = None,
    **training: Any,
) -> Recipe:
    """The recipe that was given, or of its file, or the default one, with single settings over it.

    A model that is missing is refused first.
    """
    recipe = _read(given) or Recipe()
    if named := models or recipe.models:
        require_models(named)
    own = {name: value for name, value in training.items() if value is not None}
    values = recipe.model_dump(mode="json", by_alias=True)
    lengths = {"steps": None, "epochs": None} if {"steps", "epochs"} & own.keys() else {}
    values["training"] |= lengths | own  # a length that is given stands for the recipe's
    values["models"] = models or values["models"]
    if max_length is not None:
        values["max_length"] = max_length
    if remove_stop_words is not None:
        values["stop_words"] = "remove" if remove_stop_words else "keep"
    if language is not None:
        values["language"] = language
    return with_presets(validated(Recipe, values, "the settings"), presets, given is not None)


def asked_versions(
    model: str, given: str | Path | Recipe | None, presets: Sequence[str] | None
) -> Recipe | None:
    """The recipe of a compression, where one or presets were given; None without.

    A run is split and trained as it says itself, whatever the recipe has on that.
    """
    if given is None and not presets:
        return None
    own = parent_of(Path(model))[2] if is_run(model) else None
    found = with_presets(_read(given) or own or Recipe(), presets, given is not None)
    return found if own is None else own.model_copy(update={"versions": found.versions})


def with_presets(recipe: Recipe, presets: Sequence[str] | None, beside: bool) -> Recipe:
    """The recipe with the presets' versions: beside its own, or in their place."""
    if not presets:
        return recipe
    values = recipe.model_dump(mode="json", by_alias=True)
    added = [version for name in presets for version in preset(name)]
    own = values["versions"] if beside else []
    values["versions"] = [*own, *(v.model_dump(mode="json", by_alias=True) for v in added)]
    return validated(Recipe, values, "the presets")


def _read(given: str | Path | Recipe | None) -> Recipe | None:
    return Recipe.read(given) if isinstance(given, str | Path) else given
