"""Tables: what is written is read back; what cannot be read is refused in one sentence."""

from __future__ import annotations

import csv
import datetime
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paretext.core.errors import ParetextError
from paretext.data.tables import FORMATS, RowWriter, column_types, columns, format_of, read_rows

SUFFIXES = sorted(FORMATS)
NAMES = ["text", 'odd "name", with\nall', "label"]

some_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
awkward = st.sampled_from([*' ",\t\n\r\ufeff\0\u2028', "", '""', "\r\n"])
rows_of_text = st.lists(
    st.fixed_dictionaries(dict.fromkeys(NAMES, some_text | awkward)), min_size=1, max_size=5
)


def write(path: Path, rows: Iterable[dict[str, object]], fields: list[str]) -> Path:
    with RowWriter(path, fields) as writer:
        for row in rows:
            writer.write(row)
    return path


def error_of(path: Path) -> str:
    with pytest.raises(ParetextError) as caught:
        list(read_rows(path))
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=rows_of_text)
def test_any_unicode_text_comes_back_as_it_was(
    tmp_path: Path, suffix: str, rows: list[dict[str, object]]
) -> None:
    path = write(tmp_path / f"table{suffix}", rows, NAMES)
    assert list(read_rows(path)) == rows
    assert columns(path) == NAMES


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(values=st.lists(some_text | awkward, min_size=1, max_size=4))
def test_a_single_column_keeps_its_empty_values(
    tmp_path: Path, suffix: str, values: list[str]
) -> None:
    path = write(tmp_path / f"one{suffix}", [{"text": value} for value in values], ["text"])
    assert [row["text"] for row in read_rows(path)] == values


def test_csv_is_what_pandas_and_the_csv_module_read(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    rows = [{"text": 'a "b", c\nd\u00e9', "label": "1"}, {"text": "x\ty", "label": "2"}]
    for suffix, delimiter in ((".csv", ","), (".tsv", "\t")):
        path = write(tmp_path / f"t{suffix}", rows, ["text", "label"])
        assert pandas.read_csv(path, sep=delimiter, dtype=str).to_dict("records") == rows
        with path.open(encoding="utf-8", newline="") as file:
            assert list(csv.DictReader(file, delimiter=delimiter)) == rows
        pandas.DataFrame(rows).to_csv(path, sep=delimiter, index=False, lineterminator="\r\n")
        assert list(read_rows(path)) == rows


def test_byte_order_mark_blank_lines_and_old_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbftext,label\r\n\r\na,1\r\n\r\n")
    assert list(read_rows(path)) == [{"text": "a", "label": "1"}]
    path.write_bytes(b"text,label\ra,1\rb,2")
    assert [row["text"] for row in read_rows(path)] == ["a", "b"]
    lines = tmp_path / "a.JSONL"
    lines.write_bytes(b'\xef\xbb\xbf{"text": "a"}\n\n{"label": 1}')
    assert list(read_rows(lines)) == [{"text": "a"}, {"label": 1}]
    assert columns(lines) == ["text", "label"]


def test_a_field_of_a_megabyte_and_the_csv_limit_left_alone(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    long = "word " * 200_000
    path = write(tmp_path / "long.csv", [{"text": long, "label": "1"}] * 2, ["text", "label"])
    for row in read_rows(path):
        assert row["text"] == long
        assert csv.field_size_limit() == limit
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("a.csv", b"", ["empty"]),
        ("a.csv", b"\n\n", ["blank lines"]),
        ("a.csv", b"text,label\n", ["no rows"]),
        ("a.jsonl", b"\n \n", ["blank lines"]),
        ("a.csv", b"text,label\na,1\nb\n", ["row 2 (line 3)", "1 field ", "names 2"]),
        ("a.csv", b"text,label\na,b,1\n", ["row 1", "3 fields", "names 2"]),
        ("a.csv", b'text,label\n"a\nb",1\nc,d,2\n', ["row 2 (line 4)", "3 fields"]),
        ("a.csv", b'text,label\na,1\n"b,2\nc,3\n', ["row 2 (line 3)", "quotes"]),
        ("a.csv", b'text,label\n"b" c,2\n', ["row 1", "quotes"]),
        ("a.csv", b"text,text\na,1\n", ["'text'", "twice"]),
        ("a.csv", b"text;label\na;1\n", ["';'", "commas"]),
        ("a.tsv", b"text,label\na,1\n", ["','", ".csv"]),
        ("a.csv", "text,label\na,1\nb\u00e9,2\n".encode("cp1252"), ["row 2", "0xe9", "offset 16"]),
        ("a.csv", "text,label\na,1\n".encode("utf-16"), ["header", "UTF-16", "iconv"]),
        ("a.jsonl", b'{"text": "a"}\n{"text": "\xff"}\n', ["row 2 (line 2)", "0xff", "offset 24"]),
        ("a.jsonl", b'{"text": "a"}\n\n{text}\n', ["row 2 (line 3)", "not JSON"]),
        ("a.jsonl", b'["a"]\n', ["row 1", "a list"]),
        ("a.jsonl", b"3\n", ["row 1", "a number"]),
        ("a.jsonl", b"[" * 100_000, ["row 1", "not JSON"]),
        ("a.parquet", b"text,label\n", ["not a Parquet file"]),
        ("a.xlsx", b"PK", [".xlsx", ".csv, .jsonl, .ndjson, .parquet or .tsv"]),
        ("a", b"x", ["no suffix"]),
    ],
)
def test_a_table_that_cannot_be_read_says_where_and_what_to_do(
    tmp_path: Path, name: str, content: bytes, parts: list[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    message = error_of(path)
    for part in [str(path), *parts]:
        assert part in message


def test_missing_files_and_folders(tmp_path: Path) -> None:
    assert "does not exist" in error_of(tmp_path / "none.csv")
    (tmp_path / "folder.csv").mkdir()
    assert "is a folder" in error_of(tmp_path / "folder.csv")


def test_parquet_bad_bytes_name_their_row(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    binary = pa.array([b"good"] * 4 + [b"b\xff"], pa.binary())
    bad = pa.Array.from_buffers(pa.string(), 5, binary.buffers())
    pq.write_table(pa.table({"text": bad}), tmp_path / "a.parquet")
    message = error_of(tmp_path / "a.parquet")
    assert "row 5" in message
    assert "0xff" in message
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "b.parquet")
    assert "no rows" in error_of(tmp_path / "b.parquet")


def test_values_of_every_kind(tmp_path: Path) -> None:
    day = datetime.date(2024, 2, 29)
    row = {"i": np.int64(3), "f": np.float64("nan"), "l": np.array([1, 2]), "d": day, "n": None}
    fields = [*row, "left_out"]
    lines = write(tmp_path / "a.jsonl", [row], fields)
    assert list(read_rows(lines)) == [
        {"i": 3, "f": None, "l": [1, 2], "d": "2024-02-29", "n": None, "left_out": None}
    ]
    table = write(tmp_path / "a.csv", [row], fields)
    assert list(read_rows(table)) == [
        {"i": "3", "f": "", "l": "[1, 2]", "d": "2024-02-29", "n": "", "left_out": ""}
    ]
    parquet = write(tmp_path / "a.parquet", [row], fields)
    (back,) = read_rows(parquet)
    assert np.isnan(back.pop("f"))  # type: ignore[call-overload]
    assert back == {"i": 3, "l": [1, 2], "d": day, "n": None, "left_out": None}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a", None], "string"),
        ([1, 2**62], "int64"),
        ([1, 2**63], "string"),
        ([1, 2.5, None], "double"),
        ([2**60, 2.5], "string"),
        ([True], "bool"),
        ([True, 1], "string"),
        ([None], "string"),
        ([[1], [2.5], None], "list<item: double>"),
        ([["a"], [None]], "list<item: string>"),
        ([[[1]], []], "list<item: list<item: int64>>"),
        ([[1], ["a"]], "string"),
        ([[1], 1], "string"),
        ([{}], "string"),
        ([[{}]], "string"),
    ],
)
def test_a_type_that_holds_every_value_of_a_column(
    tmp_path: Path, values: list[object], kind: str
) -> None:
    pytest.importorskip("pyarrow")
    lines, table = tmp_path / "a.jsonl", tmp_path / "a.parquet"
    write(lines, ({"v": value} for value in values), ["v"])
    types = column_types(lines)
    assert str(types["v"]) == kind
    with RowWriter(table, ["v"], types) as writer:
        for value in values:
            writer.write({"v": value})
    assert str(column_types(table)["v"]).replace("element", "item") == kind
    as_text = [v if v is None or isinstance(v, str) else json.dumps(v) for v in values]
    as_text = ["True" if each == "true" else each for each in as_text]
    assert [row["v"] for row in read_rows(table)] == (as_text if kind == "string" else values)


def test_numbers_that_json_lacks_are_null(tmp_path: Path) -> None:
    row = {"a": float("inf"), "b": [1.5, {"c": float("nan")}, float("-inf")], "d": float("nan")}
    path = write(tmp_path / "a.jsonl", [row], list(row))
    assert (
        path.read_text(encoding="utf-8")
        == '{"a": null, "b": [1.5, {"c": null}, null], "d": null}\n'
    )


def test_a_name_that_is_not_unicode_is_refused(tmp_path: Path) -> None:
    for suffix in (".csv", ".parquet"):
        with pytest.raises(ParetextError, match="cannot hold a column's name"):
            write(tmp_path / f"a{suffix}", [], ["\ud800"])
    assert list(tmp_path.iterdir()) == []


def test_a_failed_parquet_file_says_one_thing(tmp_path: Path) -> None:
    """pyarrow would complain once more, on standard error, when its writer is thrown away."""
    code = (
        "import sys; from paretext.data.tables import RowWriter\n"
        "try:\n"
        "  with RowWriter(sys.argv[1], ['v']) as writer:\n"
        "    for i in range(9000): writer.write({'v': i if i < 8500 else 'a'})\n"
        "except Exception as problem: print(type(problem).__name__)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a.parquet"], capture_output=True, check=False
    )
    assert (ended.stdout, ended.stderr) == (b"ParetextError\n", b"")


def test_parquet_has_row_groups_and_an_empty_table_keeps_its_columns(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    rows: list[dict[str, object]] = [{"n": i, "text": None} for i in range(20_000)]
    path = write(tmp_path / "many.parquet", rows, ["n", "text"])
    assert pq.ParquetFile(path).num_row_groups == 3
    assert list(read_rows(path)) == rows
    for suffix in (".csv", ".parquet"):
        empty = write(tmp_path / f"empty{suffix}", [], ["text", "label"])
        assert columns(empty) == ["text", "label"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a{suffix}", [{"text": "old"}], ["text"])

    def rows() -> Iterator[dict[str, object]]:
        yield {"text": "new"}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(path, rows(), ["text"])
    with pytest.raises(ParetextError, match="no column 'label'"):
        write(path, [{"text": "new", "label": 1}], ["text"])
    with pytest.raises(ParetextError, match="Unicode"):
        write(path, [{"text": "half \ud800"}], ["text"])
    assert list(read_rows(path)) == [{"text": "old"}]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_value_without_a_place_is_refused(tmp_path: Path) -> None:
    for suffix, values in ((".jsonl", [1, b"x"]), (".parquet", [1, "a"])):
        with pytest.raises(ParetextError, match=f"cannot hold a value by row {len(values)}"):
            write(tmp_path / f"a{suffix}", [{"v": value} for value in values], ["v"])
    assert list(tmp_path.iterdir()) == []


def test_where_a_table_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ParetextError, match="is no folder"):
        write(tmp_path / "none" / "a.csv", [], ["text"])
    (tmp_path / "f.csv").mkdir()
    with pytest.raises(ParetextError, match="is a folder"):
        write(tmp_path / "f.csv", [], ["text"])
    with pytest.raises(ParetextError, match=r"suffix '\.txt'"):
        RowWriter(tmp_path / "a.txt", ["text"])
    with pytest.raises(ParetextError, match="distinct"):
        RowWriter(tmp_path / "a.csv", ["text", "text"])
    with pytest.raises(ParetextError, match="not open"):
        RowWriter(tmp_path / "a.csv", ["text"]).write({"text": "a"})


def test_reading_streams(tmp_path: Path) -> None:
    """The first row comes before a fault that stands after it is met."""
    for name, good, bad in (("a.csv", "t\n1\n2\n", "a,b\n"), ("a.jsonl", '{"t": 1}\n', "{\n")):
        path = tmp_path / name
        path.write_text(good + bad)
        assert str(next(iter(read_rows(path)))["t"]) == "1"


def test_jsonl_is_plain_json(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"text": "caf\u00e9", "p": 0.5}], ["text", "p"])
    assert path.read_text(encoding="utf-8") == '{"text": "caf\u00e9", "p": 0.5}\n'
    assert json.loads(path.read_text(encoding="utf-8"))["p"] == 0.5


def test_format_of_ignores_case() -> None:
    names = {suffix: format_of(f"A{suffix.upper()}").name for suffix in SUFFIXES}
    assert names == {
        **{".csv": "csv", ".tsv": "tsv", ".parquet": "parquet"},
        **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    }


def test_without_pyarrow_parquet_names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert 'pip install "paretext[train]"' in error_of(tmp_path / "a.parquet")
    with pytest.raises(ParetextError, match="pip install"):
        RowWriter(tmp_path / "b.parquet", ["text"])


def test_importing_is_light() -> None:
    code = (
        "import sys, csv; limit = csv.field_size_limit(); "
        "import paretext.data.tables, paretext.data.dataset; "
        "heavy = {'pyarrow', 'pandas', 'datasets', 'sklearn', 'torch', 'transformers'}; "
        "sys.exit(bool(heavy & set(sys.modules)) or csv.field_size_limit() != limit)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
