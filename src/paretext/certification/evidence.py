"""Evidence: two models' answers to the same texts, and what clauses share of it, computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from paretext.certification.calibration import Rises, rises
from paretext.certification.operating import At, Point, operating_points
from paretext.measure.intervals import Drops, paired_drops
from paretext.measure.metrics import METRICS, FloatArray, IntArray, confusion_matrix

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
    def unchanged(self) -> int | None:
        """How many texts show that nothing changes; None where something does."""
        return self.n if self.alike else None

    @cached_property
    def drops(self) -> Drops:
        return paired_drops(
            self.truth,
            self.before,
            self.after,
            len(self.labels),
            resamples=self.resamples,
            seed=self.seed,
            confidence=self.confidence,
        )

    @cached_property
    def rises(self) -> Rises:
        return rises(
            self.truth,
            self.reference,
            self.candidate,
            resamples=self.resamples,
            seed=self.seed,
            confidence=self.confidence,
        )

    @cached_property
    def points(self) -> list[Point]:
        return operating_points(
            self.truth, self.reference, self.candidate, self.labels, self.at, self.confidence
        )

    def scores(self, metric: str) -> tuple[float, float]:
        """The reference's and the candidate's own value of one of METRICS."""
        before, after = (
            float(METRICS[metric](confusion_matrix(self.truth, each, len(self.labels))))
            for each in (self.before, self.after)
        )
        return before, after
