"""Tune when an artifact's answers stand (`rule`) to what is asked of them, on texts to choose by.

- `precision>=95%`, or `joy: precision>=95%` for one label: the lowest threshold at which, of the
  texts that are answered so, that share is right. Lowest, so that as many as can be are answered.
- `unsure<=5%`: the highest threshold that leaves at most that share of all texts without an answer,
  on the top probability; `unsure<=5% by margin` on its lead over the second.

Thresholds lie half way to the next score, so that no text sits on its own, where rounding decides.
They are chosen on these texts, so what they promise is that of these texts: how it is on others,
with intervals, is for `certification.decided` and texts that were held out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from paretext.core.errors import ParetextError
from paretext.measure.metrics import IntArray
from paretext.runtime.rule import Probabilities, Rule, margins

LEAST_RIGHT = 10
"""Right answers that a precision has to be of: the surest one or two are right by luck."""


@dataclass(frozen=True)
class Aim:
    """Of one label, or all (None), where it is a precision; `by`: what decides who is unsure."""

    kind: Literal["precision", "unsure"]
    share: float
    label: str | None = None
    by: Literal["probability", "margin"] = "probability"

    def __str__(self) -> str:
        if self.kind == "unsure":
            return f"unsure<={100 * self.share:g}% by {self.by}"
        return f"{'' if self.label is None else f'{self.label}: '}precision>={100 * self.share:g}%"

    @classmethod
    def parse(cls, text: str, labels: Sequence[str]) -> Aim:
        """What the module's docstring shows; ParetextError for anything else."""
        share = r"(?P<share>\d*\.?\d+)\s*(?P<percent>%?)"
        match = re.fullmatch(
            rf"\s*(?:(?P<label>.+):)?\s*precision\s*>=\s*{share}\s*", text, re.S
        ) or re.fullmatch(rf"\s*unsure\s*<=\s*{share}(?:\s+by\s+(?P<by>\w+))?\s*", text)
        values = match.groupdict() if match else {}
        value = float(values.get("share", 0)) / (100 if values.get("percent") else 1)
        by = values.get("by") or "probability"
        if not 0 < value < 1 or by not in ("probability", "margin"):
            raise ParetextError(
                f"the aim {text!r} is not understood; give precision>=95%, LABEL: precision>=95%, "
                "unsure<=5%, or unsure<=5% by margin, with a percentage or a share from 0 to 1."
            )
        label = values.get("label")
        label = None if label is None else label.strip()
        if label is not None and label not in labels:
            raise ParetextError(
                f"the aim {text!r} is for {label!r}, which is no label; there are "
                f"{', '.join(labels)}."
            )
        kind: Literal["precision", "unsure"] = "precision" if "precision" in text else "unsure"
        return cls(kind, value, label, "margin" if by == "margin" else "probability")


def tune(
    truth: IntArray,
    probabilities: Probabilities,
    labels: Sequence[str],
    aims: Sequence[Aim],
    fingerprint: str = "",
) -> Rule:
    """The rule that reaches every aim on these texts.

    truth: (n,) class ids; probabilities: (n, K); fingerprint: of the texts.
    Raises ParetextError for an aim that no threshold reaches.
    """
    thresholds: dict[str, float] = {}
    for k, label in enumerate(labels):
        shares = [a.share for a in aims if a.kind == "precision" and a.label in (None, label)]
        if shares:
            least = _least(truth, probabilities, k, label, max(shares))
            thresholds |= {label: least} if least > 0 else {}
    rule = Rule(
        thresholds=thresholds,
        aims=tuple(map(str, aims)),
        texts=len(truth),
        fingerprint=fingerprint,
    )
    for aim in aims:
        if aim.kind == "unsure":
            name = "least_margin" if aim.by == "margin" else "least_probability"
            most = _most_left_out(rule, probabilities, labels, aim)
            rule = rule.model_copy(update={name: most})
    return rule


def _least(
    truth: IntArray, probabilities: Probabilities, k: int, label: str, share: float
) -> float:
    """The lowest threshold at which `share` of what is answered with class `k` is right; 0 where
    that is so without one."""
    answered = probabilities.argmax(axis=1) == k
    scores, right = probabilities[answered, k].astype(float), truth[answered] == k
    values, inverse = np.unique(scores, return_inverse=True)  # ascending
    hits = np.bincount(inverse, right, len(values))[::-1].cumsum()[::-1]
    given = np.bincount(inverse, minlength=len(values))[::-1].cumsum()[::-1]
    enough = hits >= LEAST_RIGHT
    if not enough.any():
        raise ParetextError(
            f"{label!r} is answered rightly to {int(right.sum())} of these texts, and a threshold "
            f"for it takes {LEAST_RIGHT} or more; give more texts of it."
        )
    reached = np.flatnonzero(enough & (hits >= share * given))
    if not reached.size:
        best = (hits[enough] / given[enough]).max()
        raise ParetextError(
            f"{label!r} has a precision of at most {best:.3f} on these texts, wherever its "
            f"threshold is, and {share:g} was asked for; ask for less, or for another version."
        )
    first = int(reached[0])
    return float((values[first - 1] + values[first]) / 2) if first else 0.0


def _most_left_out(
    rule: Rule, probabilities: Probabilities, labels: Sequence[str], aim: Aim
) -> float:
    """The highest threshold for all labels that leaves at most the aim's share of texts unsure."""
    out = rule.unsure(probabilities, labels)
    room = int(aim.share * len(out) + 1e-9) - int(out.sum())
    if room < 0:
        raise ParetextError(
            f"{out.mean():.1%} of these texts are unsure for the other aims alone, and "
            f"{aim} was asked for; ask for less precision, or for more that may be unsure."
        )
    scores = margins(probabilities) if aim.by == "margin" else probabilities.max(axis=1)
    kept = np.sort(scores[~out].astype(float))
    if not len(kept):
        return 0.0
    at = kept[min(room, len(kept) - 1)]
    below = kept[kept < at]
    return float((below[-1] + at) / 2) if below.size else 0.0
