"""Mixed precision: which matrix products cost quality when they are integer products.

Each product is quantised alone, everything else stays float32, and what that does to the answers
on calibration texts is measured: the mean KL divergence of the class probabilities from float32,
and the predictions that flip. Those that cost more than a limit stay float32. All together are
measured first: where that is within the limit, no single product is looked at, and the measurement
costs two passes over the texts in place of one for each product.

Whether that was asked for or not, a quantised graph has to hold (`held`): above `allowed` nats it
says something else than its model, as where a few channels are many times as large as the rest and
neither evening out nor scales of rows can follow. Then the tables stay float32, if they are the
cause, and after them the products that cost most, until it holds; where half of the products are
not enough, there is nothing left to gain, and it is refused with the figures.

Source: layer-wise sensitivity by KL divergence, as in ZeroQ (Cai et al. 2020, section 3.3).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx

from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.graphs.activations import Floats
from paretext.graphs.calibration import Calibration, divergence, flips
from paretext.graphs.quantised_graph import Plan, rewrite

HOLDS = 0.05
"""The most mean KL divergence of a quantised graph, in nats. A logit that moves by 0.02 to 0.05, as
those of fine-tuned models do (docs/compression.md), makes about a thousandth; where a sure model's
answers have become those of chance, it is above 1."""
NOTHING = 0.001
"""A divergence that moves a probability by a hundredth or two: it is no reason to keep anything."""


@dataclass(frozen=True)
class Cost:
    """What integers do to the answers: mean KL divergence in nats, and predictions that flip."""

    divergence: float
    flips: int
    texts: int

    def __str__(self) -> str:
        return f"KL {self.divergence:.1e}, {self.flips} of {self.texts} predictions flip"


@dataclass(frozen=True)
class Sensitivity:
    """together: the cost of the whole plan; alone: that of each matrix's products by themselves,
    empty where the whole plan is within the limit."""

    together: Cost
    alone: dict[str, Cost]


def measure(
    model: onnx.ModelProto,
    plan: Plan,
    calibration: Calibration,
    reference: Floats,
    limit: float,
) -> Sensitivity:
    """The cost of `plan`, and of each of its matrices alone if that is above `limit`.

    reference: the answers of `model`. The embedding tables are no part of either: their precision
    is a setting of its own.
    """
    products = dataclasses.replace(plan, embedding_bits=None)
    together, alone = _cost(model, products, calibration, reference), {}
    if together.divergence > limit:
        alone = _alone(model, products, calibration, reference)
    return Sensitivity(together, alone)


def allowed(reference: Floats) -> float:
    """HOLDS, or half of what the model says of these texts, if that is less: the mean divergence of
    its answers from their mean, which is what would be lost at chance."""
    mean = np.log(np.exp(reference).mean(axis=0))
    said = divergence(reference, np.broadcast_to(mean, reference.shape))
    return max(NOTHING, min(HOLDS, said / 2))


def held(
    model: onnx.ModelProto,
    plan: Plan,
    calibration: Calibration,
    reference: Floats,
    alone: Mapping[str, Cost] | None = None,
) -> tuple[Plan, Cost, list[str], Cost | None]:
    """The plan with as much of it as holds, its cost, the matrices that stay float32 for that, and
    what the whole plan would have cost where it did not hold (also where the tables were why).

    alone: what each matrix costs by itself, where that was measured already.
    ParetextError where half of the products in float32 are not enough.
    """
    limit = allowed(reference)
    whole = cost = _cost(model, plan, calibration, reference)
    if cost.divergence <= limit:
        return plan, cost, [], None
    tables = dataclasses.replace(plan, matrices=frozenset())
    if _cost(model, tables, calibration, reference).divergence > limit / 2:
        plan = dataclasses.replace(plan, embedding_bits=None)
        cost = _cost(model, plan, calibration, reference)
    kept: list[str] = []
    if cost.divergence > limit:
        products = dataclasses.replace(plan, embedding_bits=None)
        each = alone or _alone(model, products, calibration, reference)
        costly = sorted(plan.matrices, key=lambda name: (-each[name].divergence, name))
        count = 1
        while cost.divergence > limit and count <= len(costly) / 2:
            kept = costly[:count]
            less = dataclasses.replace(plan, matrices=plan.matrices - frozenset(kept))
            cost = _cost(model, less, calibration, reference)
            count *= 2
    if cost.divergence > limit:
        raise ParetextError(
            f"quantised, the graph answers otherwise than its model ({whole}, and KL {limit:.1e} "
            f"is allowed), also with {len(kept)} of {len(plan.matrices)} matrices in float32 "
            f"({cost}); leave the quantisation out."
        )
    plan = dataclasses.replace(plan, matrices=plan.matrices - frozenset(kept))
    return plan, cost, kept, whole


def _alone(
    model: onnx.ModelProto, plan: Plan, calibration: Calibration, reference: Floats
) -> dict[str, Cost]:
    """What each matrix of the plan costs by itself."""
    costs = {}
    with progress.task("sensitivity of the matrix products", len(plan.matrices)) as advance:
        for name in sorted(plan.matrices):
            part = dataclasses.replace(plan, matrices=frozenset({name}))
            costs[name] = _cost(model, part, calibration, reference)
            advance(1)
    return costs


def _cost(model: onnx.ModelProto, plan: Plan, calibration: Calibration, reference: Floats) -> Cost:
    answers = calibration.log_probabilities(rewrite(model, plan).graph)
    return Cost(divergence(reference, answers), flips(reference, answers), len(answers))
