"""profile(): what is in the data, every number of it.

One pass counts what can be counted as texts go by; comparisons between texts and the search for
label errors read a sample, whose size is said. Each statistic is a file of this package, which
names its source.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paretext.core.errors import ParetextError
from paretext.data.checks import report
from paretext.data.dataset import Labelled, require_trainable
from paretext.data.stream import LabelledStream
from paretext.profile.classes import classes
from paretext.profile.counting import count, gather
from paretext.profile.distinctive import distinctive
from paretext.profile.findings import findings
from paretext.profile.label_errors import label_errors
from paretext.profile.repeats import conflicts, near_duplicates
from paretext.profile.schema import BadRows, Profile, ProfileSettings
from paretext.profile.word_forms import word_forms


class NoProfile(ParetextError):
    """Texts that no profile can be made of."""


@contextmanager
def faults_said() -> Iterator[None]:
    """A fault of our own becomes NoProfile, one sentence that names its kind and place.

    A profile explains and decides nothing: it must never be what ends a run. Faults of the disk and
    missing libraries pass, for they would end it all the same.
    """
    try:
        yield
    except (ParetextError, OSError, ImportError):
        raise
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        said = " ".join(str(error).split())[:200]
        raise NoProfile(
            f"the profile of these texts failed in paretext itself ({type(error).__name__}"
            f"{': ' if said else ''}{said}, at {Path(place.filename).name}:{place.lineno}); "
            "please report it, with the texts if you can."
        ) from error


@faults_said()
def profile(
    data: Labelled, evaluation: Labelled | None = None, settings: ProfileSettings | None = None
) -> Profile:
    """Profile labelled texts, a `Dataset` or an `open_labelled` stream.

    evaluation: texts that are only measured on, with the label names of `data`.

    Raises ParetextError for a single class, other label names in the evaluation data, a language
    without a list of stop words, a model without a tokenizer, factors of the wrong length, texts
    without a word, or a fault of our own.
    """
    settings = settings or ProfileSettings()
    require_trainable(data)
    if evaluation is not None and evaluation.label_names != data.label_names:
        raise ParetextError(
            f"{evaluation.name} has {len(evaluation.label_names)} label names that are not the "
            f"{len(data.label_names)} of {data.name}, or not in their order: read it with those "
            "of the training data."
        )
    held_counts = None if evaluation is None else evaluation.counts()
    balance = classes(data.counts(), held_counts, data.label_names, settings)
    size = max(settings.near_duplicates_sample, settings.label_errors_sample)
    train = count(data, settings, size)
    own = train.gathered
    held = None
    if evaluation is not None:
        held = gather(evaluation, settings.near_duplicates_sample, settings.seed)
    names = data.label_names
    made = Profile(
        settings=settings,
        checks=report(own.identities, None if held is None else held.identities),
        bad_rows=(*_bad_rows(data), *_bad_rows(evaluation)),
        classes=balance,
        words=train.lengths.lengths("words", names, settings.batch_size),
        tokens=train.tokens and train.tokens.result(names, settings.batch_size),
        stop_words=train.stop_words.result(names),
        distinctive=distinctive(train.words, names),
        word_forms=word_forms(train.words, names, settings.language),
        conflicts=conflicts(own.identities),
        near_duplicates=near_duplicates(own, held, settings.near_duplicates_sample, settings.seed),
        odd_characters=train.characters.result(data),
        other_languages=train.languages.result(data),
        label_errors=label_errors(own, names, settings),
    )
    return made.model_copy(update={"findings": findings(made)})


def _bad_rows(data: Labelled | None) -> tuple[BadRows, ...]:
    """What a stream left out; a Dataset never held such rows."""
    if not isinstance(data, LabelledStream):
        return ()
    return tuple(
        BadRows(split=data.name, problem=problem, count=len(rows), rows=rows[:5])
        for problem, rows in data.bad_rows.items()
    )
