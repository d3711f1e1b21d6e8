"""Writes a RecurrentClassifier as an ONNX graph: one GRU or LSTM operator a layer.

ONNX keeps both directions in one operator and has the gates in its own order (update, reset, hidden
for GRU; input, output, forget, cell for LSTM), with time first. Steps beyond a text's length give
zeros, which the maximum must not see, so they become -1: no state is that small.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from paretext.graphs.graph import finish
from paretext.graphs.writer import GraphWriter
from paretext.models.families.base import array, linear_reader

_ORDER = {"gru": (1, 0, 2), "lstm": (0, 3, 1, 2)}
"""Where ONNX's gates stand among PyTorch's (reset, update, new; input, forget, cell, output)."""


def write_recurrent_graph(model: Any) -> onnx.ModelProto:
    """The float32 graph of a RecurrentClassifier."""
    config = model.config
    w = GraphWriter()
    words = w.constant("embeddings.words", array(model.words.weight))
    x = w.node("Transpose", ["input_ids"], "ids.time_first", perm=[1, 0])
    x = w.node("Gather", [words, x], "embeddings.looked_up")
    lengths = w.node("ReduceSum", ["attention_mask", w.one], "lengths.long", keepdims=0)
    lengths = w.node("Cast", [lengths], "lengths", to=TensorProto.INT32)  # as GRU and LSTM ask
    for index in range(config.num_hidden_layers):
        x = _layer(w, model.recurrent, config, index, x, lengths)
    x = _largest(w, x)
    w.linear(x, linear_reader(model)(model.output), "logits")
    return finish(w.nodes, w.initializers, config.num_labels)


def _layer(w: GraphWriter, cells: Any, config: Any, index: int, x: str, lengths: str) -> str:
    """(sequence, batch, width) -> (sequence, batch, 2 x hidden)."""
    parts = {
        kind: np.stack([_gates(cells, f"{kind}_l{index}{end}", config) for end in ("", "_reverse")])
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }
    name = f"layer.{index}"
    inputs = [
        x,
        w.constant(f"{name}.weight", parts["weight_ih"]),
        w.constant(f"{name}.recurrence", parts["weight_hh"]),
        w.constant(f"{name}.bias", np.concatenate([parts["bias_ih"], parts["bias_hh"]], axis=1)),
        lengths,
    ]
    options: dict[str, Any] = {"linear_before_reset": 1} if config.cell == "gru" else {}
    states = w.node(
        config.cell.upper(),
        inputs,
        f"{name}.states",
        hidden_size=config.hidden_size,
        direction="bidirectional",
        **options,
    )
    joined = w.node("Transpose", [states], f"{name}.joined", perm=[0, 2, 1, 3])
    shape = w.constant("joined_shape", np.array([0, 0, -1])) if index == 0 else "joined_shape"
    return w.node("Reshape", [joined, shape], name)


def _largest(w: GraphWriter, x: str) -> str:
    """The maximum over each text's own steps, (batch, 2 x hidden)."""
    mask = w.node("Cast", ["attention_mask"], "pooling.mask", to=TensorProto.FLOAT)
    below = w.node("Sub", [mask, w.constant("unit", np.ones(1, np.float32))], "pooling.below")
    below = w.node("Transpose", [below], "pooling.time_first", perm=[1, 0])
    below = w.node("Unsqueeze", [below, w.constant("two", np.array([2]))], "pooling.offset")
    x = w.node("Add", [x, below], "pooling.masked")
    return w.node("ReduceMax", [x], "pooled", axes=[0], keepdims=0)


def _gates(cells: Any, name: str, config: Any) -> NDArray[np.float32]:
    """One of PyTorch's parameters with the gates in ONNX's order."""
    gates = np.split(array(getattr(cells, name)), len(_ORDER[config.cell]))
    return np.concatenate([gates[index] for index in _ORDER[config.cell]])
