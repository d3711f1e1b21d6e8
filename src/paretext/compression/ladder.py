"""Ladder: versions made one after the other, each smaller and faster, until quality or time ends.

A rung that loses more than it may on the selection split, by more than those few texts' own noise
(its 95% interval lies beyond the limit), ends the ladder: the rungs below are made of less of the
same model. That is a guess, and saves the time of versions that nobody would deploy; what may be
deployed the certificates say, on texts that nothing here has seen. Less than that would not do: of
the parent the epoch was kept that was best on these very texts, so it looks better on them than it
is. With one standard error emotion's ladder ended at a rung that lost 0.042 there, and gained 0.022
on the 2,000 texts of its certificate.

Under a limit of time each rung that learns may take an equal share of what is left, less what
exporting, certifying and timing will take; what one rung does not need is left to the next.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from paretext.core.clock import Clock, in_words
from paretext.core.errors import ParetextError
from paretext.core.records import Interval
from paretext.core.wording import listed
from paretext.data.dataset import Dataset
from paretext.measure.intervals import Drops, paired_drops
from paretext.runtime.artifact import Artifact

_RESAMPLES = 2_000
_EXPORTING = 25.0
"""Seconds that a rung takes beside its teaching, of an encoder of common size."""


def ends(drops: Drops, limits: Mapping[str, float]) -> str | None:
    """What a rung loses too much of, as the end of a sentence; None where it may go on.

    drops: with 95% intervals. limits: by clause, as a budget has them; those that
    drops show are looked at.
    """
    seen = {
        "macro-F1": ("macro_f1_drop", drops.macro_f1),
        "accuracy": ("accuracy_drop", drops.accuracy),
    }
    lost = [
        f"{drop.estimate:.3f} of {name}, where {limits[clause]:g} is the limit"
        for name, (clause, drop) in seen.items()
        if clause in limits and _low(drop) > limits[clause]
    ]
    if "flips" in limits and _low(drops.flips) > limits["flips"]:
        lost.append(
            f"the answer to {drops.flips.estimate:.1%} of them, where {limits['flips']:.1%} is "
            "the limit"
        )
    return f"it loses {listed(lost)}" if lost else None


def _low(interval: Interval) -> float:
    return float("-inf") if interval.is_withheld else interval.low


@dataclass(frozen=True)
class Judge:
    """Judges rungs by a split, against the artifact of their parent."""

    parent: Path
    selection: Dataset
    limits: Mapping[str, float]

    def __call__(self, rung: Path) -> str | None:
        """Why the ladder ends at this artifact; None where it goes on."""
        data, after = self.selection, self._answers(rung)
        drops = paired_drops(
            *(data.labels, self._before, after, len(data.label_names)), resamples=_RESAMPLES
        )
        return ends(drops, self.limits)

    @cached_property
    def _before(self) -> NDArray[np.int64]:
        return self._answers(self.parent)

    def _answers(self, artifact: Path) -> NDArray[np.int64]:
        answers: NDArray[np.int64] = Artifact.load(artifact).logits(self.selection.texts).argmax(1)
        return answers


@dataclass(frozen=True)
class Allowance:
    """What the rungs of a job may take of its time.

    kept_back: seconds that measuring so many versions of a parent's artifact will take.
    """

    clock: Clock
    kept_back: Callable[[Path], Callable[[int], float]]

    def within(self, parent: Path) -> TimeLeft:
        """What there is once the parent's artifact is made.

        ParetextError where that is not even enough for one version that learns nothing.
        """
        left = TimeLeft(self.clock, self.kept_back(parent))
        if (lacking := -left.seconds(0, 1)) > 0:
            raise ParetextError(
                f"--time {in_words(self.clock.seconds)} is too short: a version that learns "
                f"nothing takes about {in_words(lacking)} more with its measurement; give --time "
                f"{_minutes(self.clock.seconds + lacking)} or more."
            )
        return left


@dataclass(frozen=True)
class TimeLeft:
    """What is left for rungs."""

    clock: Clock
    kept_back: Callable[[int], float]

    def seconds(self, made: int, to_make: int) -> float:
        """For the teaching of the next of `to_make` rungs, where `made` versions are there."""
        measuring = self.kept_back(made + to_make) + _EXPORTING * to_make
        return (self.clock.left - measuring) / to_make

    def lacking(self, made: int, needed: float) -> str:
        """What is said of a rung whose teaching takes `needed` seconds, which are not there."""
        more = needed - self.seconds(made, 1)
        return (
            f"it takes about {in_words(more)} more than are left (--time "
            f"{_minutes(self.clock.seconds + more)} has room for it)"
        )


def _minutes(seconds: float) -> str:
    return f"{max(1, math.ceil(seconds / 60))}m"
