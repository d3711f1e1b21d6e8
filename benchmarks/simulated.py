"""Simulated pairs of models: a reference, and a candidate that sees its evidence with noise added.

Answers flip where the reference was unsure, as quantisation makes them; `hurt` pushes classes down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

EMOTION = (550, 704, 178, 275, 212, 81)
TEXTS = 400_000
"""That say what is true of a pair."""


@dataclass(frozen=True)
class Setting:
    """One pair of models and one kind of held-out set."""

    name: str
    counts: tuple[int, ...]
    """Texts of each class in a set."""
    noise: float
    """Of the candidate's evidence; the reference's own has a standard deviation of 1."""
    hurt: float = 0.0
    """How much the candidate's evidence for the last classes is pushed down."""
    hurt_classes: int = 1
    separation: float = 3.5
    sharpness: float = 1.0
    """Of the candidate's probabilities beside the reference's: above 1 it is surer."""
    drawn: bool = False
    """Whether the classes' shares vary from set to set, as they do in texts drawn at random."""


def uneven(classes: int, low: int, high: int) -> tuple[int, ...]:
    """So many classes of `low` to `high` texts."""
    return tuple(np.random.default_rng(5).integers(low, high + 1, classes).tolist())


def draw(setting: Setting, rng: np.random.Generator, fixed: bool = False) -> tuple[Any, Any, Any]:
    """Labels (n,) and both models' probabilities (n, K) of a new set of texts."""
    counts = np.array(setting.counts)
    classes, shares = len(counts), counts / counts.sum()
    if setting.drawn and not fixed:
        counts = np.maximum(rng.multinomial(counts.sum(), shares), 2)
    labels = np.repeat(np.arange(classes), counts)
    evidence = rng.standard_normal((len(labels), classes), np.float32)
    evidence[np.arange(len(labels)), labels] += setting.separation
    seen = evidence + setting.noise * rng.standard_normal(evidence.shape, np.float32)
    seen[:, -setting.hurt_classes :] -= setting.hurt
    # Evidence of normal noise around `separation` is calibrated at this scale (Bayes' rule), but
    # for the classes' shares.
    before = softmax(evidence * setting.separation + np.log(shares))
    after = softmax((seen * setting.separation + np.log(shares)) * setting.sharpness)
    return labels, before, after


def softmax(logits: Any) -> Any:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (shifted / shifted.sum(axis=1, keepdims=True)).astype(np.float64)
