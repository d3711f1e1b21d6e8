"""The rise in expected calibration error (top label; 10 bins of equal count, of both models)."""

from __future__ import annotations

from paretext.certification.catalogue import Rule
from paretext.certification.evidence import Evidence
from paretext.certification.records import Clause
from paretext.certification.verdicts import simple
from paretext.core.records import Interval


class CalibrationError(Rule):
    name = "calibration_error_rise"
    also = ("ece_rise",)
    rank = 40
    default = 0.02
    reason = (
        'thresholds and queues for review are set on confidences; this keeps "90% sure" between '
        "88% and 92% on average"
    )
    judged = "its calibration"
    needs_probabilities = True

    def judge(self, evidence: Evidence, limit: float) -> Clause:
        rise, values = evidence.rises.calibration_error, evidence.rises.calibration_errors

        def at(times: float) -> Interval:
            return evidence.rises_if(times).calibration_error

        return simple(self, limit, rise, evidence.n, values, at=at)
