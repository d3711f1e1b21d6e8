"""Temperature: what logits are divided by so that a model is as sure as it is right.

No answer changes by it. Source: Guo et al. 2017, "On Calibration of Modern Neural Networks",
section 4.2.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def temperature(logits: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """What to divide the logits by for the least loss.

    Where every answer is right, the least loss would be that of certainty, on whatever text. So
    the aim is no certainty but Platt's (1999, "Probabilistic Outputs for Support Vector Machines",
    section 2.2), by Laplace's rule: of n texts that all were right, the next is with
    (n + 1) / (n + 2).
    """
    from scipy.optimize import minimize_scalar

    aim = (len(labels) + 1) / (len(labels) + 2)
    minimum = minimize_scalar(
        lambda log: log_loss(logits / math.exp(log), labels, aim), bounds=(-5, 5), method="bounded"
    )
    return math.exp(minimum.x)


def log_loss(logits: NDArray[Any], labels: NDArray[np.int64], aim: float = 1.0) -> float:
    """The mean negative log-probability of the labels, or, with the weight 1 - aim, of all other
    labels together."""
    from scipy.special import log_softmax, logsumexp

    logs = log_softmax(logits.astype(np.float64), axis=1)
    labelled = np.zeros(logs.shape, np.bool_)
    labelled[np.arange(len(labels)), labels] = True
    own = logs[labelled]
    if aim == 1:
        return float(-own.mean())
    others = logsumexp(np.where(labelled, -np.inf, logs), axis=1)
    return float(-(aim * own + (1 - aim) * others).mean())
