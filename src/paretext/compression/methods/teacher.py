"""ParentTeacher: the parent's answers to texts, computed once and kept.

The answers come from the parent's float32 artifact, which was checked against PyTorch and is a few
times faster. A student hears of altered texts by the ten thousand, and what it learns from one of
them is rough anyway, so those are answered by the parent in INT8, a few times faster again, unless
INT8 changes too much of what this parent says. All answers, and the parent in INT8, are kept in a
folder under the digest of the parent and the texts. What stands between its layers only PyTorch
shows; it is a kilobyte a token and layer, so it is kept only while a student learns from it.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from paretext.compression.methods.batches import batches
from paretext.compression.methods.neighbours import neighbours
from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.files import digest_of
from paretext.core.locks import temporary_folder
from paretext.graphs import export
from paretext.graphs.quantisation import DynamicQuantization
from paretext.models.classifier import Classifier
from paretext.runtime.artifact import CHUNK_TEXTS, Artifact

_CHECK_TEXTS = 256
_LARGEST_FLIP_SHARE = 0.05


@dataclass(frozen=True)
class ParentTeacher:
    """artifact: the parent's, in float32; classifier: its folder; cache: where answers are kept."""

    artifact: Artifact
    classifier: Path
    cache: Path

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The parent's logits, (texts, classes)."""
        question = ["logits", list(texts)]
        return self._kept(
            question, partial(_asked, lambda: self.artifact, texts, "teacher's answers")
        )

    def logits_of_copies(self, rounds: Sequence[Sequence[str]]) -> list[NDArray[np.float32]]:
        """The parent's logits for rounds of altered texts, each (texts, classes).

        They are INT8's where that gives at least 95% of 256 such texts the class that float32
        gives them, else float32's.
        """

        @cache
        def quick() -> Artifact:
            return self._quick(rounds[0])

        logits = []
        for number, texts in enumerate(rounds, 1):
            label = f"teacher's answers to copies, {number} of {len(rounds)}"
            question = ["logits of copies", list(texts)]
            logits.append(self._kept(question, partial(_asked, quick, texts, label)))
        return logits

    def states(
        self, texts: Sequence[str], layers: Sequence[int], place: Path
    ) -> list[NDArray[np.float16]] | None:
        """What the parent's tokens are after each of `layers`, counted from 1, all tokens of one
        text after those of the other: (tokens, width) each, read as they are needed from files in
        the folder `place`.

        None where the network does not show one state for each token and layer.
        """
        files = {layer: place / f"{digest_of([layer, list(texts)])}.npy" for layer in layers}
        if any(_opened(path) is None for path in files.values()):
            place.mkdir(parents=True, exist_ok=True)
            with temporary_folder(place / "states") as folder:
                partial = {layer: folder / path.name for layer, path in files.items()}
                if not _write_states(self.whole(), texts, partial):
                    return None
                for layer, path in files.items():
                    partial[layer].replace(path)
        return [np.load(files[layer], mmap_mode="r") for layer in layers]

    def seconds_a_text(self, copies: Sequence[str]) -> float:
        """How long the parent takes for a copy, asked anew whatever is kept."""
        quick = self._quick(copies)
        begin = time.monotonic()
        _asked(lambda: quick, copies, "teacher's pace")
        return (time.monotonic() - begin) / len(copies)

    def whole(self) -> Classifier:
        """The parent itself."""
        return Classifier.load(self.classifier)

    def neighbours(self, texts: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """By word of the texts: those that stand near it in the parent's own embeddings."""
        return neighbours(self.whole(), texts)

    def _quick(self, copies: Sequence[str]) -> Artifact:
        """What answers copies: the parent in INT8, which is made once and kept, or in float32."""
        place = self.cache / f"int8-{digest_of(self._digests())}"
        if not _is_whole(place):
            self.cache.mkdir(parents=True, exist_ok=True)
            with temporary_folder(place) as folder:  # others may make the same
                sample, quantization = copies[:_CHECK_TEXTS], DynamicQuantization()
                export(self.whole(), folder, sample, quantization=quantization)
                shutil.rmtree(place, ignore_errors=True)
                with suppress(OSError):  # theirs is there by now
                    folder.replace(place)
        int8 = Artifact.load(place)
        agreement = int8.manifest.agreement
        few = agreement.flipped_predictions <= _LARGEST_FLIP_SHARE * agreement.texts
        return int8 if few else self.artifact

    def _digests(self) -> dict[str, str]:
        """Of the parent's files."""
        return {name: entry.sha256 for name, entry in self.artifact.manifest.files.items()}

    def _kept(self, question: list[Any], compute: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """The answer as it was kept, or computed now and written whole or not at all."""
        path = self.cache / f"{digest_of([self._digests(), *question])}.npz"
        if path.exists():
            try:
                return _whole(path, len(question[-1]))
            except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
                reason = " ".join(str(error).split())
                progress.say(f"{path} is damaged ({reason}): the teacher is asked again")
        answers = compute()
        self.cache.mkdir(parents=True, exist_ok=True)
        with temporary_folder(path) as folder:  # others may ask the same
            with (folder / path.name).open("wb") as file:
                np.savez(file, answers=answers)
                file.flush()
                os.fsync(file.fileno())
            (folder / path.name).replace(path)
        return answers


def _write_states(parent: Classifier, texts: Sequence[str], files: Mapping[int, Path]) -> bool:
    """A file for each layer, or False as `ParentTeacher.states` says."""
    model: Any = parent.model.eval()
    layers = model.config.get_text_config().num_hidden_layers
    lengths = [len(each) for each in parent.tokenize(texts)["input_ids"]]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    kept: dict[int, NDArray[np.float16]] = {}
    with torch.inference_mode(), progress.task("teacher's states", len(texts)) as advance:
        for batch in batches(parent, texts):
            asked = {"input_ids": batch.ids, "attention_mask": batch.mask}
            hidden = getattr(model(**asked, output_hidden_states=True), "hidden_states", None)
            if hidden is None or len(hidden) != layers + 1:
                return False
            for layer, path in files.items():
                states = hidden[layer].float()
                if states.shape[:2] != batch.ids.shape:
                    return False
                if layer not in kept:
                    shape = (int(starts[-1]), states.shape[2])
                    kept[layer] = np.lib.format.open_memmap(path, "w+", np.float16, shape)
                for row, own in zip(batch.rows, states.half().numpy(), strict=True):
                    kept[layer][starts[row] : starts[row + 1]] = own[: lengths[row]]
            advance(len(batch.rows))
    for each in kept.values():
        each.flush()  # type: ignore[attr-defined]
    return True


def _is_whole(artifact: Path) -> bool:
    """False where there is none, or a damaged one."""
    try:
        Artifact.load(artifact)
    except ParetextError:
        return False
    return True


def _opened(path: Path) -> NDArray[np.float16] | None:
    """The states in a file; None where there are none, or not all of them."""
    try:
        states: NDArray[np.float16] = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    return states


def _whole(path: Path, texts: int) -> NDArray[Any]:
    """The answers in a file, by whose checksum they are as they were written; ValueError if they
    are not answers to so many texts."""
    archive = np.load(path, allow_pickle=False)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise ValueError("it is no archive")
    with archive:
        answers: NDArray[Any] = archive["answers"]
    if len(answers) != texts:
        raise ValueError(f"it answers {len(answers):,} texts and not {texts:,}")
    return answers


def _asked(which: Callable[[], Artifact], texts: Sequence[str], label: str) -> NDArray[np.float32]:
    artifact, parts = which(), []
    with progress.task(label, len(texts)) as advance:
        for start in range(0, len(texts), CHUNK_TEXTS):
            parts.append(artifact.logits(texts[start : start + CHUNK_TEXTS]))
            advance(len(parts[-1]))
    return np.concatenate(parts)
