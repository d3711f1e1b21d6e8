"""What `predict` is given: a list of texts, or one sentence that says what it is instead.

Whatever can be iterated gives something. A DataFrame gives its column names, a dict its keys, a str
its letters: each would be answered, and the answers would be for other texts than were meant.

An empty text is one: who hands over a list gets an answer for each of its texts, as from any
classifier, and a model has one for a text with nothing in it. In a file it is a row without a text,
and a row's answer stays empty (`bulk`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from paretext.core.errors import ParetextError

_SHOWN = 5


def iterate(texts: object) -> Iterator[Any]:
    """An iterator over texts; ParetextError if `texts` is one text, a table or no list at all."""
    if type(texts) is list:
        return iter(texts)
    kind = type(texts).__name__
    if isinstance(texts, str | bytes | bytearray):
        raise ParetextError(
            f"predict takes a list of texts, and was given one {kind}: put it in []."
        )
    # pandas and polars have `columns`, pyarrow and datasets `column_names`
    names = getattr(texts, "column_names", getattr(texts, "columns", None))
    if isinstance(texts, Mapping) and names is None:
        names = texts
    if names is not None:
        columns = [f"'{name}'" for name in names]
        more = ", ..." if len(columns) > _SHOWN else ""
        raise ParetextError(
            f"predict takes a list of texts, and was given a {kind} with the columns "
            f"{', '.join(columns[:_SHOWN]) or '(none)'}{more}: give the column of the texts alone."
        )
    try:
        return iter(texts)  # type: ignore[call-overload,no-any-return]
    except TypeError:
        raise ParetextError(
            f"predict takes a list of texts, and was given a {kind}: put the texts in []."
        ) from None


def check(texts: Sequence[object], first: int = 0) -> None:
    """Refuse what is no str, naming its position; the first of `texts` is number `first`, of 0."""
    if {*map(type, texts)} == {str}:
        return
    for place, text in enumerate(texts, first):
        if isinstance(text, str):
            continue
        no_number = isinstance(text, float | np.floating) and bool(np.isnan(text))
        if text is None or no_number or type(text).__name__ in ("NAType", "NaTType"):
            raise ParetextError(
                f'texts[{place}] is missing ({text}): leave it out, or put "" in its place to have '
                "the answer that the model gives to no text."
            )
        raise ParetextError(
            f"texts[{place}] is of type {type(text).__name__}, and predict takes texts (str)."
        )


def half_character(texts: Sequence[str], first: int = 0) -> ParetextError | None:
    """The sentence for the first text that holds half a character (a lone surrogate), if one does.

    No file can hold it and no tokenizer takes it. To look costs as much as to encode the text, so
    it is only done where tokenising has failed.
    """
    for place, text in enumerate(texts, first):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            half = ascii(text[error.start])
            return ParetextError(
                f"texts[{place}] has half of a character ({half} at {error.start}), which no "
                "encoding can write: decode its source anew, or replace it."
            )
    return None
