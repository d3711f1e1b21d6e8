"""Batches of texts of similar length, padded to the longest, in an order that is the seed's."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from paretext.data.dataset import Dataset
from paretext.models.classifier import Classifier
from paretext.training.targets import Targets

_POOL_BATCHES = 50
"""Texts are sorted by length in pools of so many batches: nearly no padding, and batches differ."""
_TOKENISED_TOGETHER = 4096


class Examples(torch.utils.data.Dataset[dict[str, Any]]):
    """Tokenised texts as Trainer wants them, with labels and what a student is to learn of each."""

    def __init__(
        self, classifier: Classifier, data: Dataset, targets: Targets | None = None
    ) -> None:
        parts, lengths = [np.empty(0, np.int32)], []
        for start in range(0, len(data), _TOKENISED_TOGETHER):
            texts = data.texts[start : start + _TOKENISED_TOGETHER]
            ids = classifier.tokenize(texts)["input_ids"]
            parts.append(np.fromiter(itertools.chain.from_iterable(ids), np.int32))
            lengths += [len(each) for each in ids]
        self.lengths = np.array(lengths)
        self._tokens = np.concatenate(parts)  # Python's own numbers would take nine times as much
        self._ends = np.cumsum(self.lengths)
        self.arrays: dict[str, NDArray[Any]] = {"labels": data.labels}
        self.states = None
        if targets is not None:
            self.arrays["teacher_logits"] = targets.logits
            self.states = targets.states

    def __len__(self) -> int:
        return len(self.arrays["labels"])

    def __getitem__(self, index: int) -> dict[str, Any]:
        end, length = self._ends[index], self.lengths[index]
        ids = self._tokens[end - length : end].tolist()
        example = {"input_ids": ids} | {name: rows[index] for name, rows in self.arrays.items()}
        if self.states is not None:
            example["teacher_states"] = self.states.of(index)
        return example


class Padding:
    """Pads a batch to its longest text."""

    def __init__(self, classifier: Classifier) -> None:
        self.pad = classifier.pad

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        inputs = self.pad([example["input_ids"] for example in examples])
        if "teacher_states" in examples[0]:
            longest = inputs["input_ids"].shape[1]
            for example in examples:
                states = example["teacher_states"]
                missing = longest - states.shape[1]
                example["teacher_tokens"] = np.int64(states.shape[1])
                example["teacher_states"] = np.pad(states, ((0, 0), (0, missing), (0, 0)))
        stacked = {
            name: torch.from_numpy(np.stack([example[name] for example in examples]))
            for name in examples[0]
            if name not in inputs
        }
        return {**inputs, **stacked}


def by_length(data: Dataset) -> NDArray[np.intp]:
    """The rows, short texts first: less padding, and no metric depends on the order."""
    return np.argsort([len(text) for text in data.texts], kind="stable")


class OwnRows(torch.utils.data.Sampler[int]):
    """The rows of one epoch after the other, batches of like lengths in random order.

    Trainer says which epoch it is; the order depends on nothing else, so a training that goes on
    from a checkpoint meets the same batches.
    """

    def __init__(
        self,
        epochs: Sequence[NDArray[np.int64]],
        lengths: NDArray[np.int64],
        batch_size: int,
        seed: int,
    ) -> None:
        self.epochs, self.lengths = epochs, lengths
        self.batch_size, self.seed = batch_size, seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.epochs[0])

    def __iter__(self) -> Iterator[int]:
        rows = self.epochs[self.epoch]
        chance = np.random.default_rng((self.seed, self.epoch))
        order = chance.permutation(len(rows))
        pool = _POOL_BATCHES * self.batch_size
        pools = [order[start : start + pool] for start in range(0, len(order), pool)]
        order = np.concatenate(
            [each[np.argsort(self.lengths[rows[each]], kind="stable")] for each in pools]
        )
        whole = len(order) - len(order) % self.batch_size
        batches = chance.permutation(order[:whole].reshape(-1, self.batch_size))
        yield from rows[np.concatenate([batches.ravel(), order[whole:]])].tolist()
