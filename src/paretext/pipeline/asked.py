"""What was asked for, on a command line or in Python: a recipe with single settings over it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paretext.compression.recipe import Recipe, preset, validated
from paretext.core.errors import ParetextError
from paretext.core.settings import Settings
from paretext.pipeline.candidates import require_models
from paretext.pipeline.options import Compress, Trains, Versions
from paretext.pipeline.parents import is_run, parent_of
from paretext.pipeline.sources import listed
from paretext.training.settings import InputSettings, TrainingSettings


def asked_recipe(asked: Trains, **training: Any) -> Recipe:
    """The recipe that was given, or of its file, or the default one, with single settings over it.

    training: settings in the place of those that were asked for. A model that is missing is refused
    first.
    """
    recipe, models = _read(asked.recipe) or Recipe(), listed(asked.model)
    if named := models or recipe.models:
        require_models(named)
    own = asked.part(TrainingSettings) | training
    values = recipe.model_dump(mode="json", by_alias=True) | asked.part(InputSettings)
    lengths = {"steps": None, "epochs": None} if {"steps", "epochs"} & own.keys() else {}
    values["training"] |= lengths | own  # a length that is given stands for the recipe's
    values["models"] = models or values["models"]
    if asked.remove_stop_words is not None:
        values["stop_words"] = "remove" if asked.remove_stop_words else "keep"
    presets = asked.preset if isinstance(asked, Versions) else None
    return _with_presets(
        validated(Recipe, values, "the settings"), listed(presets), asked.recipe is not None
    )


def asked_versions(asked: Compress) -> Recipe | None:
    """The recipe of a compression, where one or presets were given; None without.

    A run is split and trained as it says itself, whatever the recipe has on that.
    """
    if asked.recipe is None and not asked.preset:
        return None
    own = parent_of(Path(asked.model))[2] if is_run(asked.model) else None
    beside = asked.recipe is not None
    recipe = _with_presets(_read(asked.recipe) or own or Recipe(), listed(asked.preset), beside)
    return recipe if own is None else own.model_copy(update={"versions": recipe.versions})


def _with_presets(recipe: Recipe, presets: Sequence[str] | None, beside: bool) -> Recipe:
    """The recipe with the presets' versions: beside its own, or in their place."""
    if not presets:
        return recipe
    values = recipe.model_dump(mode="json", by_alias=True)
    added = [version for name in presets for version in preset(name)]
    own = values["versions"] if beside else []
    values["versions"] = [*own, *(v.model_dump(mode="json", by_alias=True) for v in added)]
    return validated(Recipe, values, "the presets")


def _read(given: str | Path | Settings | None) -> Recipe | None:
    if given is None or isinstance(given, Recipe):
        return given
    if isinstance(given, Settings):
        raise ParetextError(
            f"recipe is of type {type(given).__name__}; give a Recipe, or the path of a YAML file."
        )
    return Recipe.read(given)
