"""ParentTeacher: the parent's answers to texts, computed once and kept.

The answers come from the parent's float32 artifact, which was checked against PyTorch and is a few
times faster; what stands between its layers only PyTorch shows. Both are kept in a folder under the
digest of the parent and the texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from paretext import progress
from paretext.artifact import CHUNK_TEXTS, Artifact
from paretext.classifier import Classifier
from paretext.compression.batches import batches
from paretext.compression.step import compact
from paretext.files import digest_of


@dataclass(frozen=True)
class ParentTeacher:
    """artifact: the parent's, in float32; classifier: its folder; cache: where answers are kept."""

    artifact: Artifact
    classifier: Path
    cache: Path

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The parent's logits, (texts, classes)."""

        def compute() -> NDArray[np.float32]:
            parts = []
            with progress.task("teacher's answers", len(texts)) as advance:
                for start in range(0, len(texts), CHUNK_TEXTS):
                    parts.append(self.artifact.logits(texts[start : start + CHUNK_TEXTS]))
                    advance(len(parts[-1]))
            return np.concatenate(parts)

        return self._kept(["logits", list(texts)], compute)

    def states(self, texts: Sequence[str], layers: int) -> NDArray[np.float16]:
        """The first token's state after each of `layers` of the parent's layers, evenly spaced and
        the last one among them, (texts, layers, width)."""

        @torch.inference_mode()
        def compute() -> NDArray[np.float16]:
            whole = compact(Classifier.load(self.classifier))
            model: Any = whole.model.eval()
            there = len(model.layers)
            after = [-(-(i + 1) * there // layers) for i in range(layers)]
            found = np.empty((len(texts), layers, model.config.hidden_size), np.float16)
            with progress.task("teacher's states", len(texts)) as advance:
                for batch in batches(whole, texts):
                    states = model.encode(batch.ids, batch.mask)
                    first = torch.stack([states[layer][:, 0] for layer in after], 1)
                    found[batch.rows] = first.numpy()
                    advance(len(batch.rows))
            return found

        return self._kept(["states", layers, list(texts)], compute)

    def _kept(self, question: list[Any], compute: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """The answer as it was kept, or computed now and written whole or not at all."""
        files = {name: entry.sha256 for name, entry in self.artifact.manifest.files.items()}
        path = self.cache / f"{digest_of([files, *question])}.npy"
        if not path.exists():
            self.cache.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            with partial.open("wb") as file:
                np.save(file, compute())
            partial.replace(path)
        kept: NDArray[Any] = np.load(path)
        return kept
