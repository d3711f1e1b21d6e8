"""What a text is and what a label is, decided in one place for every format and every use."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from said import Said, said_to

from paretext.core.errors import ParetextError
from paretext.data.dataset import Dataset, read_label_names
from paretext.data.reading import read_texts
from paretext.data.stream import open_labelled
from paretext.data.tables import OnBadRow, RowWriter
from paretext.data.values import (
    NO_LABEL,
    NO_TEXT,
    SEVERAL_LABELS,
    alike,
    label_name,
    label_problem,
    label_value,
    text_problem,
)
from paretext.measure.evaluation import evaluate

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


@pytest.fixture
def heard() -> Iterator[Said]:
    with said_to() as sink:
        yield sink


def lines(path: Path, *rows: object) -> Path:
    """A JSON Lines file, in ASCII: half a surrogate pair is written as its escape."""
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="ascii")
    return path


def labelled(path: Path, *labels: object) -> Path:
    return lines(path, *({"text": f"text {i}", "label": each} for i, each in enumerate(labels)))


# --- texts


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("a", ""),
        (" \u00e9 ", ""),
        ("\U0001f468\u200d\U0001f469", ""),
        ("\u0301", ""),
        (None, NO_TEXT),
        (float("nan"), NO_TEXT),
        ("", NO_TEXT),
        (" \t\r\n\u00a0\u3000", NO_TEXT),
        ("\0\0", NO_TEXT),
        ("\x1b\x07", NO_TEXT),
        ("\u200b\ufeff\u200e", NO_TEXT),
        ("a\ud83d", "a text that is not valid Unicode"),
        ("\udc80", "a text that is not valid Unicode"),
        (7, "a text that is no string (type int)"),
        (1.5, "a text that is no string (type float)"),
        (True, "a text that is no string (type bool)"),
        (b"a", "a text that is no string (type bytes)"),
        (["a"], "a text that is no string (type list)"),
        ({"a": 1}, "a text that is no string (type dict)"),
    ],
)
def test_what_a_text_is(value: Any, problem: str, tmp_path: Path) -> None:
    assert text_problem(value) == problem
    if problem:
        with pytest.raises(ParetextError, match=r"text 1 \(counted from 0\)"):
            Dataset(("a", value), np.array([0, 1]), ("x", "y"))
    else:
        assert Dataset((value,), np.array([0]), ("x",)).texts == (value,)
    if isinstance(value, bytes) or value != value:
        return
    path = lines(
        tmp_path / "a.jsonl", *({"text": each, "label": str(each)} for each in ("good", value))
    )
    for read in (Dataset.read, open_labelled, lambda p: read_texts(p, None, "fail")):
        if problem:
            with pytest.raises(ParetextError) as caught:
                read(path)
            assert f"1 of 2 rows cannot be used, 1 with {problem} (row 2)" in str(caught.value)
        else:
            assert len(read(path)) == 2


def test_an_enormous_text_is_not_repeated_in_the_error() -> None:
    with pytest.raises(ParetextError) as caught:
        Dataset(("x" * 1_000_000 + "\ud800",), np.array([0]), ("x",))
    assert len(str(caught.value)) < 200


def test_unlabelled_texts_are_left_out_in_words_only(tmp_path: Path, heard: Said) -> None:
    texts = ["good", None, " ", 7, "half \ud83d", ["a"], {"text": "a"}, "fine"]
    path = lines(tmp_path / "a.jsonl", *({"text": text} for text in texts), {"id": 3})
    with pytest.raises(ParetextError, match=r"7 of 9 rows .* 3 with no text \(rows 2, 3, 9\)"):
        read_texts(path, None, "fail")
    assert read_texts(path, "text", "skip") == ["good", "fine"]
    assert heard.messages[1:] == [
        f"{path}: left out 7 of 9 rows, 3 with no text (rows 2, 3, 9); 1 with a text that is no "
        "string (type int) (row 4); 1 with a text that is not valid Unicode (row 5); 1 with a text "
        "that is no string (type list) (row 6); 1 with a text that is no string (type dict) "
        "(row 7)."
    ]


# --- labels


@pytest.mark.parametrize(
    ("value", "names", "problem"),
    [
        ("a", None, ""),
        (3, None, ""),
        (True, None, ""),
        (3.0, None, ""),
        (-1, None, ""),
        (-1, ("a",), NO_LABEL),
        (None, None, NO_LABEL),
        (float("nan"), None, NO_LABEL),
        ("\u200b ", None, NO_LABEL),
        ("\ud800", None, "a label that is not valid Unicode"),
        (0.5, None, "a label that is no string or integer (type float)"),
        (float("inf"), None, "a label that is no string or integer (type float)"),
        (b"a", None, "a label that is no string or integer (type bytes)"),
        (Decimal(1), None, "a label that is no string or integer (type Decimal)"),
        ({"a": 1}, None, "a label that is no string or integer (type dict)"),
        (["a"], None, SEVERAL_LABELS),
    ],
)
def test_what_a_label_is(value: Any, names: tuple[str, ...] | None, problem: str) -> None:
    assert label_problem(value, names) == problem


def test_a_row_whose_label_is_none_is_left_out_like_any_other(tmp_path: Path, heard: Said) -> None:
    path = labelled(tmp_path / "a.jsonl", "a", [1], {"a": 1}, 0.5, "\ud800", None, "b")
    for read in (Dataset.read, open_labelled):
        with pytest.raises(ParetextError, match=r"5 of 7 rows .* several labels \(row 2\)"):
            read(path)
        assert read(path, on_bad_row="skip").label_names == ("a", "b")
    assert "left out 5 of 7 rows" in heard.messages[-1]


def test_two_encodings_of_a_name_are_one_label(tmp_path: Path) -> None:
    path = labelled(tmp_path / "a.jsonl", DECOMPOSED, COMPOSED, "b", f" {DECOMPOSED}\n")
    for read in (Dataset.read, open_labelled):
        data = read(path)
        assert data.label_names == ("b", COMPOSED)
        assert data.labels.tolist() == [1, 1, 0, 1]
        for names in ((COMPOSED, "b"), (DECOMPOSED, "b"), ("b", f"{DECOMPOSED} ")):
            looked_up = read(path, label_names=names)
            assert looked_up.label_names == names  # a model's names stay its own
            b = names.index("b")
            assert looked_up.labels.tolist() == [1 - b, 1 - b, b, 1 - b]
    twice = tmp_path / "labels.txt"
    twice.write_text(f"{COMPOSED}\nb\n{DECOMPOSED}\n", encoding="utf-8")
    with pytest.raises(ParetextError, match=r"line 3 repeats the name .* of line 1"):
        read_label_names(twice)
    twice.write_text(f"{DECOMPOSED}\nb\n", encoding="utf-8")
    assert read_label_names(twice) == (COMPOSED, "b")
    with pytest.raises(ParetextError, match="labels 0 and 1 are both named"):
        Dataset(("x",), np.array([0]), (COMPOSED, DECOMPOSED))


def test_a_model_of_the_other_encoding_is_understood() -> None:
    class Model:
        def predict(self, texts: Sequence[str]) -> Any:
            return np.array([DECOMPOSED, "b", "b"])

    data = Dataset(("x", "y", "z"), np.array([1, 0, 1]), ("b", COMPOSED))
    assert evaluate(Model(), data, resamples=10).accuracy.estimate == pytest.approx(2 / 3)


def test_the_class_names_of_a_dataset_are_labels_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = pytest.importorskip("datasets")
    monkeypatch.setattr(hub.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    hub.disable_progress_bars()
    names = [DECOMPOSED, "b"]
    features = hub.Features({"text": hub.Value("string"), "label": hub.ClassLabel(names=names)})
    made = hub.Dataset.from_dict({"text": ["x", "y"], "label": [1, 0]}, features=features)
    made.save_to_disk(tmp_path / "saved")
    data = Dataset.read(tmp_path / "saved")
    assert data.label_names == (COMPOSED, "b")
    assert Dataset.read(tmp_path / "saved", label_names=("b", COMPOSED)).labels.tolist() == [0, 1]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
def test_a_label_is_the_same_however_often_it_is_read(name: str) -> None:
    assert label_name(label_name(name)) == label_name(name)
    for form in ("NFC", "NFD"):
        assert label_name(unicodedata.normalize(form, name)) == label_name(name)


def test_integers_have_one_form(tmp_path: Path) -> None:
    path = labelled(tmp_path / "a.jsonl", "-0.0", 0, -0.0, "0", "3.0", 3)
    assert Dataset.read(path).label_names == ("0", "3")
    digits = labelled(tmp_path / "b.jsonl", "9" * 5000, "1", "9" * 5000)  # Python's int() refuses
    assert Dataset.read(digits).label_names == ("1", "9" * 5000)


def test_labels_that_are_alike_are_two_and_said(tmp_path: Path, heard: Said) -> None:
    names = ["Joy", "joy", "pay  now", "pay now", "sad", "sad\u200b", "fear"]
    assert alike(names) == [["Joy", "joy"], ["pay  now", "pay now"], ["sad", "sad\u200b"]]
    assert alike(["a", "b", "c d"]) == []
    path = labelled(tmp_path / "a.jsonl", *names)
    for read in (Dataset.read, open_labelled):
        assert len(read(path, text_column="text", label_column="label").label_names) == 7
        (said,) = heard.messages
        heard.messages.clear()
        assert "different labels: 'Joy', 'joy'; 'pay  now', 'pay now'; 'sad', " in said
    # Names that were given were looked at when they were first read.
    Dataset.read(path, text_column="text", label_column="label", label_names=names)
    assert heard.messages == []


def test_a_text_read_as_a_label_is_neither_compared_at_length_nor_shown_whole(
    tmp_path: Path,
) -> None:
    path = labelled(tmp_path / "a.jsonl", *("word " * 20_000 + str(i) for i in range(5)))
    names = tuple("term " * 20_000 + str(i) for i in range(20))
    with pytest.raises(ParetextError) as caught:  # in quadratic time this would take minutes
        Dataset.read(path, label_names=names)
    assert len(str(caught.value)) < 2500


# --- the same table in every format

visible = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Z"]), min_size=1, max_size=9)
texts = visible | st.sampled_from([f"{COMPOSED} 1", " padded\n", '"q", x\ty', "\ufeffstart"])
bad_texts = st.sampled_from([None, "", " ", "\u200b"])
bad_labels = st.sampled_from([None, "", " \t"])
label_columns = st.one_of(
    st.lists(
        visible | st.sampled_from([COMPOSED, DECOMPOSED, " a ", "a", "A", "1.0", "1", "01", "True"])
    ),
    st.lists(st.integers(-3, 3)),
    st.lists(st.integers(-(2**62), 2**62)),
    st.lists(st.integers(-5, 5).map(float)),
    st.lists(st.booleans()),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), labels=label_columns)
def test_a_table_is_the_same_data_in_every_format(
    tmp_path: Path, data: st.DataObject, labels: list[Any]
) -> None:
    assume(labels)
    good = [(data.draw(texts), label) for label in labels]
    strings = isinstance(labels[0], str)
    rows: list[tuple[Any, Any]] = []
    for row in good:
        if data.draw(st.integers(0, 3)) == 0:
            rows.append((data.draw(bad_texts), row[1]))
        if data.draw(st.integers(0, 3)) == 0:
            rows.append((row[0], data.draw(bad_labels if strings else st.none())))
        rows.append(row)
    bad = [n for n, row in enumerate(rows, start=1) if row not in good]
    outcomes = []
    for suffix in SUFFIXES:
        path = tmp_path / f"table{suffix}"
        with RowWriter(path, ["text", "label"]) as writer:
            for text, label in rows:
                writer.write({"text": text, "label": label})
        with said_to() as heard:
            one = Dataset.read(path, on_bad_row="skip")
            stream = open_labelled(path, on_bad_row="skip")
        assert stream.label_names == one.label_names
        assert stream.labels.tolist() == one.labels.tolist()
        assert stream.rows.tolist() == [n for n in range(1, len(rows) + 1) if n not in bad]
        assert one.texts == tuple(text for text, _ in good)
        outcomes.append(
            (one.fingerprint, stream.bad_rows, [m.replace(str(path), "") for m in heard.messages])
        )
        if bad:
            with pytest.raises(ParetextError) as caught:
                Dataset.read(path)
            outcomes[-1] += (str(caught.value).replace(str(path), ""),)
    assert all(each == outcomes[0] for each in outcomes)
    assert sorted(n for rows in outcomes[0][1].values() for n in rows) == bad


def test_the_fingerprint_of_data_is_what_it_always_was() -> None:
    texts = ('one, "two"\nthree', "caf\u00e9 \U0001f600", " padded ", "plain")
    data = Dataset(texts, np.array([0, 2, 1, 0]), ("sad", "joy", "fear"))
    known = "be2e5eb6c9f246c24cd61d1588408d02ff72bd9c9a2a5958c90d9d4b8684bd01"
    assert data.fingerprint == known


# --- what is no such table


@pytest.mark.parametrize("on_bad_row", ["fail", "skip"])
def test_several_labels_and_two_texts_are_each_one_sentence(
    tmp_path: Path, on_bad_row: OnBadRow
) -> None:
    several = lines(
        tmp_path / "a.jsonl", *({"text": f"t{i}", "labels": ["a", "b"][: i % 3]} for i in range(9))
    )
    with pytest.raises(ParetextError, match="each text has several labels"):
        Dataset.read(several, on_bad_row=on_bad_row)
    two = ({"premise": "p", "hypothesis": "q", "label": "x"}, {"question": "p", "sentence": "q"})
    for row in two:
        path = lines(tmp_path / "b.jsonl", row)
        for read in (Dataset.read, lambda p, on_bad_row: read_texts(p, None, on_bad_row)):
            with pytest.raises(ParetextError, match=r"two text columns .* reads one: name it with"):
                read(path, on_bad_row=on_bad_row)
        assert read_texts(path, next(iter(row)), on_bad_row) == ["p"]


def test_labels_as_the_source_has_them() -> None:
    assert [label_value(each) for each in (" a ", 3, 3.0, True, "True")] == [
        *("a", "3", "3.0", "True", "True")
    ]
    assert [label_value(each, ("x", DECOMPOSED)) for each in (0, 1, 2, "1", True)] == [
        *("x", COMPOSED, "2", "1", "True")
    ]
