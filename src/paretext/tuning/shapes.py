"""The table of measured shapes, and what it says of shapes that were not measured.

Bytes and times depend on shapes alone, so they are measured on untrained models, before anything is
spent on teaching them, and kept: for one machine, one parent and one set of training texts.

Between the measured shapes of a family the table interpolates. Bytes are sums of products of sizes
(tokens times rank, width times width), and times nearly are, so a polynomial of degree two in the
sizes is fitted by least squares of the relative error, with coefficients that are not negative
(Lawson & Hanson 1974, *Solving Least Squares Problems*, ch. 23): more of any size then never costs
less. For the same reason no shape costs less than a measured one that is smaller in every size, nor
more than one that is larger in every size; the polynomial is held between the two. How far it can
be trusted is found by leaving out each measured shape in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from paretext.core.files import read_json, write_json

MARGIN = 0.1
"""By so much at least an estimate has to be over a limit to refuse a point unmeasured; whatever is
trained was measured itself."""


class Shape(BaseModel):
    """bytes: of the artifact's folder; p95_ms: 95th percentile of a text's time at batch 1;
    ms_per_text: at batch 32; tokens: of the vocabulary."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: int
    p95_ms: float
    ms_per_text: float
    tokens: int


class Entry(BaseModel):
    """A measured shape: recipe is the digest of the steps before the training and the
    quantisation, sizes as `Space.sizes` gives them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: str
    recipe: str
    sizes: tuple[float, ...]
    shape: Shape


@dataclass(frozen=True)
class Estimate:
    """What a shape that was not measured probably has at least."""

    bytes: float
    p95_ms: float


class ShapeTable:
    """The table in a JSON file, read anew at each question, since other processes add to it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> list[Entry]:
        return [Entry.model_validate(each) for each in self._read()["shapes"]]

    def tokens(self) -> dict[int, int]:
        """The vocabulary's size by minimum count, as far as it was counted."""
        tokens: dict[int, int] = self._read()["tokens"]
        return tokens

    def measured(self, recipe: str) -> Shape | None:
        return next((each.shape for each in self.entries() if each.recipe == recipe), None)

    def estimate(self, family: str, sizes: Sequence[float]) -> Estimate | None:
        """By interpolation; None while too few shapes of the family were measured (fewer than
        there are sizes, and one)."""
        known = [each for each in self.entries() if each.family == family]
        if len(known) <= len(sizes):
            return None
        places = np.array([each.sizes for each in known])
        at = np.array(sizes)
        return Estimate(
            bytes=at_least(places, np.array([each.shape.bytes for each in known]), at),
            p95_ms=at_least(places, np.array([each.shape.p95_ms for each in known]), at),
        )

    def add(self, entry: Entry) -> None:
        values = self._read()
        values["shapes"].append(entry.model_dump(mode="json"))
        self._write(values)

    def add_tokens(self, minimum_count: int, tokens: int) -> None:
        values = self._read()
        values["tokens"][minimum_count] = tokens
        self._write(values)

    def _read(self) -> dict[str, Any]:
        if not self.path.exists():
            return {"shapes": [], "tokens": {}}

        def read(values: Any) -> dict[str, Any]:
            for each in values["shapes"]:
                Entry.model_validate(each)
            tokens = {int(count): int(tokens) for count, tokens in values["tokens"].items()}
            return {"shapes": list(values["shapes"]), "tokens": tokens}

        return read_json(self.path, "delete it, and the shapes are measured again", read)

    def _write(self, values: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, values)


def interpolate(
    places: NDArray[np.float64], values: NDArray[Any], at: NDArray[np.float64]
) -> float:
    """The value at `at`, (sizes,), from the measured `values`, (n,), at `places`, (n, sizes).

    It never falls when a size grows.
    """
    from scipy.optimize import nnls

    values = values.astype(np.float64)
    scale = places.max(axis=0)
    terms = _monomials(places / scale)
    coefficients, _ = nnls(terms / values[:, None], np.ones(len(values)))
    fitted = float(_monomials((at / scale)[None])[0] @ coefficients)
    smaller = values[(places <= at).all(axis=1)]
    larger = values[(places >= at).all(axis=1)]
    low = float(smaller.max()) if smaller.size else 0.0
    high = float(larger.min()) if larger.size else np.inf
    # Noise can put the measured value of a smaller shape above that of a larger one.
    return max(low, min(fitted, high))


def at_least(places: NDArray[np.float64], values: NDArray[Any], at: NDArray[np.float64]) -> float:
    """`interpolate` less what it overestimates: the 90% quantile of the shares by which it does
    that for each of the measured places when it is left out, or MARGIN if that is more."""
    others = ~np.eye(len(values), dtype=bool)
    left_out = [interpolate(places[o], values[o], p) for o, p in zip(others, places, strict=True)]
    error = max(float(np.quantile(np.array(left_out) / values - 1, 0.9)), MARGIN)
    return interpolate(places, values, at) / (1 + error)


def _monomials(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """1, every size, and every product of two, (n, terms)."""
    chosen = [
        list(factors)
        for degree in (0, 1, 2)
        for factors in combinations_with_replacement(range(sizes.shape[1]), degree)
    ]
    return np.stack([sizes[:, factors].prod(axis=1) for factors in chosen], axis=1)
