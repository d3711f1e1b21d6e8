"""What stands in an artifact's graph, and graphs of a few nodes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from paretext.graphs.calibration import Calibration
from paretext.runtime.artifact import Artifact
from paretext.runtime.manifest import Manifest
from paretext.runtime.sessions import session_options


def graph_file(folder: Path) -> Path:
    return folder / Manifest.read(folder).model


def graph_of(artifact: Artifact) -> onnx.GraphProto:
    return onnx.load(graph_file(artifact.folder)).graph


def weights_of(graph: onnx.GraphProto) -> dict[str, NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def operators(graph: onnx.GraphProto) -> Counter[str]:
    return Counter(node.op_type for node in graph.node)


def model_of(
    nodes: list[onnx.NodeProto], weights: dict[str, NDArray[Any]], x: NDArray[Any]
) -> onnx.ModelProto:
    """A graph of these nodes from x, numbers or ids to look up, to logits."""
    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    looks_up = np.issubdtype(x.dtype, np.integer) and nodes[0].op_type == "Gather"
    rank = x.ndim + looks_up
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", kind, [None] * x.ndim)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None] * rank)],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def answer(model: onnx.ModelProto, x: NDArray[Any]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), session_options())
    logits: NDArray[np.float32] = session.run(["logits"], {"x": x})[0]
    return logits


def calls(*arrays: NDArray[Any]) -> Calibration:
    return Calibration(tuple({"x": each} for each in arrays))


def random(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)
