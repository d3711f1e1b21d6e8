"""A file, a folder or a hub name, opened as columns and rows.

A source is a file if it exists or ends like one (`train.csv`), so that a mistyped file is reported
as a missing file; it is a folder if that exists; else it is a hub name. Folders and hub names are
read by Hugging Face `datasets`, imported only then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from paretext.core.errors import ParetextError, first_line
from paretext.core.progress import say
from paretext.data.formats.parquet import arrow_rows, not_utf8
from paretext.data.tables import FORMATS, BadRow, OnBadRow, Row, columns, scan_rows

_HUB_NAME = re.compile(
    r"(?P<path>\w[\w.-]*(?:/\w[\w.-]*)?)(?::(?P<config>[^@]+))?(?:@(?P<split>.+))?", re.ASCII
)
_BATCH = 1000  # rows of a dataset that are Python objects at one time
_SAMPLE = 200  # rows looked at to tell columns of strings from columns of numbers


@dataclass(frozen=True)
class Source:
    """A table that can be looked at before it is read."""

    name: str
    """For messages: the path or hub name as given."""
    columns: list[str]
    class_names: dict[str, tuple[str, ...]]
    """Column -> names of the classes 0, 1, ..., for columns that declare them."""
    string_columns: Callable[[], list[str]]
    """The columns that hold strings that are not numbers."""
    rows: Callable[[Sequence[str] | None], Iterator[Row | BadRow]]
    """All rows, with at least the columns named (None: all). One that cannot be read raises a
    ParetextError or is a BadRow, as was said when the source was opened."""


def open_source(source: str | Path, split: str, on_bad_row: OnBadRow = "fail") -> Source:
    """Find and open `source`. Raises ParetextError if it is no file, folder or hub dataset."""
    path, given = Path(source), str(source)
    if path.is_file() or (path.suffix.lower() in FORMATS and not path.is_dir()):
        return open_file(path, on_bad_row)
    folder, _, part = (given, "", split) if path.is_dir() else given.rpartition("@")
    if folder and Path(folder).is_dir():
        return _open_dataset(
            given, lambda datasets: _load_folder(datasets, Path(folder), part), on_bad_row
        )
    hub = _HUB_NAME.fullmatch(given)
    if hub is None or isinstance(source, Path):
        raise ParetextError(
            f"'{given}' does not exist: give a file, a folder or a hub name such as owner/name."
        )
    say(f"loading '{given}' from the Hugging Face hub")
    return _open_dataset(
        given,
        lambda datasets: _load_hub(datasets, hub["path"], hub["config"], hub["split"] or split),
        on_bad_row,
    )


def open_file(path: Path, on_bad_row: OnBadRow) -> Source:
    """Open a table. Raises ParetextError if it is not there or has no columns."""

    def rows(wanted: Sequence[str] | None) -> Iterator[Row | BadRow]:
        return scan_rows(path, on_bad_row, wanted)

    def string_columns() -> list[str]:
        sample = [row for row in islice(rows(None), _SAMPLE) if isinstance(row, dict)]
        return [name for name in names if holds_strings([row.get(name) for row in sample])]

    names = columns(path, on_bad_row)
    return Source(str(path), names, {}, string_columns, rows)


def holds_strings(values: list[object]) -> bool:
    """Whether these are strings, and not all of them numbers."""
    present = [value for value in values if value not in (None, "")]
    return all(isinstance(value, str) for value in present) and not all(
        _is_number(str(value)) for value in present
    )


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _load_folder(datasets: Any, folder: Path, split: str) -> Any:
    if (folder / "dataset_dict.json").exists():  # what DatasetDict.save_to_disk writes
        parts = datasets.load_from_disk(str(folder))
        if split not in parts:
            raise ValueError(f'Unknown split "{split}". Should be one of {list(parts)}.')
        return parts[split]
    if (folder / "state.json").exists():  # what Dataset.save_to_disk writes
        say(f"'{folder}' holds one unnamed split: reading it, whatever split was asked for.")
        return datasets.load_from_disk(str(folder))
    return datasets.load_dataset(str(folder), split=split)


def _load_hub(datasets: Any, path: str, config: str | None, split: str) -> Any:
    import huggingface_hub

    # One quick question first: without a network, load_dataset tries again for half a minute, and
    # a mistyped folder looks like a hub name. Offline mode asks nothing and reads the cache.
    if not huggingface_hub.constants.HF_HUB_OFFLINE:
        try:
            huggingface_hub.HfApi().dataset_info(path, timeout=10)
        except huggingface_hub.errors.HfHubHTTPError:
            pass  # the hub answers; load_dataset words the reason better
        except Exception as problem:  # the kind depends on the HTTP library in use
            raise ConnectionError(str(problem)) from None
    return datasets.load_dataset(path, config, split=split)


def _open_dataset(given: str, load: Callable[[Any], Any], on_bad_row: OnBadRow) -> Source:
    try:
        import datasets
    except ImportError:
        raise ParetextError(
            f"'{given}' is no file here, and reading it as a dataset needs the datasets library: "
            'check the path, or pip install "paretext[train]".'
        ) from None
    try:
        table = load(datasets)
    except ConnectionError as problem:
        raise ParetextError(
            f"'{given}' is no file or folder here, and the hub cannot be reached "
            f"({first_line(problem)}): check the path or the network, or set HF_HUB_OFFLINE=1 to "
            "use a copy that was loaded before."
        ) from None
    except Exception as problem:  # datasets raises many kinds; each is about what was asked for
        raise ParetextError(
            f"'{given}' cannot be loaded as a dataset ({first_line(problem)}): check the name, the "
            "config (owner/name:config) and the split (owner/name@split)."
        ) from None
    return open_loaded(given, table, on_bad_row)


def open_loaded(given: str, table: Any, on_bad_row: OnBadRow) -> Source:
    """A `datasets` table; given: its name for messages."""
    import datasets

    features = table.features
    names = {
        column: tuple(feature.names)
        for column, feature in features.items()
        if isinstance(feature, datasets.ClassLabel) and feature.names is not None
    }
    strings = [
        column
        for column, feature in features.items()
        if getattr(feature, "dtype", "") in ("string", "large_string")
    ]

    def rows(wanted: Sequence[str] | None) -> Iterator[Row]:
        n = 0
        chosen = table.select_columns(list(features if wanted is None else wanted))
        try:
            for batch in chosen.with_format("arrow").iter(batch_size=_BATCH):
                for row in arrow_rows(batch, on_bad_row):
                    n += 1
                    yield row
        except UnicodeDecodeError as bad:
            raise ParetextError(f"'{given}', row {n + 1}: {not_utf8(bad)}") from None
        except (OSError, ValueError, OverflowError) as problem:  # Arrow's errors among them
            raise ParetextError(
                f"'{given}', row {n + 1} cannot be read ({first_line(problem)}): load the dataset "
                "again, or leave the row out of it."
            ) from None

    return Source(given, list(features), names, lambda: strings, rows)
