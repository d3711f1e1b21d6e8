"""How the inputs of integer products become uint8: over stored ranges, or by each row's largest.

A text's answer must depend on nothing but the text, so no scale is shared by the rows of a call.
There are two ways that are not, and an even-out that goes with either:

- **Fixed**: one stored range for the whole tensor, from calibration texts (Jacob et al. 2018,
  "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
  section 3.1). Right where rows are alike, as after a normalisation. What lies beyond is clipped.
- **Rows**: each row is divided by its own largest number (or by `floor`, if that is more) and
  then quantised over the stored range (low / floor, 1); the product is multiplied by it again.
  Right where a few rows hold numbers many times those of the rest, as after a GELU.
- **Factors**: channels are divided by stored factors first, and the matrices' rows multiplied by
  them, f = x^a / w^(1 - a) with the largest |x| and |w| of the channel (Xiao et al. 2023,
  "SmoothQuant", section 4). A channel that is 50 times as large as the others then costs nothing.

`choose` estimates the mean squared error of a product for each of them: that of the activations,
a uniform error of one step through the weights, and that of the weights, a uniform error of theirs
through the activations' mean squares. The least wins, once each operator it takes is weighed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVELS = 255
_EXPONENTS = (0.3, 0.5, 0.7)
_SMALLEST = 1e-4
"""Of a channel against the largest: below, it is taken to be this large."""
_EVENED, _ROWS = 1.5, 1.6
"""By how much the mean squared error must fall for what evening out and rows cost in time."""


@dataclass(frozen=True)
class Seen:
    """What calibration saw of one tensor: of each channel (of the last axis) the smallest and the
    largest number and the mean square, and of each row the largest number."""

    low: Floats
    high: Floats
    squares: Floats
    tops: Floats


@dataclass(frozen=True)
class Input:
    """low, high: the range that uint8 covers. factors: what channels are divided by before; None:
    nothing. floor: rows are divided by their largest number, or by this if it is larger; None:
    they are not."""

    low: float
    high: float
    factors: NDArray[np.float32] | None = None
    floor: float | None = None

    def affine(self) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Step and zero point with which uint8 covers the range and has zero exactly, scalars."""
        low, high = min(self.low, 0.0), max(self.high, 0.0)
        step = np.float32((high - low) / LEVELS if high > low else 1)
        centre = np.uint8(np.clip(np.rint(-low / step), 0, LEVELS))
        return np.asarray(step), np.asarray(centre)


def choose(
    seen: Seen,
    matrices: Sequence[NDArray[np.float32]],
    largest: int,
    *,
    rows: bool,
    even: bool | Floats,
    free: bool = False,
) -> Input:
    """How the input of the products with `matrices` is quantised; each is (channels, outputs).

    largest: the integer of their largest weights. rows, even: whether rows may be divided by their
        largest numbers, and channels by factors, or the factors that they have to be divided by.
        free: evening out takes no operator.
    """
    weights = np.concatenate([np.abs(each) for each in matrices], axis=1)
    energies = np.einsum("co,co->c", weights, weights, dtype=np.float64)
    candidates = []
    fixed = [None] if isinstance(even, bool) else [even]
    for factors in _factors(seen, weights) if even is True else fixed:
        by = np.ones(len(weights)) if factors is None else factors
        steps = (weights * by.astype(np.float32)[:, None]).max(axis=0) / largest
        of_weights = np.vdot(steps, steps) * (seen.squares / by**2).sum()
        for made, square in _candidates(seen, factors, rows):
            error = square * (by**2 * energies).sum() + of_weights
            error *= (1 if factors is None or free else _EVENED) * (
                1 if made.floor is None else _ROWS
            )
            candidates.append((error, made))
    return min(candidates, key=lambda each: each[0])[1]


def _factors(seen: Seen, weights: NDArray[np.float32]) -> Iterator[Floats | None]:
    yield None
    inputs = _bounded(np.maximum(np.abs(seen.low), np.abs(seen.high)))
    channels = _bounded(weights.max(axis=1).astype(np.float64))
    for exponent in _EXPONENTS:
        yield inputs**exponent / channels ** (1 - exponent)


def _bounded(values: Floats) -> Floats:
    return np.maximum(values, _SMALLEST * values.max()) if values.any() else np.ones_like(values)


def _candidates(seen: Seen, factors: Floats | None, rows: bool) -> Iterator[tuple[Input, float]]:
    """Ways to quantise, and the mean square of their steps."""
    by = np.ones(len(seen.low)) if factors is None else factors
    low, high = min((seen.low / by).min(), 0.0), max((seen.high / by).max(), 0.0)
    kept = None if factors is None else factors.astype(np.float32)
    yield Input(low, high, kept), ((high - low) / LEVELS) ** 2
    if not rows or factors is not None:
        return
    floors = np.quantile(seen.tops, np.linspace(0, 1, 21))
    floors = np.maximum(floors, -low)
    floors = floors[floors > 0]
    if floors.size:
        tops = np.maximum(seen.tops, floors[:, None])
        steps = (tops**2).mean(axis=1) * ((1 - low / floors) / LEVELS) ** 2
        floor = float(floors[steps.argmin()])
        yield Input(low / floor, 1.0, None, floor), float(steps.min())
