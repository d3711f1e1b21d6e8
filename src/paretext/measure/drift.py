"""Whether texts still look like others: two distributions compared, measure by measure.

Four things are known of texts of which nothing is kept: what they were answered with, how sure of
it the model was, how long they were, and whether they were cut. Shifts that matter to a classifier
show in its own answers (Rabanser, Günnemann & Lipton 2019, "Failing Loudly", whose label shift
detection is a chi-squared test on predicted labels).

How much: the population stability index, the sum over the cells of (q - p) ln(q / p), where p and q
are the two shares; every cell is given half a text, so that none is empty. By the usual rule little
has changed below 0.1, and much above 0.25. It grows as texts get fewer even where nothing has
changed, by about (cells - 1)(1/n + 1/m) (Yurdakul & Naranjo 2020, "Statistical properties of the
population stability index"): what chance gives on average is taken off before it is judged.

Whether it is more than chance: the chi-squared test of the counts, with p by drawing both sets anew
from all texts together (Hope 1968; R's chisq.test with simulate.p.value), which is exact however
few texts a cell has; Holm's procedure over the four measures. Both have to say so: with a million
texts any trifle is beyond chance, with a hundred chance can look like much. Where it takes an index
of more than 0.25 for the test to see it, the texts are too few to tell.

The test takes texts for independent: one text that is sent very often is a change, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Literal, NamedTuple

import numpy as np

from paretext.core.records import Record
from paretext.measure.metrics import FloatArray, IntArray
from paretext.measure.proportions import holm_levels
from paretext.runtime.distribution import Distribution, characters_ends, confidence_ends

CHANGED, UNLIKE = 0.1, 0.25
"""Population stability indices, beyond what chance gives."""
LEVEL = 0.01
"""The chance of an alarm where nothing has changed: services are looked at often."""
FEWEST = 40
"""Texts of the smaller set, below which nothing is told."""
DRAWS = 4_000
_MOST = 10**8
"""Texts to draw from; of more their shares are taken."""
Measure = Literal["labels", "confidence", "characters", "cut"]
Degree = Literal["alike", "too few", "changed", "unlike"]
_ORDER: tuple[Degree, ...] = ("alike", "too few", "changed", "unlike")
"""The worst measure's is that of the texts."""


class Cell(Record):
    """Texts of one kind: of a label, of a range of lengths."""

    name: str
    """"" of the answers that an artifact's rule lets not stand."""
    certified: int
    counted: int


class Shift(Record):
    """By one measure."""

    measure: Measure
    found: Degree
    psi: float
    by_chance: float
    """The mean index of two sets of so many texts from one source."""
    p: float
    """Of the test; Holm's correction is in `found`."""
    cells: tuple[Cell, ...]
    """Those that either has texts in."""

    @property
    def moved(self) -> list[Cell]:
        """The cells, the one that adds most to the index first."""
        if self.measure == "cut":  # or not
            return list(self.cells)
        parts = _parts(*np.array([(cell.certified, cell.counted) for cell in self.cells]).T)
        return [self.cells[place] for place in np.argsort(-parts, kind="stable")]


class Drift(Record):
    """What became of the texts, by all measures."""

    found: Degree
    certified: int
    counted: int
    """Texts."""
    needed: int | None
    """About how many it takes to tell, at the least, of those that are counted; None where there
    are enough, or where more would have to be certified on."""
    shifts: tuple[Shift, ...]


def drift(
    certified: Distribution, counted: Distribution, *, draws: int = DRAWS, seed: int = 0
) -> Drift:
    """Compare what was counted with what was certified."""
    rng, n, m = np.random.default_rng(seed), counted.texts, certified.texts
    cells = _cells(certified, counted)
    tested = [_test(each, draws, rng) for each in cells.values()]
    levels = holm_levels([each.p for each in tested], LEVEL)
    shifts, needed = [], [FEWEST]
    for (measure, own), test, level in zip(cells.items(), tested, levels, strict=True):
        beyond, few = test.psi - test.by_chance, min(n, m) < FEWEST
        verdict: Degree = "alike"
        if not few and test.p <= level and beyond >= CHANGED:
            verdict = "unlike" if beyond >= UNLIKE else "changed"
        elif few or test.reach * (1 / n + 1 / m) > UNLIKE:
            verdict = "too few"
            needed.append(FEWEST if n < FEWEST else _needed(test.reach, m))
        shifts.append(
            Shift(
                measure=measure,
                found=verdict,
                psi=test.psi,
                by_chance=test.by_chance,
                p=test.p,
                cells=tuple(own),
            )
        )
    overall = max((each.found for each in shifts), key=_ORDER.index)
    return Drift(
        found=overall,
        certified=m,
        counted=n,
        needed=max(needed) if overall == "too few" and m >= FEWEST and min(needed) else None,
        shifts=tuple(shifts),
    )


def _needed(reach: float, certified: int) -> int:
    """Texts to count for the test to see an index of UNLIKE; 0 where no number would do."""
    each = UNLIKE / max(reach, 1e-9) - 1 / certified
    return max(10 * math.ceil(0.1 / each), FEWEST) if each > 0 else 0


class _Tested(NamedTuple):
    """reach: what it takes for Holm's strictest level to see it, beyond the mean, as a chi-squared
    statistic; times (1/n + 1/m) it is an index."""

    psi: float
    by_chance: float
    p: float
    reach: float


def _test(cells: Sequence[Cell], draws: int, rng: np.random.Generator) -> _Tested:
    before = np.array([cell.certified for cell in cells])
    after = np.array([cell.counted for cell in cells])
    if not (before.any() and after.any()):
        return _Tested(0.0, 0.0, 1.0, 0.0)
    psi = float(_parts(before, after).sum())
    if (total := after.sum()) > _MOST:
        after = np.rint(after * (_MOST / total)).astype(np.int64)
        before, after = before[some := before + after > 0], after[some]
    n, m, both = after.sum(), before.sum(), before + after
    drawn = rng.multivariate_hypergeometric(both, m, draws, method="marginals")
    expected = both * (m / (n + m))
    weight = 1 / expected + 1 / (both - expected)
    statistic, by_chance = (((each - expected) ** 2 @ weight) for each in (before, drawn))
    p = (1 + np.count_nonzero(by_chance >= statistic * (1 - 1e-9))) / (1 + draws)
    beyond = float(np.quantile(by_chance, 1 - LEVEL / 4) - by_chance.mean())
    mean = float(_parts(drawn, both - drawn).sum(axis=1).mean())
    return _Tested(psi, mean, p, beyond)


def _parts(before: IntArray, after: IntArray) -> FloatArray:
    """What each cell adds to the index; counts in (..., cells)."""
    p, q = ((each + 0.5) / (each + 0.5).sum(axis=-1, keepdims=True) for each in (before, after))
    parts: FloatArray = (q - p) * np.log(q / p)
    return parts


def _cells(before: Distribution, after: Distribution) -> dict[Measure, list[Cell]]:
    """The cells of each measure that any text is in."""
    old, new = before.answers, after.answers
    names = sorted({*old, *new})
    cuts = [(each.cut, each.texts - each.cut) for each in (before, after)]
    counts: dict[Measure, list[tuple[str, int, int]]] = {
        "labels": [(name, old.get(name, 0), new.get(name, 0)) for name in names],
        "confidence": _bins(before.confidence, after.confidence, _range_of_shares),
        "characters": _bins(before.characters, after.characters, _range_of_lengths),
        "cut": list(zip(("cut", "whole"), *cuts, strict=True)),
    }
    return {
        measure: [
            Cell(name=name, certified=one, counted=other)
            for name, one, other in rows
            if one or other
        ]
        for measure, rows in counts.items()
    }


def _bins(
    before: Sequence[int], after: Sequence[int], name: Callable[[int], str]
) -> list[tuple[str, int, int]]:
    pairs = zip_longest(before, after, fillvalue=0)
    return [(name(place), *pair) for place, pair in enumerate(pairs)]


def _range_of_shares(place: int) -> str:
    low, high = confidence_ends(place)
    return f"{low:.2f} to {high:.2f}"


def _range_of_lengths(place: int) -> str:
    low, above = characters_ends(place)
    return f"{low:,} to {above - 1:,}" if above - low > 1 else f"{low}"
