"""What was made with format version 1 loads, answers and verifies, for ever.

tests/golden/v1 holds an artifact in float32 ("parent"), its INT8 version with a certificate, the
texts that it was certified on, and both models' answers on the day that they were made.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paretext.certification.certificate import Certificate
from paretext.certification.verify import verify
from paretext.data.dataset import Dataset
from paretext.runtime.artifact import Artifact
from paretext.runtime.manifest import Manifest

GOLDEN = Path(__file__).parent / "golden" / "v1"
ANSWERS: dict[str, Any] = json.loads((GOLDEN / "answers.json").read_text("utf-8"))


@pytest.mark.parametrize(("name", "within"), [("parent", 1e-4), ("int8", 0.05)])
def test_it_loads_and_answers_as_it_did(name: str, within: float) -> None:
    """Integers are rounded otherwise by other CPUs; float32 is not, to that digit."""
    artifact = Artifact.load(GOLDEN / name)
    assert artifact.manifest.format_version == 1
    assert list(artifact.manifest.labels) == ANSWERS["labels"]
    found = artifact.probabilities(ANSWERS["texts"])
    np.testing.assert_allclose(found, ANSWERS[name], atol=within)


def test_its_certificate_verifies(command: Any) -> None:
    held_out, int8 = GOLDEN / "held-out.csv", GOLDEN / "int8"
    found = Certificate.of(int8)
    assert found is not None
    assert found.format_version == 1
    assert found.candidate.digest == Manifest.read(int8).identity
    data = Dataset.read(held_out, label_names=ANSWERS["labels"])
    checked = verify(int8, data, GOLDEN / "parent")
    assert (checked.verdict, len(checked.checked)) == ("undecided", 4)
    ended = command("verify", int8, "--eval", held_out, "--against", GOLDEN / "parent")
    assert ended.status == 3, ended.err


def test_the_verbs_that_read_open_it(command: Any, tmp_path: Path) -> None:
    for name in ("parent", "int8"):
        assert command("inspect", GOLDEN / name).status == 0
    out = tmp_path / "answers.csv"
    assert command("predict", GOLDEN / "int8", GOLDEN / "held-out.csv", "-o", out).status == 0
    assert len(out.read_text("utf-8").splitlines()) == 201
