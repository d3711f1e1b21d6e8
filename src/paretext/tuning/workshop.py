"""Workshop: makes what a search tries, in the folder of the search.

A recipe's steps before its training make the untrained shape; it is exported and measured, and
distillation starts from the same classifier. Both are stages under names made from their recipes,
so nothing is made twice, and a training that was interrupted goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from paretext.certification.catalogue import rules
from paretext.compression.build import CHECK_TEXTS, Builder
from paretext.compression.recipe import Recipe, Version
from paretext.compression.step import Material, Step
from paretext.compression.steps.distillation import Distillation
from paretext.core import progress
from paretext.core.files import Stages, digest_of, folder_digest, write_json
from paretext.core.locks import temporary_folder
from paretext.core.run_folder import CLASSIFIERS, PARENT, RunFolder
from paretext.data.dataset import Dataset
from paretext.graphs import export
from paretext.measure.cost import Cost, Target, benchmark
from paretext.measure.intervals import paired_drops
from paretext.measure.metrics import confusion_matrix, macro_f1
from paretext.models.classifier import Classifier
from paretext.runtime.artifact import Artifact
from paretext.runtime.manifest import Ancestor, Manifest
from paretext.training.fit import OnEpoch
from paretext.tuning.shapes import Shape, ShapeTable
from paretext.tuning.space import Point, Space

TIMED_TEXTS = 256
SHAPE_ROUNDS = 5
Answers = NDArray[np.int64]


@dataclass(frozen=True)
class Workshop:
    """parent: the classifier's folder; recipe: how the parent was trained; out: where to work."""

    parent: Path
    parent_name: str
    recipe: Recipe
    train: Dataset
    selection: Dataset
    unlabelled: tuple[str, ...]
    space: Space
    table: ShapeTable
    out: Path
    threads: int

    # --- shapes

    def measured(self, point: Point) -> Shape:
        """The point's shape, from the table or measured now on the untrained model.

        ParetextError if a step cannot make it.
        """
        version = self.space.version(point)
        before = _steps_before_training(version)
        recipe = digest_of([step.model_dump(mode="json") for step in (*before, version.steps[-1])])
        if known := self.table.shapes().get(recipe):
            return known
        progress.say(f"building and measuring the untrained shape of {version.name}")
        folder, _ = self._untrained(before)
        with temporary_folder() as scratch:
            classifier = Classifier.load(folder)
            export(
                classifier,
                scratch / "untrained",
                self.selection.texts[:CHECK_TEXTS],
                quantization=version.quantization,
            )
            cost = self.timed([Target(version.name, scratch / "untrained")], SHAPE_ROUNDS)
        shape = Shape(
            bytes=cost[version.name].bytes,
            # Other work on the machine only ever adds to a time.
            p95_ms=min(each.batch1_ms_p95 for each in cost[version.name].rounds),
            ms_per_text=min(each.batch32_ms_per_text for each in cost[version.name].rounds),
        )
        self.table.add(recipe, shape)
        return shape

    def timed(self, targets: Sequence[Target], rounds: int) -> dict[str, Cost]:
        """What the targets cost on this machine, measured in turns on some selection texts, while
        the trainings of all processes that search in this folder wait."""
        rows = np.random.default_rng(0).permutation(len(self.selection))[:TIMED_TEXTS]
        texts = self.selection.take(np.sort(rows)).texts
        with self.quiet():
            measured = benchmark(targets, texts, threads=self.threads, rounds=rounds)
        return {name: each.cost for name, each in measured.items()}

    def quiet(self) -> FileLock:
        """Held while times are measured: a training of another process on the same few cores can
        make a call of two threads ten times as long."""
        (self.out / "locks").mkdir(parents=True, exist_ok=True)
        return FileLock(self.out / "locks" / "measuring.lock")

    def _untrained(self, steps: Sequence[Step]) -> tuple[Path, list[Ancestor]]:
        """The classifier that the steps make of the parent, and its lineage."""
        values = [step.model_dump(mode="json") for step in steps]
        name = f"untrained-{digest_of(values)[:8]}"

        def work(partial: Path) -> None:
            material = Material(
                self.train, self.selection, self.recipe.training, unlabelled=self.unlabelled
            )
            classifier, done = Classifier.load(self.parent), list[str]()
            for step in steps:
                classifier, sentences = step.apply(classifier, material)
                done += sentences
            classifier.save(partial)
            write_json(partial / "steps.json", {"done": done})

        inputs = {
            "parent": self._origin.digest,
            "steps": values,
            "data": self._builder.data,
            "seed": self.recipe.training.seed,
        }
        Stages(self.out).finished(f"{CLASSIFIERS}/{name}", inputs, work)
        folder = RunFolder(self.out).classifier(name)
        own = Ancestor(name=name, digest=folder_digest(folder), steps=tuple(values))
        return folder, [self._origin, own]

    # --- trained

    def trained(self, point: Point, on_epoch: OnEpoch) -> Path:
        """The point's artifact, its student taught; `reference` has been called before."""
        version = self.space.version(point)
        folder, lineage = self._untrained(_steps_before_training(version))
        source = folder.name
        builder = replace(self._builder, on_epoch=on_epoch, pause=partial(_wait, self.quiet()))
        step = _training(version)
        folder, lineage = builder.classifier(version.name, step, folder, lineage)
        made = builder.artifact(version.name, source, folder, lineage, version.quantization)
        return made.folder

    def epochs(self, point: Point) -> int:
        """How many the point's training has."""
        step = _training(self.space.version(point))
        return step.epochs_of(len(self.train) + len(self.unlabelled))

    def artifact(self, name: str) -> Path:
        return RunFolder(self.out).artifact(name)

    def steps(self, name: str) -> list[dict[str, Any]]:
        """The recipe of an artifact, as it was run."""
        return list(Manifest.read(self.artifact(name)).recipe)

    def reference(self) -> Path:
        """The parent's float32 artifact: teacher and reference."""
        return self._builder.artifact(PARENT, None, self.parent, [self._origin], None).folder

    def answers(self, name: str) -> Answers:
        """The class that an artifact gives each selection text, (n,)."""
        artifact = Artifact.load(self.artifact(name), self.threads)
        answers: Answers = artifact.logits(self.selection.texts).argmax(axis=1).astype(np.int64)
        return answers

    def macro_f1(self, answers: Answers) -> float:
        labels, names = self.selection.labels, self.selection.label_names
        return float(macro_f1(confusion_matrix(labels, answers, len(names))))

    def drops(self, answers: Answers) -> dict[str, float]:
        """What is lost against the parent's artifact, by clause, as estimates."""
        classes = len(self.selection.label_names)
        lost = paired_drops(
            self.selection.labels, self._reference_answers, answers, classes, resamples=1
        )
        seen = ((each.name, each.estimate(lost)) for each in rules())
        return {name: estimate for name, estimate in seen if estimate is not None}

    @cached_property
    def _reference_answers(self) -> Answers:
        return self.answers(PARENT)

    @cached_property
    def _origin(self) -> Ancestor:
        return Ancestor(name=self.parent_name, digest=folder_digest(self.parent))

    @cached_property
    def _builder(self) -> Builder:
        return Builder(
            Stages(self.out), self.parent, self.recipe, self.train, self.selection, self.unlabelled
        )


def _wait(lock: FileLock) -> None:
    """Until nobody holds the lock."""
    with lock:
        pass


def _training(version: Version) -> Distillation:
    return next(step for step in version.classifier_steps if isinstance(step, Distillation))


def _steps_before_training(version: Version) -> list[Step]:
    steps = version.classifier_steps
    return list(takewhile(lambda step: not isinstance(step, Distillation), steps))
