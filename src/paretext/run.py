"""The main job: labelled texts -> trained candidates -> compressed versions -> one honest table.

A run is a folder:

    profile/                  what is in the data: profile.html, profile.json
    run.json                  the settings, and what was found in the data
    candidates/NAME/          model/ (a classifier), history.json, training.json and the curves
    parent.json               the candidates' macro-F1 on the selection split, and who won
    classifiers/NAME/         PyTorch models of versions that change the model
    artifacts/NAME/           what gets deployed
    certificates/             each version's flipped texts; the certificate is in its artifact
    comparison/               comparison.csv, .json, .md and pictures
    report/                   everything above on one page: report.html, report.json

Each stage is skipped if it was finished with the same inputs, so a run that was killed at any
moment goes on where it was when it is started again.

One process at a time works in a run's folder (`locks`), and it stays that of one run: the same
training texts, as they were given, and at least one encoder in common with the last time
(`ownership`). More models, other versions, settings or evaluation texts go on in the same folder;
what depends on what has changed is made anew, and run.json's changes are said.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paretext import progress
from paretext.balance import check_factors
from paretext.baselines import BASELINES
from paretext.benchmark import Target
from paretext.candidates import best_epoch, check_models, identities, train_candidate
from paretext.certification.budget import Budget
from paretext.certification.certificate import Certificate
from paretext.certification.versions import certify_versions
from paretext.comparison import BASELINE, FORMAT, Comparison, Version, compare
from paretext.compression import compress
from paretext.compression.build import Compressed, export_candidate
from paretext.compression.recipe import PARENT, Recipe, validated
from paretext.cores import available_cores
from paretext.data import Dataset, require_trainable
from paretext.data_checks import DataReport, check, drop_leaks, require_apart
from paretext.errors import ParetextError
from paretext.files import Stages, folder_digest, read_json, write_json
from paretext.locks import works_in
from paretext.manifest import Manifest
from paretext.ownership import MadeOf, claim
from paretext.report.run_page import write_report
from paretext.report.steps import is_stage
from paretext.run_profile import profiled

_AGAIN = "start the same paretext run (or paretext train) again"
TEXTS = "training texts"
"""What `ownership` calls them."""


@dataclass(frozen=True)
class Data:
    """train: fitted on; selection: chooses epochs and the parent; evaluation: only measured on."""

    train: Dataset
    selection: Dataset
    evaluation: Dataset | None
    report: DataReport
    given: tuple[Dataset, Dataset | None] | None = None
    """Training and evaluation data as they were read, nothing held out or left out yet."""

    def fingerprints(self) -> dict[str, str]:
        """Those of the two splits that a classifier is made from."""
        return {"train": self.train.fingerprint, "selection": self.selection.fingerprint}


@dataclass(frozen=True)
class Trained:
    """The candidates' names and folders, the name of the one that won, and whether that is an
    encoder: a baseline wins only where there are no others."""

    folders: dict[str, Path]
    parent: str
    encoder: bool = True


def prepare(
    train: Dataset,
    evaluation: Dataset | None,
    recipe: Recipe,
    *,
    selection: Dataset | None = None,
    leaks_dropped: bool = False,
) -> Data:
    """Check the data, say what is in it, and hold a stratified selection split out of `train`.

    Raises ParetextError for one class only, a label with one example, factors of the wrong length,
    or splits that are mostly the same texts: everything that would otherwise end a training an hour
    later, or leave it without worth.
    """
    require_trainable(train)
    check_factors(recipe.training.supersample, train.label_names)
    report, given = check(train, evaluation), (train, evaluation)
    for sentence in report.sentences():
        progress.say(sentence)
    if evaluation is not None and leaks_dropped:
        evaluation = drop_leaks(train, evaluation)
    held = [each for each in (evaluation, selection) if each is not None]
    for split in held:
        require_apart(train.texts, train.name, split)
    if len(held) == 2:
        require_apart(held[1].texts, held[1].name, held[0])
    if selection is None:
        train, selection = train.split(recipe.selection_share, recipe.training.seed)
        progress.say(f"held out {len(selection):,} of the texts to choose on, stratified")
    return Data(train, selection, evaluation, report, given)


@works_in("out")
def train(models: Sequence[str], data: Data, recipe: Recipe, out: str | Path) -> Trained:
    """Train every candidate; the best encoder by macro-F1 on the selection split is the parent.

    Baselines (`BASELINES` has their names) are models to beat: one of them becomes the parent only
    where no encoder is given.
    """
    out = Path(out)
    encoders = [model for model in models if model not in BASELINES]
    check_models(models, data, recipe)
    _claim(models, data, out)
    settings = recipe.model_dump(mode="json")
    _say_changes(out / "run.json", settings, data.report)
    write_json(
        out / "run.json",
        {
            "recipe": settings,
            "data": data.report.model_dump(mode="json"),
            "splits": data.fingerprints(),
        },
    )
    reserved = [version.name for version in recipe.versions]
    names = dict(zip(candidate_names(models, reserved), models, strict=True))
    stages = Stages(out)
    folders = {
        name: train_candidate(stages, name, model, data, recipe) for name, model in names.items()
    }
    _claim(models, data, out, trained=True)
    scores = {name: best_epoch(folder)["selection_macro_f1"] for name, folder in folders.items()}
    eligible = [name for name, model in names.items() if model in encoders] or list(names)
    parent = max(eligible, key=lambda name: scores[name])
    write_json(out / "parent.json", {"parent": parent, "selection_macro_f1": scores})
    listed = ", ".join(f"{name} {score:.4f}" for name, score in scores.items())
    progress.say(f"macro-F1 on the selection split: {listed}; the parent is {parent}")
    for name in (name for name in names if name not in eligible and scores[name] > scores[parent]):
        progress.say(
            f"the baseline {name} is better on the selection split than the best encoder, "
            f"{parent}: {scores[name]:.4f} against {scores[parent]:.4f}"
        )
    return Trained(
        {name: folder / "model" for name, folder in folders.items()}, parent, bool(encoders)
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
) -> Comparison:
    """The whole job on data from `prepare`: profile, train, compress, certify, compare, report.

    Every compressed version is certified against the parent's artifact, under `budget` (default:
    the documented limits). The evaluation split must be there: certificates and the comparison are
    measured on nothing else.
    """
    if data.evaluation is None:
        raise ParetextError("run needs evaluation data that training never sees: give --eval.")
    require_apart(unlabelled, "--unlabelled", data.evaluation)
    out = Path(out)
    check_models(recipe.models, data, recipe)  # before the profile, which takes a while
    _claim(recipe.models, data, out)
    profiled(*(data.given or (data.train, data.evaluation)), recipe, out)
    trained = train(recipe.models, data, recipe, out)
    parent = trained.folders[trained.parent]
    if not trained.encoder:
        progress.say(
            "only baselines were given, so there is nothing to compress; they are exported and "
            "compared as they are"
        )
        recipe = recipe.model_copy(update={"versions": ()})
    made = compress(
        parent,
        recipe,
        data.train,
        data.selection,
        out,
        parent_name=trained.parent,
        unlabelled=unlabelled,
    )
    others = [
        export_candidate(folder, name, data.train, data.selection, out)
        for name, folder in trained.folders.items()
        if name != trained.parent
    ]
    names = [each.name for each in made]
    versions = [
        each.folder for each in made if each.name != PARENT and not is_stage(each.name, names)
    ]
    certify_versions(
        versions,
        out / "artifacts" / PARENT,
        data.evaluation,
        out / "certificates",
        budget=budget,
        threads=threads,
        classifier=parent,
    )
    found = compared(parent, made, others, data.evaluation, out, threads=threads, rounds=rounds)
    page, _ = write_report(out)
    progress.say(f"report: {page}")
    return found


@works_in("out")
def compared(
    parent: Path,
    made: Sequence[Compressed],
    others: Sequence[Compressed],
    evaluation: Dataset,
    out: Path,
    *,
    threads: int | None,
    rounds: int,
) -> Comparison:
    """The comparison of a run's versions: the parent in PyTorch first, then every artifact."""
    versions = _versions(parent, [each.folder for each in (*made, *others)])

    def measure(folder: Path) -> None:
        compare(versions, evaluation, folder, threads=threads, rounds=rounds)

    made_now = Stages(out).finished(
        "comparison",
        {
            "format": FORMAT,
            "versions": [(v.target.name, v.parent, *_identity(v.target)) for v in versions],
            "evaluation": evaluation.fingerprint,
            "threads": threads or available_cores(),
            "rounds": rounds,
        },
        measure,
    )
    if not made_now:
        progress.say("comparison: kept, its inputs have not changed")
    return Comparison.read(out / "comparison")


def _identity(target: Target) -> tuple[str, ...]:
    """What a comparison shows of a version: the model, and the certificate's verdict."""
    if target.kind == "pytorch":
        return (folder_digest(target.folder),)
    certificate = Certificate.of(target.folder)
    return (Manifest.read(target.folder).identity, certificate.verdict if certificate else "")


def parent_of(source: Path) -> tuple[Path, str, Recipe]:
    """The parent's folder and name, and the recipe, of a run's folder or a classifier's."""
    record = source / "parent.json"
    if not record.is_file():
        if not (source / "config.json").is_file():
            raise ParetextError(
                f"{source} is neither a run (it has no parent.json) nor a classifier's folder "
                "(it has no config.json); train one with: paretext train."
            )
        return source, source.name, Recipe()
    name = read_json(record, _AGAIN, lambda values: str(values["parent"]))
    folder = source / "candidates" / name / "model"
    if not folder.is_dir():
        raise ParetextError(f"{record} names {name}, and there is no {folder}; {_AGAIN}.")
    settings = source / "run.json"
    recipe = Recipe()
    if settings.is_file():
        values = read_json(settings, _AGAIN, lambda values: dict(values["recipe"]))
        recipe = validated(Recipe, values, str(settings))
    return folder, name, recipe


def check_splits(source: Path, data: Data) -> None:
    """ParetextError where a run was trained on other texts, so its parent knows those held out."""
    settings = source / "run.json"
    if settings.is_file():
        trained_on = read_json(settings, _AGAIN, lambda values: values.get("splits"))
        if trained_on is not None and trained_on != data.fingerprints():
            raise ParetextError(
                f"the texts are not split as {source} was trained on them; give the --data "
                "and --selection that were given to paretext train."
            )


def _claim(models: Sequence[str], data: Data, out: Path, *, trained: bool = False) -> None:
    """ParetextError if `out` is the folder of another run, or of something else."""
    record, known = out / "run.json", None
    if record.is_file():  # a run that has not put on record yet what it is made of
        with contextlib.suppress(ParetextError):
            known = read_json(
                record, "", lambda values: _made_of({}, DataReport.model_validate(values["data"]))
            )
    asked = _made_of(identities(models), data.report)
    not_yet = () if trained else ("models",)
    files = ("run.json", "parent.json")
    claim(out, asked.job, asked.of, writes=files, not_yet=not_yet, known=known)


def _made_of(models: Mapping[str, str], report: DataReport) -> MadeOf:
    texts = f"{report.name}, {report.rows:,} texts, {report.fingerprint[:8]}"
    kinds = {"models": dict(models)} if models else {}
    return MadeOf(job="run", of={**kinds, TEXTS: {report.fingerprint: texts}})


def _say_changes(record: Path, settings: Mapping[str, Any], report: DataReport) -> None:
    """What differs from the last time; what depends on it is made anew."""
    if not record.is_file():
        return

    def read(values: Any) -> tuple[dict[str, Any], DataReport]:
        return dict(values["recipe"]), DataReport.model_validate(values["data"])

    try:
        old_settings, old_report = read_json(record, "it is written anew", read)
    except ParetextError as error:
        progress.say(str(error))
        return
    changed = [
        f"{name} {old!r} -> {new!r}"
        for name, (old, new) in _differences(old_settings, settings).items()
        if name != "versions"
    ]
    old, new = old_report.evaluation, report.evaluation
    if old and new and old.fingerprint != new.fingerprint:
        changed.append(f"evaluation texts {old.name} ({old.rows:,}) -> {new.name} ({new.rows:,})")
    if changed:
        progress.say(
            f"changed since the last time: {', '.join(changed)}; what depends on it is made anew"
        )


def _differences(
    before: Mapping[str, Any], now: Mapping[str, Any], within: str = ""
) -> dict[str, tuple[Any, Any]]:
    """Setting -> its old and its new value; those of groups by "group.setting"."""
    found: dict[str, tuple[Any, Any]] = {}
    for name, new in now.items():
        old = before.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            found |= _differences(old, new, f"{within}{name}.")
        elif old != new:
            found[f"{within}{name}"] = (old, new)
    return found


def versions_to_compare(
    artifacts: Sequence[Path], baseline: Path | None, out: Path | None
) -> tuple[list[Version], Path]:
    """The rows for artifacts, or for all artifacts of one run, and the folder to write to."""
    first = artifacts[0]
    if len(artifacts) == 1 and (first / "artifacts" / PARENT).is_dir():
        out = out or first / "comparison"
        baseline = baseline or parent_of(first)[0]
        found = sorted((first / "artifacts").iterdir(), key=lambda path: path.name != PARENT)
        artifacts = [
            path
            for path in found
            if (path / "manifest.json").is_file() and path.suffix != ".partial"
        ]
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
