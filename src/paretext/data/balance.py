"""Care for rare classes, as plain arithmetic on the labels: supersampling and class weights.

Rare classes get care twice, as in the study the project grew from: their texts are repeated
(supersampling), and the loss weighs each class by the inverse of its frequency *after* that, so
that the two do not multiply.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from paretext.core.errors import ParetextError
from paretext.data.dataset import Dataset

_MOST_COPIES = 8


def check_factors(factors: tuple[int, ...] | str | None, label_names: tuple[str, ...]) -> None:
    """ParetextError unless there is one supersample factor for each label."""
    if isinstance(factors, tuple) and len(factors) != len(label_names):
        raise ParetextError(
            f"supersample has {len(factors)} factors and the data has {len(label_names)} labels; "
            f"give one for each, in this order: {', '.join(label_names)}."
        )


def copies(
    counts: NDArray[np.int64], factors: tuple[int, ...] | Literal["auto"] | None
) -> NDArray[np.int64]:
    """(K,) how often each text of a class is used, from the (K,) texts of each class.

    "auto" brings every class as near to the largest as whole factors up to 8 can.
    """
    if factors is None:
        return np.ones(len(counts), np.int64)
    if factors == "auto":
        nearest = np.rint(counts.max() / np.maximum(counts, 1))
        factors = tuple(int(factor) for factor in np.clip(nearest, 1, _MOST_COPIES))
    return np.asarray(factors, np.int64)


def supersampled(
    data: Dataset, factors: tuple[int, ...] | Literal["auto"] | None
) -> NDArray[np.int64]:
    """Row numbers of `data` with each class's rows repeated by its factor; see `copies`."""
    check_factors(factors, data.label_names)
    return np.repeat(np.arange(len(data)), copies(data.counts(), factors)[data.labels])


def class_weights(counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """(K,) n / (K x count) from the (K,) texts of each class, as scikit-learn's "balanced"."""
    weights = counts.sum() / (len(counts) * np.maximum(counts, 1))
    return np.asarray(weights, np.float32)
