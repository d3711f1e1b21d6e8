"""Writes an encoder as the ONNX graph that gives the runtime the least to do.

The graph takes int32 `input_ids` and `attention_mask` (batch, sequence), padded on the right, and
gives float32 `logits` (batch, classes). Attention is one operator, and so is the activation
(`com.microsoft` operators of ONNX Runtime, documented in its ContribOperators.md). A skip
connection is an Add and a LayerNormalization: the fused SkipLayerNormalization took 48 us for 22
tokens of width 384 where these two take 14. Every product is a MatMul and the Add of its bias, so
a layer is 18 operators; quantisation makes one of both (`quantisation`), so it is 16 there. Two
things are left out because nothing reads them:

- position ids: padding is on the right, so position = index, and the table starts at the first
  position in use, with token type 0 added in;
- everything but the first token after the last layer's keys and values: the head reads only the
  first token, so the last layer's query, output and feed-forward products run on one row a text.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from paretext.export.encoder import Encoder, Layer, Linear, Norm

OPSET = 17
OPSET_TRACED = 18
MICROSOFT = "com.microsoft"


class _Writer:
    """Collects nodes and initializers; each method adds one operator and returns its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, values: NDArray[np.generic]) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(
        self, kind: str, inputs: list[str], name: str, domain: str = "", **attributes: Any
    ) -> str:
        self.nodes.append(
            helper.make_node(kind, inputs, [name], name=name, domain=domain, **attributes)
        )
        return name

    def linear(self, x: str, linear: Linear, name: str) -> str:
        """x @ weight + bias."""
        weight = self.constant(f"{linear.name}.weight", linear.weight)
        bias = self.constant(f"{linear.name}.bias", linear.bias)
        product = self.node("MatMul", [x, weight], f"{name}.product")
        return self.node("Add", [product, bias], name)

    def activation(self, kind: str, x: str, name: str) -> str:
        if kind == "gelu":
            return self.node("Gelu", [x], name, MICROSOFT)
        if kind in ("gelu_new", "gelu_pytorch_tanh"):
            return self.node("FastGelu", [x], name, MICROSOFT)
        return self.node({"relu": "Relu", "tanh": "Tanh"}[kind], [x], name)

    def skip_norm(self, x: str, skip: str, norm: Norm, name: str) -> str:
        """LayerNorm(x + skip)."""
        gamma = self.constant(f"{name}.gamma", norm.gamma)
        beta = self.constant(f"{name}.beta", norm.beta)
        total = self.node("Add", [x, skip], f"{name}.sum")
        return self.node(
            "LayerNormalization", [total, gamma, beta], name, axis=-1, epsilon=float(norm.epsilon)
        )


def write_graph(encoder: Encoder) -> onnx.ModelProto:
    """The float32 graph of `encoder`."""
    w = _Writer()
    x = _embed(w, encoder)
    for index, layer in enumerate(encoder.layers):
        x = _layer(w, layer, x, f"layer.{index}", last=index == len(encoder.layers) - 1)
    _head(w, encoder.head, w.node("Squeeze", [x, w.constant("axis", np.array([1]))], "first"))
    classes = encoder.head[-1].bias.shape[0]  # type: ignore[union-attr]
    return finish(w.nodes, w.initializers, classes)


def finish(
    nodes: list[onnx.NodeProto], initializers: list[onnx.TensorProto], classes: int
) -> onnx.ModelProto:
    """A model with the inputs and output that every artifact has."""
    shape = ["batch", "sequence"]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT32, shape)
        for name in ("input_ids", "attention_mask")
    ]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes])
    graph = helper.make_graph(nodes, "classifier", inputs, [logits], initializers)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="paretext")
    model.ir_version = 8
    return model


def _embed(w: _Writer, encoder: Encoder) -> str:
    words = w.constant("embeddings.words", encoder.words)
    positions = w.constant("embeddings.positions", encoder.positions)
    looked_up = w.node("Gather", [words, "input_ids"], "embeddings.looked_up")
    length = w.node("Shape", ["input_ids"], "embeddings.length", start=1, end=2)
    zero = w.constant("zero", np.array([0]))
    used = w.node("Slice", [positions, zero, length, zero], "embeddings.used_positions")
    x = w.skip_norm(looked_up, used, encoder.embedding_norm, "embeddings.norm")
    if encoder.projection is None:
        return x
    return w.linear(x, encoder.projection, "embeddings.projection")


def _layer(w: _Writer, layer: Layer, x: str, name: str, last: bool) -> str:
    rows = x
    if last:
        one, zero = w.constant("one", np.array([1])), "zero"
        rows = w.node("Slice", [x, zero, one, one], f"{name}.first")
    q = w.linear(rows, layer.query, f"{name}.query")
    k = w.linear(x, layer.key, f"{name}.key")
    v = w.linear(x, layer.value, f"{name}.value")
    context = w.node(
        "MultiHeadAttention",
        [q, k, v, "", "attention_mask"],
        f"{name}.attention",
        MICROSOFT,
        num_heads=layer.heads,
    )
    out = w.linear(context, layer.attention_output, f"{name}.attention_output")
    x = w.skip_norm(out, rows, layer.attention_norm, f"{name}.attention_norm")
    hidden = w.linear(x, layer.feed_forward_in, f"{name}.feed_forward_in")
    hidden = w.activation(layer.activation, hidden, f"{name}.activation")
    out = w.linear(hidden, layer.feed_forward_out, f"{name}.feed_forward_out")
    return w.skip_norm(out, x, layer.output_norm, f"{name}.output_norm")


def _head(w: _Writer, head: tuple[Linear | str, ...], x: str) -> None:
    dense, between, output = head
    assert isinstance(dense, Linear) and isinstance(between, str) and isinstance(output, Linear)
    x = w.activation(between, w.linear(x, dense, "head.dense"), "head.activation")
    w.linear(x, output, "logits")
