"""The rise in the share of texts that the artifact's rule leaves without an answer."""

from __future__ import annotations

from paretext.certification.catalogue import Rule
from paretext.certification.decided import more_unsure
from paretext.certification.evidence import Evidence
from paretext.certification.records import Clause
from paretext.certification.verdicts import simple
from paretext.core.records import Interval
from paretext.measure.proportions import score_interval
from paretext.runtime.rule import NO_ANSWER


class Unsure(Rule):
    name = "unsure_rise"
    rank = 48
    default = 0.02
    reason = (
        "at the artifact's own rule: what is unsure is read by people, and one text in fifty more "
        "is work that somebody has to have time for"
    )
    judged = "how many texts are unsure"
    needs_labels = False
    promise = "leaves {} more texts unsure"

    def judge(self, evidence: Evidence, limit: float) -> Clause | None:
        if evidence.given is None:
            return None
        pairs = more_unsure(*evidence.given)
        before, after = (float((each == NO_ANSWER).mean()) for each in evidence.given)

        def at(times: float) -> Interval:
            return score_interval(pairs.times(times), evidence.tail, evidence.tail)

        return simple(self, limit, at(1.0), evidence.n, (before, after), at=at)
