"""compress(): the parent's artifact, that of every version in a recipe, and of every step to it.

Each step of a version is a stage of its own: its classifier is kept in classifiers/VERSION.N-STEP
and exported to artifacts/VERSION.N-STEP, so that size and speed can be credited to the step that
bought them, and a run that dies repeats no step that was finished. Of a ladder the rungs alone are
exported: whoever wants to know what a step bought asks for the version by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from paretext.certification.budget import Budget
from paretext.compression.ladder import Allowance, Judge, TimeLeft
from paretext.compression.recipe import Recipe, Version
from paretext.compression.step import Material, Outline, Step, require_encoder
from paretext.core import progress
from paretext.core.errors import OutOfTime, ParetextError
from paretext.core.files import SCRATCH, Stages, digest_of, folder_digest, read_json, write_json
from paretext.core.locks import works_in
from paretext.core.ownership import claim
from paretext.core.run_folder import ARTIFACTS, CLASSIFIERS, PARENT, RunFolder
from paretext.core.version import __version__
from paretext.core.wording import listed
from paretext.data.dataset import Dataset
from paretext.data.sketch import Sketch
from paretext.graphs.quantisation import Quantization
from paretext.measure.standing import say_standing
from paretext.models.pretrained import Source
from paretext.runtime.artifact import Artifact
from paretext.runtime.manifest import Ancestor, Manifest
from paretext.training.settings import OnEpoch

CHECK_TEXTS = 128
CALIBRATION_TEXTS = 256


@dataclass(frozen=True)
class Compressed:
    """An artifact and the name of the one that the step before had made."""

    name: str
    source: str | None
    folder: Path


@works_in("out")
def compress(
    parent: str | Path,
    recipe: Recipe,
    train: Dataset,
    selection: Dataset,
    out: str | Path,
    parent_name: str | None = None,
    unlabelled: Sequence[str] = (),
    limits: Mapping[str, float] | None = None,
    allowance: Allowance | None = None,
) -> list[Compressed]:
    """Make all versions of `recipe` from the classifier in the folder `parent`.

    Writes out/artifacts/NAME for the parent, each version and each step on the way to it, and
    out/classifiers/NAME where a step changes the PyTorch model. What is there and was made from the
    same inputs is kept; a training that was interrupted goes on. `unlabelled` are more texts for
    the steps that need no labels. limits: of a ladder, which ends where a version exceeds them
    (default: those of certificates); allowance: of the time.

    ParetextError, before anything is made, for a step that cannot be applied where it stands, for a
    version of a baseline, and where `out` is the parent's own folder or holds the versions of
    another one.
    """
    stages, parent = Stages(Path(out)), Path(parent)
    opened = Source.open(str(parent))
    opened.require_classifier()
    config = opened.config
    train, selection = (each.aligned(opened.labels) for each in (train, selection))
    if recipe.versions:
        require_encoder(config)
    recipe.plan(Outline.of(config))
    origin = Ancestor(name=parent_name or parent.name, digest=folder_digest(parent))
    _claim(stages.root, parent, origin)
    built = Builder(stages, parent, recipe, train, selection, tuple(unlabelled))
    artifacts = [built.artifact(PARENT, None, parent, [origin], None)]
    is_able = True
    if selection.answered_by is None:
        is_able = say_standing(artifacts[0].folder, PARENT, selection)
    versions = recipe.versions
    if recipe.ladder and not is_able:
        versions = tuple(each for each in versions if not each.classifier_steps)
    judge = None
    if recipe.ladder:
        if limits is None:  # those of certificates
            limits = Budget().for_labels_of(selection.answered_by).limits()
        judge = Judge(artifacts[0].folder, selection, limits)
    time = None if allowance is None else allowance.within(artifacts[0].folder)
    made, unmade = _climb(built, versions, (parent, [origin]), judge, time)
    blind = [each.name for each in recipe.versions if each not in versions]
    unmade |= dict.fromkeys(blind, "nothing is distilled from a parent that has learnt nothing")
    _tell(unmade, stages.root)
    return [*artifacts, *made]


def _climb(
    built: Builder,
    versions: Sequence[Version],
    parent: tuple[Path, list[Ancestor]],
    judge: Judge | None,
    time: TimeLeft | None,
) -> tuple[list[Compressed], dict[str, str]]:
    """The artifacts of the versions, one after the other, and why others were not made."""
    classifiers, artifacts, unmade = {PARENT: parent}, [], {}
    for number, version in enumerate(versions):
        if version.source not in classifiers:
            unmade[version.name] = f"{version.source}, which it begins with, is not there"
            continue
        begun, below = classifiers[version.source], versions[number + 1 :]
        made = _in_time(built, version, begun, time, number, 1 + len(below), judge is None)
        if isinstance(made, str):
            unmade[version.name] = made
            continue
        compressed, classifiers[version.name] = made
        artifacts += compressed
        if judge and below and (why := judge(compressed[-1].folder)):
            names = [each.name for each in below]
            return artifacts, unmade | dict.fromkeys(
                names, f"{version.name} is the last: on selection {why}"
            )
    return artifacts, unmade


Made = tuple[list[Compressed], tuple[Path, list[Ancestor]]]
"""A version's artifacts, and its classifier with its ancestors."""


def _in_time(
    built: Builder,
    version: Version,
    begun: tuple[Path, list[Ancestor]],
    time: TimeLeft | None,
    made: int,
    to_make: int,
    every: bool,
) -> Made | str:
    """The version, made with its share of the time, or with all of it; why not, where that is not
    enough."""
    if time is None or not version.classifier_steps:
        return _made(built, version, begun, every)
    needed = 0.0
    for rungs in dict.fromkeys((to_make, 1)):
        seconds = time.seconds(made, rungs)
        if seconds <= needed:
            continue
        try:
            return _made(replace(built, seconds=seconds), version, begun, every)
        except OutOfTime as error:
            needed = error.seconds
    return time.lacking(made, needed)


def _tell(unmade: Mapping[str, str], out: Path) -> None:
    """Say which versions were not made, and leave it in the run for its page."""
    reasons: dict[str, list[str]] = {}
    for name, why in unmade.items():
        reasons.setdefault(why, []).append(name)
    said = [f"not made: {listed(names)}, for {why}" for why, names in reasons.items()]
    for each in said:
        progress.say(each)
    if said or RunFolder(out).ladder.exists():
        write_json(RunFolder(out).ladder, said)


def _made(
    built: Builder, version: Version, begun: tuple[Path, list[Ancestor]], every: bool
) -> Made:
    """every: an artifact of each step too, which takes its time to export and to measure: it says
    what the step bought."""
    (folder, lineage), source, artifacts = begun, version.source, []
    for name, step in version.stages():
        quantization = step if isinstance(step, Quantization) else None
        if isinstance(step, Step):
            folder, lineage = built.classifier(name, step, folder, lineage)
        if every or name == version.name:
            artifacts.append(built.artifact(name, source, folder, lineage, quantization))
            source = name
    return artifacts, (folder, lineage)


def _claim(out: Path, parent: Path, origin: Ancestor) -> None:
    """ParetextError if the versions would stand in the place of another parent's."""
    if out.resolve() == parent.resolve():
        raise ParetextError(
            f"{parent} is the classifier's own folder, and what is made of it must not lie in it; "
            "give another --out."
        )
    if out.resolve() in parent.resolve().parents:
        return  # the run's own candidate: whose folder it is, the run has said
    said = f"{origin.name}, {origin.digest[:8]}"
    claim(out, "compress", {"parent": {origin.digest: said}}, writes=(ARTIFACTS, CLASSIFIERS))


@works_in("out")
def export_candidate(
    folder: Path, name: str, train: Dataset, selection: Dataset, out: str | Path
) -> Compressed:
    """The float32 artifact of another trained candidate, for the comparison."""
    origin = Ancestor(name=name, digest=folder_digest(folder))
    built = Builder(Stages(Path(out)), folder, Recipe(versions=()), train, selection, ())
    return built.artifact(name, None, folder, [origin], None)


@dataclass(frozen=True)
class Builder:
    """What every stage of the compression is made with."""

    stages: Stages
    parent: Path
    recipe: Recipe
    train: Dataset
    selection: Dataset
    unlabelled: tuple[str, ...]
    on_epoch: OnEpoch | None = None
    pause: Callable[[], None] | None = None
    seconds: float | None = None
    """That a step which teaches may take."""

    @property
    def data(self) -> dict[str, str]:
        data = {"train": self.train.fingerprint, "selection": self.selection.fingerprint}
        return data | ({"unlabelled": digest_of(self.unlabelled)} if self.unlabelled else {})

    @cached_property
    def seen(self) -> Sketch:
        """Of all the texts: certificates on them are refused."""
        return Sketch.of([*self.train.texts, *self.selection.texts, *self.unlabelled])

    def classifier(
        self, name: str, step: Step, source: Path, lineage: list[Ancestor]
    ) -> tuple[Path, list[Ancestor]]:
        """The classifier folder that `step` makes, with what it did in steps.json beside it."""
        values = step.model_dump(mode="json")

        def work(partial: Path) -> None:
            from paretext.compression.methods.teacher import ParentTeacher
            from paretext.models.classifier import Classifier

            material = Material(
                train=self.train,
                selection=self.selection,
                training=self.recipe.training,
                teacher=ParentTeacher(
                    Artifact.load(RunFolder(self.stages.root).artifact()),
                    self.parent,
                    RunFolder(self.stages.root).teacher,
                ),
                unlabelled=self.unlabelled,
                work=partial / SCRATCH,
                on_epoch=self.on_epoch,
                pause=self.pause,
                seconds=self.seconds,
            )
            classifier, done = step.apply(Classifier.load(source), material)
            classifier.save(partial)
            write_json(partial / "steps.json", {"done": [*_done(source), *done]})

        place = f"{CLASSIFIERS}/{name}"
        inputs = {
            "source": lineage[-1].digest,
            "parent": lineage[0].digest,
            "step": values,
            "training": self.recipe.training.model_dump(mode="json"),
            "data": self.data,
        }
        _say_kept(self.stages.finished(place, inputs, work), name)
        folder = self.stages.root / place
        own = Ancestor(name=name, digest=folder_digest(folder), steps=(values,))
        return folder, [*lineage, own]

    def artifact(
        self,
        name: str,
        source: str | None,
        folder: Path,
        lineage: list[Ancestor],
        quantization: Quantization | None,
    ) -> Compressed:
        """The artifact of the classifier in `folder`, quantised where that is asked for."""
        recipe: list[dict[str, Any]] = [step for each in lineage for step in each.steps]

        def work(partial: Path) -> None:
            from paretext.graphs import export
            from paretext.models.classifier import Classifier

            export(
                Classifier.load(folder),
                partial,
                self.selection.texts[:CHECK_TEXTS],
                name=name,
                quantization=quantization,
                calibration=self.selection.texts[:CALIBRATION_TEXTS],
                recipe=recipe,
                done=_done(folder),
                lineage=lineage,
                data=self.data,
                seen=self.seen,
            )

        inputs = {
            "version": __version__,  # another one may write another graph
            "lineage": [each.model_dump(mode="json") for each in lineage],
            "quantization": quantization and quantization.model_dump(mode="json"),
            "data": self.data,
        }
        place = f"{ARTIFACTS}/{name}"
        made = self.stages.finished(place, inputs, work, _require_whole)
        _say_kept(made, f"artifact {name}")
        return Compressed(name, source, self.stages.root / place)


def _done(folder: Path) -> list[str]:
    """What the steps so far did to the classifier in `folder`, in sentences."""
    record = folder / "steps.json"
    if not record.exists():
        return []
    remedy = f"delete {folder}, and the same command makes it again"
    return read_json(record, remedy, lambda values: list(map(str, values["done"])))


def _require_whole(artifact: Path) -> None:
    Manifest.read(artifact).verify(artifact)


def _say_kept(made: bool, name: str) -> None:
    progress.say(f"{name}: {'made' if made else 'kept, its inputs have not changed'}")
