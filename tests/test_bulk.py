"""predict_file(): every row comes back as it was, with its label and probabilities."""

from __future__ import annotations

import contextlib
import csv
import errno
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy

from paretext import bulk, progress
from paretext.artifact import Artifact
from paretext.bulk import predict_file, predict_texts
from paretext.errors import ParetextError
from paretext.table_writing import _CsvSink, _JsonlSink, _ParquetSink
from paretext.tables import RowWriter, columns, read_rows

FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")
ADDED = ["predicted_label", *(f"probability_{label}" for label in toy.LABELS)]


class Said:
    """A sink that keeps what is said."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def say(self, message: str) -> None:
        self.messages.append(message)

    @contextlib.contextmanager
    def task(self, label: str, total: int) -> Iterator[progress.Advance]:
        yield lambda n=1, note="": None


@pytest.fixture
def said() -> Iterator[Said]:
    sink = Said()
    with progress.using(sink):
        yield sink


@pytest.fixture(scope="module")
def artifact(versions: dict[str, Path]) -> Artifact:
    return Artifact.load(versions["fp32"], threads=2)


def table(path: Path, texts: list[str]) -> Path:
    with RowWriter(path, ["id", "text", 'odd, "name"']) as writer:
        for index, text in enumerate(texts):
            writer.write({"id": f"n{index}", "text": text, 'odd, "name"': f"a\nb{index}"})
    return path


def pairs(path: Path, head: tuple[str, str], *rows: tuple[str, str]) -> Path:
    with RowWriter(path, head) as writer:
        for row in rows:
            writer.write(dict(zip(head, row, strict=True)))
    return path


@pytest.mark.parametrize(
    ("source_format", "target_format"),
    [*zip(FORMATS, FORMATS, strict=True), (".csv", ".parquet"), (".parquet", ".jsonl")],
)
def test_rows_keep_their_columns_and_order(
    artifact: Artifact,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source_format: str,
    target_format: str,
) -> None:
    monkeypatch.setattr(bulk, "CHUNK_TEXTS", 7)
    texts = list(toy.dataset(25).texts)
    source = table(tmp_path / f"in{source_format}", texts)
    target = tmp_path / f"out{target_format}"
    assert predict_file(artifact, source, target)["rows"] == 25
    given, answers = list(read_rows(source)), list(read_rows(target))
    assert columns(target) == [*columns(source), *ADDED]
    assert [{name: row[name] for name in columns(source)} for row in answers] == given
    assert [row["predicted_label"] for row in answers] == artifact.predict(texts).tolist()
    probabilities = np.array([[float(row[name]) for name in ADDED[1:]] for row in answers])
    np.testing.assert_allclose(probabilities, artifact.predict_proba(texts), atol=1e-6)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_the_guess_of_the_column_is_said_and_can_be_overruled(
    artifact: Artifact, tmp_path: Path, said: Said
) -> None:
    source = pairs(tmp_path / "in.csv", ("text", "other"), ("i am happy", "i am sad"))
    rows = []
    for column in (None, "other"):
        predict_file(artifact, source, tmp_path / "out.csv", column)
        rows += list(read_rows(tmp_path / "out.csv"))
    assert [message for message in said.messages if "'text'" in message]
    expected = artifact.predict_proba(["i am happy", "i am sad"])
    found = [[float(row[name]) for name in ADDED[1:]] for row in rows]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("name", ["predicted_label", "probability_joy"])
def test_a_column_that_is_there_already(artifact: Artifact, tmp_path: Path, name: str) -> None:
    source = pairs(tmp_path / "in.csv", ("text", name), ("a", "b"))
    with pytest.raises(ParetextError, match=f"already has a column '{name}'"):
        predict_file(artifact, source, tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_a_wrong_column_lists_those_there_are(artifact: Artifact, tmp_path: Path) -> None:
    source = pairs(tmp_path / "in.csv", ("text", "remark"), ("a", "b"))
    with pytest.raises(
        ParetextError, match=r"no column 'txt'.* columns are 'text', 'remark'"
    ) as caught:
        predict_file(artifact, source, tmp_path / "out.csv", "txt")
    assert "\n" not in str(caught.value)
    with pytest.raises(ParetextError, match="does not exist"):
        predict_file(artifact, tmp_path / "none.csv", tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_empty_texts_are_counted(artifact: Artifact, tmp_path: Path, said: Said) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": ""}\n{"text": " \\t"}\n{"text": null}\n{"text": "i am glad"}\n')
    found = predict_file(artifact, source, tmp_path / "out.jsonl")
    assert (found["rows"], found["empty_texts"], found["truncated_texts"]) == (4, 3, 0)
    assert any(message.endswith("mean nothing: 3") for message in said.messages)
    rows = list(read_rows(tmp_path / "out.jsonl"))
    assert [row["text"] for row in rows] == ["", " \t", None, "i am glad"]
    assert [row["predicted_label"] for row in rows] == artifact.predict(
        ["", " \t", "", "i am glad"]
    ).tolist()


def test_a_megabyte_of_text_is_cut_and_that_is_said(
    artifact: Artifact, tmp_path: Path, said: Said
) -> None:
    start = "i feel nervous and i do not know why " * 4
    huge = start + "happy " * 166_667
    assert len(huge) > 1_000_000
    source = pairs(tmp_path / "in.csv", ("text", "id"), ("i am glad", "1"), (huge, "2"))
    found = predict_file(artifact, source, tmp_path / "out.csv")
    assert (found["rows"], found["truncated_texts"], found["empty_texts"]) == (2, 1, 0)
    assert any(message.startswith("texts longer than 24 tokens") for message in said.messages)
    rows = list(read_rows(tmp_path / "out.csv"))
    assert rows[1]["text"] == huge
    found_row = [float(str(rows[1][name])) for name in ADDED[1:]]
    np.testing.assert_allclose(found_row, artifact.predict_proba([start])[0], atol=1e-5)


@pytest.mark.parametrize(
    ("suffix", "sink", "method"),
    [
        (".csv", _CsvSink, "write"),
        (".jsonl", _JsonlSink, "write"),
        (".parquet", _ParquetSink, "_flush"),
    ],
)
@pytest.mark.parametrize("there_before", [False, True])
def test_a_full_disk_leaves_nothing_behind(
    artifact: Artifact,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    suffix: str,
    sink: type[Any],
    method: str,
    there_before: bool,
) -> None:
    source = table(tmp_path / "in.csv", list(toy.dataset(12).texts))
    target = tmp_path / f"out{suffix}"
    if there_before:
        target.write_text("what was there before")
    calls, write = itertools.count(), getattr(sink, method)

    def full(self: Any, *args: Any) -> None:
        if next(calls) == (5 if method == "write" else 0):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, *args)

    monkeypatch.setattr(sink, method, full)
    with pytest.raises(ParetextError, match="No space left on device"):
        predict_file(artifact, source, target)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == ({"in.csv", target.name} if there_before else {"in.csv"})
    if there_before:
        assert target.read_text() == "what was there before"


def test_the_output_may_replace_the_input(artifact: Artifact, tmp_path: Path) -> None:
    source = table(tmp_path / "in.csv", list(toy.dataset(9).texts))
    given = list(read_rows(source))
    predict_file(artifact, source, source)
    with source.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{name: row[name] for name in given[0]} for row in rows] == given
    assert set(ADDED) <= set(rows[0])


def test_texts_given_by_hand(artifact: Artifact) -> None:
    texts = ["i am glad", "", "i am sad"]
    answers = predict_texts(artifact, texts)
    assert [answer["text"] for answer in answers] == texts
    assert [answer["label"] for answer in answers] == artifact.predict(texts).tolist()
    for answer, row in zip(answers, artifact.predict_proba(texts), strict=True):
        assert list(answer["probabilities"]) == list(toy.LABELS)
        np.testing.assert_allclose(list(answer["probabilities"].values()), row, atol=1e-6)
