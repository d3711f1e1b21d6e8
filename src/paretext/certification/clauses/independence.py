"""Whether an answer depends on its text alone: lone texts against the same texts in bulk."""

from __future__ import annotations

from typing import Any

from paretext.certification.catalogue import Rule
from paretext.certification.evidence import Evidence
from paretext.certification.records import Clause
from paretext.certification.verdicts import simple
from paretext.core.records import Interval
from paretext.runtime.independence import INTEGERS


class Independence(Rule):
    name = "independence"
    rank = 55
    unit = "probability"
    default = INTEGERS
    reason = (
        "the rounding of one activation in INT8, and 1e-5 where nothing is quantised; and no label "
        "may change: what was measured in bulk is what a lone text gets"
    )
    judged = "whether an answer depends on its text alone"
    needs_labels = False

    def judge(self, evidence: Evidence, limit: float) -> Clause | None:
        ways = evidence.ways
        if ways is None:
            return None
        most = ways.largest_probability_difference
        clause = simple(self, min(limit, ways.allowed), Interval(most, most, most), evidence.n)
        if not ways.changed_labels:
            return clause
        labels = "1 label" if ways.changed_labels == 1 else f"{ways.changed_labels:,} labels"
        said: dict[str, Any] = {"verdict": "broken", "why": f"{labels} changed"}
        return clause.model_copy(update=said)
