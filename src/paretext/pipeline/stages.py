"""The main job: labelled texts -> trained candidates -> compressed versions -> one honest table.

What lies where in a run's folder: `core.run_folder`. Each stage is skipped if it was finished with
the same inputs, so a run that was killed at any moment goes on where it was when it is started
again.

One process at a time works in a run's folder (`locks`), and it stays that of one run: the same
training texts, as they were given, and at least one encoder in common with the last time
(`ownership`). More models, other versions, settings or evaluation texts go on in the same folder;
what depends on what has changed is made anew, and run.json's changes are said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paretext.certification.budget import Budget
from paretext.certification.certificate import Certificate
from paretext.certification.versions import certify_versions
from paretext.compression import compress
from paretext.compression.build import export_candidate
from paretext.compression.ladder import Allowance
from paretext.compression.recipe import Recipe
from paretext.compression.step import Outline
from paretext.core import progress
from paretext.core.clock import Clock
from paretext.core.cores import available_cores
from paretext.core.errors import ParetextError
from paretext.core.files import Stages, folder_digest, nearest_path, write_json
from paretext.core.locks import works_in
from paretext.core.run_folder import COMPARISON, PARENT, RunFolder, model_of
from paretext.data.checks import require_apart
from paretext.data.dataset import Dataset
from paretext.data.given import Given
from paretext.measure.comparison import BASELINE, FORMAT, Comparison, Version
from paretext.measure.cost import Target, expected, machine_key
from paretext.measure.ranking import is_stage
from paretext.models.pretrained import Source
from paretext.pipeline.candidates import (
    best_epoch,
    check_models,
    train_candidate,
)
from paretext.pipeline.parents import parent_of
from paretext.pipeline.profiled import profiled
from paretext.pipeline.record import claim_run, require_startable, say_changes, write_record
from paretext.pipeline.splits import Data
from paretext.pipeline.unlabelled import like_the_labelled
from paretext.report.comparison import compare
from paretext.report.run_page import write_report
from paretext.runtime.manifest import NAME as MANIFEST
from paretext.runtime.manifest import Manifest
from paretext.training.baselines import BASELINES

PARENTS_SHARE = 0.4
"""Of a job's time, for the models that it begins with."""
LINEAR = "tfidf"
"""The baseline that always runs."""


@dataclass(frozen=True)
class Trained:
    """The candidates' names and folders, the name of the one that won, and whether that is an
    encoder: a baseline wins only where there are no others."""

    folders: dict[str, Path]
    parent: str
    encoder: bool = True


@works_in("out")
def train(
    models: Sequence[str],
    data: Data,
    recipe: Recipe,
    out: str | Path,
    clock: Clock | None = None,
) -> Trained:
    """Train every candidate; the best encoder by macro-F1 on the selection split is the parent.

    clock: of a job, of whose time the encoders may take PARENTS_SHARE.

    Baselines (`BASELINES` has their names) are models to beat: one of them becomes the parent only
    where no encoder is given.
    """
    out = Path(out)
    encoders = [model for model in models if model not in BASELINES]
    require_startable(models, out, data.report)
    check_models(models, data, recipe)
    claim_run(models, data.report, out)
    settings = recipe.model_dump(mode="json")
    say_changes(RunFolder(out).settings, settings, data.report)
    write_record(recipe, data, out)
    reserved = [version.name for version in recipe.versions]
    names = dict(zip(candidate_names(models, reserved), models, strict=True))
    stages = Stages(out)
    seconds = None if clock is None else PARENTS_SHARE * clock.left / max(1, len(encoders))
    folders = {
        name: train_candidate(stages, name, model, data, recipe, seconds)
        for name, model in names.items()
    }
    claim_run(models, data.report, out, trained=True)
    scores = {name: best_epoch(folder)["selection_macro_f1"] for name, folder in folders.items()}
    eligible = [name for name, model in names.items() if model in encoders] or list(names)
    parent = max(eligible, key=lambda name: scores[name])
    write_json(RunFolder(out).chosen, {"parent": parent, "selection_macro_f1": scores})
    listed = ", ".join(f"{name} {score:.4f}" for name, score in scores.items())
    progress.say(f"macro-F1 on the selection split: {listed}; the parent is {parent}")
    for name in (name for name in names if name not in eligible and scores[name] > scores[parent]):
        progress.say(
            f"the baseline {name} is better on the selection split than the best encoder, "
            f"{parent}: {scores[name]:.4f} against {scores[parent]:.4f}"
        )
    return Trained(
        {name: model_of(folder) for name, folder in folders.items()}, parent, bool(encoders)
    )


@works_in("out")
def run(
    data: Data,
    recipe: Recipe,
    out: str | Path,
    *,
    unlabelled: Sequence[str] = (),
    budget: Budget | None = None,
    threads: int | None = None,
    rounds: int = 5,
    clock: Clock | None = None,
) -> Comparison:
    """The whole job on data from `prepare`: profile, train, compress, certify, compare, report.

    A linear model of n-grams is always trained beside the others: it takes seconds, and says
    whether the rest is worth it. Every compressed version is certified against the parent's
    artifact, under `budget` (default: the documented limits). The evaluation split must be there:
    certificates and the comparison are measured on nothing else.
    """
    if data.evaluation is None:
        raise ParetextError("run needs evaluation data that training never sees: give --eval.")
    require_apart(unlabelled, "--unlabelled", data.evaluation)
    out = Path(out)
    recipe = with_linear(recipe)
    require_startable(recipe.models, out, data.report)
    check_models(recipe.models, data, recipe)  # before the profile, which takes a while
    check_versions(recipe)
    claim_run(recipe.models, data.report, out)
    profiled(*(data.given or (data.train, data.evaluation)), recipe, out)
    trained = train(recipe.models, data, recipe, out, clock)
    if not trained.encoder:
        progress.say(
            "only baselines were given, so there is nothing to compress; they are exported and "
            "compared as they are"
        )
        recipe = recipe.model_copy(update={"versions": ()})
    else:
        recipe = recipe.within(outline_of(trained.folders[trained.parent]))
    return finish(
        trained,
        recipe,
        data,
        out,
        unlabelled=unlabelled,
        budget=budget,
        threads=threads,
        rounds=rounds,
        clock=clock,
    )


def check_versions(recipe: Recipe) -> None:
    """ParetextError, before hours are spent, for a version that cannot be made of a candidate."""
    for model in recipe.models:
        if model not in BASELINES:
            with progress.using(progress.Silent()):
                recipe.within(outline_of(model))


def outline_of(model: str | Path) -> Outline:
    """The outline of an encoder, from its config alone."""
    return Outline.of(Source.open(str(model)).config)


def with_linear(recipe: Recipe) -> Recipe:
    """The recipe with the linear model beside the others."""
    if LINEAR in recipe.models:
        return recipe
    return recipe.model_copy(update={"models": (*recipe.models, LINEAR)})


@works_in("out")
def finish(
    trained: Trained,
    recipe: Recipe,
    data: Data,
    out: Path,
    *,
    unlabelled: Sequence[str] = (),
    budget: Budget | None = None,
    threads: int | None = None,
    rounds: int = 5,
    clock: Clock | None = None,
) -> Comparison:
    """From trained models to the page: compress the parent, certify, compare, report.

    All that the run holds is certified and compared, versions of an earlier call too.
    """
    if data.evaluation is None:
        raise ParetextError("nothing can be measured without evaluation data: give --eval.")
    parent, evaluation = trained.folders[trained.parent], data.evaluation
    limits = (budget or Budget()).for_labels_of(data.selection.answered_by)
    allowance = None
    if clock is not None:
        allowance = Allowance(clock, lambda each: expected(each, evaluation.texts, rounds, threads))
    compress(
        parent,
        recipe,
        data.train,
        data.selection,
        out,
        parent_name=trained.parent,
        unlabelled=like_the_labelled(parent, data, unlabelled, out),
        limits=limits.limits(),
        allowance=allowance,
    )
    for name, folder in trained.folders.items():
        if name != trained.parent:
            export_candidate(folder, name, data.train, data.selection, out)
    artifacts = artifacts_of(out)
    certify_versions(
        derived(artifacts),
        RunFolder(out).artifact(),
        data.evaluation,
        RunFolder(out).certificates,
        budget=budget,
        threads=threads,
        classifier=parent,
    )
    comparison = compared(parent, artifacts, data.evaluation, out, threads=threads, rounds=rounds)
    page, _ = write_report(out)
    progress.say(f"report: {page}")
    return comparison


@works_in("out")
def compared(
    parent: Path,
    artifacts: Sequence[Path],
    evaluation: Dataset,
    out: Path,
    *,
    threads: int | None,
    rounds: int,
) -> Comparison:
    """The comparison of a run's versions: the parent in PyTorch first, then every artifact."""
    versions = _versions(parent, artifacts)

    def measure(folder: Path) -> None:
        compare(versions, evaluation, folder, threads=threads, rounds=rounds)

    made_now = Stages(out).finished(
        COMPARISON,
        {
            "format": FORMAT,
            "versions": [(v.target.name, v.parent, *_identity(v.target)) for v in versions],
            "evaluation": evaluation.fingerprint,
            "machine": machine_key(threads or available_cores()),
            "rounds": rounds,
        },
        measure,
    )
    if not made_now:
        progress.say("comparison: kept, its inputs have not changed")
    return Comparison.read(RunFolder(out).comparison)


def artifacts_of(run: Path) -> list[Path]:
    """The folders of a run's artifacts, the parent's first."""
    return [each for each in RunFolder(run).listed() if (each / MANIFEST).is_file()]


def derived(artifacts: Sequence[Path]) -> list[Path]:
    """The versions that were made from the parent, the steps on the way to them left out."""
    manifests = {path.name: Manifest.read(path) for path in artifacts}
    parent, names = manifests[PARENT], list(manifests)
    return [
        path
        for path in artifacts
        if path.name != PARENT
        and not is_stage(path.name, names)
        and manifests[path.name].shares_root(parent)
    ]


def _identity(target: Target) -> tuple[str, ...]:
    """What a comparison shows of a version: the model, and the certificate's verdict."""
    if target.kind == "pytorch":
        return (folder_digest(target.folder),)
    certificate = Certificate.of(target.folder)
    return (Manifest.read(target.folder).identity, certificate.verdict if certificate else "")


def evaluation_of(run: Path, given: Given) -> Given:
    """The texts to measure on: those given, or those that the run has held out.

    ParetextError where there are neither.
    """
    if given is not None:
        return given
    held = RunFolder(run).held_out
    if not held.is_file():
        raise ParetextError(
            f"{run} has no texts of its own to measure on; give labelled ones with --eval."
        )
    progress.say(f"measuring on {held}")
    return held


def versions_to_compare(
    artifacts: Sequence[Path], baseline: Path | None, out: Path | None
) -> tuple[list[Version], Path]:
    """The rows for artifacts, or for all artifacts of one run, and the folder to write to."""
    first = artifacts[0]
    if len(artifacts) == 1 and (RunFolder(first).artifact()).is_dir():
        out = out or RunFolder(first).comparison
        baseline = baseline or parent_of(first)[0]
        artifacts = artifacts_of(first)
    for each in artifacts:
        if not each.is_dir():
            near = nearest_path(each, folders=True) or "; check the path."
            raise ParetextError(f"there is no folder {each}{near}")
        Manifest.read(each)
    if out is None:
        raise ParetextError("compare needs a folder to write to: give --out.")
    return _versions(baseline, artifacts), out


def _versions(baseline: Path | None, artifacts: Sequence[Path]) -> list[Version]:
    """A row each: the baseline in PyTorch, the first artifact against it, the rest against that."""
    reference = artifacts[0].name
    versions = [] if baseline is None else [Version(Target(BASELINE, baseline, "pytorch"), None)]
    for path in artifacts:
        against = reference if path.name != reference else BASELINE if baseline else None
        versions.append(Version(Target(path.name, path), against))
    return versions


def candidate_names(models: Sequence[str], reserved: Sequence[str] = ()) -> list[str]:
    """A short name for each hub id or folder: its last part, numbered where it is taken."""
    names: list[str] = []
    for model in models:
        name = re.sub(r"[^A-Za-z0-9._-]", "-", model.rstrip("/").rsplit("/", 1)[-1]) or "model"
        taken = [*names, *reserved, PARENT, BASELINE]
        number = next(i for i in range(1, len(taken) + 2) if _numbered(name, i) not in taken)
        names.append(_numbered(name, number))
    return names


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"
