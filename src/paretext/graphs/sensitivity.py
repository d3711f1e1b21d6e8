"""Mixed precision: which matrix products cost quality when they are integer products.

Each product is quantised alone, everything else stays float32, and what that does to the answers
on calibration texts is measured: the mean KL divergence of the class probabilities from float32,
and the predictions that flip. Those that cost more than a limit stay float32. All together are
measured first: where that is within the limit, no single product is looked at, and the measurement
costs two passes over the texts in place of one for each product.

Source: layer-wise sensitivity by KL divergence, as in ZeroQ (Cai et al. 2020, section 3.3).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import onnx

from paretext.core import progress
from paretext.graphs.calibration import Calibration, divergence, flips
from paretext.graphs.quantised_graph import Plan, rewrite


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
    model: onnx.ModelProto, plan: Plan, calibration: Calibration, limit: float
) -> Sensitivity:
    """The cost of `plan`, and of each of its matrices alone if that is above `limit`.

    The embedding tables are no part of either: their precision is a setting of its own.
    """
    reference = calibration.log_probabilities(model)

    def cost(matrices: frozenset[str]) -> Cost:
        part = dataclasses.replace(plan, matrices=matrices, embedding_bits=None)
        answers = calibration.log_probabilities(rewrite(model, part).graph)
        return Cost(divergence(reference, answers), flips(reference, answers), len(answers))

    together, alone = cost(plan.matrices), {}
    if together.divergence > limit:
        with progress.task("sensitivity of the matrix products", len(plan.matrices)) as advance:
            for name in sorted(plan.matrices):
                alone[name] = cost(frozenset({name}))
                advance(1)
    return Sensitivity(together, alone)
