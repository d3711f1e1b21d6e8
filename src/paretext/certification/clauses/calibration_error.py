"""The rise in expected calibration error (top label; 10 bins of equal count, of both models)."""

from __future__ import annotations

from paretext.certification.catalogue import Rule
from paretext.certification.evidence import Evidence
from paretext.certification.records import Clause
from paretext.certification.verdicts import simple


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

    def judge(self, evidence: Evidence, limit: float) -> Clause:
        found = evidence.rises
        return simple(self, limit, found.calibration_error, evidence.n, found.calibration_errors)
