"""Texts read in passes from their file against the same texts as a Dataset."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import toy

from paretext.core.errors import ParetextError
from paretext.data.checks import check, identities
from paretext.data.dataset import Dataset
from paretext.data.stream import open_labelled

ROWS = toy.texts_and_labels(50)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Rows that can be used among some that cannot."""
    rows = [("", "joy"), *ROWS[:20], ("no label", ""), *ROWS[20:], ROWS[3], (ROWS[4][0], "sad")]
    return toy.write(tmp_path / "rows.csv", rows)


def test_a_stream_holds_what_a_dataset_of_the_same_file_holds(path: Path) -> None:
    stream = open_labelled(path, on_bad_row="skip")
    data = Dataset.read(path, on_bad_row="skip")
    assert (stream.name, stream.label_names, len(stream)) == (data.name, data.label_names, 52)
    assert stream.counts().tolist() == data.counts().tolist()
    for size in (1, 7, 52, 1000):
        chunks = list(stream.chunks(size))
        assert [text for texts, _ in chunks for text in texts] == list(data.texts)
        assert np.concatenate([labels for _, labels in chunks]).tolist() == data.labels.tolist()
        assert all(len(texts) == size for texts, _ in chunks[:-1])
        assert [len(t) for t, _ in chunks] == [len(t) for t, _ in data.chunks(size)]
    wanted = np.array([51, 0, 20, 20])
    assert stream.texts_at(wanted) == data.texts_at(wanted) == [data.texts[i] for i in wanted]


def test_rows_are_those_of_the_file(path: Path) -> None:
    stream = open_labelled(path, on_bad_row="skip")
    assert stream.bad_rows == {"no text": (1,), "no label": (22,)}
    assert stream.rows_at(np.array([0, 19, 20])).tolist() == [2, 21, 23]


def test_checks_and_fingerprints_agree(path: Path) -> None:
    stream = open_labelled(path, on_bad_row="skip")
    data = Dataset.read(path, on_bad_row="skip")
    assert identities(stream).fingerprint == data.fingerprint
    assert check(stream, stream) == check(data, data)
    report = check(stream)
    assert (report.duplicate_texts, report.conflicting_texts) == (2, 1)


def test_integers_and_what_pandas_makes_of_them_are_one_label(tmp_path: Path) -> None:
    path = tmp_path / "gaps.jsonl"
    labels = ["1", 2, "1.0", 2.0, 10]
    lines = [json.dumps({"text": f"text {i}", "label": each}) for i, each in enumerate(labels)]
    path.write_text("\n".join(lines), encoding="utf-8")
    stream, data = open_labelled(path), Dataset.read(path)
    assert stream.label_names == data.label_names == ("1", "2", "10")
    assert stream.labels.tolist() == data.labels.tolist() == [0, 1, 0, 1, 2]


@pytest.mark.parametrize("names", [None, ("joy", "sad")])
def test_what_cannot_be_read_is_refused_in_the_same_words(
    path: Path, names: tuple[str, ...] | None
) -> None:
    bad = "fail" if names is None else "skip"
    said = []
    for read in (Dataset.read, open_labelled):
        with pytest.raises(ParetextError) as refused:
            read(path, label_names=names, on_bad_row=bad)
        said.append(str(refused.value))
    assert said[0] == said[1]


def test_a_file_that_changes_between_passes_is_noticed(tmp_path: Path) -> None:
    path = toy.write(tmp_path / "rows.csv", ROWS)
    stream = open_labelled(path)
    toy.write(path, ROWS[:-1])
    with pytest.raises(ParetextError, match="changed while it was read: 49 texts"):
        list(stream.chunks())
