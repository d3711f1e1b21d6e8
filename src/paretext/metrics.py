"""Classification metrics and their bootstrap intervals, from counts alone (numpy only).

**Metrics.** Macro-F1, balanced accuracy, Cohen's kappa (Cohen 1960) and accuracy are functions of
the confusion matrix, and of no more of it than three vectors: its diagonal, its row sums and its
column sums. They are computed from those, for any number of matrices at once, with scikit-learn's
conventions for classes that do not occur.

**Intervals.** A bootstrap (Efron & Tibshirani 1993, *An Introduction to the Bootstrap*, ch. 13:
percentile intervals) draws n texts with replacement, many times, and recomputes the metric. All
that a metric sees of a text is its triple (truth, reference's prediction, candidate's prediction),
and the counts of the triples among n texts drawn with replacement follow exactly a multinomial
distribution with the observed shares. So a resample is one multinomial draw over the triples that
occur, tens of numbers in place of thousands of rows, and its cost does not depend on n.

**Pairing.** Two models measured on the same texts err on the same hard texts, so the difference of
their scores varies much less than either score. Drawing triples keeps each text's two answers
together and computes the difference within every resample (Koehn 2004, *Statistical Significance
Tests for Machine Translation Evaluation*, sec. 4).

What a percentile interval cannot do: it knows only the texts it was given. Where two models agree
on every text, each drop's interval is [0, 0] however few the texts were. The share of flipped
predictions is a plain proportion and has an interval without that blind spot (Wilson 1927).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from paretext.errors import ParetextError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

_CHUNK_CELLS = 2**20
"""Triples times resamples drawn at once: 8 MiB an array, whatever the number of resamples."""


@dataclass(frozen=True)
class Interval:
    """An estimate on the texts at hand and the ends of its confidence interval.

    All three are NaN where the quantity is undefined (the recall of a class without texts).
    """

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Quality:
    """How good one model's predictions are. Per-class tuples are in the order of the class ids.

    Compared by identity, not by value: an array has no single truth value.
    """

    n: int
    confusion: IntArray
    """(K, K) counts, rows = truth, columns = prediction; read-only."""
    macro_f1: Interval
    balanced_accuracy: Interval
    kappa: Interval
    accuracy: Interval
    f1: tuple[Interval, ...]
    recall: tuple[Interval, ...]


@dataclass(frozen=True)
class Drops:
    """What is lost from reference to candidate: reference minus candidate, positive = worse.

    `flips` is the share of texts, 0 to 1, on which the two predictions differ.
    """

    n: int
    macro_f1: Interval
    balanced_accuracy: Interval
    kappa: Interval
    accuracy: Interval
    f1: tuple[Interval, ...]
    recall: tuple[Interval, ...]
    flips: Interval


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
    truth, predicted = _class_ids(n_classes, labels=labels, predictions=predictions)
    cells = np.bincount(truth * n_classes + predicted, minlength=n_classes**2)
    return cells.reshape(n_classes, n_classes).astype(np.int64)


def _class_ids(n_classes: int, **columns: npt.ArrayLike) -> list[IntArray]:
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
class _Margins:
    """All that the metrics need of confusion matrices, each (..., K)."""

    hits: FloatArray  # the diagonal: texts of the class that were predicted right
    truth: FloatArray  # row sums: texts of the class
    predicted: FloatArray  # column sums: predictions of the class


def _margins(counts: npt.ArrayLike) -> _Margins:
    matrices = np.asarray(counts, dtype=np.float64)
    if matrices.ndim < 2 or matrices.shape[-1] != matrices.shape[-2]:
        raise ParetextError(
            f"the counts have shape {matrices.shape}; "
            "give confusion matrices of shape (..., K, K), rows = truth."
        )
    return _Margins(
        hits=np.diagonal(matrices, axis1=-2, axis2=-1),
        truth=matrices.sum(axis=-1),
        predicted=matrices.sum(axis=-2),
    )


def _ratio(part: FloatArray, whole: FloatArray, undefined: float) -> FloatArray:
    """part / whole, and `undefined` where whole is 0."""
    out = np.full(np.broadcast_shapes(part.shape, whole.shape), undefined)
    np.divide(part, whole, out=out, where=whole != 0)
    return out


def _f1_per_class(m: _Margins) -> FloatArray:
    # The harmonic mean of hits/predicted and hits/truth, with the divisions by 0 cancelled.
    return _ratio(2 * m.hits, m.truth + m.predicted, undefined=0.0)


def _recall_per_class(m: _Margins) -> FloatArray:
    return _ratio(m.hits, m.truth, undefined=np.nan)


def _macro_f1(m: _Margins) -> FloatArray:
    return np.asarray(_f1_per_class(m).mean(axis=-1))


def _balanced_accuracy(m: _Margins) -> FloatArray:
    present = np.asarray((m.truth != 0).sum(axis=-1), dtype=np.float64)
    total = np.asarray(_ratio(m.hits, m.truth, undefined=0.0).sum(axis=-1))
    return _ratio(total, present, undefined=np.nan)


def _kappa(m: _Margins) -> FloatArray:
    # (observed - expected) / (1 - expected), both sides times n^2: whole numbers below 2^53 for
    # any n below 9e7, so the test for expected = 1 is exact.
    n = np.asarray(m.truth.sum(axis=-1))
    expected = np.asarray((m.truth * m.predicted).sum(axis=-1))
    return _ratio(n * m.hits.sum(axis=-1) - expected, n * n - expected, undefined=np.nan)


def _accuracy(m: _Margins) -> FloatArray:
    hits, n = np.asarray(m.hits.sum(axis=-1)), np.asarray(m.truth.sum(axis=-1))
    return _ratio(hits, n, undefined=np.nan)


def f1_per_class(counts: npt.ArrayLike) -> FloatArray:
    """F1 of each class, (..., K, K) counts -> (..., K).

    0 for a class neither present nor predicted, as scikit-learn's `zero_division=0`.
    """
    return _f1_per_class(_margins(counts))


def recall_per_class(counts: npt.ArrayLike) -> FloatArray:
    """Share of each class's texts predicted right, (..., K, K) counts -> (..., K).

    NaN for a class without texts, as scikit-learn's `recall_score(zero_division=nan)`.
    """
    return _recall_per_class(_margins(counts))


def macro_f1(counts: npt.ArrayLike) -> FloatArray:
    """Mean of the K classes' F1, (..., K, K) counts -> (...).

    All K classes count, as `f1_score(average="macro", labels=range(K), zero_division=0)`: a class
    neither present nor predicted adds 0.
    """
    return _macro_f1(_margins(counts))


def balanced_accuracy(counts: npt.ArrayLike) -> FloatArray:
    """Mean recall over the classes that have texts, (..., K, K) counts -> (...)."""
    return _balanced_accuracy(_margins(counts))


def kappa(counts: npt.ArrayLike) -> FloatArray:
    """Cohen's kappa, agreement beyond chance, (..., K, K) counts -> (...).

    NaN where the agreement expected by chance is 1, that is where one class makes up all labels
    and all predictions, as scikit-learn's `cohen_kappa_score`.
    """
    return _kappa(_margins(counts))


def accuracy(counts: npt.ArrayLike) -> FloatArray:
    """Share of texts predicted right, (..., K, K) counts -> (...)."""
    return _accuracy(_margins(counts))


METRICS: Mapping[str, Callable[[npt.ArrayLike], FloatArray]] = MappingProxyType(
    {
        "macro_f1": macro_f1,
        "balanced_accuracy": balanced_accuracy,
        "kappa": kappa,
        "accuracy": accuracy,
    }
)
"""The scalar metrics by name, in the order in which tables show them; higher is better."""


def _scores(m: _Margins) -> FloatArray:
    """Every number that gets an interval, (..., 4 + 2K): METRICS in order, F1s, recalls."""
    scalars = (_macro_f1(m), _balanced_accuracy(m), _kappa(m), _accuracy(m))
    return np.concatenate([np.stack(scalars, axis=-1), _f1_per_class(m), _recall_per_class(m)], -1)


# Intervals ------------------------------------------------------------------------------------


def quality(
    labels: npt.ArrayLike,
    predictions: npt.ArrayLike,
    n_classes: int,
    *,
    resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Quality:
    """Every metric of one model's predictions with a percentile bootstrap interval.

    A metric that is undefined in a resample (recall of a class that was not drawn; kappa when a
    single class was) is left out of that metric's quantiles: its interval is then conditional on
    the class being drawn. F1 counts as 0 there, so a class with very few texts gets a low end of 0.

    Args:
        labels: (n,) class ids 0 .. n_classes-1, the truth.
        predictions: (n,) class ids, the model's answers to the same texts.
        n_classes: number of classes K.
        resamples: number of bootstrap resamples.
        seed: same seed and inputs, same intervals.
        confidence: coverage of the intervals, between 0 and 1.

    Raises:
        ParetextError: an input that cannot be counted, naming the value found.
    """
    truth, predicted = _class_ids(n_classes, labels=labels, predictions=predictions)
    confusion = confusion_matrix(truth, predicted, n_classes)
    confusion.flags.writeable = False
    estimates, draws = _bootstrap(truth, (predicted,), n_classes, resamples, seed)
    intervals = _percentile_intervals(estimates[0], draws[0], confidence)
    return Quality(
        n=len(truth),
        confusion=confusion,
        macro_f1=intervals[0],
        balanced_accuracy=intervals[1],
        kappa=intervals[2],
        accuracy=intervals[3],
        f1=intervals[4 : 4 + n_classes],
        recall=intervals[4 + n_classes :],
    )


def paired_drops(
    labels: npt.ArrayLike,
    reference: npt.ArrayLike,
    candidate: npt.ArrayLike,
    n_classes: int,
    *,
    resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Drops:
    """Reference minus candidate for every metric, with paired percentile bootstrap intervals.

    Both models are scored on the same resampled texts. A drop that is undefined in a resample is
    left out of that metric's quantiles, as in `quality`. The interval of `flips` is Wilson's.

    Args:
        labels: (n,) class ids 0 .. n_classes-1, the truth.
        reference: (n,) class ids, the reference's predictions.
        candidate: (n,) class ids, the candidate's predictions for the same texts.
        n_classes: number of classes K.
        resamples: number of bootstrap resamples.
        seed: same seed and inputs, same intervals.
        confidence: coverage of each (two-sided) interval, between 0 and 1.

    Raises:
        ParetextError: an input that cannot be counted, naming the value found.
    """
    truth, before, after = _class_ids(
        n_classes, labels=labels, reference=reference, candidate=candidate
    )
    estimates, draws = _bootstrap(truth, (before, after), n_classes, resamples, seed)
    intervals = _percentile_intervals(estimates[0] - estimates[1], draws[0] - draws[1], confidence)
    return Drops(
        n=len(truth),
        macro_f1=intervals[0],
        balanced_accuracy=intervals[1],
        kappa=intervals[2],
        accuracy=intervals[3],
        f1=intervals[4 : 4 + n_classes],
        recall=intervals[4 + n_classes :],
        flips=_proportion(int((before != after).sum()), len(truth), confidence),
    )


def _bootstrap(
    truth: IntArray, models: tuple[IntArray, ...], n_classes: int, resamples: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Score every model on the texts and on the same resamples of them.

    Args:
        truth: (n,) class ids.
        models: each model's (n,) predictions.

    Returns:
        Estimates (models, 4 + 2K) and draws (models, resamples, 4 + 2K), laid out as `_scores`.
    """
    if resamples < 1:
        raise ParetextError(f"resamples is {resamples}; give at least 1 (10000 is usual).")
    n = len(truth)
    outcomes, counts = _outcomes((truth, *models), n_classes)
    # Matrices (T, K) that turn counts of outcomes (..., T) into margins (..., K).
    truths, *answers = np.eye(n_classes)[outcomes]

    def score(drawn: FloatArray) -> FloatArray:
        support = drawn @ truths
        margins = (_Margins(drawn @ (truths * a), support, drawn @ a) for a in answers)
        return np.stack([_scores(m) for m in margins])

    rng = np.random.default_rng(seed)
    chunk = max(1, _CHUNK_CELLS // max(len(counts), n_classes))
    draws = [
        score(rng.multinomial(n, counts / n, size=min(chunk, resamples - begin)).astype(np.float64))
        for begin in range(0, resamples, chunk)
    ]
    return score(counts.astype(np.float64)), np.concatenate(draws, axis=1)


def _outcomes(columns: tuple[IntArray, ...], n_classes: int) -> tuple[IntArray, IntArray]:
    """The distinct rows of the columns, (columns, T) class ids, and their counts, (T,)."""
    shape = (n_classes,) * len(columns)
    codes, counts = np.unique(np.ravel_multi_index(columns, shape), return_counts=True)
    outcomes = np.stack(np.unravel_index(codes, shape)).astype(np.int64)
    return outcomes, counts.astype(np.int64)


def _percentile_intervals(
    estimates: FloatArray, draws: FloatArray, confidence: float
) -> tuple[Interval, ...]:
    """Estimates (M,) and draws (resamples, M) -> M intervals; NaN draws are left out."""
    _check_confidence(confidence)
    ends = ((1 - confidence) / 2, (1 + confidence) / 2)
    intervals = []
    for estimate, column in zip(estimates, draws.T, strict=True):
        defined = column[~np.isnan(column)]
        low, high = np.quantile(defined, ends) if defined.size else (math.nan, math.nan)
        intervals.append(Interval(float(estimate), float(low), float(high)))
    return tuple(intervals)


def _proportion(successes: int, n: int, confidence: float) -> Interval:
    """Wilson's score interval of a share (Wilson 1927; Brown, Cai & DasGupta 2001, sec. 3.1)."""
    _check_confidence(confidence)
    z2 = NormalDist().inv_cdf((1 + confidence) / 2) ** 2
    share = successes / n
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    # At 0 and at n successes the ends are 0 and 1 exactly; rounding must not say otherwise.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Interval(share, low, high)


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ParetextError(
            f"confidence is {confidence}; give a number between 0 and 1, such as 0.95."
        )
