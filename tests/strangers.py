"""Artifacts that somebody else has changed, their digests made to fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
from graphs import graph_file

from paretext.core.files import sha256


def refit(folder: Path) -> Path:
    """Write size and digest of every file that the manifest lists and that is there anew."""
    path = folder / "manifest.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    for name, record in values["files"].items():
        if (folder / name).is_file():
            record |= {"sha256": sha256(folder / name), "bytes": (folder / name).stat().st_size}
    path.write_text(json.dumps(values), encoding="utf-8")
    return folder


def change_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    path = folder / "manifest.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")
    return folder


def change_tokenizer(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    path = folder / "tokenizer.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")
    return refit(folder)


def change_graph(folder: Path, change: Callable[[onnx.ModelProto], object]) -> Path:
    path = graph_file(folder)
    model = onnx.load(path)
    change(model)
    path.write_bytes(model.SerializeToString())
    return refit(folder)
