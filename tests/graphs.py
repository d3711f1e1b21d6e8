"""What stands in an artifact's graph."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from paretext.runtime.artifact import Artifact
from paretext.runtime.manifest import Manifest


def graph_file(folder: Path) -> Path:
    return folder / Manifest.read(folder).model


def graph_of(artifact: Artifact) -> onnx.GraphProto:
    return onnx.load(graph_file(artifact.folder)).graph


def weights_of(graph: onnx.GraphProto) -> dict[str, NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def operators(graph: onnx.GraphProto) -> Counter[str]:
    return Counter(node.op_type for node in graph.node)
