"""paretext's artifact, as its README says to use it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from job import Job

from paretext import Artifact

PACKAGES = ("paretext", "onnxruntime", "tokenizers", "numpy")
SETTINGS = {"artifact": "Artifact.load(folder).predict_proba(texts)"}


def load(job: Job, folder: Path) -> Ours:
    return Ours(Artifact.load(folder, threads=job.threads))


class Ours:
    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact

    def predict(self, texts: Sequence[str]) -> list[int]:
        labels: list[int] = self.artifact.logits(texts).argmax(axis=1).tolist()
        return labels

    bulk = predict
