"""evaluate(): how good a classifier or artifact is on labelled texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from paretext.core.errors import ParetextError
from paretext.data.columns import shown
from paretext.data.dataset import Dataset
from paretext.data.values import label_name
from paretext.measure.intervals import Quality, quality


class Model(Protocol):
    """What a Classifier and an Artifact have in common."""

    def predict(self, texts: Sequence[str]) -> NDArray[np.str_]: ...


def evaluate(model: Model, data: Dataset, *, resamples: int = 10_000, seed: int = 0) -> Quality:
    """Macro-F1, balanced accuracy, kappa, accuracy, F1 and recall per class, with 95% intervals.

    Raises ParetextError if the model answers with a label that the data does not know.
    """
    position = {label_name(name): index for index, name in enumerate(data.label_names)}
    names = [label_name(name) for name in model.predict(data.texts).tolist()]
    unknown = sorted(set(names) - position.keys())
    if unknown:
        raise ParetextError(
            f"the model answers {shown(unknown[0])}, which is not a label of {data.name} "
            f"({', '.join(data.label_names)}); read the data with the model's label names."
        )
    predictions = np.array([position[name] for name in names], dtype=np.int64)
    return quality(data.labels, predictions, len(position), resamples=resamples, seed=seed)
