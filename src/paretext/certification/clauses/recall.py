"""The drop in recall of every class: averages hide a class that collapses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paretext.certification.catalogue import Rule
from paretext.certification.evidence import Evidence
from paretext.certification.records import Clause
from paretext.certification.verdicts import Asked, of_parts
from paretext.core.records import Verdict
from paretext.measure.intervals import Drops
from paretext.measure.proportions import Pairs


class Recall(Rule):
    name = "recall_drop"
    rank = 20
    default = 0.05
    reason = (
        "of every class, or what its texts can promise where they are few: averages hide a class "
        "that collapses, and one class may lose what another gains"
    )
    judged = "its recall"
    promise = "loses {} of any label's right answers"

    def judge(self, evidence: Evidence, limit: float) -> Clause:
        asked = _of_labels_with_texts(evidence)
        clause = of_parts(self, limit, asked, evidence.confidence, evidence.n)
        judged = {each.label for each in asked}
        return with_absent(clause, [each for each in evidence.labels if each not in judged])

    def estimate(self, drops: Drops) -> float:
        return float(np.nanmax([each.estimate for each in drops.recall]))


def _of_labels_with_texts(evidence: Evidence) -> list[Asked]:
    asked = []
    for k in np.unique(evidence.truth).tolist():
        own = evidence.truth == k
        right, right_now = (each[own] == k for each in (evidence.before, evidence.after))
        pairs = Pairs.count(right, right_now)
        rates = float(right.mean()), float(right_now.mean())
        asked.append(Asked(evidence.labels[k], None, pairs, *rates))
    return asked


def with_absent(clause: Clause, absent: Sequence[str]) -> Clause:
    """A clause of all classes cannot hold where some have no text."""
    if not absent:
        return clause
    more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
    why = f"no text has the label {', '.join(map(repr, absent[:5]))}{more}"
    verdict: Verdict = "broken" if clause.verdict == "broken" else "undecided"
    return clause.model_copy(update={"verdict": verdict, "why": why, "texts_needed": None})
