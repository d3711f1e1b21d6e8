"""The clauses about quality: two models' probabilities of the same texts against a budget.

Every clause asks how much worse the candidate is than the reference, and gets an estimate, an
interval and a verdict:

- holds: the interval's upper (bad) end is within the limit;
- broken: its lower (good) end is beyond it;
- undecided: the limit lies inside the interval; about how many texts would decide is said, by the
  rule that an interval shrinks with the square root of the texts.

So a candidate that is worse than the limit passes with a chance of at most (1 - confidence)/2 a
clause, 2.5% by default, as far as the intervals keep their promise (`benchmarks/coverage.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paretext.certification.budget import Budget, kind_of
from paretext.certification.calibration import rises
from paretext.certification.operating import At, Point, operating_points
from paretext.certification.proportions import Pairs, mcnemar, simultaneous
from paretext.certification.records import Clause, OperatingPoint, Part
from paretext.core.records import Interval, Verdict
from paretext.measure.intervals import MOST_TEXTS, paired_drops, texts_needed, two_digits
from paretext.measure.metrics import METRICS, FloatArray, IntArray, confusion_matrix

ALIKE = 1e-4
"""Probabilities this close are the same answer: what float32 leaves between two runtimes. The
export's own check allows as much."""
_DROPS = {f"{name}_drop": name for name in METRICS}


@dataclass(frozen=True)
class Judgement:
    """The clauses that the budget limits, and every operating point."""

    clauses: tuple[Clause, ...]
    points: tuple[OperatingPoint, ...]
    alike: bool
    """Whether all probabilities of all texts are the same, within ALIKE."""


def judge(
    truth: IntArray,
    reference: FloatArray,
    candidate: FloatArray,
    labels: Sequence[str],
    budget: Budget,
    *,
    at: Sequence[At] = (),
    resamples: int = 10_000,
    seed: int = 0,
) -> Judgement:
    """Judge a candidate's answers by a budget.

    truth: (n,) class ids; reference, candidate: (n, K) probabilities; labels: (K,) names.
    """
    # Thresholds lie between two scores, closer than float32 may tell.
    reference, candidate = (np.asarray(each, np.float64) for each in (reference, candidate))
    before, after = reference.argmax(axis=1), candidate.argmax(axis=1)
    same = (before == after).all() and np.abs(reference - candidate).max() <= ALIKE
    unchanged = len(truth) if same else None
    settings = {"resamples": resamples, "seed": seed, "confidence": budget.confidence}
    drops = paired_drops(truth, before, after, len(labels), **settings)  # type: ignore[arg-type]
    rise = None
    if budget.calibration_error_rise is not None or budget.brier_rise is not None:
        rise = rises(truth, reference, candidate, **settings)  # type: ignore[arg-type]
    points = operating_points(truth, reference, candidate, labels, at, budget.confidence)
    scores = [
        {name: float(metric(counts)) for name, metric in METRICS.items()}
        for counts in (confusion_matrix(truth, each, len(labels)) for each in (before, after))
    ]
    clauses = []
    for name, limit in budget.limits().items():
        if name in _DROPS:
            metric = _DROPS[name]
            values = (scores[0][metric], scores[1][metric])
            p_value = None
            if metric == "accuracy":
                p_value = mcnemar(Pairs.count(before == truth, after == truth))
            found = getattr(drops, metric)
            clauses.append(simple(name, limit, found, len(truth), values, p_value))
        elif name == "flips":
            clauses.append(simple(name, limit, drops.flips, len(truth)))
        elif name == "calibration_error_rise" and rise:
            found = rise.calibration_error
            clauses.append(simple(name, limit, found, len(truth), rise.calibration_errors))
        elif name == "brier_rise" and rise:
            clauses.append(simple(name, limit, rise.brier, len(truth), rise.briers))
        elif name == "recall_drop":
            asked = _recalls(truth, before, after, labels)
            found = _of_parts(name, limit, asked, budget, unchanged, len(truth))
            judged = {each.label for each in asked}
            clauses.append(_with_absent(found, [each for each in labels if each not in judged]))
        elif name in ("operating_recall_drop", "operating_fpr_rise"):
            asked = _at_points(points, name)
            if asked:
                clauses.append(_of_parts(name, limit, asked, budget, unchanged, len(truth)))
    return Judgement(tuple(clauses), tuple(point.record for point in points), bool(same))


def verdict(interval: Interval, limit: float) -> Verdict:
    if interval.high <= limit:
        return "holds"
    return "broken" if interval.low > limit else "undecided"


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """broken if one is, else undecided if one is, else holds."""
    return next((v for v in ("broken", "undecided") if v in verdicts), "holds")


def simple(
    name: str,
    limit: float,
    found: Interval,
    n: int,
    values: tuple[float, float] | None = None,
    p_value: float | None = None,
) -> Clause:
    """A clause of one number; values: the reference's and the candidate's own."""
    return Clause(
        name=name,
        unit=kind_of(name),
        limit=limit,
        reference=values[0] if values else None,
        candidate=values[1] if values else None,
        found=found,
        verdict=verdict(found, limit),
        certifiable=found.high,
        texts_needed=texts_needed(n, found, limit),
        p_value=p_value,
    )


@dataclass(frozen=True)
class _Asked:
    """One class of a clause: the counts, and both models' own rates."""

    label: str
    at: str | None
    pairs: Pairs
    reference: float
    candidate: float


def _recalls(
    truth: IntArray, before: IntArray, after: IntArray, labels: Sequence[str]
) -> list[_Asked]:
    """Of every label that has texts."""
    asked = []
    for k in np.unique(truth).tolist():
        label = labels[k]
        right, right_now = (each[truth == k] == k for each in (before, after))
        pairs = Pairs.count(right, right_now)
        asked.append(_Asked(label, None, pairs, float(right.mean()), float(right_now.mean())))
    return asked


def _with_absent(clause: Clause, absent: Sequence[str]) -> Clause:
    """A clause of all classes cannot hold where some have no text."""
    if not absent:
        return clause
    more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
    why = f"no text has the label {', '.join(map(repr, absent[:5]))}{more}"
    verdict: Verdict = "broken" if clause.verdict == "broken" else "undecided"
    return clause.model_copy(update={"verdict": verdict, "why": why, "texts_needed": None})


def _at_points(points: Sequence[Point], name: str) -> list[_Asked]:
    recall = name == "operating_recall_drop"
    asked = []
    for point in points:
        record, pairs = point.record, point.recall if recall else point.specificity
        if pairs is None or record.reference is None or record.candidate is None:
            continue
        rates = [
            each.recall.estimate if recall else each.false_positive_rate.estimate
            for each in (record.reference, record.candidate)
        ]
        asked.append(_Asked(record.label, record.at, pairs, rates[0], rates[1]))
    return asked


def _of_parts(
    name: str,
    limit: float,
    asked: Sequence[_Asked],
    budget: Budget,
    unchanged: int | None,
    n: int,
) -> Clause:
    """A clause that every part has to hold, Holm-corrected over the parts."""
    level = (1 - budget.confidence) / 2
    found = simultaneous([each.pairs for each in asked], limit, level, unchanged)
    parts = tuple(
        Part(
            label=each.label,
            at=each.at,
            texts=each.pairs.n,
            reference=each.reference,
            candidate=each.candidate,
            drop=interval,
            verdict=verdict(interval, limit),
            texts_needed=texts_needed(each.pairs.n, interval, limit),
        )
        for each, interval in zip(asked, found, strict=True)
    )
    result = overall([part.verdict for part in parts])
    worst = max(parts, key=lambda part: (part.verdict == "broken", part.drop.high))
    open_parts = [part for part in parts if part.verdict == "undecided"]
    all_texts = [
        None if part.texts_needed is None else n * part.texts_needed / part.texts
        for part in open_parts
    ]
    needed = [each and two_digits(each) for each in all_texts]
    decides = result == "undecided" and all(each and each <= MOST_TEXTS for each in all_texts)
    return Clause(
        name=name,
        unit=kind_of(name),
        limit=limit,
        reference=worst.reference,
        candidate=worst.candidate,
        found=worst.drop,
        verdict=result,
        certifiable=max(part.drop.high for part in parts),
        texts_needed=max(each for each in needed if each is not None) if decides else None,
        parts=parts,
    )
