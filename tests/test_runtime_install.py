"""The base install alone, in an environment of its own, predicts from an artifact."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy

from paretext.data.tables import RowWriter, read_rows
from paretext.runtime.artifact import Artifact

ROOT = Path(__file__).parent.parent


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A process that sees nothing of this one's Python environment."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    clean = {name: value for name, value in os.environ.items() if name not in hidden}
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, env=clean, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_base_install_predicts_without_pytorch(
    versions: dict[str, Path], tmp_path: Path
) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    folder = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    pip = [folder / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    installed = run(*pip, "-c", ROOT / "constraints.txt", ROOT, cwd=tmp_path)
    assert installed.returncode == 0, installed.stderr
    for name in ("torch", "transformers", "pandas", "sklearn"):
        missing = run(folder / "python", "-c", f"import {name}", cwd=tmp_path)
        assert f"No module named '{name}'" in missing.stderr

    texts = list(toy.dataset(40).texts)
    with RowWriter(tmp_path / "in.csv", ["id", "text"]) as writer:
        for index, text in enumerate(texts):
            writer.write({"id": index, "text": text})
    for version in ("fp32", "int8"):
        command = [folder / "paretext", "predict", versions[version], "in.csv", "-o", "out.csv"]
        done = run(*command, "--threads", "2", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        rows = list(read_rows(tmp_path / "out.csv"))
        here = Artifact.load(versions[version], threads=2)
        assert [row["id"] for row in rows] == [str(index) for index in range(40)]
        assert [row["predicted_label"] for row in rows] == here.predict(texts).tolist()
        probabilities = [
            [float(str(row[f"probability_{name}"])) for name in toy.LABELS] for row in rows
        ]
        np.testing.assert_allclose(probabilities, here.predict_proba(texts), atol=1e-6)

    help_ = run(folder / "paretext", "--help", cwd=tmp_path)
    assert help_.returncode == 0
    inspected = run(folder / "paretext", "inspect", versions["int8"], cwd=tmp_path)
    assert "every digest verified" in inspected.stdout
    # what needs the rest says how to get it, in one sentence
    for asked in (
        ("train", "--data", "in.csv", "--model", "tfidf", "--out", "run"),
        ("run", "--data", "in.csv"),
        ("compress", "a-model", "--eval", "in.csv"),
        ("serve", versions["int8"]),
    ):
        other = run(folder / "paretext", *asked, cwd=tmp_path)
        assert other.returncode == 2
        assert other.stderr.count("\n") == 1
        extra = "serve" if asked[0] == "serve" else "train"
        assert f'pip install "paretext[{extra}]"' in other.stderr

    # the image's steps
    added = run(*pip, "-c", ROOT / "constraints.txt", f"{ROOT}[serve]", cwd=tmp_path)
    assert added.returncode == 0, added.stderr
    assert run(folder / "python", "-c", "import torch", cwd=tmp_path).returncode == 1
    answer = served(folder / "paretext", versions["int8"], texts[0])
    assert answer[0]["label"] == Artifact.load(versions["int8"]).predict(texts[:1])[0]


def served(paretext: Path, artifact: Path, text: str) -> Any:
    """What a service of its own answers to a text, before SIGTERM ends it well."""
    words = [paretext, "serve", artifact, "--port", "0", "--no-request-log"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = json.loads(process.stderr.readline())["address"]
        request = urllib.request.Request(
            f"{address}/predict",
            json.dumps({"inputs": text}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request) as response:
            answer = json.load(response)
        with urllib.request.urlopen(f"{address}/") as page:
            assert b"<title>paretext</title>" in page.read()
        process.terminate()
        assert process.wait(60) == 0
    return answer
