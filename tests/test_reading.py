"""Reading a table: its columns, what a label is, bad rows, files, folders and the hub."""

# ruff: noqa: F401, F811  (a fixture comes by import)

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from test_data import NAMES, Heard, dataset, error_of, heard, table

from paretext.core.errors import ParetextError
from paretext.data.dataset import Dataset, read_label_names

# --- columns


@pytest.mark.parametrize(
    ("columns", "chosen"),
    [
        ({"label": [0, 1], "text": ["x", "y"]}, ("text", "label")),
        ({"ID": [0, 1], "Tweet": ["x", "y"], "Sentiment": ["p", "n"]}, ("Tweet", "Sentiment")),
        ({"text": ["x", "y"], "title": ["p", "q"], "class": [0, 1]}, ("text", "class")),
        ({"text": ["x", "y"], "comment": ["p", "q"], "target": [0, 1]}, ("text", "target")),
        ({"what was said": ["x", "y"], "n": ["1", "2"], "label": ["p", "q"]}, None),
        ({"said": ["x", "y"], "code": [5, 6]}, ("said", "code")),
        ({"text": ["x", "y"], "mood": ["p", "q"]}, ("text", "mood")),
    ],
)
def test_columns_are_guessed_and_the_guess_is_said(
    tmp_path: Path, heard: Heard, columns: dict[str, list[Any]], chosen: tuple[str, str] | None
) -> None:
    text, label = chosen or ("what was said", "label")
    data = Dataset.read(table(tmp_path / "a.csv", columns))
    assert data.texts == tuple(columns[text])
    assert [data.label_names[i] for i in data.labels] == [str(v) for v in columns[label]]
    assert f"text from the column '{text}'" in heard.messages[0]
    assert f"label from the column '{label}'" in heard.messages[0]


def test_columns_that_are_named_are_not_announced(tmp_path: Path, heard: Heard) -> None:
    path = table(tmp_path / "a.csv", {"text": ["x", "y"], "b": ["p", "q"], "label": ["1", "a"]})
    data = Dataset.read(path, text_column="b", label_column="label")
    assert data.texts == ("p", "q")
    assert heard.messages == []


@pytest.mark.parametrize(
    ("columns", "settings", "parts"),
    [
        (["text", "label"], {"text_column": "txt"}, ["no column 'txt'", "'text'?", "'label'"]),
        (["text", "label"], {"label_column": "mood"}, ["no column 'mood'"]),
        (["review", "comment", "label"], {}, ["--text-column", "'review', 'comment'"]),
        (["text", "class", "target"], {}, ["--label-column", "'class', 'target'"]),
        (["text", "a", "b"], {}, ["--label-column", "'a', 'b'"]),
        (["a", "b"], {}, ["--text-column"]),
        (["text"], {}, ["has no column that could be the label", "'text'"]),
        (["text", "label"], {"label_column": "text", "text_column": "text"}, ["both"]),
    ],
)
def test_unclear_or_wrong_columns_are_an_error(
    tmp_path: Path, columns: list[str], settings: dict[str, str], parts: list[str]
) -> None:
    path = table(tmp_path / "a.csv", {name: ["x", "y"] for name in columns})
    message = error_of(path, **settings)
    for part in parts:
        assert part in message


# --- labels


@pytest.mark.parametrize(
    ("raw", "names", "indices"),
    [
        (["10", "9", "-1", "10"], ("-1", "9", "10"), [2, 1, 0, 2]),
        (["1.0", "0.0", "1.0"], ("0", "1"), [1, 0, 1]),
        (["01", "02", "01"], ("01", "02"), [0, 1, 0]),
        (["b", " a ", "b"], ("a", "b"), [1, 0, 1]),
        (["1", "a", "1"], ("1", "a"), [0, 1, 0]),
        (["True", "False"], ("False", "True"), [1, 0]),
        (["12345678901234567890.0", "1"], ("1", "12345678901234567890"), [1, 0]),
    ],
)
def test_labels_without_names(
    tmp_path: Path, raw: list[str], names: tuple[str, ...], indices: list[int]
) -> None:
    texts = [f"t{i}" for i in range(len(raw))]
    data = Dataset.read(table(tmp_path / "a.csv", {"text": texts, "label": raw}))
    assert data.label_names == names
    assert data.labels.tolist() == indices


@pytest.mark.parametrize("raw", [[True, False], [1, 0], [1.0, 0.0], [1, "0"]])
def test_json_values_are_labels_too(tmp_path: Path, raw: list[Any]) -> None:
    data = Dataset.read(table(tmp_path / "a.jsonl", {"text": ["x", "y"], "label": raw}))
    assert data.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("raw", "given_names", "indices"),
    [
        (["2", "0"], NAMES, [2, 0]),
        (["fear", "sad"], NAMES, [2, 0]),
        (["3", "0"], ("0", "1", "3"), [2, 0]),
        (["1", "1"], ("other", "1"), [1, 1]),
    ],
)
def test_labels_with_names(
    tmp_path: Path, raw: list[str], given_names: tuple[str, ...], indices: list[int]
) -> None:
    path = table(tmp_path / "a.csv", {"text": ["x", "y"], "label": raw})
    data = Dataset.read(path, label_names=list(given_names))
    assert data.label_names == given_names
    assert data.labels.tolist() == indices


@pytest.mark.parametrize(
    ("raw", "given_names", "parts"),
    [
        (["0", "3"], NAMES, ["'3' (row 2)", "3 label names", "0 to 2"]),
        (["0", "-1"], NAMES, ["'-1' (row 2)"]),
        (["0", "2"], ("0", "1", "3"), ["'2' (row 2)", "'0', '1', '3'"]),
        (["joyy", "angst"], NAMES, ["'joyy' (row 1; did you mean 'joy'?)", "'angst' (row 2)"]),
        (["joy", "1"], NAMES, ["'1' (row 2)"]),
        (["joy", "sad"], ("joy", "sad", "joy"), ["both named 'joy'"]),
        (["joy", "sad"], "joy", ["list of strings"]),
    ],
)
def test_labels_outside_the_names_are_named(
    tmp_path: Path, raw: list[str], given_names: Any, parts: list[str]
) -> None:
    path = table(tmp_path / "a.csv", {"text": ["x", "y"], "label": raw})
    message = error_of(path, label_names=given_names)
    for part in parts:
        assert part in message


@pytest.mark.parametrize("value", [[1], {"a": 1}, 0.5])
def test_a_label_is_one_value(tmp_path: Path, value: Any) -> None:
    path = table(tmp_path / "a.jsonl", {"text": ["x", "y"], "label": [1, value]})
    assert "row 2" in error_of(path)


def test_label_name_files(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes("\ufeffsad\r\n joy \n\u00e9t\u00e9\n\n".encode())
    assert read_label_names(path) == ("sad", "joy", "\u00e9t\u00e9")
    for content, part in (
        (b"a\n\nb\n", "line 2 is blank"),
        (b"a\nb\na\n", "line 3 repeats the name 'a' of line 1"),
        (b"\n\n", "blank lines"),
        (b"", "empty"),
        (b"a\n\xe9\n", "0xe9"),
    ):
        path.write_bytes(content)
        with pytest.raises(ParetextError, match=part):
            read_label_names(path)


# --- bad rows


def test_bad_rows_are_counted_by_kind_and_skipped_only_when_asked(
    tmp_path: Path, heard: Heard
) -> None:
    texts = ["a", "", "  ", None, 7, "b", "c", "d\ud83d", "e"]
    labels = [0, 1, 1, 1, 1, None, " ", 0, 1]
    path = tmp_path / "a.jsonl"
    path.write_text(
        "".join(
            json.dumps({"text": t, "label": v}) + "\n" for t, v in zip(texts, labels, strict=True)
        ),
    )
    message = error_of(path)
    for part in (
        "7 of 9 rows",
        "3 with no text (rows 2, 3, 4)",
        "1 with a text that is no string (type int) (row 5)",
        "2 with no label (rows 6, 7)",
        "1 with a text that is not valid Unicode (row 8)",
        "--on-bad-row skip",
    ):
        assert part in message
    data = Dataset.read(path, on_bad_row="skip")
    assert data.texts == ("a", "e")
    assert any("left out 7 of 9 rows" in said for said in heard.messages)


def test_nothing_left_or_an_unknown_wish(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", {"text": ["", " "], "label": ["1", "2"]})
    assert "none of its 2 rows" in error_of(path, on_bad_row="skip")
    assert "'drop'" in error_of(path, on_bad_row="drop")


# --- files, folders, the hub


def test_a_mistyped_file_is_a_missing_file() -> None:
    for name in ("train.csv", "data/train.jsonl"):
        assert error_of(name) == f"'{name}' does not exist: check the path."
    for name in ("./data", "/no/such/folder", "a/b/c", "~/x"):
        assert "does not exist" in error_of(name)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    enabled = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    yield datasets
    if enabled:
        datasets.enable_progress_bars()


def test_folders_that_datasets_loads(tmp_path: Path, hub: Any, heard: Heard) -> None:
    features = hub.Features({"text": hub.Value("string"), "label": hub.ClassLabel(names=NAMES)})
    parts = {
        "train": {"text": ["x", "y", "z"], "label": [0, 1, -1]},
        "test": {"text": ["p", "q"], "label": [2, 0]},
    }
    made = hub.DatasetDict(
        {name: hub.Dataset.from_dict(part, features=features) for name, part in parts.items()}
    )
    (tmp_path / "files").mkdir()
    for name, part in made.items():
        part.to_parquet(tmp_path / "files" / f"{name}.parquet")
    made.save_to_disk(tmp_path / "saved")
    for folder in (tmp_path / "files", tmp_path / "saved"):
        test = Dataset.read(folder, split="test")
        assert test.label_names == NAMES
        assert test.labels.tolist() == [2, 0]
        assert Dataset.read(f"{folder}@test").fingerprint == test.fingerprint
        assert "1 with no label (row 3)" in error_of(folder)
        assert len(Dataset.read(folder, on_bad_row="skip")) == 2
        assert "nothing" in error_of(f"{folder}@nothing")
        # Names decide, not positions: the training data may have them in another order.
        turned = Dataset.read(folder, split="test", label_names=("fear", "joy", "sad"))
        assert turned.labels.tolist() == [0, 2]
    made["test"].save_to_disk(tmp_path / "single")
    assert len(Dataset.read(tmp_path / "single")) == 2
    assert any("whatever split" in said for said in heard.messages)
    (tmp_path / "empty").mkdir()
    assert "cannot be loaded" in error_of(tmp_path / "empty")


def test_hub_names(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None, str]] = []

    def load(path: str, config: str | None = None, *, split: str) -> Any:
        asked.append((path, config, split))
        return hub.Dataset.from_dict({"sentence": ["x", "y"], "label": [0, 1]})

    import huggingface_hub

    def answers(api: Any, name: str, timeout: float) -> None:
        if name == "name":  # a refusal is left for load_dataset to explain
            raise refusal

    refusal = huggingface_hub.errors.HfHubHTTPError("401", response=Mock())
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", answers)
    monkeypatch.setattr(hub, "load_dataset", load)
    for name in ("owner/name", "name", "owner/name@test", "owner/name:small@test[:10]"):
        assert Dataset.read(name).name == name
    assert asked == [
        ("owner/name", None, "train"),
        ("name", None, "train"),
        ("owner/name", None, "test"),
        ("owner/name", "small", "test[:10]"),
    ]

    def unreachable(*args: Any, **settings: Any) -> Any:
        raise OSError("Name or service not known")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", unreachable)
    assert "the hub cannot be reached (Name or service not known)" in error_of("owner/name")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert len(Dataset.read("owner/name")) == 2  # offline mode asks nothing
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert 'pip install "paretext[train]"' in error_of("owner/name")
