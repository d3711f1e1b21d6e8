"""What a Python caller holds, opened as columns and rows: a table in memory, or texts and labels.

Taken are, without importing any of their libraries: DataFrames of pandas and polars, Arrow tables,
`datasets` objects (a DatasetDict by its split), a dict of columns, a list of rows (dicts), a pair
(texts, labels), and where no labels are needed a sequence of texts. Everything else about them is
read as from a file: columns are guessed, and rows without text or label are counted and named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from paretext.core.errors import ParetextError
from paretext.data.sources import Source, holds_strings, open_loaded, open_source
from paretext.data.tables import BadRow, OnBadRow, Row

Given = Any
"""A path or hub name, or any of the tables above."""
_TAKEN = (
    "give a file's path, a hub name, a pandas or polars DataFrame, a datasets object, a dict of "
    "columns, or a pair (texts, labels)"
)


def open_given(given: Given, split: str = "train", on_bad_row: OnBadRow = "fail") -> Source:
    """Open whatever a caller gave; ParetextError for what is no table."""
    if on_bad_row not in ("fail", "skip"):
        raise ParetextError(f"on_bad_row is {on_bad_row!r}: use 'fail' or 'skip'.")
    if isinstance(given, str | Path):
        return open_source(given, split, on_bad_row)
    if _is_dataset_dict(given):
        if split not in given:
            raise ParetextError(
                f"the datasets object has no split {split!r}; give one of "
                f"{', '.join(map(repr, given))}, such as data[{next(iter(given))!r}]."
            )
        given = given[split]
    if hasattr(given, "features") and hasattr(given, "select_columns"):
        return open_loaded("the datasets object", given, on_bad_row)
    return _in_memory(*_columns(given))


def open_texts(given: Given, on_bad_row: OnBadRow = "fail") -> Source:
    """The same for texts that need no labels, which may be a plain sequence of strings."""
    if not isinstance(given, str | Path | Mapping) and not hasattr(given, "columns"):
        column = _values(given) if _is_series(given) or isinstance(given, Sequence) else []
        if column and not any(isinstance(each, Mapping) for each in column):
            return _in_memory("the texts", {"text": column})
    return open_given(given, "train", on_bad_row)


def _columns(given: Given) -> tuple[str, dict[str, list[Any]]]:
    """A name for messages, and the columns as Python values."""
    if isinstance(given, Mapping):
        return "the dict", {str(name): _values(column) for name, column in given.items()}
    if hasattr(given, "column_names") and hasattr(given, "to_pydict"):  # Arrow's
        return "the table", given.to_pydict()
    if hasattr(given, "columns") and hasattr(given, "__getitem__"):
        return "the DataFrame", {str(name): _values(given[name]) for name in given.columns}
    if isinstance(given, tuple | list) and len(given) == 2 and not isinstance(given[0], Mapping):
        texts, labels = map(_values, given)
        if len(texts) != len(labels):
            raise ParetextError(
                f"the pair has {len(texts):,} texts and {len(labels):,} labels; give one for each."
            )
        return "the texts", {"text": texts, "label": labels}
    if isinstance(given, list) and given and all(isinstance(row, Mapping) for row in given):
        names = list(dict.fromkeys(name for row in given for name in row))
        return "the rows", {str(name): [row.get(name) for row in given] for name in names}
    raise ParetextError(f"data of type {type(given).__name__} cannot be read; {_TAKEN}.")


def _in_memory(name: str, columns: Mapping[str, Sequence[Any]]) -> Source:
    lengths = {column: len(values) for column, values in columns.items()}
    if not columns or not max(lengths.values()):
        raise ParetextError(f"{name} has no rows; {_TAKEN}.")
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{column} {length:,}" for column, length in list(lengths.items())[:5])
        raise ParetextError(f"the columns of {name} are not equally long ({shown}); mend that.")

    def rows(wanted: Sequence[str] | None) -> Iterator[Row | BadRow]:
        names = list(columns if wanted is None else wanted)
        for values in zip(*(columns[each] for each in names), strict=True):
            yield dict(zip(names, values, strict=True))

    def strings() -> list[str]:
        return [column for column, values in columns.items() if holds_strings(list(values[:200]))]

    return Source(name, list(columns), {}, strings, rows)


def _values(column: Any) -> list[Any]:
    """A column as a list of Python's own values."""
    if isinstance(column, str):
        raise ParetextError(f"a column is one string, {column[:40]!r}; give a list of strings.")
    for name in ("tolist", "to_list", "to_pylist"):  # numpy and pandas, polars, Arrow
        if hasattr(column, name):
            return list(getattr(column, name)())
    try:
        return [each.item() if hasattr(each, "item") else each for each in column]
    except TypeError:
        raise ParetextError(
            f"a column of type {type(column).__name__} cannot be read; {_TAKEN}."
        ) from None


def _is_dataset_dict(given: Given) -> bool:
    return isinstance(given, Mapping) and all(
        hasattr(each, "features") and hasattr(each, "select_columns") for each in given.values()
    )


def _is_series(given: Given) -> bool:
    """Whether it is one column: of pandas, polars, Arrow, or an array."""
    return not hasattr(given, "columns") and any(
        hasattr(given, name) for name in ("tolist", "to_list", "to_pylist")
    )
