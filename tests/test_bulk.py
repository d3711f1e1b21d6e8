"""predict_file(): every row comes back as it was, with its label and probabilities."""

from __future__ import annotations

import csv
import errno
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from said import Said, said_to

from paretext.core.errors import ParetextError
from paretext.data.dataset import Dataset
from paretext.data.formats.delimited import DelimitedSink
from paretext.data.formats.jsonl import JsonLinesSink
from paretext.data.formats.parquet import ParquetSink
from paretext.data.tables import RowWriter, columns, read_rows, scan_rows
from paretext.data.values import text_problem
from paretext.runtime import answering
from paretext.runtime.artifact import Artifact
from paretext.runtime.bulk import predict_file, predict_texts

FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")
LABEL = "predicted_label"
ADDED = [LABEL, *(f"probability_{label}" for label in toy.LABELS)]


@pytest.fixture
def said() -> Iterator[Said]:
    with said_to() as sink:
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
    monkeypatch.setattr(answering, "CHUNK_ROWS", 7)
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
    probabilities = [[float(row[name]) for name in ADDED[1:]] for row in rows]
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)


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


# --- rows without an answer

ODD = (
    *('{"text": "i am glad", "id": 1}', '{"text": "", "id": 2}', '{"text": "\\u200b\\u0000"}'),
    *('{"id": 4}', '{"text": 7}', '{"text": "half \\ud83d", "id": "x \\ud83d"}', "{oops", "[1]"),
    *('{"text": {"a": "\\ud800"}, "more": [{"\\ud800": 1}]}', '{"text": NaN}'),
    '{"text": "i am sad", "id": Infinity}',
)
"""Lines 1 and 11 alone have a text."""


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("chunk", [3, 4096])
def test_every_row_keeps_its_place_and_those_without_a_text_are_named(
    artifact: Artifact,
    tmp_path: Path,
    said: Said,
    monkeypatch: pytest.MonkeyPatch,
    suffix: str,
    chunk: int,
) -> None:
    monkeypatch.setattr(answering, "CHUNK_ROWS", chunk)
    source, target = tmp_path / "in.jsonl", tmp_path / f"out{suffix}"
    source.write_text("\n".join(ODD), encoding="utf-8")
    summary = predict_file(artifact, source, target)
    assert summary.pop("seconds") > 0
    assert summary == {
        "rows": 11,
        "unanswered": {
            "no text": 4,
            "a text that is no string (type int)": 1,
            "a text that is not valid Unicode": 1,
            "a line that is no JSON object": 2,
            "a text that is no string (type dict)": 1,
        },
        "unsure": 0,
        "truncated_texts": 0,
        "rows_done_before": 0,
    }
    assert said.messages[1:] == [
        f"{source}: left 9 of 11 rows without an answer, 4 with no text (rows 2, 3, 4, 10); 1 with "
        "a text that is no string (type int) (row 5); 1 with a text that is not valid Unicode (row "
        "6); 2 with a line that is no JSON object (rows 7, 8); 1 with a text that is no string "
        "(type dict) (row 9).",
        f"{source}: characters that are not valid Unicode are written as U+FFFD in 2 of 11 rows "
        "(rows 6, 9).",
    ]
    rows = list(read_rows(target))
    assert len(rows) == 11
    empty = "" if suffix in (".csv", ".tsv") else None
    for row in rows[1:-1]:
        assert [row[name] for name in ADDED] == [empty] * len(ADDED)
    assert [rows[0][LABEL], rows[-1][LABEL]] == artifact.predict(["i am glad", "i am sad"]).tolist()
    answered = np.array([[float(str(rows[i][name])) for name in ADDED[1:]] for i in (0, -1)])
    np.testing.assert_allclose(answered, artifact.predict_proba(["i am glad", "i am sad"]), 1e-5)
    assert rows[5]["text"] == "half \ufffd"
    assert rows[5]["id"] == "x \ufffd"
    assert {str(rows[0]["id"]), str(rows[1]["id"])} == {"1", "2"}


def test_bad_rows_can_be_refused_before_anything_is_predicted(
    artifact: Artifact, tmp_path: Path
) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("\n".join(ODD[:6]), encoding="utf-8")
    with pytest.raises(ParetextError, match=r"5 of 6 rows cannot be used, 3 with no text"):
        predict_file(artifact, source, tmp_path / "out.jsonl", on_bad_row="fail")
    source.write_text("\n".join(ODD), encoding="utf-8")
    with pytest.raises(ParetextError, match=r"row 7 \(line 7\): not JSON"):
        predict_file(artifact, source, tmp_path / "out.jsonl", on_bad_row="fail")
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_csv_line_that_cannot_be_read_keeps_its_place(
    artifact: Artifact, tmp_path: Path, said: Said
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(b'text,id\ni am glad,caf\xe9\nx,2,3\n"i am,3\ni am sad,4\nb\xff,5\n')
    assert predict_file(artifact, source, target)["rows"] == 5
    rows = list(read_rows(target))
    glad, sad = artifact.predict(["i am glad", "i am sad"]).tolist()
    assert [(row["text"], row["id"], row[LABEL]) for row in rows] == [
        ("i am glad", "caf\ufffd", glad),
        ("", "", ""),
        ("", "", ""),
        ("i am sad", "4", sad),
        ("b\ufffd", "5", ""),
    ]
    assert said.messages[-1].endswith("U+FFFD in 2 of 5 rows (rows 1, 5).")


def test_a_file_without_a_text_is_refused(artifact: Artifact, tmp_path: Path) -> None:
    for line in ('{"text": 7}', '{"text": ""}'):
        source = tmp_path / "in.jsonl"
        source.write_text(f"{line}\n{line}\n", encoding="utf-8")
        with pytest.raises(ParetextError, match="none of its 2 rows can be used, 2 with"):
            predict_file(artifact, source, tmp_path / "out.jsonl", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize(
    "line", ["{oops", '{"text": "half \\ud83d"}', '{"text": "a", "b": "\\ud83d"}']
)
def test_the_output_does_not_replace_an_input_that_it_cannot_hold(
    artifact: Artifact, tmp_path: Path, line: str
) -> None:
    source = tmp_path / "in.jsonl"
    content = f'{{"text": "i am glad", "b": ""}}\n{line}\n'
    source.write_text(content, encoding="utf-8")
    with pytest.raises(ParetextError, match=r"in.jsonl, row 2 is one with .* would be lost"):
        predict_file(artifact, source, source)
    assert source.read_text(encoding="utf-8") == content
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
value = leaf | st.recursive(
    leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
lines = st.dictionaries(st.sampled_from(["text", "a", "b", ""]), value).map(
    lambda row: json.dumps({"text": "i am glad", **row})
) | st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(lines, min_size=1, max_size=8))
def test_no_row_is_lost_whatever_it_holds(
    artifact: Artifact, tmp_path: Path, suffix: str, rows: list[str]
) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / f"out{suffix}"
    source.write_text("\n".join(rows), encoding="utf-8")
    given = list(scan_rows(source, "skip"))
    good = [isinstance(row, dict) and not text_problem(row.get("text")) for row in given]
    assume(any(good))
    summary = predict_file(artifact, source, target, "text")
    answers = list(read_rows(target))
    assert len(answers) == len(given) == summary["rows"] == len(rows)
    for row, has_text, answer in zip(given, good, answers, strict=True):
        assert bool(answer[LABEL]) == has_text
        if has_text:
            assert answer["text"] == row["text"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_column_of_any_values_has_a_place_in_every_format(
    artifact: Artifact, tmp_path: Path, suffix: str
) -> None:
    """Values of several kinds, and a column that is empty for longer than a Parquet row group."""
    source, target = tmp_path / "in.jsonl", tmp_path / f"out{suffix}"
    with source.open("w", encoding="utf-8") as file:
        for i in range(8200):
            text = "" if i < 8195 else "i am glad"
            late = None if i < 8195 else i
            file.write(json.dumps({"text": text, "late": late, "mixed": [1, "a", 2.5, [1]][i % 4]}))
            file.write("\n")
    predict_file(artifact, source, target)
    rows = list(read_rows(target))
    assert [str(row["late"]) for row in rows[-5:]] == [str(i) for i in range(8195, 8200)]
    assert [str(row["mixed"]) for row in rows[:4]] == ["1", "a", "2.5", "[1]"]
    assert rows[-1][LABEL] in toy.LABELS
    assert 0 < float(str(rows[-1][ADDED[1]])) < 1


def test_a_parquet_file_keeps_the_types_of_its_columns(artifact: Artifact, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    table = pa.table(
        {
            "text": ["i am glad", "i am sad"],
            "small": pa.array([1, None], pa.int8()),
            "when": pa.array([0, None], pa.timestamp("ms", "UTC")),
            "kind": pa.array(["a", "b"]).dictionary_encode(),
            "none": pa.array([None, None], pa.float32()),
            "bytes": [b"\xff", None],
            "list": [[1], None],
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    predict_file(artifact, tmp_path / "in.parquet", tmp_path / "out.parquet")
    written = pq.read_table(tmp_path / "out.parquet")
    assert written.select(table.column_names).equals(table)


FORMULAS = (
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://x","y")',
    "+1+1",
    "-2",
    "@SUM(A1)",
    "\t=1",
    "'=1",
)


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_a_spreadsheet_takes_for_a_formula_is_written_as_it_is(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """docs/data.md says why."""
    names = FORMULAS[:3]
    monkeypatch.setattr(
        artifact, "manifest", artifact.manifest.model_copy(update={"labels": names})
    )
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    table(source, list(FORMULAS))
    predict_file(artifact, source, target)
    rows = list(read_rows(target))
    assert tuple(row["text"] for row in rows) == FORMULAS
    assert columns(target)[-3:] == [f"probability_{name}" for name in names]
    assert {row[LABEL] for row in rows} <= set(names)
    read = Dataset.read(target, text_column="text", label_column=LABEL)
    assert set(read.label_names) == {row[LABEL] for row in rows}
    if suffix in (".csv", ".tsv"):
        with target.open(encoding="utf-8", newline="") as file:
            again = list(csv.DictReader(file, delimiter="," if suffix == ".csv" else "\t"))
        assert [row[LABEL] for row in again] == [row[LABEL] for row in rows]
        assert tuple(row["text"] for row in again) == FORMULAS


def test_on_the_command_line(versions: dict[str, Path], tmp_path: Path, command: Any) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.csv"
    source.write_text("\n".join(ODD), encoding="utf-8")
    ended = command("predict", versions["fp32"], source, "-o", target)
    assert ended.status == 0, ended.err
    assert "11 rows in " in ended.out
    assert "9 of them without an answer" in ended.out
    assert "1 with a text that is not valid Unicode (row 6)" in " ".join(ended.err.split())
    assert len(list(read_rows(target))) == 11
    target.unlink()
    ended = command("predict", versions["fp32"], source, "-o", target, "--on-bad-row", "fail")
    assert ended.status == 2
    assert "row 7 (line 7): not JSON" in ended.err
    assert not target.exists()


def test_a_megabyte_of_text_is_cut_and_that_is_said(
    artifact: Artifact, tmp_path: Path, said: Said
) -> None:
    start = "i feel nervous and i do not know why " * 4
    huge = start + "happy " * 166_667
    assert len(huge) > 1_000_000
    source = pairs(tmp_path / "in.csv", ("text", "id"), ("i am glad", "1"), (huge, "2"))
    summary = predict_file(artifact, source, tmp_path / "out.csv")
    assert (summary["rows"], summary["truncated_texts"], summary["unanswered"]) == (2, 1, {})
    assert any(message.startswith("texts longer than 24 tokens") for message in said.messages)
    rows = list(read_rows(tmp_path / "out.csv"))
    assert rows[1]["text"] == huge
    found_row = [float(str(rows[1][name])) for name in ADDED[1:]]
    np.testing.assert_allclose(found_row, artifact.predict_proba([start])[0], atol=1e-5)


@pytest.mark.parametrize(
    ("suffix", "sink", "method"),
    [
        (".csv", DelimitedSink, "write"),
        (".jsonl", JsonLinesSink, "write"),
        (".parquet", ParquetSink, "_flush"),
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
        predict_file(artifact, source, target)
    before = target.read_bytes() if there_before else b""
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
        assert target.read_bytes() == before


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
