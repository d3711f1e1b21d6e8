"""Intervals of the metrics, of one model's and of the drop between two (numpy only).

**Shares of texts** (accuracy, recall, flips) have intervals in closed form: Wilson's of one share,
and Tango's of the difference of two that are paired (`measure.proportions`).

**Macro-F1, balanced accuracy, kappa, F1** are bootstrapped (`measure.bootstrap`): the draws'
percentiles around their mean (Efron & Tibshirani 1993, ch. 13), stretched and moved by what few
texts a class do to them (`measure.influence`), and laid around the estimate. So an interval holds
its estimate, and not at its end, but where the estimate is the best there can be.

All are claims about texts drawn like these, the shares of the classes among what may vary.
Macro-F1 weighs every class alike, so where more than a tenth of them have fewer than two texts its
interval is `withheld`, all that it can be: nothing tells how much those would vary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic.dataclasses import dataclass

from paretext.core.errors import ParetextError
from paretext.core.records import Interval, check_confidence, proportion
from paretext.measure.bootstrap import JEFFREYS, bootstrap, prior_of, table
from paretext.measure.influence import biases, deviations, drawn_deviations, influences
from paretext.measure.metrics import FloatArray, IntArray, class_ids, confusion_matrix, margins_of
from paretext.measure.metrics import scores as scores_of
from paretext.measure.proportions import Pairs, score_interval

STANDARD_ERROR = 0.6827
"""Coverage of an interval of one standard error to both sides."""
_WITHHELD = 0.1
"""Share of the classes that may have fewer than two texts."""


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
    times: float = 1.0,
) -> Quality:
    """Every metric of one model's predictions with its interval.

    The recall of a class without texts is NaN, and so is kappa where one class is everything;
    macro-F1 and balanced accuracy may be `withheld`.

    Args:
        labels: (n,) class ids 0 .. n_classes-1, the truth.
        predictions: (n,) class ids, the model's answers to the same texts.
        n_classes: number of classes K.
        resamples: number of bootstrap resamples.
        seed: same seed and inputs, same intervals.
        confidence: coverage of the intervals, between 0 and 1.
        times: how often each text counts: the intervals that so many texts of the kind would show.

    Raises:
        ParetextError: an input that cannot be counted, naming the value found.
    """
    truth, predicted = class_ids(n_classes, labels=labels, predictions=predictions)
    confusion = confusion_matrix(truth, predicted, n_classes)
    estimates = _scores(truth, predicted, n_classes)
    draws = bootstrap(truth, (predicted,), n_classes, resamples, seed, times=times)[0]
    intervals = _around(truth, ((predicted,),), n_classes, estimates, draws, confidence, times)
    hits, texts = confusion.diagonal().tolist(), confusion.sum(axis=1).tolist()
    return Quality(
        n=len(truth),
        confusion=tuple(map(tuple, confusion.tolist())),
        macro_f1=intervals[0],
        balanced_accuracy=intervals[1],
        kappa=intervals[2],
        accuracy=proportion(sum(hits) * times, len(truth) * times, confidence),
        f1=intervals[3:],
        recall=tuple(
            proportion(hit * times, n * times, confidence) if n else _NOTHING
            for hit, n in zip(hits, texts, strict=True)
        ),
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
    times: float = 1.0,
) -> Drops:
    """Reference minus candidate for every metric, with paired intervals.

    Both models are scored on the same resampled texts. The interval of `flips` is Wilson's.

    Args:
        labels: (n,) class ids 0 .. n_classes-1, the truth.
        reference: (n,) class ids, the reference's predictions.
        candidate: (n,) class ids, the candidate's predictions for the same texts.
        n_classes: number of classes K.
        resamples: number of bootstrap resamples.
        seed: same seed and inputs, same intervals.
        confidence: coverage of each (two-sided) interval, between 0 and 1.
        times: how often each text counts: the intervals that so many texts of the kind would show.

    Raises:
        ParetextError: an input that cannot be counted, naming the value found.
    """
    truth, before, after = class_ids(
        n_classes, labels=labels, reference=reference, candidate=candidate
    )
    models = (before, after)
    estimates = _scores(truth, before, n_classes) - _scores(truth, after, n_classes)
    draws = bootstrap(truth, models, n_classes, resamples, seed, times=times)
    drawn = draws[0] - draws[1]
    pairs = ((before,), (after,))
    intervals = _around(truth, pairs, n_classes, estimates, drawn, confidence, times)
    right, right_now = before == truth, after == truth
    tail = (1 - confidence) / 2
    classes = [truth == k for k in range(n_classes)]

    def drop_of(kept: npt.NDArray[np.bool_]) -> Interval:
        counted = Pairs.count(right[kept], right_now[kept]).times(times)
        return score_interval(counted, tail, tail) if counted.n else _NOTHING

    return Drops(
        n=len(truth),
        macro_f1=intervals[0],
        balanced_accuracy=intervals[1],
        kappa=intervals[2],
        accuracy=drop_of(np.ones(len(truth), np.bool_)),
        f1=intervals[3:],
        recall=tuple(map(drop_of, classes)),
        flips=proportion(int((before != after).sum()) * times, len(truth) * times, confidence),
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
    scored = np.stack([_scores(truth, each, n_classes) for each in pairs])
    draws = bootstrap(truth, pairs, n_classes, resamples, seed, arms=2)
    drop = (scored[::2] - scored[1::2]).mean(axis=0)
    drawn = (draws[::2] - draws[1::2]).mean(axis=0)
    return _around(truth, arms, n_classes, drop, drawn, confidence)[0]


_NOTHING = Interval(math.nan, math.nan, math.nan)


def withheld(truth: IntArray, n_classes: int) -> str | None:
    """Why macro-F1 and balanced accuracy have no interval on these texts; None if they have."""
    few = int((np.bincount(truth, minlength=n_classes) < 2).sum())
    if few <= _WITHHELD * n_classes:
        return None
    have = "label has" if few == 1 else "labels have"
    return f"{few} of {n_classes} {have} fewer than two texts, and the mean is over all of them"


def _scores(truth: IntArray, answers: IntArray, n_classes: int) -> FloatArray:
    """(4 + 2K,) laid out as `metrics.scores`."""
    return scores_of(margins_of(confusion_matrix(truth, answers, n_classes)))


def _around(
    truth: IntArray,
    arms: Sequence[Sequence[IntArray]],
    n_classes: int,
    estimates: FloatArray,
    draws: FloatArray,
    confidence: float,
    times: float = 1.0,
) -> tuple[Interval, ...]:
    """Intervals of macro-F1, balanced accuracy, kappa and each class's F1, (3 + K).

    arms: one kind of model, or two whose difference (first minus second) is asked; the models of
    an arm are averaged. estimates: (4 + 2K,) and draws: (resamples, 4 + 2K), laid out as `scores`.
    """
    check_confidence(confidence)
    asked = [0, 1, 2, *range(4, 4 + n_classes)]
    models = tuple(each for pair in zip(*arms, strict=True) for each in pair)
    signs = (1.0, -1.0)[: len(arms)]
    share = 1 / len(arms[0])

    def total(of: Callable[[IntArray, FloatArray, int, int], FloatArray], prior: float) -> Any:
        cells, weights = table(truth, models, n_classes, prior, len(arms), times)
        columns = enumerate(np.tile(signs, len(arms[0])), start=1)
        moved = sum(s * share * of(cells, weights, n_classes, c) for c, s in columns)
        return cells, weights, np.asarray(moved)

    cells, weights, moves = total(influences, prior_of(n_classes))
    drawn = drawn_deviations(weights, moves)
    wanted = deviations(cells[0], weights, moves, n_classes)
    if prior_of(n_classes) < JEFFREYS:  # a class by itself is judged by a prior of its own
        cells, weights, moves = total(influences, JEFFREYS)
        wanted[3:] = deviations(cells[0], weights, moves, n_classes)[3:]
    stretch = np.divide(wanted, drawn, out=np.ones_like(drawn), where=drawn > 0)
    bias = total(biases, 0.0)[2]
    intervals = [
        _interval(estimates[column], draws[:, column], stretch[at], bias[at], confidence)
        for at, column in enumerate(asked)
    ]
    bound = (0.0, 1.0) if len(arms) == 1 else (-1.0, 1.0)
    least = (-1.0, 1.0) if len(arms) == 1 else (-2.0, 2.0)
    intervals = [_within(each, *(least if at == 2 else bound)) for at, each in enumerate(intervals)]
    if withheld(truth, n_classes):
        intervals[:2] = [Interval(each.estimate, *bound) for each in intervals[:2]]
    return tuple(intervals)


def _interval(
    estimate: float, draws: FloatArray, stretch: float, bias: float, confidence: float
) -> Interval:
    """The draws' percentiles around their mean, stretched, and laid around the estimate less its
    bias, of which at most half of what lies on that side is taken."""
    defined = draws[~np.isnan(draws)]
    if not defined.size or math.isnan(estimate):
        return _NOTHING
    low, high = np.quantile(defined, ((1 - confidence) / 2, (1 + confidence) / 2))
    below, above = stretch * (defined.mean() - low), stretch * (high - defined.mean())
    moved = min(max(bias, -below / 2), above / 2)
    return Interval(
        float(estimate), float(estimate - moved - below), float(estimate - moved + above)
    )


def _within(interval: Interval, least: float, most: float) -> Interval:
    """What a score can be at all."""
    if math.isnan(interval.estimate):
        return interval
    return Interval(interval.estimate, max(interval.low, least), min(interval.high, most))
