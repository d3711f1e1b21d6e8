"""A hub id where a folder may stand, against a stand-in for the hub."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import hub
import pytest
import toy

from paretext.models.classifier import Classifier
from paretext.runtime.artifact import Artifact
from paretext.training.fit import TrainingSettings, fit

pytestmark = pytest.mark.slow


def paretext(here: Path, address: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own: the hub's address is read when its library is imported."""
    proxies = {name for name in os.environ if name.lower().endswith("_proxy")}
    keep = {name: value for name, value in os.environ.items() if name not in proxies}
    own = {
        "HF_ENDPOINT": address,
        "HF_HOME": str(here / "hub"),
        "HF_HUB_OFFLINE": "0",
        "NO_PROXY": "127.0.0.1",
    }
    return subprocess.run(
        [sys.executable, "-m", "paretext", *map(str, arguments)],
        cwd=here,
        env={**keep, **own},
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(encoder: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    train, selection = toy.dataset(120).split(0.15, 0)
    settings = TrainingSettings(epochs=1, batch_size=8, learning_rate=5e-3, precision="fp32")
    new = Classifier.from_pretrained(str(encoder("roberta")), toy.LABELS, 32)
    path = tmp_path_factory.mktemp("hub") / "model"
    fit(new, train, selection, settings).classifier.save(path)
    return path


def test_a_model_of_the_hub_is_compressed(folder: Path, tmp_path: Path) -> None:
    held = toy.write(tmp_path / "eval.csv", toy.texts_and_labels(100, seed=1))
    with hub.hub({"acme/feelings": folder}) as (address, asked):
        ended = paretext(
            tmp_path, address, "compress", "acme/feelings", "--eval", held, "--rounds", 1
        )
    assert ended.returncode == 0, ended.stderr
    assert any(path.startswith("acme/feelings/resolve/") for path in asked)
    texts = ["i feel so awful", "what a lovely day"]
    made = Artifact.load(tmp_path / "runs" / "feelings" / "artifacts" / "parent")
    assert made.predict(texts).tolist() == Classifier.load(folder).predict(texts).tolist()


def test_a_misspelt_id_and_a_hub_that_does_not_answer(folder: Path, tmp_path: Path) -> None:
    held = toy.write(tmp_path / "eval.csv", toy.texts_and_labels(100, seed=1))
    with hub.hub({"acme/feelings": folder}) as (address, _):
        ended = paretext(tmp_path, address, "compress", "acme/felings", "--eval", held)
    assert ended.returncode == 2
    assert "'acme/felings'" in ended.stderr
    assert "Traceback" not in ended.stderr
    gone = paretext(tmp_path, address, "compress", "acme/feelings", "--eval", held)
    assert gone.returncode == 2
    assert "network" in gone.stderr
    assert len(gone.stderr.strip().splitlines()) == 1
