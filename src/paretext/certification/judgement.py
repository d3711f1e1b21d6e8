"""Two models' probabilities of the same texts against a budget, clause by clause."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from paretext.certification import catalogue
from paretext.certification.budget import Budget
from paretext.certification.catalogue import CATALOGUE, rules
from paretext.certification.evidence import Deployed, Evidence
from paretext.certification.operating import At
from paretext.certification.records import Clause, OperatingPoint, Reported
from paretext.certification.ways import Ways
from paretext.core.records import Interval, proportion
from paretext.measure.metrics import FloatArray, IntArray
from paretext.runtime.rule import NO_ANSWER, Rule


@dataclass(frozen=True)
class Judgement:
    """The clauses that the budget limits, what else is reported, and every operating point."""

    clauses: tuple[Clause, ...]
    reported: tuple[Reported, ...]
    points: tuple[OperatingPoint, ...]
    unsure: tuple[Interval, Interval] | None
    """Of the reference and of the candidate, by the rule; None without one."""
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
    labelled: bool = True,
    rule: Rule | None = None,
    ways: Ways | None = None,
) -> Judgement:
    """Judge a candidate's answers by a budget.

    truth: (n,) class ids; reference, candidate: (n, K) probabilities; labels: (K,) names.
    labelled: whether `truth` is people's; else nothing that needs it is reported.
    deployed: what costs are measured of; without it the clauses on costs are left out.
    rule: when answers stand, of both; ways: how the candidate's lone texts were answered.
    """
    # Thresholds lie between two scores, closer than float32 may tell.
    reference, candidate = (np.asarray(each, np.float64) for each in (reference, candidate))
    evidence = Evidence(
        *(truth, reference, candidate, labels, budget.confidence, at, resamples, seed),
        deployed=deployed,
        rule=rule,
        ways=ways,
    )
    limits = budget.limits()
    asked = {name: CATALOGUE[name].judge(evidence, limit) for name, limit in limits.items()}
    clauses = [clause for clause in asked.values() if clause is not None]
    return Judgement(
        clauses=tuple(_broken_together(clauses, evidence)),
        reported=tuple(
            _reported(rule, evidence)
            for rule in rules()
            if rule.reported and rule.name not in limits and (labelled or not rule.needs_labels)
        ),
        points=tuple(point.record for point in evidence.points) if labelled else (),
        unsure=_unsure(evidence),
        alike=evidence.alike,
    )


def _broken_together(clauses: list[Clause], evidence: Evidence) -> list[Clause]:
    """Broken stays only what is broken with all clauses asked at once (Holm 1979): of m clauses the
    first at 1/m of the level, then the rest at 1/(m - 1), until none is."""
    chances = [clause for clause in clauses if clause.unit == "share"]
    doubtful = [clause for clause in chances if clause.verdict == "broken"]
    sure: set[str] = set()
    while doubtful:
        level = evidence.tail / (len(chances) - len(sure))
        closer = replace(evidence, confidence=1 - 2 * level)
        again = [CATALOGUE[clause.name].judge(closer, clause.limit) for clause in doubtful]
        broken = {clause.name for clause in again if clause and clause.verdict == "broken"}
        if not broken:
            break
        sure |= broken
        doubtful = [clause for clause in doubtful if clause.name not in sure]
    open_ = {clause.name for clause in doubtful}
    why = f"it looks broken, but not for sure with {len(chances)} clauses asked at once"
    update: dict[str, Any] = {"verdict": "undecided", "why": why, "texts_needed": None}
    return [each.model_copy(update=update) if each.name in open_ else each for each in clauses]


def _unsure(evidence: Evidence) -> tuple[Interval, Interval] | None:
    if evidence.given is None:
        return None
    before, after = (
        proportion(int((each == NO_ANSWER).sum()), evidence.n, evidence.confidence)
        for each in evidence.given
    )
    return before, after


def _reported(rule: catalogue.Rule, evidence: Evidence) -> Reported:
    clause = rule.judge(evidence, math.inf)
    assert clause is not None
    return Reported(
        name=rule.name,
        reference=clause.reference,
        candidate=clause.candidate,
        found=clause.found,
    )
