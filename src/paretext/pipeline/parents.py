"""The parent of a run's versions: the best of its candidates, or somebody's model taken in.

A model from elsewhere (a folder, a hub id) is copied once into the run, as training would have left
it: candidates/NAME/model, with its label names in its config, and parent.json, which says whose it
is. From then on the folder is a run like any other: compare, certify and report open it, it can be
moved, and the model's own folder is never written to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from paretext.certification.certify import run_of
from paretext.certification.model import is_artifact
from paretext.compression.recipe import Recipe, validated
from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.extras import require_training
from paretext.core.files import Stages, read_json, write_json
from paretext.core.run_folder import CANDIDATES, RunFolder, model_of
from paretext.core.settings import model_inside
from paretext.core.unfinished import unfinished
from paretext.models.pretrained import Source, look, name_outputs, source_digest
from paretext.pipeline.splits import Data

AGAIN = "start the same paretext run (or paretext train) again"
_ADAPTER = "adapter_config.json"


def is_run(source: str | Path) -> bool:
    """Whether it is the folder of a run that has chosen its parent."""
    return RunFolder(Path(source)).chosen.is_file()


def parent_of(source: Path) -> tuple[Path, str, Recipe]:
    """The parent's folder and name, and the recipe, of a run's folder or a classifier's."""
    record = RunFolder(source).chosen
    if not record.is_file():
        _refuse_unfinished(source)
        _refuse_artifact(source)
        if not (source / "config.json").is_file():
            raise ParetextError(
                f"{source} is neither a run (it has no parent.json) nor a classifier's folder "
                "(it has no config.json)"
                f"{model_inside(source) or '; train one (paretext run --data TABLE).'}"
            )
        return source, source.name, Recipe()
    name = read_json(record, AGAIN, lambda values: str(values["parent"]))
    folder = RunFolder(source).model(name)
    if not folder.is_dir():
        raise ParetextError(f"{record} names {name}, and there is no {folder}; {AGAIN}.")
    settings = RunFolder(source).settings
    recipe = Recipe()
    if settings.is_file():
        values = read_json(settings, AGAIN, lambda values: dict(values["recipe"]))
        try:
            recipe = validated(Recipe, values, str(settings))
        except ParetextError as error:
            raise ParetextError(
                f"the run {source} is of another version of paretext "
                f"({str(error).split(';')[0].rstrip('.')}); to make it anew, {AGAIN}."
            ) from None
    return folder, name, recipe


def check_splits(source: Path, data: Data) -> None:
    """ParetextError where a run was trained on other texts, so its parent knows those held out."""
    if is_run(source) and read_json(RunFolder(source).chosen, AGAIN, dict).get("taken_from"):
        return
    settings = RunFolder(source).settings
    if settings.is_file():
        trained_on = read_json(settings, AGAIN, lambda values: values.get("splits"))
        if trained_on is not None and trained_on != data.fingerprints():
            raise ParetextError(
                f"the texts are not split as {source} was trained on them; give the --data "
                "and --selection that were given to paretext train."
            )


def was_held_out(run: Path) -> bool:
    """Whether the run took the texts to measure on out of its training texts."""
    settings = RunFolder(run).settings
    return settings.is_file() and read_json(
        settings, AGAIN, lambda values: bool(values.get("held_out", False))
    )


def require_model(name: str) -> None:
    """ParetextError, first of all, for what is neither a run nor a classifier; before that, where
    nothing can be compressed."""
    require_training()
    if is_run(name):
        parent_of(Path(name))
    else:
        _refuse_unfinished(Path(name))
        _refuse_artifact(Path(name))
        open_model(name)


def _refuse_artifact(folder: Path) -> None:
    """ParetextError, with what to give, for what was exported already."""
    if is_artifact(folder):
        run = run_of(folder)
        made_from = "the classifier that it was made from" if run is None else f"its run, {run}"
        raise ParetextError(f"{folder} is an artifact, which learns no more; give {made_from}.")


def _refuse_unfinished(run: Path) -> None:
    """ParetextError, with how to go on, for a run that was interrupted before its parent was."""
    if (begun := unfinished(run)) is not None:
        raise ParetextError(f"the run {run} was interrupted and has no parent yet; {begun.remedy}")


def open_model(name: str) -> Source:
    """Somebody's classifier, by its config.json alone where that is here; ParetextError for what is
    none, an adapter with how to merge it."""
    adapter = Path(name) / _ADAPTER
    if adapter.is_file() and not (Path(name) / "config.json").is_file():
        base = read_json(adapter, "get it again", lambda v: str(v["base_model_name_or_path"]))
        raise ParetextError(
            f"{name} is an adapter of {base}, not a whole model; merge it with peft's "
            f"AutoPeftModelForSequenceClassification.from_pretrained({name!r}).merge_and_unload()"
            ".save_pretrained(FOLDER), save the tokenizer there too, and give that FOLDER."
        )
    source = look(name) or Source.open(name)
    source.require_classifier()
    source.say_own_code()
    return source


def adopt(source: Source, names: Sequence[str], name: str, stages: Stages) -> Path:
    """The model's copy in the run, with `names` for its outputs: candidates/NAME/model."""
    from paretext.models.classifier import Classifier

    def copy(folder: Path) -> None:
        classifier = Classifier.load(source.name)
        name_outputs(classifier.model.config, names)
        replace(classifier, label_names=tuple(names)).save(model_of(folder))

    inputs = {"model": source_digest(source.name), "labels": list(names)}
    made = stages.finished(f"{CANDIDATES}/{name}", inputs, copy)
    progress.say(f"{name}: {'taken' if made else 'kept as it was taken'} from {source.name}")
    write_json(
        RunFolder(stages.root).chosen,
        {"parent": name, "selection_macro_f1": {}, "taken_from": source.name},
    )
    return RunFolder(stages.root).model(name)
