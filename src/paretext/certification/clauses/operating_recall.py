"""The drop in recall of every class where a threshold decides: `--at`, or a rule."""

from __future__ import annotations

from paretext.certification.catalogue import Rule
from paretext.certification.evidence import Evidence
from paretext.certification.records import Clause
from paretext.certification.verdicts import Asked, of_parts


class OperatingRecall(Rule):
    name = "operating_recall_drop"
    rank = 45
    default = 0.05
    reason = "as recall, where a threshold decides (`--at`, or the artifact's own rule)"
    judged = "its recall where a threshold decides"
    promise = "where a threshold decides loses {} of any label's recall"
    needs_probabilities = True

    def judge(self, evidence: Evidence, limit: float) -> Clause | None:
        asked = []
        for point in evidence.points:
            record, pairs = point.record, point.recall
            if pairs and record.reference and record.candidate:
                rates = (each.recall.estimate for each in (record.reference, record.candidate))
                asked.append(Asked(record.label, record.at, pairs, *rates))
        if not asked:
            return None
        return of_parts(self, limit, asked, evidence.confidence, evidence.n)
