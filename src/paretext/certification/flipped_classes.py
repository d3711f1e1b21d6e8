"""Every label's recall and macro-F1 from labels on flips, and a few labelled texts beside them.

**Recall.** The drop of label k is (P(lost, k) - P(won, k)) / P(k). What is lost of k lies among the
flips that the reference answers k, what is won among those that the candidate does; how frequent k
is only labelled texts tell (n_k of n). So the upper end is one of P(lost, k) over a lower one of
P(k), each exact (Clopper & Pearson 1934) at half of the level. P(lost, k) itself is the share of
texts that flip from k, times the share of those whose label is k; where only some of them are
labelled, a fifth of that level goes to the first factor and the rest to the second (Bonferroni).
What was won is not set against it: many small flips that cancel out may leave it undecided.
Without labelled texts beside the flips nothing can be said: texts that both models answer k may
all be something else.

**Macro-F1.** With T the truth, P the reference's and Q the candidate's answers of label k, as
shares of all texts, and F the reference's F1 of k, the drop in its F1 is exactly

    (2 (P(lost, k) - P(won, k)) - F (P - Q)) / (Q + T)

which is zero where no answer flips. P and Q are counted on all texts; T and F come from the
labelled texts and only scale what the flips say. The interval is a Bayesian bootstrap (Rubin 1981)
of all three samples: texts without labels, flips with labels, labelled texts; with one pseudo-flip,
half lost and half won, so that no flip that was not seen is thought impossible.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from paretext.certification.catalogue import CATALOGUE
from paretext.certification.clauses.recall import with_absent
from paretext.certification.guards import promised
from paretext.certification.records import Clause, Part
from paretext.certification.verdicts import simple, with_parts
from paretext.core.records import Interval, Verdict
from paretext.measure.intervals import withheld
from paretext.measure.metrics import FloatArray, IntArray, confusion_matrix, macro_f1
from paretext.measure.proportions import BoolArray, upper_share

_TOLD_BY_COUNTS = 0.2
"""Of a level, what goes to the share of flips where the rest goes to their labels."""
_AT_A_TIME = 500


@dataclass(frozen=True)
class Beside:
    """Labelled texts beside the others: (n,) the truth, and both models' answers."""

    truth: IntArray
    before: IntArray
    after: IntArray


@dataclass(frozen=True)
class Flips:
    """Both answers to the flipped ones of `texts` texts, and labels of the first of them."""

    texts: int
    before: IntArray
    """(m,) in the order of the labels."""
    after: IntArray
    labels: IntArray
    """(s,) class ids; -1 where nobody can tell."""
    answered: tuple[IntArray, IntArray]
    """(K,) how many of all texts each model answers with each label."""


def recall_clause(
    flips: Flips, beside: Beside, labels: tuple[str, ...], limit: float, tail: float
) -> Clause:
    """The drop of every label that the labelled texts have."""
    present = np.unique(beside.truth).tolist()
    parts = tuple(_part(k, len(present), flips, beside, labels[k], limit, tail) for k in present)
    clause = with_parts(CATALOGUE["recall_drop"], limit, parts, None)
    return with_absent(clause, [name for k, name in enumerate(labels) if k not in present])


def _part(
    k: int, classes: int, flips: Flips, beside: Beside, label: str, limit: float, tail: float
) -> Part:
    own = beside.truth == k
    n, total = int(own.sum()), len(own)
    lost = _Share.of(flips, flips.before == k, k)
    won = _Share.of(flips, flips.after == k, k)
    sure = tail / classes  # that some label is broken is said of any
    net = lost.low(sure / 3) - won.high(sure / 3)
    rarest, most = 1 - upper_share(total - n, total, sure / 3), upper_share(n, total, sure / 3)
    low = max(net / (most if net > 0 else rarest), -1.0)
    high = min(lost.high(tail) / (1 - upper_share(total - n, total, tail)), 1.0)
    promise = promised(n, limit, tail)
    right, right_now = (each[own] == k for each in (beside.before, beside.after))
    gone = right.any() and not (right & right_now).any()
    verdict: Verdict = "holds" if high <= promise and not gone else "undecided"
    return Part(
        label=label,
        at=None,
        texts=n,
        reference=float(right.mean()),
        candidate=float(right_now.mean()),
        drop=Interval((lost.estimate - won.estimate) / (n / total), low, high),
        verdict="broken" if low > limit else verdict,
        limit=promise,
    )


@dataclass(frozen=True)
class _Share:
    """The share of texts that flip from (or to) a label and have it: of `moved` such flips
    `labelled` have a label, and it is this one for `hits`, or might be for `unclear` more."""

    texts: int
    moved: int
    labelled: int
    hits: int
    unclear: int

    @classmethod
    def of(cls, flips: Flips, members: BoolArray, k: int) -> _Share:
        told = flips.labels[members[: len(flips.labels)]]
        return cls(
            flips.texts,
            int(members.sum()),
            len(told),
            int((told == k).sum()),
            int((told == -1).sum()),
        )

    @property
    def estimate(self) -> float:
        if not self.moved:
            return 0.0
        if not self.labelled:
            return math.nan
        return self.moved / self.texts * self.hits / self.labelled

    def high(self, level: float) -> float:
        if self.labelled == self.moved:
            return upper_share(self.hits + self.unclear, self.texts, level)
        if not self.labelled:
            return upper_share(self.moved, self.texts, level)
        flipped = upper_share(self.moved, self.texts, _TOLD_BY_COUNTS * level)
        hit = upper_share(self.hits + self.unclear, self.labelled, (1 - _TOLD_BY_COUNTS) * level)
        return flipped * hit

    def low(self, level: float) -> float:
        if not self.labelled:
            return 0.0
        if self.labelled == self.moved:
            return 1 - upper_share(self.texts - self.hits, self.texts, level)
        flipped = 1 - upper_share(self.texts - self.moved, self.texts, _TOLD_BY_COUNTS * level)
        rest = (1 - _TOLD_BY_COUNTS) * level
        return flipped * (1 - upper_share(self.labelled - self.hits, self.labelled, rest))


def macro_f1_clause(
    flips: Flips, beside: Beside, classes: int, limit: float, resamples: int, seed: int, tail: float
) -> Clause:
    """The drop in macro-F1; without a label each flip may be lost or won."""
    told, count = len(flips.labels), len(flips.before)
    if not told:
        flips = replace(flips, labels=np.full(count, -1))
    high = macro_f1_drop(flips, beside, classes, tail, resamples, seed, unclear="lost")
    low = high
    if (flips.labels == -1).any():
        low = macro_f1_drop(flips, beside, classes, tail, resamples, seed, unclear="won")
    middle = (low.estimate + high.estimate) / 2 if told or not count else math.nan
    drop = Interval(middle, low.low, high.high)
    values = [
        float(macro_f1(confusion_matrix(beside.truth, each, classes)))
        for each in (beside.before, beside.after)
    ]
    rule = CATALOGUE["macro_f1_drop"]
    few = withheld(beside.truth, classes)
    clause = simple(
        rule,
        limit,
        Interval(drop.estimate, -1.0, 1.0) if few else drop,
        flips.texts,
        (values[0], values[1]),
        withheld=few,
    )
    if clause.verdict == "undecided" and not few and told < count:
        why = f"{told:,} of {count:,} flipped texts have labels"
        clause = clause.model_copy(update={"why": why})
    return clause


def macro_f1_drop(
    flips: Flips,
    beside: Beside,
    classes: int,
    tail: float,
    resamples: int,
    seed: int,
    unclear: str = "lost",
) -> Interval:
    """The drop with its interval; what nobody can tell counts as `unclear`."""
    s, m, k = len(flips.labels), len(flips.before), classes
    before, after = flips.before, flips.after
    supposed = (before if unclear == "lost" else after)[:s]
    labels = np.where(flips.labels == -1, supposed, flips.labels)
    answered, now = (each / flips.texts for each in flips.answered)
    table = confusion_matrix(beside.truth, beside.before, k).astype(float)

    def drop(*drawn: FloatArray) -> FloatArray:
        """(r,) of draws of the labelled texts' cells (r, K, K), of weights of the flips (r, m) and
        of all other texts (r,), and of two pseudo-flips (r, 2), lost and won."""
        cells, weights, rest, pseudo = drawn
        cells = cells / cells.sum(axis=(1, 2), keepdims=True)
        true, own = cells.sum(axis=2), cells.sum(axis=1)
        hits = cells[:, range(k), range(k)]
        f1 = np.divide(2 * hits, true + own, out=np.zeros_like(hits), where=true + own > 0)
        scale = 1 / np.maximum(now + true, 1e-9)
        known = (scale * f1)[:, after] - (scale * f1)[:, before]
        told = 2 * (
            scale[:, before[:s]] * (labels == before[:s])
            - scale[:, after[:s]] * (labels == after[:s])
        )
        size = 2 * scale @ answered  # of a flip as frequent as its label is answered
        flipped = weights.sum(axis=1) + pseudo.sum(axis=1)
        net = (told * weights[:, :s]).sum(axis=1) + size * (pseudo[:, 0] - pseudo[:, 1])
        mean = net / np.maximum(weights[:, :s].sum(axis=1) + pseudo.sum(axis=1), 1e-12)
        total = mean * flipped + (known * weights).sum(axis=1)
        return np.asarray(total / (flipped + rest) / k)

    here = drop(table[None], np.ones((1, m)), np.full(1, flips.texts - m), np.zeros((1, 2)))[0]
    rng, draws = np.random.default_rng(seed), []
    for begin in range(0, resamples, _AT_A_TIME):
        r = min(_AT_A_TIME, resamples - begin)
        draws.append(
            drop(
                rng.gamma(np.broadcast_to(table, (r, k, k))),
                rng.exponential(size=(r, m)),
                rng.gamma(flips.texts - m, size=r),
                rng.gamma(0.5, size=(r, 2)),
            )
        )
    drawn = np.concatenate(draws)
    low, high = np.quantile(drawn, (tail, 1 - tail)) - drawn.mean()
    return Interval(float(here), float(here + low), float(here + high))
