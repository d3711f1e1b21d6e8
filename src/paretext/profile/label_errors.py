"""Likely label errors: texts whose label a simple model, trained without them, confidently denies.

Confident learning (Northcutt, Jiang & Chuang 2021, "Confident Learning: Estimating Uncertainty in
Dataset Labels", JAIR 70, section 3.1): out-of-fold probabilities from TF-IDF and logistic
regression; a class's threshold is its mean probability over the texts that carry its label; a text
is a candidate if, of the classes whose thresholds it reaches, the most probable is not its own.
Candidates are ranked by how far the other class's probability exceeds that of the label (their
normalised margin). They are candidates: a linear model does not read irony or negation.
"""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paretext.core.progress import task
from paretext.data.words import tokens_of
from paretext.measure.metrics import confusion_matrix, macro_f1
from paretext.profile.counting import Gathered
from paretext.profile.schema import LabelError, LabelErrors, ProfileSettings, shown

FOLDS = 5
_MOST_STEPS = 60
_MOST_WEIGHTS = 2_000_000
"""Of one model, all classes together, which bounds seconds and memory: the most frequent n-grams
that there is room for are read."""
_SHOWN = 50
_LEAST_SKILL = 0.25
"""Of the way from chance, 1 in K, to a macro-F1 of 1: what knows less of a label doubts none."""
Probabilities = NDArray[np.float64]


def label_errors(
    own: Gathered, names: tuple[str, ...], settings: ProfileSettings
) -> LabelErrors | None:
    """Doubtful labels among distinct texts with one label; those with two are known already.

    None where fewer than two classes have 5 of them, or these share no word; smaller classes are
    left out. None is doubted where the model has hardly learnt the labels.
    """
    texts = own.distinct()
    twice = np.isin(own.identities.keys[texts.indices], own.identities.conflicting_keys())
    texts = texts.keep(np.flatnonzero(~twice))
    whole = len(own.sample.indices) == len(own.data)
    whole &= len(texts.texts) <= settings.label_errors_sample
    texts = texts.at_most(settings.label_errors_sample, settings.seed)
    enough = np.bincount(texts.labels, minlength=len(names)) >= FOLDS
    texts = texts.keep(np.flatnonzero(enough[texts.labels]))
    if enough.sum() < 2:
        return None
    doubted = doubts(texts.texts, texts.labels, len(names), settings.seed)
    if doubted is None:
        return None
    chance = 1 / int(enough.sum())
    weak = doubted.macro_f1 - chance < _LEAST_SKILL * (1 - chance)
    if weak:
        nobody = np.array([], np.int64)
        doubted = Doubts(nobody, nobody, doubted.probabilities, doubted.macro_f1)
    numbers = own.data.rows_at(texts.indices)
    carried = np.bincount(texts.labels[doubted.texts], minlength=len(names))
    return LabelErrors(
        texts=len(texts.texts),
        sampled=not whole,
        too_weak=weak,
        macro_f1=doubted.macro_f1,
        candidates=len(doubted.texts),
        by_class=dict(zip(names, carried.tolist(), strict=True)),
        most_confident=tuple(
            LabelError(
                row=int(numbers[i]),
                text=shown(texts.texts[i]),
                label=names[texts.labels[i]],
                likely=names[k],
                probability=float(doubted.probabilities[i, texts.labels[i]]),
                probability_likely=float(doubted.probabilities[i, k]),
            )
            for i, k in zip(
                doubted.texts[:_SHOWN].tolist(), doubted.likely[:_SHOWN].tolist(), strict=True
            )
        ),
    )


@dataclass(frozen=True)
class Doubts:
    """Candidates, most confident first: index of the text, and the likely class of each; the
    out-of-fold probabilities, (n, K); the macro-F1 that they reach."""

    texts: NDArray[np.int64]
    likely: NDArray[np.int64]
    probabilities: Probabilities
    macro_f1: float


def doubts(texts: list[str], labels: NDArray[np.int64], n_classes: int, seed: int) -> Doubts | None:
    """labels: (n,) of n distinct texts, at least 5 of every class that occurs."""
    probabilities = out_of_fold(texts, labels, n_classes, seed)
    if probabilities is None:
        return None
    candidates, likely = confident(probabilities, labels)
    own = probabilities[candidates, labels[candidates]]
    order = np.argsort(own - probabilities[candidates, likely], kind="stable")
    present = np.unique(labels)
    position = np.searchsorted(present, labels)
    answers = probabilities[:, present].argmax(axis=1)
    counts = confusion_matrix(position, answers, len(present))
    return Doubts(candidates[order], likely[order], probabilities, float(macro_f1(counts)))


def out_of_fold(
    texts: list[str], labels: NDArray[np.int64], n_classes: int, seed: int
) -> Probabilities | None:
    """(n, K) probabilities of each text from a model that was trained without it.

    None where the texts that one model should learn from share nothing (one word each, say).
    """
    with (
        task("looking for label errors", FOLDS) as advance,
        warnings.catch_warnings(),
        contextlib.ExitStack() as alone,
    ):
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedKFold
        from threadpoolctl import threadpool_limits

        probabilities = np.zeros((len(texts), n_classes))
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(labels, labels)
        # A text is cut once; what a row holds is a list of its tokens.
        column = np.fromiter(map(tokens_of, texts), object, len(texts))
        vectorizer = TfidfVectorizer(
            ngram_range=(1, 2),
            min_df=2 if len(texts) > 1000 else 1,
            max_features=_MOST_WEIGHTS // n_classes,
            sublinear_tf=True,
            tokenizer=list,
            token_pattern=None,
            lowercase=False,
        )
        # Enough steps to rank texts; the last digits of the weights do not matter. The optimiser's
        # vectors are small: beside other work the threads of a BLAS would spend minutes in waiting
        # for each other (300 texts: 0.4 s of CPU time; over 2 minutes in two threads, 8 s in one).
        warnings.simplefilter("ignore", ConvergenceWarning)
        alone.enter_context(threadpool_limits(1))
        for rest, held in folds:
            try:
                values = vectorizer.fit_transform(column[rest])
            except ValueError:  # no terms remain
                return None
            model = LogisticRegression(C=20.0, max_iter=_MOST_STEPS).fit(values, labels[rest])
            answers = model.predict_proba(vectorizer.transform(column[held]))
            probabilities[np.ix_(held, model.classes_)] = answers
            advance()
    return probabilities


def confident(
    probabilities: Probabilities, labels: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Texts off the diagonal of the confident joint, and the class that each is counted in."""
    thresholds = np.array(
        [
            probabilities[labels == k, k].mean() if (labels == k).any() else np.inf
            for k in range(probabilities.shape[1])
        ]
    )
    reached = np.where(probabilities >= thresholds, probabilities, -1.0)
    likely = reached.argmax(axis=1)
    candidates = np.flatnonzero((reached.max(axis=1) >= 0) & (likely != labels))
    return candidates, likely[candidates]
