"""What the outputs of a model are called, where its own names say nothing: LABEL_0, LABEL_1, ...

Names that are given are matched, never merely counted: they must not contradict the model's own,
and people's labels must not say that they stand in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from paretext.core.errors import ParetextError
from paretext.core.wording import first_few
from paretext.data.dataset import Dataset
from paretext.data.reading import GENERIC
from paretext.data.values import label_name
from paretext.measure.metrics import confusion_matrix

ORDER_TEXTS = 500
"""Most labelled texts that the order of given label names is judged by."""
_STANDARD_ERRORS = 5.0


def output_names(own: Sequence[str], given: Sequence[str] | None, model: object) -> tuple[str, ...]:
    """The model's own names, or those given where its own only count.

    ParetextError where the names that were given contradict the model's own, or are not as many.
    """
    own = tuple(own)
    if given is None:
        return own
    given = tuple(given)
    if all(map(GENERIC.fullmatch, own)):
        if len(given) != len(own):
            raise ParetextError(
                f"{model} has {len(own)} outputs ({own[0]} to {own[-1]}), and --labels names "
                f"{len(given)}; give one name for each, that of output 0 first."
            )
        return given
    if list(map(label_name, given)) != list(map(label_name, own)):
        raise ParetextError(
            f"{model} names its outputs {first_few(own, 10)}, 0 first, and --labels says "
            f"{first_few(given, 10)}; leave --labels out, the model names its own."
        )
    return own


def some_of(data: Dataset) -> Dataset:
    """Texts enough to judge the order of given label names by, always the same ones."""
    rows = np.random.default_rng(0).permutation(len(data))[:ORDER_TEXTS]
    return data.take(np.sort(rows))


def check_order(answered: npt.NDArray[np.floating[Any]], data: Dataset, what: str) -> None:
    """ParetextError where people's labels say that the outputs have other names than were given.

    answered: (n, K) logits or probabilities of the data's n texts, columns in the order of its
    names. what: the names, as they were given.

    Of all ways to name the outputs, the one that agrees best with the labels is looked for (an
    assignment problem). It contradicts the given one if it agrees on clearly more texts: by
    _STANDARD_ERRORS standard errors of the paired difference, which leaves room for choosing the
    best of many.
    """
    from scipy.optimize import linear_sum_assignment

    answers = answered.argmax(axis=1).astype(np.int64)
    names = data.label_names
    counts = confusion_matrix(data.labels, answers, len(names))  # rows: truth
    outputs, truths = linear_sum_assignment(-counts.T)
    renamed = np.empty(len(names), np.int64)
    renamed[outputs] = truths
    then, now = answers == data.labels, renamed[answers] == data.labels
    gain = int(now.sum()) - int(then.sum())
    if gain > _STANDARD_ERRORS * np.sqrt(np.count_nonzero(now != then)):
        right = int(then.sum())
        best = [names[k] for k in renamed]
        raise ParetextError(
            f"with the names of {what} the model is right on {right:,} of {len(data):,} labelled "
            f"texts, and on {right + gain:,} if its outputs are {first_few(best, 10)}; put the "
            "names in the order of the model's outputs, 0 first."
        )
