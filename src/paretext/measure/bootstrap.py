"""The Bayesian bootstrap: what other texts of the same kind would have shown (numpy only).

**Resamples.** All that a metric sees of a text is its outcome, the triple (truth, reference's
prediction, candidate's prediction). A resample gives every text a random weight, exponential and
scaled so that all add up to the texts there are: the Bayesian bootstrap (Rubin 1981, *Ann.
Statist.* 9:130). The weight of an outcome that occurs c times is then a Gamma(c) draw, so a
resample costs tens of draws however many texts there are.

**Pairing.** Two models measured on the same texts err on the same hard texts, so the difference of
their scores varies much less than either score. Outcomes keep each text's answers together, and the
difference is computed within every resample (Koehn 2004, sec. 4).

**What was never seen.** A bootstrap knows only the outcomes in front of it: where two models agree
on all of 80 texts, its interval is [0, 0]. So in every class each kind of outcome that matters
(both right; only the reference; only the candidate; neither) has a prior weight of half a text,
Jeffreys' prior of the multinomial (1946, *Proc. R. Soc. A* 186:453), and less where there are more
than four classes, so that the kind weighs two texts in all: a rule of three where there are no
flips, and nothing where flips abound.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from paretext.core.errors import ParetextError
from paretext.measure.metrics import FloatArray, IntArray, Margins, scores

_CHUNK_CELLS = 2**20
"""Outcomes times resamples drawn at once: 8 MiB an array, whatever the number of resamples."""
JEFFREYS = 0.5
"""Texts of each kind of outcome in a class that is looked at by itself."""
_TOGETHER = 2.0
"""Texts of each kind of outcome in all classes together, at most."""
_TINY = np.finfo(np.float64).tiny


def prior_of(n_classes: int) -> float:
    """Texts of each kind of outcome in each class, as if they had been seen before."""
    return min(JEFFREYS, _TOGETHER / n_classes)


def bootstrap(
    truth: IntArray,
    models: tuple[IntArray, ...],
    n_classes: int,
    resamples: int,
    seed: int,
    arms: int | None = None,
    times: float = 1.0,
) -> FloatArray:
    """Score every model on the same resamples of the texts.

    Args:
        truth: (n,) class ids.
        models: each model's (n,) predictions.
        arms: how many kinds of model there are, where each is there more than once, in turn; of
            outcomes not seen, those matter on which all models of an arm do the same.
        times: how often each text counts: what so many texts of the kind would show.

    Returns:
        Draws (models, resamples, 4 + 2K), laid out as `scores`.
    """
    cells, shapes = table(truth, models, n_classes, prior_of(n_classes), arms, times)
    one_hot = np.eye(n_classes)

    def score(drawn: FloatArray) -> FloatArray:
        # Matrices that turn weights of outcomes (..., T) into margins (..., K).
        truths, *answers = cells
        support = drawn @ one_hot[truths]
        by_model = []
        for given in answers:
            right = given == truths
            hits = drawn[..., right] @ one_hot[truths[right]]
            by_model.append(scores(Margins(hits, support, drawn @ one_hot[given])))
        return np.stack(by_model)

    drawn = resampled_weights(shapes, len(truth), resamples, seed)
    return np.concatenate([score(weights) for weights in drawn], axis=1)


def table(
    truth: IntArray,
    models: tuple[IntArray, ...],
    n_classes: int,
    prior: float,
    arms: int | None = None,
    times: float = 1.0,
) -> tuple[IntArray, FloatArray]:
    """The distinct outcomes, (columns, T), seen and unseen, and the texts each stands for, (T,).

    Independent Gamma draws add up to a Gamma draw of the sum of their shapes, so what stands for
    one outcome, seen or not, is drawn once: of 77 classes and 2,000 texts a third of the draws.
    """
    outcomes, counts = outcomes_of((truth, *models), n_classes)
    if prior == 0:
        return outcomes, (counts * times).astype(np.float64)
    unseen, weights = _unseen(outcomes, counts, n_classes, prior, arms)
    cells, places = np.unique(
        np.concatenate([outcomes, unseen], axis=1), axis=1, return_inverse=True
    )
    shapes = np.bincount(places.ravel(), np.concatenate([counts * times, weights]))
    return cells, shapes.astype(np.float64)


def resampled_weights(
    shapes: FloatArray, n: int, resamples: int, seed: int
) -> Iterator[FloatArray]:
    """The weights of T outcomes in each resample, a chunk (r, T) of resamples at a time.

    shapes: (T,) how many texts each outcome stands for, parts of one for what was not seen; the
    weights add up to n in every resample.
    """
    if resamples < 1:
        raise ParetextError(f"resamples is {resamples}; give at least 1 (10000 is usual).")
    rng = np.random.default_rng(seed)
    chunk = max(1, _CHUNK_CELLS // len(shapes))
    for begin in range(0, resamples, chunk):
        weights = rng.standard_gamma(shapes, size=(min(chunk, resamples - begin), len(shapes)))
        weights *= n / np.maximum(weights.sum(axis=1, keepdims=True), _TINY)
        yield weights


def _unseen(
    outcomes: IntArray,
    counts: IntArray,
    n_classes: int,
    prior: float,
    arms: int | None = None,
) -> tuple[IntArray, FloatArray]:
    """Outcomes (columns, U) with a prior weight, and the weights (U,): `prior` for a kind.

    Each arm's model is right or wrong, which makes 2 or 4 kinds of outcome. A wrong
    answer is one that the models give to texts of this class, as often as they give it; where they
    give none, the other class that they answer most often.
    """
    truths, answers = outcomes[0], outcomes[1:]
    given = np.zeros((n_classes, n_classes))
    for column in answers:
        np.add.at(given, (truths, column), counts)
    arms = arms or len(answers)
    kinds = [
        kind * (len(answers) // arms) for kind in itertools.product((True, False), repeat=arms)
    ]
    right = np.array(kinds).T[:, :, None]  # (models, kinds, 1)
    rows, weights = [], []
    for k in np.unique(truths):
        wrong = np.where(np.arange(n_classes) == k, 0, given[k])
        if not wrong.any():
            others = np.where(np.arange(n_classes) == k, -1, given.sum(axis=0))
            wrong[others.argmax()] = 1
        (answered,) = wrong.nonzero()
        made = np.where(right, k, answered).reshape(len(answers), -1)  # (models, kinds x answers)
        rows.append(np.vstack([np.full(made.shape[1], k), made]))
        weights.append(np.tile(prior * wrong[answered] / wrong.sum(), len(kinds)))
    return np.concatenate(rows, axis=1).astype(np.int64), np.concatenate(weights)


def outcomes_of(columns: tuple[IntArray, ...], n_classes: int) -> tuple[IntArray, IntArray]:
    """The distinct rows of the columns, (columns, T) class ids, and their counts, (T,)."""
    shape = (n_classes,) * len(columns)
    if math.prod(shape) > np.iinfo(np.int64).max:  # too many columns for one number a row
        outcomes, counts = np.unique(np.stack(columns), axis=1, return_counts=True)
    else:
        codes, counts = np.unique(np.ravel_multi_index(columns, shape), return_counts=True)
        outcomes = np.stack(np.unravel_index(codes, shape))
    return outcomes.astype(np.int64), counts.astype(np.int64)
