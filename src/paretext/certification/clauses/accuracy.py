"""The drop in accuracy by Tango's interval, with McNemar's exact test of "right equally often"."""

from __future__ import annotations

from paretext.certification.catalogue import Rule
from paretext.certification.evidence import Evidence
from paretext.certification.records import Clause
from paretext.certification.verdicts import simple
from paretext.core.records import Interval
from paretext.measure.intervals import Drops
from paretext.measure.proportions import Pairs, mcnemar, score_interval


class Accuracy(Rule):
    name = "accuracy_drop"
    rank = 13
    default = 0.01
    reason = "one answer in a hundred more is wrong, net; the same scale as macro-F1"
    judged = "its accuracy"

    promise = "loses {} of accuracy"

    def judge(self, evidence: Evidence, limit: float) -> Clause:
        truth, values = evidence.truth, evidence.scores("accuracy")
        pairs = Pairs.count(evidence.before == truth, evidence.after == truth)

        def at(times: float) -> Interval:
            return score_interval(pairs.times(times), evidence.tail, evidence.tail)

        return simple(self, limit, at(1.0), evidence.n, values, at=at, p_value=mcnemar(pairs))

    def estimate(self, drops: Drops) -> float:
        return drops.accuracy.estimate
