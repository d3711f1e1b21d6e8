"""What a model is worth by itself: its score beside those of answers that need no model.

A certificate says that two models are alike, and a comparison which is smaller and faster; neither
says that the first of them is any good. So the model that the others are measured against is judged
once, beside

- **chance**: answers drawn at random with the labels' own shares. Whoever does not read the texts
  answers label k in some share q_k of them, and in a share p_k of them k is the truth; the F1 of k
  is then 2 p_k q_k / (p_k + q_k), at most (p_k + q_k) / 2, so macro-F1 is at most 1/K, which q = p
  reaches: nothing that ignores the text has a higher one.
- **the most frequent label**, always: what accuracy has to be compared with.
- **baselines** that were trained beside it, where there are any.

It is clearly better where the 95% interval of its macro-F1 is above chance and the paired interval
of the difference from the most frequent label is above 0 (`intervals`). Where its macro-F1 itself
is not above chance, it has learnt nothing that these texts show, however few they are: that of one
label for every text never is. Accuracy decides nothing: where 95 of 100 texts have one label, 0.95
needs no model.

Where a model is not good and a baseline beside it is, that baseline is what to deploy.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from paretext.core import progress
from paretext.core.records import Interval, Record
from paretext.data.dataset import Dataset
from paretext.data.sketch import Overlap
from paretext.measure.deciding import texts_needed
from paretext.measure.intervals import Quality, paired_drops, quality
from paretext.measure.metrics import IntArray, confusion_matrix, macro_f1
from paretext.runtime.artifact import Artifact

MOST_TEXTS = 2_000
_RESAMPLES = 2_000


class Beside(Record):
    """A baseline that was trained on the same texts."""

    added: ClassVar[tuple[str, ...]] = ("low",)
    name: str
    macro_f1: float
    low: float | None = None
    """The lower end of its macro-F1's interval; None in a record of an older version."""
    drop: Interval
    """The model's macro-F1 minus the baseline's, paired."""


class Standing(Record):
    """One model's score on some texts, beside what needs no model."""

    model: str
    texts: int
    labels: int
    """Labels that have texts."""
    macro_f1: Interval
    accuracy: Interval
    chance_macro_f1: float
    chance_accuracy: float
    most_frequent: str
    """The label that most of the texts have."""
    most_frequent_macro_f1: float
    most_frequent_accuracy: float
    gain: Interval
    """The model's macro-F1 minus that of always answering the most frequent label, paired."""
    only: str | None
    """The label that it answers to every text, if there is one."""
    beside: tuple[Beside, ...] = ()
    seen: Overlap | None = None
    """How many of the texts the models were trained on, where any were."""
    verdict: Literal["better", "no better", "too few texts"]
    texts_needed: int | None
    """About how many texts like these would decide, where that can be said."""

    @property
    def is_good(self) -> bool:
        """Whether anything made from it can be recommended."""
        return self.reason is None

    @property
    def beaten_by(self) -> Beside | None:
        """The best of the baselines that are clearly better, and no chance themselves."""
        sure = self.verdict == "better"
        better = [each for each in (self.beside if sure else self._able) if each.drop.high < 0]
        return max(better, key=lambda each: each.macro_f1, default=None)

    @property
    def instead(self) -> Beside | None:
        """The baseline to deploy where nothing made from the model is worth it."""
        if self.is_good or self._is_blind:
            return None
        return self.beaten_by or max(self._able, key=lambda each: each.macro_f1, default=None)

    @property
    def _able(self) -> list[Beside]:
        """The baselines that are clearly above chance."""
        return [each for each in self.beside if (each.low or 0) > self.chance_macro_f1]

    @property
    def _is_blind(self) -> bool:
        """Whether no score on these texts says anything."""
        return self.labels < 2 or (self.seen is not None and self.seen.mostly)

    @property
    def reason(self) -> str | None:
        """Why nothing made from it can be recommended, as the end of a sentence; None if it can."""
        if self.seen is not None and self.seen.mostly:
            return f"{self.seen} were trained on, so no score on them says what new texts would get"
        if self.labels < 2:
            return (
                f"all texts have the label {self.most_frequent!r}, so they cannot tell a model "
                "from one that always answers it"
            )
        if self.verdict == "no better":
            why = (
                f"its macro-F1, {self.macro_f1.estimate:.3f}, is not above chance, "
                f"{self.chance_macro_f1:.3f}"
            )
            if self.only is not None:
                return f"{self.model} answers {self.only!r} to every text: it has learnt nothing"
            return f"{self.model} has learnt nothing that these texts show: {why}"
        if best := self.beaten_by:
            ahead = Interval(estimate=-best.drop.estimate, low=-best.drop.high, high=-best.drop.low)
            return (
                f"{best.name}, trained beside it, is clearly better than {self.model}: macro-F1 "
                f"{best.macro_f1:.3f} against {self.macro_f1.estimate:.3f}, {ahead.written()} more"
            )
        if self.verdict == "too few texts":
            are = "is" if self.texts == 1 else "are"
            why = (
                f"its macro-F1, {self.macro_f1.written()}, may be chance, which is "
                f"{self.chance_macro_f1:.3f}"
            )
            if self.macro_f1.low > self.chance_macro_f1:
                why = (
                    f"what its macro-F1 is above that of always answering {self.most_frequent!r}, "
                    f"{self.gain.written()}, may be nothing"
                )
            return f"{_texts(self.texts)} {are} too few to say anything of {self.model}: {why}"
        return None

    @property
    def headline(self) -> str:
        """The conclusion where nothing made from it can be recommended."""
        if best := self.instead:
            return f"Deploy {best.name}, and nothing made from {self.model}: {self.reason}."
        return f"Nothing is worth deploying, because {self.reason}."

    @property
    def remedy(self) -> str:
        """What to do where nothing made from it can be recommended, in a sentence."""
        if self.seen is not None and self.seen.mostly:
            return "Measure on texts that no model was trained on."
        if self.labels < 2:
            return "Measure on texts of every label."
        if self.instead:
            return f"Train {self.model} longer or on more texts before it is tried again."
        if self.verdict == "no better":
            return (
                "Look at the labels (their names and their order), then train longer or on more "
                "texts."
            )
        few = f"about {self.texts_needed:,}" if self.texts_needed else "more"
        return f"Measure on {few} texts, of every label, before anything is decided."

    @property
    def scores(self) -> str:
        """The model's score and those of answers that need no model, in a sentence."""
        beside = "".join(
            f"; {each.name}, trained beside it, {each.macro_f1:.3f}" for each in self.beside
        )
        return (
            f"{self.model} has a macro-F1 of {self.macro_f1.written()} and an accuracy of "
            f"{self.accuracy.estimate:.3f} on {_texts(self.texts)}; chance is "
            f"{self.chance_macro_f1:.3f} and {self.chance_accuracy:.3f}, always answering "
            f"{self.most_frequent!r} {self.most_frequent_macro_f1:.3f} and "
            f"{self.most_frequent_accuracy:.3f}{beside}."
        )


def stand(
    model: str,
    truth: IntArray,
    answers: IntArray,
    label_names: Sequence[str],
    metrics: Quality,
    *,
    beside: Sequence[Beside] = (),
    seen: Overlap | None = None,
) -> Standing:
    """Judge one model.

    truth, answers: (n,) class ids; metrics: their quality; beside: baselines trained on the same
    texts; seen: how many of the texts the models were trained on.
    """
    n, classes = len(truth), len(label_names)
    counts = np.bincount(truth, minlength=classes)
    shares, most = counts / n, int(counts.argmax())
    constant = np.full(n, most)

    def gained(times: float) -> Interval:
        again = {"resamples": _RESAMPLES, "times": times}
        return paired_drops(truth, answers, constant, classes, **again).macro_f1  # type: ignore[arg-type]

    def scored(times: float) -> Interval:
        return quality(truth, answers, classes, resamples=_RESAMPLES, times=times).macro_f1

    gain = gained(1.0)
    only = int(answers[0]) if (answers == answers[0]).all() else None
    own, chance = metrics.macro_f1, 1 / classes
    verdict: Literal["better", "no better", "too few texts"] = "too few texts"
    if own.low > chance and gain.low > 0:
        verdict = "better"
    elif own.estimate <= chance and np.count_nonzero(counts) > 1:
        verdict = "no better"
    needed: list[int | None] = []
    if verdict == "too few texts":
        needed = [texts_needed(n, scored, chance), texts_needed(n, gained, 0.0)]
    return Standing(
        model=model,
        texts=n,
        labels=int(np.count_nonzero(counts)),
        macro_f1=own,
        accuracy=metrics.accuracy,
        chance_macro_f1=chance,
        chance_accuracy=float((shares**2).sum()),
        most_frequent=label_names[most],
        most_frequent_macro_f1=float(macro_f1(confusion_matrix(truth, constant, classes))),
        most_frequent_accuracy=float(shares[most]),
        gain=gain,
        only=None if only is None else label_names[only],
        beside=tuple(beside),
        seen=seen,
        verdict=verdict,
        texts_needed=max((each for each in needed if each), default=None),
    )


def say_standing(artifact: Path, name: str, data: Dataset) -> bool:
    """Say what a model is worth on texts that chose its epoch, before hours go into its children;
    False where they show that it has learnt nothing.

    At most MOST_TEXTS of them are answered.
    """
    rows = np.random.default_rng(0).permutation(len(data))[:MOST_TEXTS]
    some = data.take(np.sort(rows))
    answers = Artifact.load(artifact).logits(some.texts).argmax(axis=1).astype(np.int64)
    metrics = quality(some.labels, answers, len(some.label_names), resamples=_RESAMPLES)
    standing = stand(name, some.labels, answers, some.label_names, metrics)
    progress.say(f"to begin with: {standing.scores}")
    if standing.reason is not None:
        progress.say(f"warning: {standing.reason}")
    return standing.verdict != "no better"


def _texts(count: int) -> str:
    return "1 text" if count == 1 else f"{count:,} texts"
