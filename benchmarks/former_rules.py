"""The rules of the first certificates, for `coverage.py` to show what the present ones mend.

Macro-F1, balanced accuracy, kappa and accuracy by a bootstrap stratified by class, with half a text
for each kind of outcome in each class and its percentiles clamped to the estimate; recall by
Tango's interval, each end at the level at which Holm's procedure tests the class, against one limit
for all.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np

from paretext.core.records import Interval
from paretext.measure.bootstrap import table
from paretext.measure.metrics import Margins, margins_of, scores
from paretext.measure.proportions import Pairs, holm_levels, score_interval, score_z

NAMES = ("macro_f1", "balanced_accuracy", "kappa", "accuracy")


def drops(truth: Any, models: tuple[Any, ...], classes: int, resamples: int, seed: int) -> Any:
    """Intervals of the four drops, or of one model's own scores."""
    cells, shapes = table(truth, models, classes, 0.5)
    sizes, one_hot = np.bincount(truth, minlength=classes), np.eye(classes)
    weights = np.random.default_rng(seed).standard_gamma(shapes, (resamples, len(shapes)))
    weights *= (sizes / np.maximum(weights @ one_hot[cells[0]], 1e-300))[:, cells[0]]
    by_model = []
    for answers, given in zip(models, cells[1:], strict=True):
        right = given == cells[0]
        hits = weights[:, right] @ one_hot[given[right]]
        support = np.broadcast_to(sizes.astype(float), hits.shape)
        draws = scores(Margins(hits, support, weights @ one_hot[given]))[:, :4]
        counts = np.bincount(truth * classes + answers, minlength=classes**2)
        own = scores(margins_of(counts.reshape(classes, classes)))[:4]
        by_model.append((own, draws))
    estimate, drawn = by_model[0]
    if len(by_model) > 1:
        estimate, drawn = estimate - by_model[1][0], drawn - by_model[1][1]
    low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
    return {
        name: Interval(float(e), float(min(a, e)), float(max(b, e)))
        for name, e, a, b in zip(NAMES, estimate, low, high, strict=True)
    }


def recalls(pairs: list[Pairs], limit: float, unchanged: int | None) -> list[Interval]:
    """Of all classes; unchanged: the texts, where all probabilities are the same."""
    if unchanged is not None:
        p_high = [(1 - limit) ** unchanged] * len(pairs)
        ends = [1 - each ** (1 / unchanged) for each in holm_levels(p_high, 0.025)]
        return [Interval(0.0, -end, end) for end in ends]
    at_limit = [NormalDist().cdf(float(score_z(each, limit))) for each in pairs]
    high, low = holm_levels(at_limit, 0.025), holm_levels([1 - p for p in at_limit], 0.025)
    return [score_interval(each, *levels) for each, *levels in zip(pairs, low, high, strict=True)]
