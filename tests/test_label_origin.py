"""A label that the names lack: the sentence says whose names they are, and the remedy that fits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import toy

from paretext.core.errors import ParetextError
from paretext.data.dataset import Dataset

ROWS = [*toy.texts_and_labels(60, seed=3), ("what is this", "fury")]
CHANGED = "mend the rows, or give a model that was trained with such labels"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return toy.write(tmp_path / "others.csv", ROWS)


def said(ended: Any) -> str:
    assert ended.status == 2
    assert ended.err.count("lack") == 1
    return " ".join(ended.err.split())


def test_an_artifact_names_its_labels(
    versions: dict[str, Path], table: Path, command: Any, tmp_path: Path
) -> None:
    int8, fp32 = versions["int8"], versions["fp32"]
    sentence = said(command("certify", int8, "--against", fp32, "--eval", table))
    assert f"that the labels of {fp32} lack, 'fury' (row 61" in sentence
    assert CHANGED in sentence
    assert "--labels" not in sentence
    sentence = said(command("compare", int8, fp32, "--eval", table, "--out", tmp_path / "c"))
    assert f"that the labels of {int8} lack, 'fury' (row 61" in sentence


def test_a_model_names_its_labels(versions: dict[str, Path], table: Path, command: Any) -> None:
    model = versions["pytorch"]
    for verb in ("compress", "search"):
        sentence = said(command(verb, model, "--data", table, "--out", table.parent / verb))
        assert f"that the labels of {model} lack, 'fury' (row 61" in sentence
        assert CHANGED in sentence


def test_numbers_for_names_are_named_with_labels(
    versions: dict[str, Path], table: Path, command: Any
) -> None:
    model = Path(shutil.copytree(versions["pytorch"], table.parent / "model"))
    config = json.loads((model / "config.json").read_text("utf-8"))
    names = [f"LABEL_{i}" for i in range(len(toy.LABELS))]
    config |= {"id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)}}
    (model / "config.json").write_text(json.dumps(config), encoding="utf-8")
    sentence = said(command("compress", model, "--eval", table, "--out", table.parent / "out"))
    assert f"that the labels of {model} lack" in sentence
    assert "name its outputs: --labels FILE, one name a line, that of output 0 first" in sentence


def test_training_texts_name_the_labels(table: Path, command: Any) -> None:
    train = toy.write(table.parent / "train.csv", toy.texts_and_labels(60))
    common = ("--data", train, "--eval", table, "--model", "tfidf", "--out", table.parent / "out")
    sentence = said(command("run", *common))
    assert f"that the labels of {train} lack, 'fury' (row 61" in sentence
    assert f"mend the rows, or add texts of the label to {train}" in sentence
    names = table.parent / "names.txt"
    names.write_text("\n".join(toy.LABELS), encoding="utf-8")
    sentence = said(command("run", *common, "--labels", names))
    assert f"that {names} lacks, 'fury' (row 61" in sentence
    assert f"mend the rows, or add the name to {names}" in sentence
    sentence = said(command("explore", train, "--eval", table))
    assert f"that the labels of {train} lack, 'fury' (row 61" in sentence


def test_names_that_were_given_in_python(table: Path) -> None:
    with pytest.raises(ParetextError, match=r"that label_names lacks, 'fury' \(row 61"):
        Dataset.read(table, label_names=toy.LABELS)
