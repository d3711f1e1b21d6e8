"""The profile as a stage of a run: made once for the same texts, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from paretext.compression.recipe import Recipe
from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.files import Stages
from paretext.core.locks import works_in
from paretext.core.run_folder import PROFILE
from paretext.core.version import __version__
from paretext.data.dataset import Dataset
from paretext.profile.build import NoProfile, profile
from paretext.profile.schema import ProfileSettings
from paretext.profile.tokens import load_tokenizer
from paretext.report.profile_page import write_profile
from paretext.training.baselines import BASELINES


@works_in("out")
def profiled(train: Dataset, evaluation: Dataset | None, recipe: Recipe, out: Path) -> None:
    """Write out/profile/ for the data of a run, unless it is there already.

    Stop words and lemmas are those of the recipe's language, tokens those of the first of its
    models that has a tokenizer.

    A profile explains a run and decides nothing in it: texts that none can be made of (without a
    single word, say), or a fault of its own, do not stop the run; that is said. Raises
    ParetextError where Jinja2 is not installed: better now than when the run's page is written.
    """
    settings = ProfileSettings(
        language=recipe.language,
        max_length=recipe.max_length,
        batch_size=recipe.training.batch_size,
        supersample=recipe.training.supersample,
        seed=recipe.training.seed,
    )

    def work(folder: Path) -> None:
        progress.say(f"profiling {len(train):,} texts, which takes seconds, or a minute")
        try:
            model = _first_with_tokenizer(recipe.models)
            data_profile = profile(train, evaluation, settings.model_copy(update={"model": model}))
        except ParetextError as error:
            raise NoProfile(str(error)) from None
        write_profile(data_profile, folder)

    inputs = {
        "version": __version__,  # another one may find more
        "train": train.fingerprint,
        "evaluation": evaluation and evaluation.fingerprint,
        "settings": settings.model_dump(mode="json"),
        "models": recipe.models,
    }
    try:
        made = Stages(out).finished(PROFILE, inputs, work)
    except NoProfile as error:
        progress.say(f"no profile: {error}")
    else:
        progress.say(f"{PROFILE}: {'made' if made else 'kept, its inputs have not changed'}")


def _first_with_tokenizer(models: Sequence[str]) -> str | None:
    """A model without one is no fault here: training says what is wrong with it, if anything."""
    for model in (each for each in models if each not in BASELINES):
        try:
            load_tokenizer(model)
        except ParetextError:
            continue
        return model
    return None
