"""Bootstrap intervals of the metrics, of one model's and of the drop between two (numpy only).

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
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from paretext.errors import ParetextError
from paretext.metrics import FloatArray, IntArray, Margins, class_ids, confusion_matrix, scores

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
    truth, predicted = class_ids(n_classes, labels=labels, predictions=predictions)
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
    truth, before, after = class_ids(
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
        Estimates (models, 4 + 2K) and draws (models, resamples, 4 + 2K), laid out as `scores`.
    """
    if resamples < 1:
        raise ParetextError(f"resamples is {resamples}; give at least 1 (10000 is usual).")
    n = len(truth)
    outcomes, counts = _outcomes((truth, *models), n_classes)
    # Matrices (T, K) that turn counts of outcomes (..., T) into margins (..., K).
    truths, *answers = np.eye(n_classes)[outcomes]

    def score(drawn: FloatArray) -> FloatArray:
        support = drawn @ truths
        margins = (Margins(drawn @ (truths * a), support, drawn @ a) for a in answers)
        return np.stack([scores(m) for m in margins])

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
