"""The drop in accuracy, with McNemar's exact test of "right equally often"."""

from __future__ import annotations

from paretext.certification.catalogue import Rule
from paretext.certification.evidence import Evidence
from paretext.certification.proportions import Pairs, mcnemar
from paretext.certification.records import Clause
from paretext.certification.verdicts import simple
from paretext.measure.intervals import Drops


class Accuracy(Rule):
    name = "accuracy_drop"
    rank = 13
    default = 0.01
    reason = "one answer in a hundred more is wrong, net; the same scale as macro-F1"
    judged = "its accuracy"

    def judge(self, evidence: Evidence, limit: float) -> Clause:
        truth, found = evidence.truth, evidence.drops.accuracy
        pairs = Pairs.count(evidence.before == truth, evidence.after == truth)
        return simple(self, limit, found, evidence.n, evidence.scores("accuracy"), mcnemar(pairs))

    def estimate(self, drops: Drops) -> float:
        return drops.accuracy.estimate
