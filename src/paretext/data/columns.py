"""Which column holds the texts and which the labels: as given, or guessed from usual names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from paretext.core.errors import ParetextError
from paretext.core.progress import say
from paretext.core.wording import first_few
from paretext.data.sources import Source
from paretext.data.values import is_integer

TEXT_NAMES = (
    *("text", "texts", "sentence", "content", "review", "tweet", "comment", "message"),
    *("utterance", "document", "body", "post", "review_text", "tweet_text", "comment_text"),
)
LABEL_NAMES = (
    *("label", "labels", "class", "category", "target", "emotion", "sentiment", "intent"),
    *("topic", "y"),
)
_PAIRS = (
    *(("premise", "hypothesis"), ("sentence1", "sentence2"), ("question1", "question2")),
    *(("question", "sentence"), ("question", "context"), ("query", "passage"), ("text1", "text2")),
    *(("text_a", "text_b"), ("sentence_a", "sentence_b"), ("sentence_A", "sentence_B")),
)
"""Usual names of two columns whose label is about both texts."""

_LONGEST_NAME = 200  # characters; a longer value is compared with no other


def choose_columns(
    source: Source, text_column: str | None, label_column: str | None
) -> tuple[str, str]:
    """The names of the text and the label column: as given, or guessed from usual names.

    A column of a usual name (in any case) is taken; "text" and "label" win over the others. Else
    text is the only other column of strings, and label the only other column. Anything less clear
    is an error that lists the columns; so are two columns of texts that a label compares.
    """
    _check_columns(source, text_column, label_column)
    label = label_column or _by_name(source, LABEL_NAMES, "label", text_column)
    text = text_column or _text_by_name(source, label)
    if text is None:
        candidates = [name for name in source.string_columns() if name != label]
        text = _only(candidates, source, "text")
    if label is None:
        label = _only([name for name in source.columns if name != text], source, "label")
    if text == label:
        raise ParetextError(
            f"{source.name}: '{text}' cannot be both the text and the label column: name two."
        )
    guesses = [
        f"{what} from the column '{name}'"
        for what, name, given in (("text", text, text_column), ("label", label, label_column))
        if given is None
    ]
    if guesses:
        others = [name for name in source.string_columns() if name not in (text, label)]
        more = f" (of texts there {'is' if len(others) == 1 else 'are'} also {quoted(others)})"
        also = more if others and text_column is None else ""
        say(f"{source.name}: reading the {' and the '.join(guesses)}{also}.")
    return text, label


def choose_text_column(source: Source, text_column: str | None) -> str:
    """The name of the text column where labels do not matter: as given, or guessed."""
    _check_columns(source, text_column)
    text = text_column or _text_by_name(source, None)
    if text is None:
        usual = [name for name in source.string_columns() if name.lower() not in LABEL_NAMES]
        text = _only(usual, source, "text")
    if text_column is None:
        say(f"{source.name}: reading the text from the column '{text}'.")
    return text


def _check_columns(source: Source, *given: str | None) -> None:
    for name in given:
        if name is not None and name not in source.columns:
            raise ParetextError(
                f"{source.name} has no column '{name}': its columns are "
                f"{quoted(source.columns)}{nearest(name, source.columns) or '.'}"
            )


def _text_by_name(source: Source, label: str | None) -> str | None:
    for first, second in _PAIRS:
        if {first, second} <= {*source.columns}:
            raise ParetextError(
                f"{source.name} has two text columns that belong together, '{first}' and "
                f"'{second}', and paretext reads one: name it with --text-column, or join the two "
                "in one column first."
            )
    return _by_name(source, TEXT_NAMES, "text", label)


def _by_name(source: Source, usual: tuple[str, ...], what: str, taken: str | None) -> str | None:
    named = [name for name in source.columns if name.lower() in usual and name != taken]
    best = [name for name in named if name.lower() == usual[0]]
    return _only(best or named, source, what) if named else None


def _only(candidates: list[str], source: Source, what: str) -> str:
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise ParetextError(
            f"{source.name} has no column that could be the {what} (columns: "
            f"{quoted(source.columns)}): give a table that has one."
        )
    raise ParetextError(
        f"{source.name}: the {what} column could be any of {quoted(candidates)}: name it with "
        f"--{what}-column (columns: {quoted(source.columns)})."
    )


def nearest(value: str, valid: Iterable[str]) -> str:
    """The end of a sentence that asks whether another value was meant; "" where none is near."""
    if is_integer(value):  # a number near another is no likely slip
        return ""
    if len(value) > _LONGEST_NAME:  # no name; and the comparison takes quadratic time
        return ""
    near = difflib.get_close_matches(value, [x for x in valid if len(x) <= _LONGEST_NAME], n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def shown(value: str) -> str:
    """A value in quotes, short enough for a message."""
    return f"'{value}'" if len(value) <= 60 else f"'{value[:57]}...'"


def quoted(names: Sequence[str]) -> str:
    """Up to 20 names in quotes, with commas between them."""
    return first_few(list(map(shown, names)), 20)
