"""profile(): what is in the data, every number of it.

One pass counts what can be counted as texts go by; comparisons between texts and the search for
label errors read a sample, whose size is said. Each statistic is a file of this package, which
names its source.
"""

from __future__ import annotations

import numpy as np

from paretext.data import Labelled, require_trainable
from paretext.data_checks import report
from paretext.profile.classes import classes
from paretext.profile.counting import Counted, count
from paretext.profile.distinctive import distinctive
from paretext.profile.findings import findings
from paretext.profile.label_errors import FOLDS, doubts
from paretext.profile.repeats import conflicts, distinct, near_duplicates
from paretext.profile.schema import (
    BadRows,
    LabelError,
    LabelErrors,
    Profile,
    ProfileSettings,
    shown,
)
from paretext.profile.word_forms import word_forms

_SHOWN = 50


def profile(
    data: Labelled, evaluation: Labelled | None = None, settings: ProfileSettings | None = None
) -> Profile:
    """Profile labelled texts, a `Dataset` or an `open_labelled` stream.

    evaluation: texts that are only measured on, with the label names of `data`.

    Raises ParetextError for a single class, a language without a list of stop words, a model
    without a tokenizer, factors of the wrong length, or texts without a word.
    """
    settings = settings or ProfileSettings()
    require_trainable(data)
    held_counts = None if evaluation is None else evaluation.counts()
    balance = classes(data.counts(), held_counts, data.label_names, settings)
    size = max(settings.near_duplicates_sample, settings.label_errors_sample)
    train = count(data, settings, size)
    held = None
    if evaluation is not None:
        held = count(evaluation, settings, settings.near_duplicates_sample)
    names = data.label_names
    found = Profile(
        settings=settings,
        checks=report(train.identities, None if held is None else held.identities),
        bad_rows=(*_bad_rows(data), *_bad_rows(evaluation)),
        classes=balance,
        words=train.lengths.lengths("words", names, settings.batch_size),
        tokens=train.tokens and train.tokens.result(names, settings.batch_size),
        stop_words=train.stop_words.result(names),
        distinctive=distinctive(train.words, names),
        word_forms=word_forms(train.words, names, settings.language),
        conflicts=conflicts(train.identities),
        near_duplicates=near_duplicates(
            train, held, settings.near_duplicates_sample, settings.seed
        ),
        odd_characters=train.characters.result(data),
        other_languages=train.languages.result(data),
        label_errors=_label_errors(train, names, settings),
    )
    return found.model_copy(update={"findings": findings(found)})


def _bad_rows(data: Labelled | None) -> tuple[BadRows, ...]:
    """What a stream left out; a Dataset never held such rows."""
    bad: dict[str, tuple[int, ...]] = getattr(data, "bad_rows", {})
    return tuple(
        BadRows(split=data.name, problem=problem, count=len(rows), rows=rows[:5])
        for problem, rows in bad.items()
        if data is not None
    )


def _label_errors(
    train: Counted, names: tuple[str, ...], settings: ProfileSettings
) -> LabelErrors | None:
    """Doubtful labels among distinct texts with one label; those with two are known already."""
    texts = distinct(train)
    twice = np.isin(train.identities.keys[texts.indices], train.identities.conflicting_keys())
    texts = texts.keep(np.flatnonzero(~twice)).at_most(settings.label_errors_sample, settings.seed)
    enough = np.bincount(texts.labels, minlength=len(names)) >= FOLDS
    texts = texts.keep(np.flatnonzero(enough[texts.labels]))
    if enough.sum() < 2:
        return None
    found = doubts(texts.texts, texts.labels, len(names), settings.seed)
    data = train.identities.data
    numbers = data.rows_at(texts.indices)
    carried = np.bincount(texts.labels[found.texts], minlength=len(names))
    return LabelErrors(
        texts=len(texts.texts),
        sampled=len(train.sample.indices) < len(data) or len(data) > settings.label_errors_sample,
        macro_f1=found.macro_f1,
        candidates=len(found.texts),
        by_class=dict(zip(names, carried.tolist(), strict=True)),
        most_confident=tuple(
            LabelError(
                row=int(numbers[i]),
                text=shown(texts.texts[i]),
                label=names[texts.labels[i]],
                likely=names[k],
                probability=float(found.probabilities[i, texts.labels[i]]),
                probability_likely=float(found.probabilities[i, k]),
            )
            for i, k in zip(
                found.texts[:_SHOWN].tolist(), found.likely[:_SHOWN].tolist(), strict=True
            )
        ),
    )
