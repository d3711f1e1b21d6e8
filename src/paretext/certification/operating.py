"""Operating points: how recall and false positives move where a threshold decides, not argmax.

In production a class is often taken when its probability exceeds a threshold that was chosen on the
reference: the lowest with a precision of 90%, say, or with false positives in 1% of the others. The
candidate inherits that threshold, and quantised probabilities can move past it though argmax never
flips. Each class stands against the rest; the threshold is chosen on these same texts, so what is
compared is how the candidate behaves at the reference's threshold, not how good that threshold is.

An artifact may carry a rule of its own (`runtime.rule`): then the answers of both models that stand
by it are one more point, RULE, and what users get. An unsure text is no answer: it costs recall,
and neither precision nor false positives.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from paretext.certification.precision import Cells
from paretext.certification.records import OperatingPoint, Rates
from paretext.core.errors import ParetextError
from paretext.core.records import proportion
from paretext.measure.metrics import FloatArray, IntArray
from paretext.measure.proportions import BoolArray, Pairs
from paretext.runtime.rule import Rule

RULE = "rule"
"""The artifact's own operating point, where another has "precision=0.9"."""


@dataclass(frozen=True)
class At:
    """Where the threshold is: the lowest at which the reference reaches `value`."""

    kind: Literal["precision", "fpr"]
    value: float

    def __str__(self) -> str:
        return f"{self.kind}={self.value:g}"

    @classmethod
    def parse(cls, text: str) -> At:
        """ "precision=0.9" or "fpr=0.01"; ParetextError for anything else."""
        match = re.fullmatch(r"\s*(precision|fpr)\s*=\s*(\d*\.?\d+)\s*(%?)\s*", text)
        value = float(match[2]) / (100 if match[3] else 1) if match else 0.0
        if match is None or not 0 < value < 1:
            raise ParetextError(
                f"the operating point {text!r} is not understood; "
                "give precision=0.9 or fpr=0.01, with a share between 0 and 1."
            )
        return cls("precision" if match[1] == "precision" else "fpr", value)


@dataclass(frozen=True)
class Point:
    """An operating point with the counts that its clauses are judged by, None if not reached."""

    record: OperatingPoint
    recall: Pairs | None
    specificity: Pairs | None
    precision: Cells | None = None
    """At a rule alone: a threshold that was chosen for its precision on these same texts flatters
    the reference's, and a drop from it says nothing."""


def operating_points(
    truth: IntArray,
    reference: FloatArray,
    candidate: FloatArray,
    labels: Sequence[str],
    at: Sequence[At],
    confidence: float,
) -> list[Point]:
    """Every class at every point of `at`, one against the rest."""
    return [
        _point(truth == k, reference[:, k], candidate[:, k], label, point, confidence)
        for point in at
        for k, label in enumerate(labels)
    ]


def rule_points(
    truth: IntArray,
    before: IntArray,
    after: IntArray,
    labels: Sequence[str],
    rule: Rule,
    confidence: float,
) -> list[Point]:
    """Every class that has texts, at a rule.

    before, after: (n,) class ids of the reference and the candidate, NO_ANSWER where one is unsure.
    """
    points = []
    for k, label in enumerate(labels):
        positive, taken = truth == k, (before == k, after == k)
        if 0 < positive.sum() < len(truth):
            point = _taken(positive, *taken, label, RULE, rule.least(label), confidence)
            points.append(replace(point, precision=Cells.count(positive, *taken)))
    return points


def _point(
    positive: BoolArray,
    before: FloatArray,
    after: FloatArray,
    label: str,
    at: At,
    confidence: float,
) -> Point:
    threshold = find_threshold(positive, before, at)
    if threshold is None:
        none = OperatingPoint(
            label=label, at=str(at), threshold=None, reference=None, candidate=None
        )
        return Point(none, None, None)
    taken = before >= threshold, after >= threshold
    return _taken(positive, *taken, label, str(at), threshold, confidence)


def _taken(
    positive: BoolArray,
    taken: BoolArray,
    taken_now: BoolArray,
    label: str,
    at: str,
    threshold: float,
    confidence: float,
) -> Point:
    record = OperatingPoint(
        label=label,
        at=at,
        threshold=threshold,
        reference=_rates(positive, taken, confidence),
        candidate=_rates(positive, taken_now, confidence),
    )
    recall = Pairs.count(taken[positive], taken_now[positive])
    specificity = Pairs.count(~taken[~positive], ~taken_now[~positive])
    return Point(record, recall, specificity)


def find_threshold(positive: BoolArray, scores: FloatArray, at: At) -> float | None:
    """The lowest threshold that reaches `at`, half way to the next score; None if none does.

    Half way, so that a text's own score does not sit on its threshold, where rounding decides.
    """
    values, inverse = np.unique(scores, return_inverse=True)  # ascending
    # Counts at or above each value.
    right = np.bincount(inverse, positive)[::-1].cumsum()[::-1]
    wrong = np.bincount(inverse, ~positive)[::-1].cumsum()[::-1]
    if at.kind == "precision":
        reached = right >= at.value * (right + wrong)
    else:
        reached = wrong <= at.value * (~positive).sum()
    where = np.flatnonzero(reached & (right > 0))
    if not where.size:
        return None
    first = int(where[0])
    below = values[first - 1] if first else 0.0
    return float((values[first] + below) / 2)


def _rates(positive: BoolArray, taken: BoolArray, confidence: float) -> Rates:
    right, all_taken = int((taken & positive).sum()), int(taken.sum())
    return Rates(
        recall=proportion(right, int(positive.sum()), confidence),
        precision=proportion(right, all_taken, confidence) if all_taken else None,
        false_positive_rate=proportion(all_taken - right, int((~positive).sum()), confidence),
    )
