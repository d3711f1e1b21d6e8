"""PyTorch and the artifact that was exported from it answer alike, or nothing is measured."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import toy
from tokenizers import Tokenizer, normalizers

from paretext.certification.versions import certify_versions
from paretext.core.errors import ParetextError
from paretext.core.files import folder_digest
from paretext.graphs import export
from paretext.graphs.quantisation import DynamicQuantization
from paretext.measure.agreement import is_export_of, require_agreement
from paretext.measure.comparison import Version
from paretext.measure.cost import Target
from paretext.models.classifier import Classifier
from paretext.report.comparison import compare
from paretext.runtime.artifact import Artifact
from paretext.runtime.manifest import Ancestor, Manifest, record_files

DATA = toy.dataset(90, seed=7)


@pytest.fixture(scope="module")
def exported(versions: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """artifacts/parent and int8 with their ancestor, as a run exports them."""
    root = tmp_path_factory.mktemp("exported")
    lineage = [Ancestor(name="roberta", digest=folder_digest(versions["pytorch"]))]
    classifier, texts = Classifier.load(versions["pytorch"]), toy.dataset(20).texts
    export(classifier, root / "parent", texts, name="parent", lineage=lineage)
    quantization = DynamicQuantization()
    export(
        classifier, root / "int8", texts, name="int8", quantization=quantization, lineage=lineage
    )
    return root


@pytest.fixture
def broken(exported: Path, tmp_path: Path) -> Path:
    """The same with a parent that reads some texts otherwise than PyTorch does."""
    root = Path(shutil.copytree(exported, tmp_path / "artifacts"))
    path = root / "parent" / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.normalizer = normalizers.Replace("again", "since")
    tokenizer.save(str(path))
    manifest = Manifest.read(root / "parent")
    manifest.model_copy(update={"files": record_files(root / "parent")}).write(root / "parent")
    return root


def table(pytorch: Path, root: Path) -> list[Version]:
    return [
        Version(Target("pytorch", pytorch, "pytorch"), None),
        Version(Target("parent", root / "parent"), "pytorch"),
        Version(Target("int8", root / "int8"), "parent"),
    ]


def test_an_export_is_known_by_its_lineage(versions: dict[str, Path], exported: Path) -> None:
    assert is_export_of(exported / "parent", versions["pytorch"])
    assert not is_export_of(exported / "int8", versions["pytorch"])  # differs by design
    assert not is_export_of(versions["fp32"], versions["pytorch"])  # says nothing of its origin


def test_what_agrees_is_compared(versions: dict[str, Path], exported: Path, tmp_path: Path) -> None:
    comparison = compare(table(versions["pytorch"], exported), DATA, tmp_path / "out", rounds=1)
    drops = comparison.row("parent").drops
    assert drops is not None
    assert drops.flips.estimate == 0


def test_a_parent_that_answers_otherwise_stops_the_comparison(
    versions: dict[str, Path], broken: Path, tmp_path: Path
) -> None:
    with pytest.raises(ParetextError, match="does not answer as the PyTorch model does") as caught:
        compare(table(versions["pytorch"], broken), DATA, tmp_path / "out", rounds=1)
    assert not (tmp_path / "out").exists()
    expected = Classifier.load(versions["pytorch"]).logits(DATA.texts)
    logits = Artifact.load(broken / "parent").logits(DATA.texts)
    off = np.abs(logits - expected).max(axis=1) > 1e-3 * max(1, np.abs(expected).max())
    assert 0 < off.sum() < 90
    assert f"{off.sum()} of 90 texts differ beyond rounding" in str(caught.value)
    assert f"text {np.abs(logits - expected).max(axis=1).argmax() + 1} " in str(caught.value)
    assert "delete that folder and export again" in str(caught.value)


def test_and_it_stops_the_certificates_before_one_is_made(
    versions: dict[str, Path], broken: Path, exported: Path, tmp_path: Path
) -> None:
    with pytest.raises(ParetextError, match="does not answer as the PyTorch model does"):
        certify_versions(
            [broken / "int8"],
            broken / "parent",
            toy.dataset(240, seed=8),
            tmp_path / "certificates",
            classifier=versions["pytorch"],
        )
    assert not (broken / "int8" / "certificate.json").exists()
    good = Path(shutil.copytree(exported, tmp_path / "good"))
    certify_versions(
        [good / "int8"],
        good / "parent",
        toy.dataset(240, seed=8),
        tmp_path / "certificates",
        classifier=versions["pytorch"],
    )
    assert (good / "int8" / "certificate.json").exists()


def test_rounding_is_no_difference_and_a_nan_is_one() -> None:
    expected = np.array([[10.0, -4.0], [1.0, 2.0]], np.float32)
    require_agreement(Path("a"), expected, expected + np.float32(9e-3))  # a thousandth of 10
    for change in (2e-2, np.nan):
        changed = expected.copy()
        changed[1, 0] += change
        with pytest.raises(ParetextError, match=r"1 of 2 texts differ .* most of all text 2 "):
            require_agreement(Path("a"), expected, changed)
