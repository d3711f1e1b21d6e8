"""A candidate: one encoder that is fine-tuned, or one baseline, as a stage of a run.

Its folder holds model/ (a classifier), history.json, of an encoder training.json (how it was
trained) and, of more than one evaluation, the learning curves. What a candidate was made from is
compared before it is made again.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretext.core import progress
from paretext.core.clock import in_words
from paretext.core.errors import OutOfTime, ParetextError
from paretext.core.extras import require_training
from paretext.core.files import SCRATCH, Stages, read_json, write_json
from paretext.core.run_folder import CANDIDATES, RunFolder, model_of
from paretext.data.checks import say_cut
from paretext.data.stop_words import check_removal
from paretext.models.pretrained import look, source_digest
from paretext.report.figures import learning_curves
from paretext.training.baselines import BASELINES
from paretext.training.plan import TrainingRecord

if TYPE_CHECKING:
    from paretext.compression.recipe import Recipe
    from paretext.models.classifier import Classifier
    from paretext.pipeline.splits import Data

_CHECKED = 8
"""Texts on which an architecture is tried before it is trained."""


def require_models(models: Sequence[str]) -> None:
    """ParetextError, before PyTorch is imported, for no model, or one that is nowhere or whose
    config contradicts itself; before that, where nothing can be trained."""
    require_training()
    if not models:
        raise ParetextError("no model was given; name one or more with --model.")
    for model in models:
        if model not in BASELINES:
            _check_name(model)
            if source := look(model):
                source.require_architecture()


def check_models(models: Sequence[str], data: Data, recipe: Recipe) -> None:
    """ParetextError, before anything is trained, for no model, or one that cannot be trained."""
    require_models(models)
    from paretext.models.classifier import check_trainable
    from paretext.training.device import resolve_device

    resolve_device(recipe.training.device)
    for model in models:
        if baseline := BASELINES.get(model):
            baseline.check(data.train, removed_language(model, recipe))
        else:
            check_trainable(model, data.train.label_names, recipe.max_length)
    if any(removed_language(model, recipe) for model in models):
        check_removal(data.train.texts, recipe.language)


def _check_name(model: str) -> None:
    """ParetextError for a baseline's name in another spelling."""
    near = difflib.get_close_matches(model, BASELINES, n=1, cutoff=0.8)
    if near and not Path(model).exists():
        raise ParetextError(f"there is no model {model!r}; did you mean the baseline {near[0]!r}?")


def train_candidate(
    stages: Stages,
    name: str,
    model: str,
    data: Data,
    recipe: Recipe,
    seconds: float | None = None,
) -> Path:
    """The folder of one candidate, an encoder's or a baseline's, trained unless it is there.

    seconds: that an encoder's training may take.
    """
    baseline = BASELINES.get(model)
    inputs = {
        "model": baseline.model_dump(mode="json") if baseline else source_digest(model),
        "training": recipe.training.model_dump(mode="json"),
        "max_length": recipe.max_length,
        "train": data.train.fingerprint,
        "selection": data.selection.fingerprint,
    }
    if language := removed_language(model, recipe):  # runs without it keep their older records
        inputs["stop_words"] = language
    made = stages.finished(
        f"{CANDIDATES}/{name}", inputs, partial(_train_one, name, model, data, recipe, seconds)
    )
    progress.say(f"{name}: {'trained' if made else 'kept, its inputs have not changed'}")
    folder = RunFolder(stages.root).candidate(name)
    record = TrainingRecord.read(folder)
    if record is not None and record.advice is not None:
        progress.say(f"{name}: {record.advice}")
    return folder


def removed_language(model: str, recipe: Recipe) -> str | None:
    """The language whose stop words this candidate is trained without, if any."""
    baseline = BASELINES.get(model)
    by_itself = baseline is not None and baseline.removes_stop_words
    removes = {"auto": by_itself, "keep": False, "remove": True}[recipe.stop_words]
    return recipe.language if removes else None


def best_epoch(folder: Path) -> dict[str, Any]:
    """The row of a candidate's history whose weights were kept."""

    def best(history: Any) -> dict[str, Any]:
        return dict(max(history, key=lambda row: float(row["selection_macro_f1"])))

    return read_json(
        folder / "history.json", f"delete {folder}, and the same command trains it again", best
    )


def identities(models: Sequence[str]) -> dict[str, str]:
    """What tells the encoders among `models` from others, and what they are called; the baselines
    where there are no encoders."""
    encoders = {source_digest(model): model for model in models if model not in BASELINES}
    return encoders or {f"baseline:{model}": model for model in models}


def _train_one(
    name: str, model: str, data: Data, recipe: Recipe, seconds: float | None, folder: Path
) -> None:
    from paretext.graphs.artifact_writer import require_exportable
    from paretext.models.classifier import Classifier, without_stop_words
    from paretext.training.fit import fit

    language = removed_language(model, recipe)
    work, label = folder / SCRATCH, f"training {name}"
    baseline = BASELINES.get(model)
    if baseline is not None:
        fitted = baseline.fit(
            data.train,
            data.selection,
            recipe.training,
            max_length=recipe.max_length,
            language=language,
            work=work,
            label=label,
        )
        _say_truncated(fitted.classifier, data)
    else:
        classifier = Classifier.from_pretrained(
            model, data.train.label_names, recipe.max_length, seed=recipe.training.seed
        )
        if language is not None:
            classifier = without_stop_words(classifier, language)
        _say_truncated(classifier, data)
        require_exportable(classifier, data.selection.texts[:_CHECKED])
        try:
            fitted = fit(
                classifier,
                data.train,
                data.selection,
                recipe.training,
                work=work,
                label=label,
                seconds=seconds,
            )
        except OutOfTime as error:
            share = in_words(error.seconds)
            raise ParetextError(
                f"--time is too short to train {name}: the least that may be called a training "
                f"takes about {share}, and what comes after it takes longer; give more."
            ) from None
    fitted.classifier.save(model_of(folder))
    if baseline is None and fitted.record is not None:
        fitted.record.write(folder)
    write_json(folder / "history.json", list(fitted.history))
    if len(fitted.history) > 1 or baseline is None:  # there is no curve of a single fit
        learning_curves(fitted.history, folder / "learning-curves.svg", name)


def _say_truncated(classifier: Classifier, data: Data) -> None:
    """How many texts are too long for the model; `compare` says it of the evaluation texts."""
    for name, split in (("training", data.train), ("selection", data.selection)):
        say_cut(name, classifier.longer(split.texts), len(split), classifier.max_length)
