"""The two models of a certificate, an artifact or a classifier's folder, opened alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from paretext.certification.certificate import Model
from paretext.core.errors import ParetextError
from paretext.core.files import folder_digest
from paretext.core.run_folder import RunFolder, called
from paretext.core.settings import model_inside
from paretext.measure.naming import output_names
from paretext.runtime.artifact import Artifact, softmax
from paretext.runtime.distribution import Distribution
from paretext.runtime.manifest import NAME, Manifest
from paretext.runtime.rule import Rule


@dataclass(frozen=True)
class Opened:
    """A model that answers; `logits` takes n texts and gives (n, K)."""

    folder: Path
    record: Model
    labels: tuple[str, ...]
    logits: Callable[[Sequence[str]], NDArray[np.float32]]
    artifact: Artifact | None = None
    """None for a classifier."""
    rule: Rule | None = None
    """When its answers stand; None: always."""

    def called(self, names: Sequence[str] | None) -> Opened:
        """It with `names` for its outputs, where its own say nothing."""
        called = output_names(self.labels, names, self.folder)
        rule = self.rule and self.rule.renamed(self.labels, called)
        return replace(self, labels=called, rule=rule)

    def probabilities(
        self, logits: NDArray[np.float32], labels: Sequence[str]
    ) -> NDArray[np.float64]:
        """(n, K) probabilities, columns in the order of `labels`, which are its own."""
        columns = [self.labels.index(label) for label in labels]
        return softmax(logits)[:, columns].astype(np.float64)

    def distribution(
        self, texts: Sequence[str], probabilities: NDArray[np.float64], labels: Sequence[str]
    ) -> Distribution:
        """How texts and answers are distributed, as a service that answers with it counts them.

        probabilities: (n, K), columns in the order of `labels`, which are its own.
        """
        assert self.artifact is not None
        columns = [labels.index(label) for label in self.labels]
        reordered = probabilities[:, columns].astype(np.float32)
        names: list[str] = self.artifact.decide(reordered).tolist()
        return Distribution.of(
            texts, names, reordered.max(axis=1).tolist(), self.artifact.longer(texts)
        )


def open_model(folder: str | Path, threads: int) -> Opened:
    """An artifact (its digests verified) or a classifier's folder, which PyTorch answers for."""
    folder = Path(folder)
    if is_artifact(folder):
        artifact = Artifact.load(folder, threads)
        kept = artifact.manifest
        record = Model(name=kept.name, kind="artifact", digest=kept.identity)
        return Opened(folder, record, kept.labels, artifact.logits, artifact, kept.operating)
    _require_classifier(folder)
    from paretext.models.classifier import Classifier

    classifier = Classifier.load(folder)
    record = Model(name=called(folder), kind="pytorch", digest=folder_digest(folder))
    return Opened(folder, record, classifier.label_names, classifier.logits)


def open_pair(
    candidate: Path, reference: str | Path, names: Sequence[str] | None, threads: int
) -> tuple[Opened, Opened, bool]:
    """The reference, the candidate (an artifact), and whether the reference's outputs are called by
    the given names."""
    if not is_artifact(candidate):
        raise ParetextError(
            f"{candidate} is not an artifact: a certificate is about what gets deployed, so export "
            "it first."
        )
    opened = open_model(reference, threads)
    before, after = opened.called(names), open_model(candidate, threads).called(names)
    return before, after, before.labels != opened.labels


def labels_of(folder: str | Path, names: Sequence[str] | None = None) -> tuple[str, ...]:
    """The label names of an artifact or classifier, from its description alone, or `names` where
    they say nothing."""
    place = Path(folder)
    if is_artifact(place):
        own = Manifest.read(place).labels
    else:
        _require_classifier(place)
        from paretext.models.pretrained import label_names

        own = label_names(str(folder))
    return output_names(own, names, folder)


def _require_classifier(folder: Path) -> None:
    if is_artifact(parent := RunFolder(folder).artifact()):
        raise ParetextError(
            f"{folder} is a run, and one model is asked for; its parent is {parent}."
        )
    if not (folder / "config.json").is_file():
        raise ParetextError(
            f"{folder} is neither an artifact (it has no {NAME}) nor a classifier's folder "
            f"(it has no config.json){model_inside(folder) or '; check the path.'}"
        )


def is_artifact(folder: Path) -> bool:
    return (folder / NAME).is_file()
