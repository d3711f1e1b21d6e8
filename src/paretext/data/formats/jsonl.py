"""JSON Lines: one object a line; rows may leave keys out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from paretext.core.errors import ParetextError
from paretext.data.formats.base import (
    BadRow,
    Format,
    OnBadRow,
    Place,
    Row,
    TableSink,
    as_json,
    depth,
    is_unicode,
    lines,
    text_value,
)
from paretext.data.formats.parquet import common_type, json_kinds

NO_OBJECT = BadRow("a line that is no JSON object")
_DEEPEST = 100  # lists and objects in each other; what is read must be written again


class JsonLines(Format):
    name = "jsonl"
    suffixes = (".jsonl", ".ndjson")

    def columns(self, path: Path, on_bad_row: OnBadRow) -> list[str]:
        """The keys of all rows in the order they first appear, which takes one pass over the file,
        since any row may leave a key out."""
        rows = _read(path, on_bad_row)
        names = list(dict.fromkeys(key for row in rows if isinstance(row, dict) for key in row))
        return names if names or on_bad_row == "fail" else self.columns(path, "fail")  # says why

    def types(self, path: Path, on_bad_row: OnBadRow) -> dict[str, Any]:
        kinds: dict[str, set[str]] = {}
        for row in _read(path, on_bad_row):
            for name, value in row.items() if isinstance(row, dict) else ():
                kinds.setdefault(name, set()).update(json_kinds(value))
        return {name: common_type(each) for name, each in kinds.items()}

    def rows(
        self, path: Path, on_bad_row: OnBadRow, names: Sequence[str] | None
    ) -> Iterator[Row | BadRow]:
        return _read(path, on_bad_row)

    def sink(self, binary: IO[bytes], fields: list[str], types: Mapping[str, Any]) -> TableSink:
        return JsonLinesSink(binary)


def _read(path: Path, on_bad_row: OnBadRow) -> Iterator[Row | BadRow]:
    with path.open("rb") as binary:
        place = Place(path)
        place.row = 1
        for line in lines(binary, place, on_bad_row):
            if not line.strip():
                continue
            place.line = place.lines_read
            try:
                yield _json_object(line)
            except ValueError as problem:
                if on_bad_row == "fail":
                    raise place.error(
                        f"{problem}: write one object a line, such as "
                        '{"text": "...", "label": "joy"}.'
                    ) from None
                yield NO_OBJECT
            place.row += 1
        if place.row == 1:
            raise ParetextError(f"'{path}' has only blank lines: give a file with rows.")


def _json_object(line: str) -> Row:
    """The object that a line holds. Raises ValueError, which says what it holds instead."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"not JSON ({problem})") from None
    if not isinstance(row, dict):
        raise ValueError(f"{_json_kind(row)} where an object is needed")
    if not all(map(is_unicode, row)):
        raise ValueError("a key that is not valid Unicode")
    if line.count("[") + line.count("{") > _DEEPEST and depth(row) > _DEEPEST:
        raise ValueError(f"lists or objects more than {_DEEPEST} deep in each other")
    return row


def _json_kind(value: object) -> str:
    names = {list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


class JsonLinesSink(TableSink):
    def write(self, row: Row) -> None:
        row = {name: text_value(value) for name, value in row.items()}
        self.binary.write(as_json(row).encode("utf-8") + b"\n")
