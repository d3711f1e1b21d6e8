"""How much precision falls: of what a model answers with a label, the share that is right.

Two precisions have different denominators (what each model answers), so there is no pair of
proportions. Each text that one of the two answers with the label falls in one of six cells (its
label or not; answered so by both, by the reference, by the candidate), and the drop is a function
of their shares, drawn from their posterior under Jeffreys' prior, half a text in each cell (a
Bayesian bootstrap, Rubin 1981, that knows of cells it has not seen).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paretext.core.records import Interval
from paretext.measure.metrics import FloatArray
from paretext.measure.proportions import BoolArray

PRIOR = 0.5
"""In each cell; with 1/6 (Perks 1947) a 95% interval of 60 answers covered in 88% of sets."""
_TAKEN = ((True, True), (True, False), (False, True))
"""By the reference and by the candidate: the first two are the reference's answers, the first and
the last the candidate's."""
_CELLS = [(right, *taken) for right in (True, False) for taken in _TAKEN]


@dataclass(frozen=True)
class Cells:
    """How many texts fall in each of the six cells, first those that have the label."""

    counts: tuple[float, ...]

    @classmethod
    def count(cls, positive: BoolArray, before: BoolArray, after: BoolArray) -> Cells:
        """From (n,) marks: has the label, is answered so by the reference, by the candidate."""
        return cls(
            tuple(
                float(((positive == right) & (before == old) & (after == new)).sum())
                for right, old, new in _CELLS
            )
        )

    def times(self, factor: float) -> Cells:
        """As if each text had been seen so often."""
        return Cells(tuple(each * factor for each in self.counts))

    @property
    def answered(self) -> tuple[float, float]:
        """How many texts the reference, and the candidate, answers with the label."""
        both, old, new = np.reshape(self.counts, (2, 3)).sum(axis=0).tolist()
        return both + old, both + new

    @property
    def values(self) -> tuple[float, float]:
        """Both models' precisions; both have to answer the label at all."""
        old, new = _precisions(np.array([self.counts]))
        return float(old[0]), float(new[0])

    def draws(self, resamples: int, rng: np.random.Generator) -> FloatArray:
        """(resamples,) drops."""
        shares = rng.standard_gamma(np.array(self.counts) + PRIOR, (resamples, len(_CELLS)))
        old, new = _precisions(shares)
        return np.asarray(old - new)

    def interval(self, draws: FloatArray, low_level: float, high_level: float) -> Interval:
        """The drop with its interval; each end misses with (about) its own level."""
        low, high = np.quantile(draws, [low_level, 1 - high_level])
        old, new = self.values
        return Interval(old - new, float(min(low, old - new)), float(max(high, old - new)))


def _precisions(weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(m, 6) -> (m,) of the reference, and of the candidate."""
    right, both = weights[:, :3], weights[:, :3] + weights[:, 3:]
    old = right[:, :2].sum(axis=1) / both[:, :2].sum(axis=1)
    new = right[:, ::2].sum(axis=1) / both[:, ::2].sum(axis=1)
    return old, new
