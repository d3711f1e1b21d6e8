"""A row that cannot be read costs itself: reading goes on behind it; it is counted and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from said import said_to

from paretext.core.errors import ParetextError
from paretext.data.dataset import Dataset
from paretext.data.formats.delimited import FIELDS, QUOTES
from paretext.data.formats.jsonl import NO_OBJECT
from paretext.data.stream import open_labelled
from paretext.data.tables import BadRow, Row, column_types, columns, read_rows, scan_rows

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
HEALTH = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def scan(path: Path) -> list[Row | BadRow]:
    return list(scan_rows(path, "skip"))


def outcome(work: Callable[[], Any]) -> Any:
    """What it returns, or the one sentence that it ends in."""
    try:
        return work()
    except ParetextError as problem:
        return str(problem)


def row(text: str, label: str) -> Row:
    return {"text": text, "label": label}


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("a,1\nb\nc,3\n", [row("a", "1"), FIELDS, row("c", "3")]),
        ("a,1\nb,2,x\nc,3\n", [row("a", "1"), FIELDS, row("c", "3")]),
        ('a,1\n"b" x,2\nc,3\n', [row("a", "1"), QUOTES, row("c", "3")]),
        # A quote that opens nothing swallows no row, whatever comes after it.
        ('a,1\n"b,2\nc,3\nd,4\n', [row("a", "1"), QUOTES, row("c", "3"), row("d", "4")]),
        ('"b,2\n"c,3\nd,4\n', [QUOTES, QUOTES, row("d", "4")]),
        ('"b,2', [QUOTES]),
        ('"b,2\r"c,3\rd,4', [QUOTES, row("d", "4")]),
        # Lines that were read as one field are no rows: their commas may be those of a text.
        ('"b\nso, well\nb" x,2\nc,3\n', [QUOTES, QUOTES, QUOTES, row("c", "3")]),
        ('"b\nb",2\nx\n\n"c\n",3\n', [row("b\nb", "2"), FIELDS, row("c\n", "3")]),
    ],
)
def test_csv_goes_on_behind_a_bad_row(
    tmp_path: Path, content: str, rows: list[Row | BadRow]
) -> None:
    assert scan(write(tmp_path / "a.csv", f"text,label\n{content}")) == rows
    tabs = content.replace(",", "\t")
    wanted = [each if isinstance(each, BadRow) else tabbed(each) for each in rows]
    assert scan(write(tmp_path / "a.tsv", f"text\tlabel\n{tabs}")) == wanted


def tabbed(values: Row) -> Row:
    return {name: str(value).replace(",", "\t") for name, value in values.items()}


@pytest.mark.parametrize(
    "line",
    [
        *(
            "{oops",
            "[1]",
            "3",
            "null",
            '{"text": "a"} x',
            "[" * 100_000,
            '{"n": ' + "9" * 5000 + "}",
        ),
        *('{"\\ud800": 1}', '{"text": ' + "[" * 200 + "]" * 200 + "}"),
    ],
)
def test_json_lines_go_on_behind_a_bad_row(tmp_path: Path, line: str) -> None:
    good = '{"text": "a", "label": 1}'
    path = write(tmp_path / "a.jsonl", f"{good}\n{line}\n\n{good}")
    wanted = {"text": "a", "label": 1}
    assert scan(path) == [wanted, NO_OBJECT, wanted]
    assert columns(path, "skip") == ["text", "label"]
    for strict in (lambda p: list(read_rows(p)), columns):
        with pytest.raises(ParetextError, match=r"row 2 \(line 2\)"):
            strict(path)


def test_a_file_without_one_row_that_can_be_read_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ParetextError, match=r"row 1 \(line 1\): not JSON"):
        columns(write(tmp_path / "a.jsonl", "{oops\n{oops\n"), "skip")
    path = write(tmp_path / "a.csv", "text,label\na\nb\n")
    with pytest.raises(
        ParetextError, match=r"none of its 2 rows can be used, 2 with more or fewer"
    ):
        Dataset.read(path, on_bad_row="skip")


def test_a_byte_that_is_not_utf_8_costs_its_field(tmp_path: Path) -> None:
    csv = write(tmp_path / "a.csv", b"text,label,note\na,1,caf\xe9\nb\xff,2,x\nc,3,y\n")
    jsonl = write(
        tmp_path / "a.jsonl",
        b'{"text": "a", "label": 1, "note": "caf\xe9"}\n{"text": "b\xff", "label": 2}\n'
        b'{"text": "c", "label": 3}\n',
    )
    for path in (csv, jsonl):
        read = {"text_column": "text", "label_column": "label"}
        assert Dataset.read(path, on_bad_row="skip", **read).texts == ("a", "c")
        assert open_labelled(path, on_bad_row="skip", **read).bad_rows == {
            "a text that is not valid Unicode": (2,)
        }
        with pytest.raises(ParetextError, match=r"row 1 .* byte 0xe9 .* is not UTF-8"):
            Dataset.read(path, **read)
    for name, content in (
        ("h.csv", b"text,caf\xe9\na,1\n"),
        ("u.csv", "text\na\n".encode("utf-16")),
        ("u.jsonl", '{"text": "a"}\n'.encode("utf-16")),
    ):
        with pytest.raises(ParetextError, match="is not UTF-8"):
            scan(write(tmp_path / name, content))


def test_arrow_strings_that_are_not_utf_8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pa = pytest.importorskip("pyarrow")
    hub = pytest.importorskip("datasets")
    import pyarrow.parquet as pq

    def strings(*values: bytes) -> Any:
        binary = pa.array(values, pa.binary())
        return pa.Array.from_buffers(pa.string(), len(values), binary.buffers())

    table = pa.table(
        {
            "text": strings(b"a", b"b\xff", b"c"),
            "label": ["1", "2", "3"],
            "note": strings(b"caf\xe9", b"", b""),
            "when": pa.array([2**62 + 1, 0, 0], pa.timestamp("us")),  # beyond Python's years
            "list": pa.array([["x"], [], None]),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    monkeypatch.setattr(hub.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    hub.disable_progress_bars()
    hub.Dataset(table).save_to_disk(tmp_path / "saved")
    first, second, third = scan(tmp_path / "a.parquet")
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert isinstance(third, dict)
    assert first["note"] == "caf\udce9"
    assert second["text"] == "b\udcff"
    assert third["text"] == "c"
    assert isinstance(first["when"], str)
    with pytest.raises(ParetextError, match=r"row 1: byte 0xe9|row 1: a value that Python"):
        list(read_rows(tmp_path / "a.parquet"))
    for source in (tmp_path / "a.parquet", tmp_path / "saved"):
        # Columns that are not asked for are not read, so they cost nothing.
        read = {"text_column": "text", "label_column": "label"}
        assert Dataset.read(source, on_bad_row="skip", **read).texts == ("a", "c")
        with pytest.raises(ParetextError, match="row 2: byte 0xff"):
            Dataset.read(source, **read)


def test_a_damaged_parquet_file_is_one_sentence(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    pa = pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [f"text {i}" for i in range(5000)]}), path)
    whole = path.read_bytes()
    for damaged in (whole[:-100], whole[: len(whole) // 2], b"PAR1" + b"\0" * 4000 + whole[4004:]):
        path.write_bytes(damaged)
        with pytest.raises(ParetextError, match=r"not a Parquet file|damaged"):
            scan(path)


@settings(max_examples=60, **HEALTH)
@given(damage=st.dictionaries(st.integers(0, 3000), st.integers(0, 255), min_size=1, max_size=4))
def test_any_damage_to_a_parquet_file_ends_in_rows_or_in_one_sentence(
    tmp_path: Path, damage: dict[int, int]
) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    pa = pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    rows = range(40)
    made = {"text": [f"text {i}" for i in rows], "n": [[i] for i in rows]}
    pq.write_table(pa.table(made), path, compression="none")
    content = bytearray(path.read_bytes())
    for at, byte in damage.items():
        content[-1 - at % len(content)] = byte
    path.write_bytes(content)
    for read in (scan, lambda p: list(read_rows(p)), columns, column_types):
        rows_or_sentence = outcome(lambda work=read: work(path))
        assert rows_or_sentence
        assert not isinstance(rows_or_sentence, str) or rows_or_sentence.endswith(".")


def test_a_parquet_column_whose_name_is_not_utf_8(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    pa = pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a"]}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"text", b"te\xfft"))
    for read in (scan, columns, column_types):
        with pytest.raises(ParetextError, match="not a Parquet file that can be read"):
            read(path)


def test_every_kind_is_counted_and_named_by_its_row_five_at_most(tmp_path: Path) -> None:
    bad = ["x", ",1", '"x" y,1', "x,", *["x"] * 5]
    path = write(tmp_path / "a.csv", "\n".join(["text,label", "a,1", *bad, "b,2"]))
    for read in (Dataset.read, open_labelled):
        with said_to() as heard:
            assert len(read(path, on_bad_row="skip")) == 2
        said = next(each for each in heard.messages if "left out" in each)
        assert said == (
            f"{path}: left out 9 of 11 rows, 6 with more or fewer fields than the header names "
            "(rows 2, 6, 7, 8, 9, ...); 1 with no text (row 3); 1 with quotes that do not match "
            "(row 4); 1 with no label (row 5)."
        )
        with pytest.raises(ParetextError, match=r"row 2 \(line 3\): 1 field"):
            read(path)
    stream = open_labelled(path, on_bad_row="skip")
    assert stream.rows_at(np.array([0, 1])).tolist() == [1, 11]
    assert [list(texts) for texts, _ in stream.chunks(1)] == [["a"], ["b"]]


# --- any damage

plain = st.text(st.characters(exclude_categories=["Cs"], exclude_characters='\r\n",'), max_size=9)
junk = st.binary(min_size=1, max_size=12) | st.text('",{}[]:ax\t', min_size=1).map(str.encode)


@settings(max_examples=150, **HEALTH)
@given(rows=st.lists(st.tuples(plain, plain), min_size=1, max_size=5), data=st.data(), damage=junk)
@example(rows=[("a", "b")] * 3, data=None, damage=b'"')
@example(rows=[("a", "b")] * 3, data=None, damage=b"\xff")
def test_one_damaged_line_costs_no_other_row(
    tmp_path: Path, rows: list[tuple[str, str]], data: st.DataObject | None, damage: bytes
) -> None:
    assume(not {*b"\r\n"} & {*damage})
    assume(damage.decode("utf-8-sig", "replace").strip())
    assume(not damage.startswith((b"\xff\xfe", b"\xfe\xff")))  # that would be a UTF-16 file
    at = data.draw(st.integers(0, len(rows) - 1)) if data else 0
    for suffix, of in ((".csv", lambda *row: ",".join(row)), (".jsonl", json_line)):
        lines = [of(*each).encode() for each in rows]
        lines[at] = damage
        head = [b"text,label"] if suffix == ".csv" else []
        path = write(tmp_path / f"a{suffix}", b"\n".join([*head, *lines]))
        scanned = scan(path)
        assert len(scanned) == len(rows)
        wanted = [{"text": text, "label": label} for text, label in rows]
        assert scanned[:at] == wanted[:at]
        assert scanned[at + 1 :] == wanted[at + 1 :]


def json_line(text: str, label: str) -> str:
    return json.dumps({"text": text, "label": label}, ensure_ascii=False)


tokens = st.sampled_from(
    [
        *(b'"', b'""', b",", b"\t", b"\n", b"\r", b"\r\n", b"text", b"label", b"a", b"1", b" "),
        *(b"\0", b"{", b"}", b"[", b"]", b":", b'{"text": "a", "label": 1}\n', b"\\ud800", b"\xff"),
        *(b"\xc3", b"\xef\xbb\xbf", b"text,label\n", b"\xe2\x80\xa8", b"\x1c", b"NaN", b"PAR1"),
    ]
)
content = st.lists(tokens, max_size=30).map(b"".join) | st.binary(max_size=60)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=150, **HEALTH)
@given(content=content)
def test_any_bytes_end_in_rows_or_in_one_sentence(
    tmp_path: Path, suffix: str, content: bytes
) -> None:
    path = write(tmp_path / f"a{suffix}", content)
    strict = outcome(lambda: list(read_rows(path)))
    lenient = outcome(lambda: scan(path))
    if isinstance(strict, list):
        assert strict
        assert lenient == strict
    else:
        assert strict.endswith(".")
        assert lenient == strict or any(isinstance(each, (BadRow, dict)) for each in lenient)
    for on_bad_row in ("fail", "skip"):
        data = outcome(lambda bad=on_bad_row: Dataset.read(path, on_bad_row=bad))
        stream = outcome(lambda bad=on_bad_row: open_labelled(path, on_bad_row=bad))
        if isinstance(data, str):
            assert data[-1] in ".?"
            assert stream == data
        else:
            assert stream.labels.tolist() == data.labels.tolist()
