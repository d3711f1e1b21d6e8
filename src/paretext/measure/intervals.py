"""Bootstrap intervals of the metrics, of one model's and of the drop between two (numpy only).

**Resamples.** All that a metric sees of a text is its outcome, the triple (truth, reference's
prediction, candidate's prediction). A resample gives every text a random weight, exponential and
scaled so that each true class keeps the texts it has: the Bayesian bootstrap (Rubin 1981, *Ann.
Statist.* 9:130), stratified by class. The weight of an outcome that occurs c times is then a
Gamma(c) draw, so a resample costs tens of draws however many texts there are. Intervals are the
percentiles of the metric over the resamples (Efron & Tibshirani 1993, ch. 13).

**Pairing.** Two models measured on the same texts err on the same hard texts, so the difference of
their scores varies much less than either score. Outcomes keep each text's two answers together, and
the difference is computed within every resample (Koehn 2004, sec. 4).

**What was never seen.** A bootstrap knows only the outcomes in front of it: where two models agree
on all of 80 texts, its interval is [0, 0], and simulation finds it covers the truth in 7% to 90% of
cases while flips are rare. So in every class each kind of outcome that matters (both right; only
the reference; only the candidate; neither) has a prior weight of half a text, Jeffreys' prior of
the multinomial (1946, *Proc. R. Soc. A* 186:453): nothing where flips abound, a rule of three where
there are none. `benchmarks/coverage.py` measures what that does to coverage.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from pydantic.dataclasses import dataclass

from paretext.core.errors import ParetextError
from paretext.core.records import Interval, check_confidence, proportion
from paretext.measure.metrics import (
    FloatArray,
    IntArray,
    Margins,
    class_ids,
    confusion_matrix,
    scores,
)

_CHUNK_CELLS = 2**20
"""Outcomes times resamples drawn at once: 8 MiB an array, whatever the number of resamples."""
PRIOR = 0.5
"""Texts of each kind of outcome in each class, as if they had been seen before."""
_TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True)
class Quality:
    """How good one model's predictions are. Per-class tuples are in the order of the class ids."""

    n: int
    confusion: tuple[tuple[int, ...], ...]
    """(K, K) counts, rows = truth, columns = prediction."""
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
    """Every metric of one model's predictions with a stratified bootstrap interval.

    Intervals hold for texts with these shares of classes. The recall of a class without texts is
    NaN, and so is kappa where one class is everything.

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
    estimates, draws = _bootstrap(truth, (predicted,), n_classes, resamples, seed)
    intervals = percentile_intervals(estimates[0], draws[0], confidence)
    return Quality(
        n=len(truth),
        confusion=tuple(map(tuple, confusion.tolist())),
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
    """Reference minus candidate for every metric, with paired, stratified bootstrap intervals.

    Both models are scored on the same resampled texts. The interval of `flips` is Wilson's.

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
    intervals = percentile_intervals(estimates[0] - estimates[1], draws[0] - draws[1], confidence)
    return Drops(
        n=len(truth),
        macro_f1=intervals[0],
        balanced_accuracy=intervals[1],
        kappa=intervals[2],
        accuracy=intervals[3],
        f1=intervals[4 : 4 + n_classes],
        recall=intervals[4 + n_classes :],
        flips=proportion(int((before != after).sum()), len(truth), confidence),
    )


def pooled_drop(
    labels: npt.ArrayLike,
    references: Sequence[npt.ArrayLike],
    candidates: Sequence[npt.ArrayLike],
    n_classes: int,
    *,
    resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """The mean over pairs of models of reference minus candidate in macro-F1.

    The pairs are one training repeated with other seeds. All are scored on the same resampled
    texts, so the interval is about other texts, with these trained models. One pair gives the
    interval of `paired_drops`.

    Args:
        labels: (n,) class ids 0 .. n_classes-1, the truth.
        references, candidates: each pair's (n,) predictions.
    """
    if not references or len(references) != len(candidates):
        raise ParetextError(
            f"there are {len(references)} references and {len(candidates)} candidates; give one "
            "of each for every pair, and at least one pair."
        )
    named = {f"reference {i}": each for i, each in enumerate(references)}
    named |= {f"candidate {i}": each for i, each in enumerate(candidates)}
    truth, *models = class_ids(n_classes, labels=labels, **named)
    arms = (tuple(models[: len(references)]), tuple(models[len(references) :]))
    pairs = tuple(each for pair in zip(*arms, strict=True) for each in pair)
    estimates, draws = _bootstrap(truth, pairs, n_classes, resamples, seed, arms=2)
    drop = (estimates[::2] - estimates[1::2]).mean(axis=0)
    drawn = (draws[::2] - draws[1::2]).mean(axis=0)
    return percentile_intervals(drop[:1], drawn[:, :1], confidence)[0]


def _bootstrap(
    truth: IntArray,
    models: tuple[IntArray, ...],
    n_classes: int,
    resamples: int,
    seed: int,
    arms: int | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Score every model on the texts and on the same resamples of them.

    Args:
        truth: (n,) class ids.
        models: each model's (n,) predictions.
        arms: how many kinds of model there are, where each is there more than once, in turn; of
            outcomes not seen, those matter on which all models of an arm do the same.

    Returns:
        Estimates (models, 4 + 2K) and draws (models, resamples, 4 + 2K), laid out as `scores`.
    """
    outcomes, counts = _outcomes((truth, *models), n_classes)
    sizes = np.bincount(truth, minlength=n_classes)
    one_hot = np.eye(n_classes)

    def score(drawn: FloatArray, cells: IntArray) -> FloatArray:
        # Matrices that turn weights of outcomes (..., T) into margins (..., K). The truth's are
        # known: in every resample each class keeps the texts it has.
        truths, *answers = cells
        support = np.broadcast_to(sizes.astype(np.float64), (*drawn.shape[:-1], n_classes))
        found = []
        for given in answers:
            right = given == truths
            hits = drawn[..., right] @ one_hot[truths[right]]
            found.append(scores(Margins(hits, support, drawn @ one_hot[given])))
        return np.stack(found)

    cells, shapes = _with_prior(outcomes, counts, *_unseen(outcomes, counts, n_classes, arms))
    drawn = resampled_weights(cells[0], shapes, sizes, resamples, seed)
    draws = [score(weights, cells) for weights in drawn]
    return score(counts.astype(np.float64), outcomes), np.concatenate(draws, axis=1)


def _with_prior(
    outcomes: IntArray, counts: IntArray, unseen: IntArray, prior: FloatArray
) -> tuple[IntArray, FloatArray]:
    """The distinct outcomes, (columns, T), and the texts that each stands for, (T,).

    Independent Gamma draws add up to a Gamma draw of the sum of their shapes, so what stands for
    one outcome, seen or not, is drawn once: of 77 classes and 2,000 texts a third of the draws.
    """
    cells, places = np.unique(
        np.concatenate([outcomes, unseen], axis=1), axis=1, return_inverse=True
    )
    shapes = np.bincount(places.ravel(), np.concatenate([counts, prior]))
    return cells, shapes.astype(np.float64)


def resampled_weights(
    strata: IntArray, shapes: FloatArray, sizes: IntArray, resamples: int, seed: int
) -> Iterator[FloatArray]:
    """The weights of T outcomes in each resample, a chunk (r, T) of resamples at a time.

    strata: (T,) the class of each outcome; shapes: (T,) how many texts it stands for, parts of one
    for what was not seen; sizes: (K,) the texts of each class, to which the weights of its
    outcomes add up in every resample.
    """
    if resamples < 1:
        raise ParetextError(f"resamples is {resamples}; give at least 1 (10000 is usual).")
    rng = np.random.default_rng(seed)
    chunk = max(1, _CHUNK_CELLS // len(shapes))
    members = np.eye(len(sizes))[strata]
    for begin in range(0, resamples, chunk):
        weights = rng.standard_gamma(shapes, size=(min(chunk, resamples - begin), len(shapes)))
        weights *= (sizes / np.maximum(weights @ members, _TINY))[:, strata]
        yield weights


def _unseen(
    outcomes: IntArray, counts: IntArray, n_classes: int, arms: int | None = None
) -> tuple[IntArray, FloatArray]:
    """Outcomes (columns, U) with a prior weight, and the weights (U,): PRIOR for a kind.

    Each arm's model is right or wrong, which makes 2 or 4 kinds of outcome. A wrong
    answer is one that the models give to texts of this class, as often as they give it; where they
    give none, the other class that they answer most often.
    """
    truths, answers = outcomes[0], outcomes[1:]
    given = np.zeros((n_classes, n_classes))
    for column in answers:
        np.add.at(given, (truths, column), counts)
    rows, weights = [], []
    arms = arms or len(answers)
    each = len(answers) // arms
    kinds = [kind * each for kind in itertools.product((True, False), repeat=arms)]
    for k in np.unique(truths):
        wrong = np.where(np.arange(n_classes) == k, 0, given[k])
        if not wrong.any():
            others = np.where(np.arange(n_classes) == k, -1, given.sum(axis=0))
            wrong[others.argmax()] = 1
        for kind in kinds:
            for j in np.flatnonzero(wrong):
                rows.append((k, *(k if right else j for right in kind)))
                weights.append(PRIOR * wrong[j] / wrong.sum())
    return np.array(rows, dtype=np.int64).T, np.array(weights)


def _outcomes(columns: tuple[IntArray, ...], n_classes: int) -> tuple[IntArray, IntArray]:
    """The distinct rows of the columns, (columns, T) class ids, and their counts, (T,)."""
    shape = (n_classes,) * len(columns)
    if math.prod(shape) > np.iinfo(np.int64).max:  # too many columns for one number a row
        outcomes, counts = np.unique(np.stack(columns), axis=1, return_counts=True)
    else:
        codes, counts = np.unique(np.ravel_multi_index(columns, shape), return_counts=True)
        outcomes = np.stack(np.unravel_index(codes, shape))
    return outcomes.astype(np.int64), counts.astype(np.int64)


def percentile_intervals(
    estimates: FloatArray, draws: FloatArray, confidence: float
) -> tuple[Interval, ...]:
    """Estimates (M,) and draws (resamples, M) -> M intervals that hold their estimate.

    NaN draws are left out; a column of nothing else has no interval.
    """
    check_confidence(confidence)
    ends = ((1 - confidence) / 2, (1 + confidence) / 2)
    intervals = []
    for estimate, column in zip(estimates, draws.T, strict=True):
        defined = column[~np.isnan(column)]
        low, high = np.quantile(defined, ends) if defined.size else (math.nan, math.nan)
        # Where nothing was wrong the estimate is the best there can be, beyond every draw.
        intervals.append(
            Interval(float(estimate), float(min(low, estimate)), float(max(high, estimate)))
        )
    return tuple(intervals)


MOST_TEXTS = 1_000_000
"""That anybody is told would decide."""


def texts_needed(n: int, interval: Interval, limit: float) -> int | None:
    """About how many texts would decide; None if it is decided, or if no number would.

    The estimate stays as it is and the way from it to the end that faces the limit shrinks with the
    square root of the texts, until that end meets the limit. An estimate on the limit never gets
    there, and one beside it needs more than MOST_TEXTS, which nobody has. Rounded up to two digits,
    which is more than it can promise.
    """
    gap = abs(limit - interval.estimate)
    if not interval.low <= limit < interval.high or gap == 0:
        return None
    below = interval.estimate < limit
    reach = interval.high - interval.estimate if below else interval.estimate - interval.low
    needed = n * (reach / gap) ** 2
    return two_digits(needed) if needed <= MOST_TEXTS else None


def two_digits(needed: float) -> int:
    """Rounded up to two digits."""
    digits = int(10 ** max(math.floor(math.log10(needed)) - 1, 0))
    return math.ceil(needed / digits) * digits
