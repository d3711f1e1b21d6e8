"""Tables: rows in are rows out, or counted, or there is one sentence."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
import toy
from harness import Worker, check_sentence, share
from hypothesis import given
from hypothesis import strategies as st
from mutations import changed_bytes, changed_json, dumped, hostile

FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")
formats = st.sampled_from(FORMATS)
texts = st.text(max_size=30) | st.text("\"',\t\r\n\0\x1b ;|\ufeff", max_size=10)
labels = st.sampled_from(toy.LABELS) | st.text(max_size=5) | st.sampled_from(["1", "02", "3.0"])
Rows = list[tuple[str, str]]


def written(rows: Rows, suffix: str) -> bytes:
    """A table as other people's libraries write it."""
    if suffix == ".jsonl":
        lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
        return "".join(f"{line}\n" for line in lines).encode()
    if suffix == ".parquet":
        sink = io.BytesIO()
        columns = [list(column) for column in zip(*rows, strict=True)]
        pa.parquet.write_table(pa.table(columns, names=["text", "label"]), sink)
        return sink.getvalue()
    file = io.StringIO(newline="")
    delimiter = "," if suffix == ".csv" else "\t"
    csv.writer(file, delimiter=delimiter).writerows([("text", "label"), *rows])
    return file.getvalue().encode()


@pytest.fixture(scope="module")
def read(versions: dict[str, Path], worker: Worker) -> Callable[..., dict[str, Any]]:
    """Reads a table in every way, and compares the numbers of rows."""

    def ask(content: bytes, suffix: str, target: str) -> dict[str, Any]:
        path = worker.folder / f"table{suffix}"
        path.write_bytes(content)
        about = {"path": path, "target": target, "artifact": versions["int8"]}
        allowed = [str(worker.folder.resolve()), str(versions["int8"].resolve())]
        answer = worker.ask("table", **about, allowed=allowed)
        for said in answer.get("sentences", {}).values():
            check_sentence(said)
        if "predicted" in answer:
            assert answer["predicted"] == answer["written"] == len(answer["texts"])
            assert answer["answered"] + answer["unanswered"] == answer["written"]
            assert answer.get("read", answer["written"]) == answer["written"]
        if "labelled" in answer:
            rows = answer["labelled"] + answer["left_out"]
            assert rows == answer.get("read", rows) == answer.get("written", rows)
        return answer

    return ask


@share(0.1)
@given(
    rows=st.lists(st.tuples(texts, labels), min_size=1, max_size=8),
    kinds=st.tuples(formats, formats),
)
def test_tables_that_others_wrote(read: Any, rows: Rows, kinds: tuple[str, str]) -> None:
    answer = read(written(rows, kinds[0]), *kinds)
    assert answer["read"] == len(rows)
    if "predicted" in answer:
        assert answer["texts"] == [text for text, _ in rows]


@share(0.1)
@given(data=st.data(), kinds=st.tuples(formats, formats))
def test_tables_as_bytes(read: Any, data: Any, kinds: tuple[str, str]) -> None:
    content = written(toy.texts_and_labels(12), kinds[0])
    read(changed_bytes(data.draw, content), *kinds)


@share(0.05)
@given(rows=st.lists(hostile, min_size=1, max_size=4), data=st.data(), target=formats)
def test_json_lines_of_anything(read: Any, rows: list[Any], data: Any, target: str) -> None:
    given_rows = [{"text": text, "label": "joy"} for text, _ in toy.texts_and_labels(3)]
    odd = [{"text": row, "label": data.draw(labels | hostile)} for row in rows]
    changed = changed_json(data.draw, [*given_rows, *odd])
    lines = changed if isinstance(changed, list) else [changed]
    read(b"".join(dumped(each) + b"\n" for each in lines), ".jsonl", target)
