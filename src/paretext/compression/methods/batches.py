"""Texts as padded batches for a network, without training: to score, to fit, to be taught by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from paretext.models.classifier import Classifier


@dataclass(frozen=True)
class Batch:
    """Texts of similar length, padded on the right: ids and mask (batch, sequence), and which of
    the texts they are, (batch,)."""

    ids: torch.Tensor
    mask: torch.Tensor
    rows: NDArray[np.int64]


def batches(classifier: Classifier, texts: Sequence[str], size: int = 32) -> list[Batch]:
    """The texts, short ones first, on the classifier's device."""
    ids = classifier.tokenize(texts)["input_ids"]
    order = np.argsort([len(row) for row in ids], kind="stable")
    batched = []
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        padded = classifier.pad([ids[row] for row in rows])
        device = classifier.model.device
        batched.append(
            Batch(padded["input_ids"].to(device), padded["attention_mask"].to(device), rows)
        )
    return batched
