"""What users get where some answers do not stand (`rule`): figures of both models, with intervals.

Of each label recall, precision and false positives, and of all texts the share that is unsure, as a
certificate has them (`operating`, `precision`) and before there is one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paretext.certification.operating import Point, rule_points
from paretext.certification.precision import Cells
from paretext.certification.records import Rates
from paretext.core.records import Interval, Record, check_confidence, proportion
from paretext.measure.metrics import IntArray
from paretext.measure.proportions import Pairs, score_interval
from paretext.runtime.rule import NO_ANSWER, Rule


class LabelDecided(Record):
    """One label; a positive difference is one by which the candidate is worse."""

    label: str
    texts: int
    reference: Rates
    candidate: Rates
    recall_drop: Interval
    precision_drop: Interval | None
    """None where one of the two never answers it."""
    false_positive_rise: Interval


class Decided(Record):
    """Both models' answers, those that stand."""

    texts: int
    reference_unsure: Interval
    candidate_unsure: Interval
    unsure_rise: Interval
    labels: tuple[LabelDecided, ...]
    """Those that have texts, in the order of the label names."""


def decided(
    truth: IntArray,
    reference: IntArray,
    candidate: IntArray,
    labels: Sequence[str],
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Decided:
    """Compare two models' answers, (n,) class ids, NO_ANSWER where one is unsure."""
    check_confidence(confidence)
    rng, tail, n = np.random.default_rng(seed), (1 - confidence) / 2, len(truth)
    points = rule_points(truth, reference, candidate, labels, Rule(), confidence)
    unsure = [int((each == NO_ANSWER).sum()) for each in (reference, candidate)]
    return Decided(
        texts=n,
        reference_unsure=proportion(unsure[0], n, confidence),
        candidate_unsure=proportion(unsure[1], n, confidence),
        unsure_rise=score_interval(more_unsure(reference, candidate), tail, tail),
        labels=tuple(_label(point, tail, resamples, rng) for point in points),
    )


def more_unsure(reference: IntArray, candidate: IntArray) -> Pairs:
    """Texts by who has an answer to them: fewer unsure is better."""
    return Pairs.count(reference != NO_ANSWER, candidate != NO_ANSWER)


def _label(point: Point, tail: float, resamples: int, rng: np.random.Generator) -> LabelDecided:
    record, recall, others = point.record, point.recall, point.specificity
    assert record.reference and record.candidate and recall and others
    return LabelDecided(
        label=record.label,
        texts=recall.n,
        reference=record.reference,
        candidate=record.candidate,
        recall_drop=score_interval(recall, tail, tail),
        precision_drop=_precision_drop(point.precision, tail, resamples, rng),
        false_positive_rise=score_interval(others, tail, tail),
    )


def _precision_drop(
    cells: Cells | None, tail: float, resamples: int, rng: np.random.Generator
) -> Interval | None:
    if cells is None or not all(cells.answered):
        return None
    return cells.interval(cells.draws(resamples, rng), tail, tail)
