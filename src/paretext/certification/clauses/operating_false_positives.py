"""The rise in false positives of every class where a threshold decides: `--at`, or a rule."""

from __future__ import annotations

from paretext.certification.catalogue import Rule
from paretext.certification.evidence import Evidence
from paretext.certification.records import Clause
from paretext.certification.verdicts import Asked, of_parts


class OperatingFalsePositives(Rule):
    name = "operating_fpr_rise"
    rank = 46
    default = 0.01
    reason = "negatives are many: one in a hundred of them more is a flood"
    judged = "its false positives where a threshold decides"
    promise = "adds {} of false positives to any label"
    needs_probabilities = True
    of = "that are not"

    def judge(self, evidence: Evidence, limit: float) -> Clause | None:
        asked = []
        for point in evidence.points:
            record, pairs = point.record, point.specificity
            if pairs and record.reference and record.candidate:
                rates = (
                    each.false_positive_rate.estimate
                    for each in (record.reference, record.candidate)
                )
                asked.append(Asked(record.label, record.at, pairs, *rates))
        if not asked:
            return None
        return of_parts(self, limit, asked, evidence.confidence, evidence.n)
