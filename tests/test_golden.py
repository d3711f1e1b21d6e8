"""What was made with a former format version loads, answers and verifies, for ever.

tests/golden/v1 and v2, of artifacts of these format versions, hold an artifact in float32
("parent"), its INT8 version with a certificate, the texts that it was certified on, and both
models' answers on the day that they were made.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_bad_input import refused

from paretext.certification.certificate import Certificate
from paretext.certification.verify import verify
from paretext.data.dataset import Dataset
from paretext.measure.comparison import Comparison
from paretext.runtime.artifact import Artifact
from paretext.runtime.manifest import Manifest

GOLDEN = Path(__file__).parent / "golden" / "v1"
ANSWERS: dict[str, Any] = json.loads((GOLDEN / "answers.json").read_text("utf-8"))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("name", "within"), [("parent", 1e-4), ("int8", 0.05)])
def test_it_loads_and_answers_as_it_did(version: int, name: str, within: float) -> None:
    """Integers are rounded otherwise by other CPUs; float32 is not, to that digit."""
    folder = GOLDEN.with_name(f"v{version}")
    answers = json.loads((folder / "answers.json").read_text("utf-8"))
    artifact = Artifact.load(folder / name)
    assert artifact.manifest.format_version == version
    assert list(artifact.manifest.labels) == answers["labels"]
    probabilities = artifact.probabilities(answers["texts"])
    np.testing.assert_allclose(probabilities, answers[name], atol=within)
    alone = np.concatenate([artifact.probabilities([text]) for text in answers["texts"][:5]])
    np.testing.assert_allclose(alone, answers[name][:5], atol=within)


def test_the_certificate_of_format_2_verifies() -> None:
    folder = GOLDEN.with_name("v2")
    certificate = Certificate.of(folder / "int8")
    assert certificate is not None
    assert certificate.candidate.digest == Manifest.read(folder / "int8").identity
    data = Dataset.read(folder / "held-out.csv", label_names=ANSWERS["labels"])
    assert verify(folder / "int8", data, folder / "parent").verdict == "undecided"


def test_its_certificate_verifies(command: Any) -> None:
    held_out, int8 = GOLDEN / "held-out.csv", GOLDEN / "int8"
    certificate = Certificate.of(int8)
    assert certificate is not None
    assert certificate.format_version == 1
    assert certificate.candidate.digest == Manifest.read(int8).identity
    data = Dataset.read(held_out, label_names=ANSWERS["labels"])
    checked = verify(int8, data, GOLDEN / "parent")
    assert (checked.verdict, len(checked.checked)) == ("undecided", 4)
    ended = command("verify", int8, "--eval", held_out, "--against", GOLDEN / "parent")
    assert ended.status == 3, ended.err
    again = verify(int8, data, GOLDEN / "parent", rerun=True)
    assert again.again is not None
    assert again.again.format_version == 2
    assert any("has format 1, whose rules were others" in each for each in again.warnings)
    assert len(again.again.clauses) == len(certificate.clauses)


def test_the_verbs_that_read_open_it(command: Any, tmp_path: Path) -> None:
    for name in ("parent", "int8"):
        assert command("inspect", GOLDEN / name).status == 0
    out = tmp_path / "answers.csv"
    assert command("predict", GOLDEN / "int8", GOLDEN / "held-out.csv", "-o", out).status == 0
    assert len(out.read_text("utf-8").splitlines()) == 201


OLD_COMPARISON = {
    "versions": [
        {
            "version": "parent",
            "parent": None,
            "macro_f1": {"estimate": 0.5, "low": 0.4, "high": 0.6},
        }
    ],
    "labels": ANSWERS["labels"],
    "data": {"name": "held-out.csv", "texts": 200, "fingerprint": "0" * 64, "rounds": 5},
    "machine": {"cpu": "a CPU", "cores": 2},
}
"""comparison.json before format 3: its rows were called versions."""


@pytest.fixture
def old_run(tmp_path: Path) -> Path:
    """A run's folder as the first versions left it: no record of what it was made of, flips beside
    the artifacts, a comparison of format 2."""
    run = tmp_path / "run"
    for name in ("parent", "int8"):
        shutil.copytree(GOLDEN / name, run / "artifacts" / name)
    shutil.copy(GOLDEN / "held-out.csv", run / "held-out.csv")
    (run / "artifacts" / "int8-flips.csv").write_text("row,reference,candidate\n", "utf-8")
    (run / "comparison").mkdir()
    (run / "comparison" / "comparison.json").write_text(json.dumps(OLD_COMPARISON), "utf-8")
    return run


def test_an_old_comparison_is_named_with_the_remedy(old_run: Path, command: Any) -> None:
    older = "comparison.json is of an older version of paretext"
    ended = command("report", old_run)
    assert ended.status == 0, ended.err
    assert older in " ".join(ended.out.split())


def test_an_old_run_is_compared_anew_and_then_opens(old_run: Path, command: Any) -> None:
    before = Manifest.read(old_run / "artifacts" / "int8").identity
    pair = [old_run / "artifacts" / name for name in ("parent", "int8")]
    asked = ("--eval", old_run / "held-out.csv", "--out", old_run / "comparison")
    ended = command("compare", *pair, *asked, "--rounds", 1, "--threads", 1)
    assert ended.status == 0, ended.err
    rows = Comparison.read(old_run / "comparison").rows
    assert [row.version for row in rows] == ["parent", "int8"]
    assert command("report", old_run).status == 0
    assert Manifest.read(old_run / "artifacts" / "int8").identity == before


def test_a_later_format_is_refused_in_a_sentence(tmp_path: Path, command: Any) -> None:
    folder = Path(shutil.copytree(GOLDEN / "int8", tmp_path / "later"))
    values = json.loads((folder / "manifest.json").read_text("utf-8"))
    (folder / "manifest.json").write_text(json.dumps({**values, "format_version": 3}), "utf-8")
    for verb in ("inspect", "verify"):
        refused(command(verb, folder), "reads formats 1 and 2", "export it again")
