"""compare(): the table holds what each version's own files answer, weigh and cost."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import toy
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
    recall_score,
)

from paretext.compression.steps.magnitude import MagnitudePruning
from paretext.core.errors import ParetextError
from paretext.core.files import write_json
from paretext.core.markdown import escaped
from paretext.core.records import Interval
from paretext.data.dataset import Dataset
from paretext.graphs.quantisation import DynamicQuantization
from paretext.measure.comparison import Comparison, Row, Version
from paretext.measure.cost import Target
from paretext.measure.rounds import TIMES
from paretext.models.classifier import Classifier
from paretext.report.comparison import compare, file_names
from paretext.report.numbers import times
from paretext.report.table import markdown, sentences
from paretext.runtime.artifact import Artifact
from paretext.runtime.manifest import QUANTIZED_MODEL

ODD = 'int 8/"\u00e4"|$x'
DATA = toy.dataset(40, seed=7)
ISSUE_COLUMNS = (
    "version, parent, macro_f1, macro_f1_low, macro_f1_high, macro_f1_drop, macro_f1_drop_low, "
    "macro_f1_drop_high, balanced_accuracy, kappa, accuracy, bytes, peak_memory_bytes, "
    "first_answer_ms, batch1_ms_p50, batch1_ms_p95, batch32_ms_per_text, bulk_texts_per_second"
)


@dataclasses.dataclass(frozen=True)
class Made:
    folder: Path
    comparison: Comparison
    targets: dict[str, Path]


@pytest.fixture(scope="module")
def made(versions: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Made:
    """PyTorch, the float32 artifact and an INT8 one under an odd name, measured once."""
    targets = {"pytorch": versions["pytorch"], "parent": versions["fp32"], ODD: versions["int8"]}
    wanted = [
        Version(Target("pytorch", targets["pytorch"], "pytorch"), None),
        Version(Target("parent", targets["parent"]), "pytorch"),
        Version(Target(ODD, targets[ODD]), "parent"),
    ]
    folder = tmp_path_factory.mktemp("compared") / "comparison"
    return Made(folder, compare(wanted, DATA, folder, threads=2, rounds=1), targets)


def read_csv(folder: Path) -> list[dict[str, str]]:
    with (folder / "comparison.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def same(a: object, b: object) -> bool:
    """Equal, or not-a-number both."""
    return a == b or all(isinstance(x, float) and math.isnan(x) for x in (a, b))


def predictions(made: Made, version: str) -> np.ndarray[Any, Any]:
    """The labels' ids that a version answers, asked in this process."""
    folder = made.targets[version]
    if version == "pytorch":
        return Classifier.load(folder).logits(DATA.texts).argmax(axis=1)
    names = Artifact.load(folder, threads=2).predict(DATA.texts)
    return np.array([DATA.label_names.index(name) for name in names])


def test_the_csv_has_the_columns_of_the_issue_in_their_order(made: Made) -> None:
    labels = [f"f1_{name}" for name in toy.LABELS] + [f"recall_{name}" for name in toy.LABELS]
    rows = read_csv(made.folder)
    assert list(rows[0]) == ISSUE_COLUMNS.split(", ") + labels
    assert [row["version"] for row in rows] == ["pytorch", "parent", ODD]
    assert [row["parent"] for row in rows] == ["", "pytorch", "parent"]
    assert [row["macro_f1_drop"] == "" for row in rows] == [True, False, False]


def test_csv_and_json_and_what_is_read_again_are_the_same(made: Made) -> None:
    again = Comparison.read(made.folder)
    assert again == made.comparison
    stored = json.loads((made.folder / "comparison.json").read_text())
    assert stored == made.comparison.record()
    assert set(stored) == {each.name for each in dataclasses.fields(Comparison)}
    for row, written in zip(again.flat(), read_csv(made.folder), strict=True):
        assert list(row) == list(written)
        for name, value in row.items():
            if isinstance(value, str):
                assert value == written[name]
            elif math.isnan(value):
                assert written[name] == ""
            else:
                assert value == float(written[name])
    assert again.labels == toy.LABELS
    assert again.data["fingerprint"] == DATA.fingerprint
    assert markdown(again) == (made.folder / "comparison.md").read_text(encoding="utf-8")


def test_a_comparison_with_numbers_that_are_undefined_is_equal_to_itself_read_again(
    made: Made, tmp_path: Path
) -> None:
    none = Interval(float("nan"), float("nan"), float("nan"))
    first, *others = made.comparison.rows
    quality = dataclasses.replace(first.quality, kappa=none, recall=(none,) * 3)
    rows = (dataclasses.replace(first, quality=quality), *others)
    odd = dataclasses.replace(made.comparison, rows=rows)
    write_json(tmp_path / "comparison.json", odd.record())
    assert "NaN" not in (tmp_path / "comparison.json").read_text()
    assert Comparison.read(tmp_path) == odd


def test_a_comparison_of_an_older_version_says_so(tmp_path: Path) -> None:
    write_json(tmp_path / "comparison.json", {"versions": [], "labels": []})
    with pytest.raises(ParetextError, match="older version of paretext; make one with: paretext"):
        Comparison.read(tmp_path)


@pytest.mark.parametrize(("known", "older"), [(None, "an older"), (3, "an older"), (5, "a newer")])
def test_a_comparison_of_another_format_says_which_way(
    made: Made, tmp_path: Path, known: int | None, older: str
) -> None:
    values = made.comparison.record()
    del values["format"]
    write_json(tmp_path / "comparison.json", values | ({"format": known} if known else {}))
    with pytest.raises(ParetextError, match=f"is of {older} version of paretext; make one with"):
        Comparison.read(tmp_path)


@pytest.mark.parametrize("version", ["pytorch", "parent", ODD])
def test_quality_is_scikit_learns_on_the_versions_own_answers(made: Made, version: str) -> None:
    truth, predicted = DATA.labels, predictions(made, version)
    row = next(row for row in made.comparison.flat() if row["version"] == version)
    of = {"labels": range(3), "zero_division": 0}
    expected = {
        "macro_f1": f1_score(truth, predicted, average="macro", **of),
        "balanced_accuracy": balanced_accuracy_score(truth, predicted),
        "kappa": cohen_kappa_score(truth, predicted),
        "accuracy": accuracy_score(truth, predicted),
    }
    for index, name in enumerate(toy.LABELS):
        expected[f"f1_{name}"] = f1_score(truth, predicted, average=None, **of)[index]
        expected[f"recall_{name}"] = recall_score(truth, predicted, average=None, **of)[index]
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, abs=1e-12), name
    counts = made.comparison.row(version).quality.confusion
    np.testing.assert_array_equal(counts, confusion_matrix(truth, predicted, labels=range(3)))
    assert row["macro_f1_low"] < row["macro_f1"] < row["macro_f1_high"]


def test_a_drop_is_the_difference_of_two_rows(made: Made) -> None:
    rows = {row["version"]: row for row in made.comparison.flat()}
    for row in rows.values():
        if row["parent"]:
            difference = rows[row["parent"]]["macro_f1"] - row["macro_f1"]
            assert row["macro_f1_drop"] == pytest.approx(difference, abs=1e-12)
    drops = made.comparison.row(ODD).drops
    assert drops is not None
    flipped = (predictions(made, ODD) != predictions(made, "parent")).mean()
    assert drops.flips.estimate == pytest.approx(flipped)


def test_bytes_are_those_of_the_files(made: Made) -> None:
    for row in made.comparison.flat():
        files = [path for path in made.targets[row["version"]].rglob("*") if path.is_file()]
        assert row["bytes"] == sum(len(path.read_bytes()) for path in files)


def test_costs_are_of_one_round_and_fit_together(made: Made) -> None:
    for row in made.comparison.rows:
        cost = row.cost
        (only,) = cost.rounds
        assert [getattr(cost, name) for name in TIMES] == [getattr(only, name) for name in TIMES]
        assert set(only.conditions) == {"batch1", "batch32", "bulk"}
        # half of a round's texts took what its median says, or longer
        first = only.conditions["batch1"]
        assert first.wall_seconds * 1e3 > len(DATA) * cost.batch1_ms_p50 / 2
        assert first.cpu_seconds > 0
        assert [start.ms for start in cost.starts] == [cost.first_answer_ms]
        assert 0 < cost.batch1_ms_p50 <= cost.batch1_ms_p95
        assert cost.batch32_ms_per_text > 0
        assert cost.bulk_texts_per_second > 0
    # PyTorch's process holds PyTorch, an artifact's does not
    memory = {row.version: row.cost.peak_memory_bytes for row in made.comparison.rows}
    assert memory["pytorch"] > memory["parent"] + 50e6
    assert made.comparison.machine["threads"] == 2


def test_the_folder_has_a_picture_of_each_version_and_text_names_all(made: Made) -> None:
    names = {path.name for path in made.folder.iterdir()}
    assert names == {
        *("comparison.csv", "comparison.json", "comparison.md", "trade-off.svg"),
        *("confusion-pytorch.svg", "confusion-parent.svg", "confusion-int-8------x.svg"),
    }
    for name in names:
        if name.endswith(".svg"):
            assert ElementTree.parse(made.folder / name).getroot().tag.endswith("}svg")
    text = (made.folder / "comparison.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    for version in ("pytorch", "parent", escaped(ODD)):
        assert sum(line.startswith(f"| {version} |") for line in lines) == 3
    # a name with a bar in it does not make a cell more
    heads = [line for line in lines if line.startswith("| version |")]
    assert len(heads) == 3
    for line in lines:
        cells = line.replace("\\|", "").count("|")
        assert cells in {head.count("|") for head in heads}


def test_names_that_look_alike_get_files_of_their_own() -> None:
    assert file_names(["a/b", "a b", "a-b-2", "a:b"]) == ["a-b", "a-b-2", "a-b-2-2", "a-b-3"]


# The sentences --------------------------------------------------------------------------------


def with_recipe(made: Made, *recipe: Any) -> Comparison:
    """The comparison as if its last version had been made by these steps."""
    last: Row = dataclasses.replace(
        made.comparison.rows[-1], recipe=tuple(step.model_dump(mode="json") for step in recipe)
    )
    return dataclasses.replace(made.comparison, rows=(*made.comparison.rows[:-1], last))


def test_a_pruned_version_is_told_that_zeros_buy_nothing(made: Made) -> None:
    pruned = with_recipe(made, MagnitudePruning(amount=0.35))
    said = [each for each in sentences(pruned) if "zeros" in each]
    assert len(said) == 1
    assert said[0].startswith(f"{ODD} has 35.0% zeros, and they buy nothing here")
    assert escaped(said[0]) in markdown(pruned)
    for recipe in ((), (DynamicQuantization(),), (MagnitudePruning(), DynamicQuantization())):
        assert not any("zeros" in each for each in sentences(with_recipe(made, *recipe)))
    # pruning twice starts with the weights that are zero already
    twice = with_recipe(made, MagnitudePruning(amount=0.2), MagnitudePruning(amount=0.5))
    assert "50.0% zeros" in "".join(sentences(twice))


def test_what_was_bought_is_said_against_the_parent(made: Made) -> None:
    rows = {row["version"]: row for row in made.comparison.flat()}
    said = next(each for each in sentences(made.comparison) if each.startswith(ODD))
    parent, own = rows["parent"], rows[ODD]
    assert f"against parent: {parent['bytes'] / own['bytes']:.2f}x smaller" in said
    speed = parent["batch1_ms_p50"] / own["batch1_ms_p50"]
    assert f"{times(speed, 'faster', 'slower')} at batch 1" in said
    assert len(sentences(made.comparison)) == 2


@pytest.mark.parametrize(
    ("low", "estimate", "high", "verdict"),
    [
        (-0.01, 0.01, 0.03, "no difference that these texts can show"),
        (0.01, 0.02, 0.03, "a loss"),
        (-0.03, -0.02, -0.01, "a gain"),
    ],
)
def test_noise_is_not_called_a_loss(
    made: Made, low: float, estimate: float, high: float, verdict: str
) -> None:
    last = made.comparison.rows[-1]
    assert last.drops is not None
    drop = dataclasses.replace(last.drops.macro_f1, low=low, estimate=estimate, high=high)
    row = dataclasses.replace(last, drops=dataclasses.replace(last.drops, macro_f1=drop))
    comparison = dataclasses.replace(made.comparison, rows=(*made.comparison.rows[:-1], row))
    said = next(each for each in sentences(comparison) if each.startswith(ODD))
    assert f", {verdict};" in said


# What cannot be compared ----------------------------------------------------------------------


def artifact(name: str, folder: Path, parent: str | None = None) -> Version:
    return Version(Target(name, folder), parent)


def test_labels_that_differ(versions: dict[str, Path], tmp_path: Path) -> None:
    other = Dataset(DATA.texts, DATA.labels, ("fear", "sad", "joy"), "other.csv")
    with pytest.raises(ParetextError, match=r"labels fear, joy, sad, and other\.csv has fear, sad"):
        compare([artifact("fp32", versions["fp32"])], other, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_names_and_parents(versions: dict[str, Path], tmp_path: Path) -> None:
    one = artifact("one", versions["fp32"])
    with pytest.raises(ParetextError, match="two versions are named 'one'"):
        compare([one, one], DATA, tmp_path / "out")
    with pytest.raises(ParetextError, match="compared with 'two'; there are one"):
        compare([artifact("one", versions["fp32"], "two")], DATA, tmp_path / "out")
    with pytest.raises(ParetextError, match=r"there is no .*comparison\.json"):
        Comparison.read(tmp_path)


def test_what_cannot_be_loaded_is_named(versions: dict[str, Path], tmp_path: Path) -> None:
    good, out = artifact("good", versions["int8"]), tmp_path / "out"
    with pytest.raises(ParetextError, match="is not a folder"):
        compare([good, artifact("bad", tmp_path / "none")], DATA, out)
    broken = Path(shutil.copytree(versions["int8"], tmp_path / "broken"))
    graph = broken / QUANTIZED_MODEL
    content = graph.read_bytes()
    graph.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    message = r"^bad could not be measured: .*model_quantized\.onnx differs from the digest"
    with pytest.raises(ParetextError, match=message) as caught:
        compare([good, artifact("bad", broken)], DATA, out, rounds=1)
    assert "\n" not in str(caught.value)
    assert not out.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken"]


@pytest.mark.slow
def test_a_pytorch_folder_that_cannot_be_loaded(versions: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    version = Version(Target("pytorch", tmp_path / "empty", "pytorch"), None)
    with pytest.raises(ParetextError, match=r"pytorch could not be measured: .*no config\.json"):
        compare([version], DATA, tmp_path / "out", rounds=1)
    assert not (tmp_path / "out").exists()
