"""The drop in precision of every class at the artifact's rule: whether an answer can be trusted."""

from __future__ import annotations

import numpy as np

from paretext.certification.catalogue import Rule
from paretext.certification.evidence import Evidence
from paretext.certification.guards import promised
from paretext.certification.operating import RULE
from paretext.certification.precision import Cells
from paretext.certification.records import Clause, Part
from paretext.certification.verdicts import with_parts
from paretext.core.records import Interval, Verdict
from paretext.measure.deciding import texts_needed
from paretext.measure.proportions import holm_levels


class OperatingPrecision(Rule):
    name = "operating_precision_drop"
    rank = 47
    default = 0.05
    reason = (
        "of every label at the artifact's own rule, or what the texts answered with it can "
        "promise: whoever sets a rule wants to trust what is answered"
    )
    judged = "its precision at the rule"
    of = "answered with"
    promise = "loses {} of any label's precision"

    def judge(self, evidence: Evidence, limit: float) -> Clause | None:
        asked = {
            point.record.label: point.precision
            for point in evidence.points
            if point.precision is not None and all(point.precision.answered)
        }
        if not asked:
            return None
        rng, tail = np.random.default_rng(evidence.seed), evidence.tail
        draws = [each.draws(evidence.resamples, rng) for each in asked.values()]
        lows = holm_levels([float((each <= limit).mean()) for each in draws], tail)
        parts = [
            _part(label, cells, cells.interval(drawn, low, tail), limit, tail)
            for (label, cells), drawn, low in zip(asked.items(), draws, lows, strict=True)
        ]
        clause = with_parts(self, limit, parts, None)
        if clause.verdict != "undecided":
            return clause
        worst = next(part for part in parts if part.drop == clause.found)
        needed = _texts_needed(asked[worst.label], limit, evidence)
        return clause.model_copy(update={"texts_needed": needed})


def _part(label: str, cells: Cells, drop: Interval, limit: float, tail: float) -> Part:
    texts, (reference, candidate) = int(cells.answered[0]), cells.values
    promise = promised(texts, limit, tail)
    gone = candidate == 0 < reference  # few as these texts are, nothing of it was kept
    holds: Verdict = "holds" if drop.high <= promise and not gone else "undecided"
    return Part(
        label=label,
        at=RULE,
        texts=texts,
        reference=reference,
        candidate=candidate,
        limit=promise,
        drop=drop,
        verdict="broken" if drop.low > limit else holds,
    )


def _texts_needed(cells: Cells, limit: float, evidence: Evidence) -> int | None:
    """About how many texts would decide the one label."""
    tail = evidence.tail

    def at(times: float) -> Interval:
        """As far beyond the limit as it is beyond what so many answers can promise."""
        many, rng = cells.times(times), np.random.default_rng(evidence.seed)
        interval = many.interval(many.draws(evidence.resamples, rng), tail, tail)
        wider = promised(many.answered[0], limit, tail) - limit
        return Interval(interval.estimate, interval.low, interval.high - wider)

    return texts_needed(evidence.n, at, limit)
