"""ParentTeacher: the parent's answers to texts, computed once and kept.

The answers come from the parent's float32 artifact, which was checked against PyTorch and is a few
times faster. They are kept in a folder under the digest of the parent and the texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paretext import progress
from paretext.artifact import CHUNK_TEXTS, Artifact
from paretext.files import digest_of


@dataclass(frozen=True)
class ParentTeacher:
    """artifact: the parent's, in float32; cache: where answers are kept."""

    artifact: Artifact
    cache: Path

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The parent's logits, (texts, classes)."""
        files = {name: entry.sha256 for name, entry in self.artifact.manifest.files.items()}
        kept = self.cache / f"{digest_of([files, list(texts)])}.npy"
        if kept.exists():
            answers: NDArray[np.float32] = np.load(kept)
            return answers
        parts = []
        with progress.task("teacher's answers", len(texts)) as advance:
            for start in range(0, len(texts), CHUNK_TEXTS):
                parts.append(self.artifact.logits(texts[start : start + CHUNK_TEXTS]))
                advance(len(parts[-1]))
        answers = np.concatenate(parts)
        self._keep(kept, answers)
        return answers

    def _keep(self, path: Path, answers: NDArray[Any]) -> None:
        """Written whole or not at all."""
        self.cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.save(file, answers)
        partial.replace(path)
