"""compress(): the parent's artifact and that of every version in a recipe."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paretext import __version__, progress
from paretext.classifier import Classifier
from paretext.compression.recipe import PARENT, Recipe, Version
from paretext.data import Dataset
from paretext.export import export
from paretext.files import SCRATCH, Stages, folder_digest, write_json
from paretext.manifest import Ancestor

CHECK_TEXTS = 128


@dataclass(frozen=True)
class Compressed:
    """A version's artifact and the name of the version it was made from."""

    name: str
    source: str | None
    folder: Path


def compress(
    parent: str | Path,
    recipe: Recipe,
    train: Dataset,
    selection: Dataset,
    out: str | Path,
    parent_name: str | None = None,
) -> list[Compressed]:
    """Make all versions of `recipe` from the classifier in the folder `parent`.

    Writes out/artifacts/NAME for the parent and each version, and out/classifiers/NAME for a
    version whose steps change the PyTorch model. What is there and was made from the same inputs
    is kept; a fine-tuning that was interrupted goes on.
    """
    stages, parent = Stages(Path(out)), Path(parent)
    origin = Ancestor(name=parent_name or parent.name, digest=folder_digest(parent))
    built = _Built(stages, recipe, train, selection)
    artifacts = [built.artifact(PARENT, None, parent, [origin], None)]
    classifiers = {PARENT: (parent, [origin])}
    for version in recipe.versions:
        folder, lineage = classifiers[version.source]
        if version.classifier_steps:
            folder, lineage = built.classifier(version, folder, lineage)
            classifiers[version.name] = (folder, lineage)
        elif version.quantization is None:
            classifiers[version.name] = (folder, lineage)
        artifacts.append(built.artifact(version.name, version.source, folder, lineage, version))
    return artifacts


def export_candidate(folder: Path, name: str, selection: Dataset, out: str | Path) -> Compressed:
    """The float32 artifact of another trained candidate, for the comparison."""
    origin = Ancestor(name=name, digest=folder_digest(folder))
    built = _Built(Stages(Path(out)), Recipe(versions=()), selection, selection)
    return built.artifact(name, None, folder, [origin], None)


@dataclass(frozen=True)
class _Built:
    """What every stage of the compression is made with."""

    stages: Stages
    recipe: Recipe
    train: Dataset
    selection: Dataset

    @property
    def _data(self) -> dict[str, str]:
        return {"train": self.train.fingerprint, "selection": self.selection.fingerprint}

    def classifier(
        self, version: Version, source: Path, lineage: list[Ancestor]
    ) -> tuple[Path, list[Ancestor]]:
        """The version's classifier folder, with what its steps did in steps.json beside it."""
        steps = [step.model_dump(mode="json") for step in version.classifier_steps]
        training = self.recipe.training

        def work(partial: Path) -> None:
            classifier, done = Classifier.load(source), []
            for index, step in enumerate(version.classifier_steps):
                checkpoints = partial / SCRATCH / f"step-{index}"
                classifier, sentences = step.apply(
                    classifier, self.train, self.selection, training, checkpoints
                )
                done += sentences
            classifier.save(partial)
            write_json(partial / "steps.json", {"steps": steps, "done": done})

        name = f"classifiers/{version.name}"
        inputs = {
            "source": lineage[-1].digest,
            "steps": steps,
            "training": training.model_dump(mode="json"),
            "data": self._data,
        }
        _say_kept(self.stages.finished(name, inputs, work), version.name)
        folder = self.stages.root / name
        own = Ancestor(name=version.name, digest=folder_digest(folder), steps=tuple(steps))
        return folder, [*lineage, own]

    def artifact(
        self,
        name: str,
        source: str | None,
        folder: Path,
        lineage: list[Ancestor],
        version: Version | None,
    ) -> Compressed:
        quantization = version.quantization if version else None
        record = folder / "steps.json"
        done = json.loads(record.read_text(encoding="utf-8"))["done"] if record.exists() else []
        recipe: list[dict[str, Any]] = [step for each in lineage for step in each.steps]

        def work(partial: Path) -> None:
            export(
                Classifier.load(folder),
                partial,
                self.selection.texts[:CHECK_TEXTS],
                name=name,
                quantization=quantization,
                recipe=recipe,
                done=done,
                lineage=lineage,
                data=self._data,
            )

        inputs = {
            "version": __version__,  # another one may write another graph
            "lineage": [each.model_dump(mode="json") for each in lineage],
            "quantization": quantization and quantization.model_dump(mode="json"),
            "data": self._data,
        }
        place = f"artifacts/{name}"
        _say_kept(self.stages.finished(place, inputs, work), f"artifact {name}")
        return Compressed(name, source, self.stages.root / place)


def _say_kept(made: bool, name: str) -> None:
    progress.say(f"{name}: {'made' if made else 'kept, its inputs have not changed'}")
