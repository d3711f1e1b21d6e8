"""Two models' probabilities of the same texts against a budget, clause by clause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paretext.certification.budget import Budget
from paretext.certification.catalogue import CATALOGUE
from paretext.certification.evidence import Deployed, Evidence
from paretext.certification.operating import At
from paretext.certification.records import Clause, OperatingPoint
from paretext.measure.metrics import FloatArray, IntArray


@dataclass(frozen=True)
class Judgement:
    """The clauses that the budget limits, and every operating point."""

    clauses: tuple[Clause, ...]
    points: tuple[OperatingPoint, ...]
    alike: bool
    """Whether all probabilities of all texts are the same, within `evidence.ALIKE`."""


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
    deployed: Deployed | None = None,
) -> Judgement:
    """Judge a candidate's answers by a budget.

    truth: (n,) class ids; reference, candidate: (n, K) probabilities; labels: (K,) names.
    deployed: what costs are measured of; without it the clauses on costs are left out.
    """
    # Thresholds lie between two scores, closer than float32 may tell.
    reference, candidate = (np.asarray(each, np.float64) for each in (reference, candidate))
    evidence = Evidence(
        truth, reference, candidate, labels, budget.confidence, at, resamples, seed, deployed
    )
    found = (CATALOGUE[name].judge(evidence, limit) for name, limit in budget.limits().items())
    return Judgement(
        clauses=tuple(clause for clause in found if clause is not None),
        points=tuple(point.record for point in evidence.points),
        alike=evidence.alike,
    )
