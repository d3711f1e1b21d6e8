"""Classes and their imbalance, as they are and as training would see them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paretext.data.balance import check_factors, class_weights, copies
from paretext.profile.schema import ClassCount, Classes, ProfileSettings


def classes(
    counts: NDArray[np.int64],
    evaluation: NDArray[np.int64] | None,
    label_names: tuple[str, ...],
    settings: ProfileSettings,
) -> Classes:
    """Counts, shares, copies and loss weights of each class.

    counts, evaluation: (K,) texts of each class. ParetextError for factors of the wrong length.
    """
    check_factors(settings.supersample, label_names)
    factors = copies(counts, settings.supersample)
    after = counts * factors
    weights = class_weights(after)
    return Classes(
        supersample=_spelt(settings.supersample),
        imbalance=_imbalance(counts),
        imbalance_after=_imbalance(after),
        classes=tuple(
            ClassCount(
                label=name,
                count=int(counts[k]),
                share=float(counts[k] / counts.sum()),
                copies=int(factors[k]),
                count_after=int(after[k]),
                share_after=float(after[k] / after.sum()),
                weight=float(weights[k]),
                evaluation_count=None if evaluation is None else int(evaluation[k]),
            )
            for k, name in enumerate(label_names)
        ),
    )


def _imbalance(counts: NDArray[np.int64]) -> float:
    present = counts[counts > 0]
    return float(present.max() / present.min())


def _spelt(factors: tuple[int, ...] | str | None) -> str:
    """As the command line takes it."""
    return ",".join(map(str, factors)) if isinstance(factors, tuple) else factors or "none"
