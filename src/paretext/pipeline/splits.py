"""The texts of a job, split: learned from, chosen by, measured on.

Nothing that a model learned from or was chosen by may measure it. So evaluation texts come in a
file of their own, or are held out before anything else is done with the rest, and are left out of
every later split.

A model can be compressed without any label: what learns then learns the parent's own answers, and
what is measured is how far a version agrees with it (`Dataset.answered_by`). What labels would add
is whether either of them is right.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from paretext.certification.certify import LEAST_TEXTS
from paretext.compression.recipe import Recipe
from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.data.balance import check_factors
from paretext.data.checks import DataReport, check, drop_leaks, require_apart
from paretext.data.dataset import Dataset, require_trainable
from paretext.data.reading import NamedBy
from paretext.pipeline.sources import Sources

EVALUATION_SHARE = 0.2
"""Of the texts, held out to measure on where no file of them is given."""
CHECK_TEXTS = 128
"""Most texts that an export is checked and calibrated on, where nothing is learned."""
_CHECK_SHARE = 0.2
_FEWEST = 20


@dataclass(frozen=True)
class Data:
    """train: fitted on; selection: chooses epochs and the parent; evaluation: only measured on."""

    train: Dataset
    selection: Dataset
    evaluation: Dataset | None
    report: DataReport
    given: tuple[Dataset, Dataset | None] | None = None
    """Training and evaluation data as they were read, nothing held out or left out yet."""
    held_out: bool = False
    """Whether the evaluation texts were taken out of those to train on."""

    def fingerprints(self) -> dict[str, str]:
        """Those of the two splits that a classifier is made from."""
        return {"train": self.train.fingerprint, "selection": self.selection.fingerprint}


def read(sources: Sources, recipe: Recipe, *, hold_out: bool = False) -> Data:
    """Read all tables with the label names of the first, check them and split them."""
    sources.check()
    by = sources.named_by()
    train = sources.train(sources.names(), by)
    if train is None:
        raise ParetextError("training takes labelled texts: give them with --data.")
    by = by or NamedBy.texts(train.name)
    require_trainable(train)  # before the labels of the others are looked up in its own
    return prepare(
        train,
        sources.evaluation(train.label_names, by),
        recipe,
        selection=sources.chosen_by(train.label_names, by),
        leaks_dropped=sources.drop_leaks,
        hold_out=hold_out,
    )


def prepare(
    train: Dataset,
    evaluation: Dataset | None,
    recipe: Recipe,
    *,
    selection: Dataset | None = None,
    leaks_dropped: bool = False,
    hold_out: bool = False,
) -> Data:
    """Check the data, say what is in it, and hold a stratified selection split out of `train`.

    hold_out: where there are no evaluation texts, hold EVALUATION_SHARE of `train` out for them.

    Raises ParetextError for one class only, a label with too few texts to split, factors of the
    wrong length, or splits that are mostly the same texts: everything that would otherwise end a
    training an hour later, or leave it without worth.
    """
    require_trainable(train)
    check_factors(recipe.training.supersample, train.label_names)
    seed, given = recipe.training.seed, (train, evaluation)
    held_out = hold_out and evaluation is None
    if held_out:
        _require_splits(train, 2 if selection is not None else 3)
        if len(train) * EVALUATION_SHARE < LEAST_TEXTS:
            raise ParetextError(
                f"{train.name} has {len(train)} texts, and a fifth of them is too few to measure "
                f"on; give {round(LEAST_TEXTS / EVALUATION_SHARE)} or more, hundreds to be sure of "
                "anything, or texts to measure on with --eval."
            )
        train, evaluation = train.split(EVALUATION_SHARE, seed)
        evaluation = drop_leaks(train, evaluation)
        progress.say(
            f"held out {len(evaluation):,} of the texts to measure on, stratified; with --eval "
            "they come from a file of their own"
        )
        given = (train, evaluation)
    report = check(train, evaluation)
    for sentence in report.sentences():
        progress.say(sentence)
    if evaluation is not None and leaks_dropped:
        evaluation = drop_leaks(train, evaluation)
    held = [each for each in (evaluation, selection) if each is not None]
    for split in held:
        require_apart(train.texts, train.name, split)
    if len(held) == 2:
        require_apart(held[1].texts, held[1].name, held[0])
    if selection is None:
        train, selection = train.split(recipe.selection_share, seed)
        progress.say(f"held out {len(selection):,} of the texts to choose on, stratified")
    return Data(train, selection, evaluation, report, given, held_out)


def prepare_answered(texts: Dataset, evaluation: Dataset | None, recipe: Recipe) -> Data:
    """Split texts whose labels are a model's own answers.

    evaluation: texts to measure on; where there are none, EVALUATION_SHARE of `texts` is held out.
    Raises ParetextError where the model gives one and the same answer to every text, or there are
    too few texts to split.
    """
    if len(texts) < _FEWEST:
        raise ParetextError(
            f"{texts.name} has {len(texts)} texts, and {_FEWEST} are the fewest to learn a model's "
            "answers from; give more of the same kind."
        )
    if len(only := set(texts.labels.tolist())) == 1:
        label = texts.label_names[only.pop()]
        raise ParetextError(
            f"{texts.answered_by} answers {label!r} to every text of {texts.name}, so there is "
            "nothing to learn from it; give texts of the kind that it was trained on."
        )
    seed, held_out = recipe.training.seed, evaluation is None
    if evaluation is None:
        texts, evaluation = _random_split(texts, EVALUATION_SHARE, seed)
        progress.say(f"held out {len(evaluation):,} of the texts without labels to measure on")
    evaluation = drop_leaks(texts, evaluation)
    report = check(texts, evaluation)
    train, selection = _random_split(texts, recipe.selection_share, seed)
    return Data(train, selection, evaluation, report, held_out=held_out)


def prepare_measured(evaluation: Dataset, recipe: Recipe) -> Data:
    """Split texts that are all there is: some to check and calibrate exports on, the others to
    measure on. Nothing is learned from either."""
    if len(evaluation) < _FEWEST:
        raise ParetextError(
            f"{evaluation.name} has {len(evaluation)} texts, and {_FEWEST} are the fewest to check "
            "an export on some and measure it on the others; give more."
        )
    share = min(CHECK_TEXTS / len(evaluation), _CHECK_SHARE)
    measured, checked = _random_split(evaluation, share, recipe.training.seed)
    measured = replace(
        drop_leaks(checked, measured), name=f"{evaluation.name} (without the checked part)"
    )
    progress.say(
        f"{len(checked):,} of the texts check and calibrate the exports, the other "
        f"{len(measured):,} are measured on"
    )
    report = check(measured)
    for sentence in report.sentences():
        progress.say(sentence)
    return Data(checked, checked, measured, report, held_out=True)


def _random_split(data: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
    """(rest, held out), both in the order of their rows, whatever their labels are."""
    held = np.zeros(len(data), np.bool_)
    held[np.random.default_rng(seed).permutation(len(data))[: max(1, round(share * len(data)))]] = 1
    return data.take(~held), data.take(held)


def _require_splits(data: Dataset, least: int) -> None:
    """ParetextError for labels with fewer texts than there are splits that need one each."""
    few = [
        f"{count} of {name!r}"
        for name, count in zip(data.label_names, data.counts().tolist(), strict=True)
        if 0 < count < least
    ]
    if 2 * len(few) > len(data):
        raise ParetextError(
            f"{data.name}: {len(data.label_names):,} labels in {len(data):,} rows, most of them "
            "with hardly a text: name the column of labels with --label-column, or add texts."
        )
    if few:
        more = f" and {len(few) - 5:,} labels more" if len(few) > 5 else ""
        raise ParetextError(
            f"{data.name}: {least} texts of every label are needed to hold some out, and there is "
            f"{', '.join(few[:5])}{more}: add texts of them, drop them, or give texts to measure "
            "on with --eval."
        )
