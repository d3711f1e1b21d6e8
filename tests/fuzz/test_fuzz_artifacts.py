"""Manifests, tokenizers and graphs that somebody has changed, the digests made to fit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kinds
import pytest
from harness import Worker, share
from hypothesis import given
from hypothesis import strategies as st
from mutations import changed_bytes, changed_graph, changed_json, dumped
from strangers import refit

from paretext.runtime.manifest import Manifest

TEXTS = ["i am happy", "", "so sad 😀 and ngày mai " * 9, "a" * 300, "cheerful\0\x1b[2J <pad> </s>"]


@pytest.fixture(scope="module")
def artifacts(versions: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One of each kind of graph and tokenizer: written for the runtime in float32 and in integers,
    traced by PyTorch, recurrent, of n-grams; byte-level and WordPiece."""
    return [versions["fp32"], versions["int8"], *kinds.make(tmp_path_factory.mktemp("kinds"))]


@pytest.fixture(scope="module")
def opened(
    artifacts: list[Path], worker: Worker
) -> Callable[[int, dict[str, bytes]], dict[str, Any]]:
    """Copies an artifact, puts other files in, and asks it."""

    def ask(which: int, files: dict[str, bytes]) -> dict[str, Any]:
        folder = worker.folder / "artifact"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(artifacts[which % len(artifacts)], folder)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        if "manifest.json" not in files:
            refit(folder)
        return worker.ask("artifact", folder=folder, texts=TEXTS, threads=1 + which % 2)

    return ask


which = st.integers(0, 9)


def graph_of(artifacts: list[Path], which: int) -> tuple[str, bytes]:
    folder = artifacts[which % len(artifacts)]
    name = Manifest.read(folder).model
    return name, (folder / name).read_bytes()


def test_what_was_not_changed_is_answered(artifacts: list[Path], opened: Any) -> None:
    for number in range(len(artifacts)):
        assert opened(number, {})["ended"] == "answer"


@share(0.15)
@given(data=st.data(), which=which)
def test_manifests(artifacts: list[Path], opened: Any, data: Any, which: int) -> None:
    content = (artifacts[which % len(artifacts)] / "manifest.json").read_bytes()
    made = changed_json(data.draw, json.loads(content))
    opened(which, {"manifest.json": dumped(made)})


@share(0.1)
@given(data=st.data(), which=which)
def test_manifests_as_bytes(artifacts: list[Path], opened: Any, data: Any, which: int) -> None:
    content = (artifacts[which % len(artifacts)] / "manifest.json").read_bytes()
    opened(which, {"manifest.json": changed_bytes(data.draw, content)})


@share(0.2)
@given(data=st.data(), which=which)
def test_tokenizers(artifacts: list[Path], opened: Any, data: Any, which: int) -> None:
    content = (artifacts[which % len(artifacts)] / "tokenizer.json").read_bytes()
    if data.draw(st.integers(0, 3)):
        made = dumped(changed_json(data.draw, json.loads(content)))
    else:
        made = changed_bytes(data.draw, content)
    opened(which, {"tokenizer.json": made})


@share(0.15)
@given(data=st.data(), which=which)
def test_graphs(artifacts: list[Path], opened: Any, data: Any, which: int) -> None:
    name, content = graph_of(artifacts, which)
    opened(which, {name: changed_graph(data.draw, content)})


@share(0.1)
@given(data=st.data(), which=which)
def test_graphs_as_bytes(artifacts: list[Path], opened: Any, data: Any, which: int) -> None:
    name, content = graph_of(artifacts, which)
    opened(which, {name: changed_bytes(data.draw, content)})
