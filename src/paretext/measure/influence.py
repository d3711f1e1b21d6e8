"""How much one text moves a score, and what follows from it for small classes.

The influence of a text on a score is the score's derivative by the text's weight. From it follow,
in closed form, two things that a bootstrap gets wrong where classes have few texts:

- **Width.** Drawn with replacement, n texts of a class vary as if there were n + 1, around their
  own mean, where an unbiased estimate divides by n - 1: with 3 texts a class intervals are a third
  too narrow. The variance of the influences is corrected class by class (Efron & Tibshirani 1993,
  sec. 6.4 and ch. 21), and the draws are stretched by the ratio.
- **Bias.** F1 = 2 hits / (texts + answers) is a ratio, and its expectation on few texts is not its
  value on many. The second derivatives give the difference to first order (the delta method;
  Efron & Tibshirani, ch. 10).

What that does to coverage at 77 and 150 classes is measured by `benchmarks/coverage.py`.
"""

from __future__ import annotations

import numpy as np

from paretext.measure.metrics import FloatArray, IntArray

_FEWEST = 1.5
"""Texts that a class has at least, where its variance is corrected: one has no variance."""


def influences(cells: IntArray, weights: FloatArray, n_classes: int, column: int) -> FloatArray:
    """(T, 3 + K) of macro-F1, balanced accuracy, kappa, and each class's F1.

    cells: (columns, T) distinct outcomes, the truth first; weights: (T,) texts of each; column:
    which model.
    """
    truth, answer = cells[0], cells[column]
    right = truth == answer
    texts, answers, hits = (
        np.bincount(of, weights * kept, n_classes)
        for of, kept in ((truth, 1), (answer, 1), (truth, right))
    )
    both = np.maximum(texts + answers, 1e-12)
    one, all_of = 1 / both, 2 * hits / both**2
    rows = np.arange(len(truth))
    f1 = np.zeros((len(truth), n_classes))
    f1[rows, truth] -= all_of[truth]
    f1[rows, answer] -= all_of[answer]
    f1[rows[right], truth[right]] += 2 * one[truth[right]]
    recall = hits / np.maximum(texts, 1e-300)
    balanced = (right - recall[truth]) / np.maximum(texts, 1e-300)[truth] / (texts > 0).sum()
    n = weights.sum()
    chance = (texts * answers).sum()
    above, below = n * hits.sum() - chance, max(n * n - chance, 1e-300)
    moved = answers[truth] + texts[answer]
    kappa = ((hits.sum() + n * right - moved) * below - above * (2 * n - moved)) / below**2
    return np.column_stack([f1.mean(axis=1), balanced, kappa, f1])


def deviations(
    truth: IntArray, weights: FloatArray, moves: FloatArray, n_classes: int
) -> FloatArray:
    """(M,) standard errors of scores with these influences, (T, M), each class's corrected."""
    texts = np.bincount(truth, weights, n_classes)
    fewest = np.maximum(texts, _FEWEST)
    members = np.eye(n_classes)[truth]
    means = (members * weights[:, None]).T @ moves / np.maximum(texts, 1e-300)[:, None]
    corrected = weights * (fewest / (fewest - 1))[truth]
    within = corrected @ (moves - means[truth]) ** 2
    return np.asarray(np.sqrt(within + texts @ means**2))


def drawn_deviations(weights: FloatArray, moves: FloatArray) -> FloatArray:
    """(M,) standard deviations that a Bayesian bootstrap gives scores with these influences."""
    return np.asarray(np.sqrt(weights @ moves**2 * weights.sum() / (weights.sum() + 1)))


def biases(cells: IntArray, weights: FloatArray, n_classes: int, column: int) -> FloatArray:
    """(3 + K,) how far the scores lie above their values on many such texts, on average."""
    truth, answer = cells[0], cells[column]
    right = truth == answer
    texts = np.bincount(truth, weights, n_classes)
    hits = np.bincount(truth, weights * right, n_classes)
    false = np.bincount(answer, weights * ~right, n_classes)
    both = np.maximum(texts + hits + false, 1e-12)
    share = hits / np.maximum(texts, 1e-300)
    variance = texts * share * (1 - share) * texts / np.maximum(texts - 1, _FEWEST - 1)
    # F1 = 2 hits / (texts + hits + false): the second derivatives by hits and by false answers.
    f1 = 2 * (hits * false - (texts + false) * variance) / both**3
    return np.concatenate([[f1.mean(), 0.0, 0.0], f1])
