"""Classification metrics from counts alone (numpy only).

Macro-F1, balanced accuracy, Cohen's kappa (Cohen 1960) and accuracy are functions of the confusion
matrix, and of no more of it than three vectors: its diagonal, its row sums and its column sums.
They are computed from those, for any number of matrices at once, with scikit-learn's conventions
for classes that do not occur.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paretext.core.errors import ParetextError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


# Counts ---------------------------------------------------------------------------------------


def confusion_matrix(labels: npt.ArrayLike, predictions: npt.ArrayLike, n_classes: int) -> IntArray:
    """Count the pairs of truth and prediction.

    Args:
        labels: (n,) class ids 0 .. n_classes-1, the truth.
        predictions: (n,) class ids 0 .. n_classes-1.
        n_classes: number of classes K, at least 2; classes without texts keep their row.

    Returns:
        (K, K) int64, rows = truth, columns = prediction.

    Raises:
        ParetextError: nothing to count, lengths that differ, or a value that is no class id.
    """
    truth, predicted = class_ids(n_classes, labels=labels, predictions=predictions)
    cells = np.bincount(truth * n_classes + predicted, minlength=n_classes**2)
    return cells.reshape(n_classes, n_classes).astype(np.int64)


def class_ids(n_classes: int, **columns: npt.ArrayLike) -> list[IntArray]:
    """The columns as (n,) int64 arrays of one length, every value a class id."""
    if n_classes < 2:
        raise ParetextError(
            f"n_classes is {n_classes}; give the number of classes of the task, at least 2."
        )
    checked: list[IntArray] = []
    for name, column in columns.items():
        ids = np.asarray(column)
        if ids.ndim != 1:
            raise ParetextError(
                f"{name} has shape {ids.shape}; give one class id per text, shape (n,)."
            )
        if ids.size == 0:
            raise ParetextError(f"{name} is empty; a metric needs at least one text.")
        if ids.dtype.kind not in "iu":
            raise ParetextError(
                f"{name} holds {ids.dtype} values such as {ids[0]!r}; "
                f"give class ids, integers from 0 to {n_classes - 1}."
            )
        outside = np.flatnonzero((ids < 0) | (ids >= n_classes))
        if outside.size:
            at = int(outside[0])
            raise ParetextError(
                f"{name} holds {int(ids[at])} at position {at}; "
                f"with {n_classes} classes the ids run from 0 to {n_classes - 1}."
            )
        if checked and len(ids) != len(checked[0]):
            first = next(iter(columns))
            raise ParetextError(
                f"{first} has {len(checked[0])} texts and {name} has {len(ids)}; "
                "give both for the same texts in the same order."
            )
        checked.append(ids.astype(np.int64))
    return checked


# Metrics --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Margins:
    """All that the metrics need of confusion matrices, each (..., K); the metrics are (...)."""

    hits: FloatArray  # the diagonal: texts of the class that were predicted right
    truth: FloatArray  # row sums: texts of the class
    predicted: FloatArray  # column sums: predictions of the class

    def f1(self) -> FloatArray:
        """(..., K) of each class; 0 for one neither present nor predicted, as scikit-learn's
        `zero_division=0`."""
        # The harmonic mean of hits/predicted and hits/truth, with the divisions by 0 cancelled.
        return _ratio(2 * self.hits, self.truth + self.predicted, undefined=0.0)

    def recall(self) -> FloatArray:
        """(..., K) share of each class's texts predicted right; NaN for a class without texts."""
        return _ratio(self.hits, self.truth, undefined=np.nan)

    def macro_f1(self) -> FloatArray:
        """Mean of the K classes' F1, those of no text and no prediction among them, as
        `f1_score(average="macro", labels=range(K), zero_division=0)`."""
        return np.asarray(self.f1().mean(axis=-1))

    def balanced_accuracy(self) -> FloatArray:
        """Mean recall over the classes that have texts."""
        present = np.asarray((self.truth != 0).sum(axis=-1), dtype=np.float64)
        total = np.asarray(_ratio(self.hits, self.truth, undefined=0.0).sum(axis=-1))
        return _ratio(total, present, undefined=np.nan)

    def kappa(self) -> FloatArray:
        """Cohen's kappa, agreement beyond chance.

        NaN where the agreement expected by chance is 1, that is where one class makes up all labels
        and all predictions, as scikit-learn's `cohen_kappa_score`.
        """
        # (observed - expected) / (1 - expected), both sides times n^2: whole numbers below 2^53 for
        # any n below 9e7, so the test for expected = 1 is exact.
        n = np.asarray(self.truth.sum(axis=-1))
        expected = np.asarray((self.truth * self.predicted).sum(axis=-1))
        agreed = n * self.hits.sum(axis=-1)
        return _ratio(agreed - expected, n * n - expected, undefined=np.nan)

    def accuracy(self) -> FloatArray:
        """Share of texts predicted right."""
        hits, n = np.asarray(self.hits.sum(axis=-1)), np.asarray(self.truth.sum(axis=-1))
        return _ratio(hits, n, undefined=np.nan)


METRICS = ("macro_f1", "balanced_accuracy", "kappa", "accuracy")
"""The scalar metrics, in the order in which tables show them; higher is better."""


def margins_of(counts: npt.ArrayLike) -> Margins:
    matrices = np.asarray(counts, dtype=np.float64)
    if matrices.ndim < 2 or matrices.shape[-1] != matrices.shape[-2]:
        raise ParetextError(
            f"the counts have shape {matrices.shape}; "
            "give confusion matrices of shape (..., K, K), rows = truth."
        )
    return Margins(
        hits=np.diagonal(matrices, axis1=-2, axis2=-1),
        truth=matrices.sum(axis=-1),
        predicted=matrices.sum(axis=-2),
    )


def macro_f1(counts: npt.ArrayLike) -> FloatArray:
    """Macro-F1 of confusion matrices, (..., K, K) counts -> (...)."""
    return margins_of(counts).macro_f1()


def scores(m: Margins) -> FloatArray:
    """Every number that gets an interval, (..., 4 + 2K): METRICS in order, F1s, recalls.

    The F1 of a class without texts is NaN here, as its recall is: nothing was measured of it. In
    macro-F1 it counts as 0 (`macro_f1`).
    """
    scalars = [getattr(m, name)() for name in METRICS]
    f1 = np.where(m.truth == 0, np.nan, m.f1())
    return np.concatenate([np.stack(scalars, axis=-1), f1, m.recall()], -1)


def _ratio(part: FloatArray, whole: FloatArray, undefined: float) -> FloatArray:
    """part / whole, and `undefined` where whole is 0."""
    out = np.full(np.broadcast_shapes(part.shape, whole.shape), undefined)
    np.divide(part, whole, out=out, where=whole != 0)
    return out
