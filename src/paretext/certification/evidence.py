"""Evidence: two models' answers to the same texts, and what clauses share of it, computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from paretext.certification.calibration import Rises, rises
from paretext.certification.operating import At, Point, operating_points, rule_points
from paretext.certification.ways import Ways
from paretext.measure.intervals import Drops, paired_drops, withheld
from paretext.measure.metrics import FloatArray, IntArray, confusion_matrix, margins_of
from paretext.runtime.rule import Rule, answers

ALIKE = 1e-4
"""Probabilities this close are the same answer: what float32 leaves between two runtimes. The
export's own check allows as much."""


@dataclass(frozen=True)
class Deployed:
    """What costs are measured of: both models' folders, the texts, and the cores to use."""

    candidate: Path
    reference: Path
    texts: Sequence[str]
    threads: int


@dataclass(frozen=True)
class Evidence:
    """truth: (n,) class ids; reference, candidate: (n, K) probabilities; labels: (K,) names."""

    truth: IntArray
    reference: FloatArray
    candidate: FloatArray
    labels: Sequence[str]
    confidence: float = 0.95
    at: Sequence[At] = ()
    resamples: int = 10_000
    seed: int = 0
    deployed: Deployed | None = None
    rule: Rule | None = None
    """When answers stand, of both models; None: always."""
    ways: Ways | None = None
    """How far the candidate's answers to lone texts are from those in bulk, where it was asked."""

    @property
    def n(self) -> int:
        return len(self.truth)

    @cached_property
    def before(self) -> IntArray:
        """(n,) the reference's answers."""
        answers: IntArray = self.reference.argmax(axis=1)
        return answers

    @cached_property
    def after(self) -> IntArray:
        """(n,) the candidate's answers."""
        answers: IntArray = self.candidate.argmax(axis=1)
        return answers

    @cached_property
    def alike(self) -> bool:
        """Whether all probabilities of all texts are the same, within ALIKE."""
        same = (self.before == self.after).all()
        return bool(same and np.abs(self.reference - self.candidate).max() <= ALIKE)

    @property
    def tail(self) -> float:
        """Of one end of a two-sided interval."""
        return (1 - self.confidence) / 2

    @cached_property
    def drops(self) -> Drops:
        return self.drops_if(1.0)

    @cached_property
    def rises(self) -> Rises:
        return self.rises_if(1.0)

    def drops_if(self, times: float) -> Drops:
        """The drops with the intervals that `times` as many texts of the kind would show."""
        answers = (self.truth, self.before, self.after, len(self.labels))
        return paired_drops(*answers, **self._settings, times=times)

    def rises_if(self, times: float) -> Rises:
        answers = (self.truth, self.reference, self.candidate)
        return rises(*answers, **self._settings, times=times)

    @property
    def _settings(self) -> dict[str, Any]:
        return {"resamples": self.resamples, "seed": self.seed, "confidence": self.confidence}

    @cached_property
    def withheld(self) -> str | None:
        """Why a mean over the classes has no interval; None if it has."""
        return withheld(self.truth, len(self.labels))

    @cached_property
    def given(self) -> tuple[IntArray, IntArray] | None:
        """What users of the reference, and of the candidate, get by the rule: (n,) class ids,
        NO_ANSWER where one is unsure; None without a rule."""
        if self.rule is None:
            return None
        before, after = (
            answers(each, self.labels, self.rule) for each in (self.reference, self.candidate)
        )
        return before, after

    @cached_property
    def points(self) -> list[Point]:
        points = operating_points(
            self.truth, self.reference, self.candidate, self.labels, self.at, self.confidence
        )
        if self.rule is not None and self.given is not None:
            points += rule_points(self.truth, *self.given, self.labels, self.rule, self.confidence)
        return points

    def scores(self, metric: str) -> tuple[float, float]:
        """The reference's and the candidate's own value of one of `metrics.METRICS`."""
        before, after = (
            margins_of(confusion_matrix(self.truth, each, len(self.labels)))
            for each in (self.before, self.after)
        )
        return float(getattr(before, metric)()), float(getattr(after, metric)())
