"""The lines of docs/files.md for other tools do what `Artifact.predict` does."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import toy

from paretext.data.tables import RowWriter
from paretext.runtime.artifact import Artifact

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^([^\n]+):\n\n```python\n(.*?)```", re.M | re.S)
BLOCKS = dict(BLOCK.findall((ROOT / "docs" / "files.md").read_text(encoding="utf-8")))
NEEDS = {"pandas": "pandas", "polars": "polars", "Hugging Face `datasets`": "datasets"}
NEEDS |= {"Spark": "pyspark"}


def test_every_block_is_run() -> None:
    assert BLOCKS.keys() == NEEDS.keys()


@pytest.mark.parametrize("tool", NEEDS)
def test_the_lines_answer_as_the_artifact_does(
    tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow")
    pytest.importorskip(NEEDS[tool])
    if tool == "Spark":
        if not shutil.which("java"):
            pytest.skip("Spark needs Java")
        monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
        monkeypatch.setenv(
            "PYSPARK_SUBMIT_ARGS", "--master local[1] --conf spark.ui.enabled=false pyspark-shell"
        )
        monkeypatch.setenv(
            "PYTHONPATH", os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
        )
    shutil.copytree(ROOT / "tests" / "golden" / "v1" / "int8", tmp_path / "artifacts" / "int8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    texts = list(toy.dataset(40).texts)
    with RowWriter("texts.parquet", ["text"]) as writer:
        for text in texts:
            writer.write({"text": text})
    namespace: dict[str, Any] = {}
    exec(BLOCKS[tool], namespace)
    frame = namespace["frame"]
    if tool == "Spark":
        try:
            labels = [row.label for row in frame.collect()]
        finally:
            namespace["spark"].stop()
    else:
        labels = list(frame["label"])
    assert labels == Artifact.load("artifacts/int8").predict(texts).tolist()
