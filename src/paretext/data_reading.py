"""From a source to texts, labels and label names.

In the order of the work: `open_source` finds the file, folder or hub dataset, `choose_columns`
settles the two columns, `_clean_rows` sets bad rows apart, `_encode` turns labels into indices.

Labels come as integers or strings. They count as integers when every one of them is an integer, or
is written as one ("3"; also "3.0", which is how pandas writes an integer column with gaps; not
"03", which is a code). Strings lose the blanks around them.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from paretext.data_sources import Source, open_source
from paretext.errors import ParetextError
from paretext.progress import say
from paretext.tables import text_lines

OnBadRow = Literal["fail", "skip"]

TEXT_NAMES = (
    *("text", "texts", "sentence", "content", "review", "tweet", "comment", "message"),
    *("utterance", "document", "body", "post", "review_text", "tweet_text", "comment_text"),
)
LABEL_NAMES = (
    *("label", "labels", "class", "category", "target", "emotion", "sentiment", "intent"),
    *("topic", "y"),
)

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.0+)?")
_SHOWN = 5  # rows or values that a message names


class Labelled(NamedTuple):
    """What a source holds: n texts, n labels as indices into the names, and where it came from."""

    texts: list[str]
    labels: list[int]
    label_names: tuple[str, ...]
    name: str


class Label(NamedTuple):
    """A label as its source has it."""

    row: int  # counted from 1
    value: str  # an integer in its shortest form, if it is one


def read_labelled(
    source: str | Path,
    *,
    text_column: str | None,
    label_column: str | None,
    label_names: Sequence[str] | None,
    split: str,
    on_bad_row: OnBadRow,
) -> Labelled:
    """Read a labelled dataset; see `paretext.data.Dataset.read` for the arguments."""
    if on_bad_row not in ("fail", "skip"):
        raise ParetextError(f"on_bad_row is {on_bad_row!r}: use 'fail' or 'skip'.")
    opened = open_source(source, split)
    text, label = choose_columns(opened, text_column, label_column)
    texts, labels = _clean_rows(opened, text, label, on_bad_row)
    names, indices = name_labels(labels, label_names, opened.class_names.get(label), opened.name)
    return Labelled(texts, indices, names, opened.name)


def read_label_names(path: str | Path) -> tuple[str, ...]:
    """The names of labels 0, 1, 2, ... from a UTF-8 text file with one name a line.

    Raises ParetextError for a blank line between names or a name that stands twice.
    """
    names = [line.strip() for line in text_lines(path)]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise ParetextError(f"'{path}' has only blank lines: write one label name a line.")
    for i, name in enumerate(names):
        if not name:
            raise ParetextError(f"'{path}', line {i + 1} is blank: write the name of label {i}.")
        if name in names[:i]:
            raise ParetextError(
                f"'{path}', line {i + 1} repeats the name '{name}' of line "
                f"{names.index(name) + 1}: every label needs its own."
            )
    return tuple(names)


def is_unicode(text: str) -> bool:
    """False for a string with half a surrogate pair, which JSON can hold and UTF-8 cannot."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def choose_columns(
    source: Source, text_column: str | None, label_column: str | None
) -> tuple[str, str]:
    """The names of the text and the label column: as given, or guessed from usual names.

    A column of a usual name (in any case) is taken; "text" and "label" win over the others. Else
    text is the only other column of strings, and label the only other column. Anything less clear
    is an error that lists the columns.
    """
    _check_columns(source, text_column, label_column)
    label = label_column or _by_name(source, LABEL_NAMES, "label", text_column)
    text = text_column or _by_name(source, TEXT_NAMES, "text", label)
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
        say(f"{source.name}: reading the {' and the '.join(guesses)}.")
    return text, label


def choose_text_column(path: str | Path, text_column: str | None) -> str:
    """The name of the text column of a file whose labels do not matter: as given, or guessed."""
    source = open_source(Path(path), "train")
    _check_columns(source, text_column)
    text = text_column or _by_name(source, TEXT_NAMES, "text", None)
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
                f"{_quoted(source.columns)}{_nearest(name, source.columns) or '.'}"
            )


def _by_name(source: Source, usual: tuple[str, ...], what: str, taken: str | None) -> str | None:
    found = [name for name in source.columns if name.lower() in usual and name != taken]
    best = [name for name in found if name.lower() == usual[0]]
    return _only(best or found, source, what) if found else None


def _only(candidates: list[str], source: Source, what: str) -> str:
    if len(candidates) == 1:
        return candidates[0]
    several = f"any of {_quoted(candidates)}" if candidates else "none of its columns"
    raise ParetextError(
        f"{source.name}: the {what} column could be {several}: name it with --{what}-column "
        f"(columns: {_quoted(source.columns)})."
    )


def good_rows(
    source: Source, text_column: str, label_column: str, bad: dict[str, list[int]]
) -> Iterator[tuple[str, Label]]:
    """Text and raw label of every row that can be used, in order.

    The others go to `bad`: what is wrong with them -> their row numbers.
    """
    own_names = source.class_names.get(label_column)
    for n, row in enumerate(source.rows(text_column, label_column), start=1):
        text, label = row.get(text_column), row.get(label_column)
        problem = _text_problem(text) or ("no label" if _is_missing(label, own_names) else "")
        if problem:
            bad.setdefault(problem, []).append(n)
            continue
        yield str(text), Label(n, _label_value(label, own_names, source.name, n))


def require_rows(
    source: Source, good: int, bad: dict[str, list[int]], on_bad_row: OnBadRow
) -> None:
    """Raise ParetextError for bad rows, or say how many are skipped; raise if no row is good."""
    n = good + sum(map(len, bad.values()))
    if bad:
        kinds = "; ".join(
            f"{len(rows):,} with {kind} ({_rows(rows)})" for kind, rows in bad.items()
        )
        if on_bad_row == "fail":
            raise ParetextError(
                f"{source.name}: {n - good:,} of {n:,} rows cannot be used, {kinds}: mend them, or "
                "leave them out with --on-bad-row skip."
            )
        say(f"{source.name}: left out {n - good:,} of {n:,} rows, {kinds}.")
    if not good:
        raise ParetextError(f"{source.name}: none of its {n:,} rows can be used: give it texts.")


def name_labels(
    labels: list[Label],
    label_names: Sequence[str] | None,
    own_names: tuple[str, ...] | None,
    source: str,
) -> tuple[tuple[str, ...], list[int]]:
    """The label names, and the index of each of `labels` among them.

    label_names: what the caller wants them to be; own_names: those that the source declares.
    """
    if label_names is not None and (
        isinstance(label_names, str) or not all(isinstance(name, str) for name in label_names)
    ):
        raise ParetextError(f"label_names is {label_names!r}: give a list of strings.")
    if all(_INTEGER.fullmatch(label.value) for label in labels):
        labels = [Label(label.row, label.value.split(".")[0]) for label in labels]
    if label_names is not None:
        return _look_up(labels, tuple(label_names), source)
    if own_names is not None:
        return _look_up(labels, own_names, source)
    return _name_labels(labels, source)


def _clean_rows(
    source: Source, text_column: str, label_column: str, on_bad_row: OnBadRow
) -> tuple[list[str], list[Label]]:
    """Texts and raw labels of the good rows; bad ones are counted by kind."""
    texts: list[str] = []
    labels: list[Label] = []
    bad: dict[str, list[int]] = {}
    for text, label in good_rows(source, text_column, label_column, bad):
        texts.append(text)
        labels.append(label)
    require_rows(source, len(texts), bad, on_bad_row)
    return texts, labels


def _text_problem(text: object) -> str:
    if text is None or (isinstance(text, float) and math.isnan(text)):
        return "no text"
    if not isinstance(text, str):
        return f"a text that is no string (type {type(text).__name__})"
    if not text.strip():
        return "no text"
    return "" if is_unicode(text) else "a text that is not valid Unicode"


def _is_missing(label: object, own_names: tuple[str, ...] | None) -> bool:
    if label is None or (isinstance(label, float) and math.isnan(label)):
        return True
    if own_names is not None and label == -1:  # the hub's sign for an unlabelled row
        return True
    return isinstance(label, str) and not label.strip()


def _label_value(label: object, own_names: tuple[str, ...] | None, source: str, row: int) -> str:
    if isinstance(label, str):
        return label.strip()
    if isinstance(label, bool):
        return str(label)
    if isinstance(label, int):
        if own_names is not None and 0 <= label < len(own_names):
            return own_names[label]
        return str(label)
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    raise ParetextError(
        f"{source}, row {row}: the label {label!r} is a {type(label).__name__}: a label is one "
        "integer or one string."
    )


def _name_labels(labels: list[Label], source: str) -> tuple[tuple[str, ...], list[int]]:
    """Names made from the labels themselves: sorted, integers by value."""
    distinct = {label.value for label in labels}
    if all(_INTEGER.fullmatch(value) for value in distinct):
        names = sorted(distinct, key=int)
        say(f"{source}: labels are numbers and keep them as names; --labels gives better.")
    else:
        names = sorted(distinct)
    position = {name: i for i, name in enumerate(names)}
    return tuple(names), [position[label.value] for label in labels]


def _look_up(
    labels: list[Label], names: tuple[str, ...], source: str
) -> tuple[tuple[str, ...], list[int]]:
    """Indices into given names: by name, or by position for integers when the names are words."""
    position = {name: i for i, name in enumerate(names)}
    integers = all(_INTEGER.fullmatch(label.value) for label in labels)
    if integers and not any(_INTEGER.fullmatch(name) for name in names):
        position = {str(i): i for i in range(len(names))}
        allowed = f"there are {len(names)} label names, so labels are 0 to {len(names) - 1}"
    else:
        allowed = f"the labels are {_quoted(names)}"
    unknown: dict[str, int] = {}
    for label in labels:
        if label.value not in position:
            unknown.setdefault(label.value, label.row)
    if unknown:
        shown = [
            f"'{value}' (row {row}{_nearest(value, position)})"
            for value, row in list(unknown.items())[:_SHOWN]
        ]
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        noun = "a label" if len(unknown) == 1 else "labels"
        raise ParetextError(
            f"{source} has {noun} that the label names (from --labels or from the training "
            f"data) lack, {', '.join(shown)}{more}: {allowed}; mend the rows or add the name."
        )
    return names, [position[label.value] for label in labels]


def _nearest(value: str, valid: Sequence[str] | dict[str, int]) -> str:
    if _INTEGER.fullmatch(value):  # a number near another is no likely slip
        return ""
    near = difflib.get_close_matches(value, list(valid), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _quoted(names: Sequence[str]) -> str:
    shown = [f"'{name}'" if len(name) <= 60 else f"'{name[:57]}...'" for name in names[:20]]
    return ", ".join(shown) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _rows(rows: list[int]) -> str:
    shown = ", ".join(map(str, rows[:_SHOWN]))
    return f"row{'s' * (len(rows) > 1)} {shown}{', ...' if len(rows) > _SHOWN else ''}"
