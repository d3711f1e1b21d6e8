"""Writes an encoder as the ONNX graph that gives the runtime the least to do.

The graph takes int32 `input_ids` and `attention_mask` (batch, sequence), padded on the right, and
gives float32 `logits` (batch, classes). One layer is eight operators: three products for query,
key and value, one fused attention, one product and one skip + layer normalisation (with its bias),
and the feed-forward part likewise with bias + activation in one (`com.microsoft` operators of ONNX
Runtime, documented in its ContribOperators.md). Two things are left out because nothing reads them:

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

    def product(self, x: str, linear: Linear, name: str) -> str:
        """x @ weight, without the bias."""
        weight = self.constant(f"{linear.name}.weight", linear.weight)
        return self.node("MatMul", [x, weight], name)

    def activation(self, kind: str, x: str, bias: str, name: str) -> str:
        """activation(x + bias)."""
        if kind == "gelu":
            return self.node("BiasGelu", [x, bias], name, MICROSOFT)
        if kind in ("gelu_new", "gelu_pytorch_tanh"):
            return self.node("FastGelu", [x, bias], name, MICROSOFT)
        biased = self.node("Add", [x, bias], f"{name}.biased")
        return self.node({"relu": "Relu", "tanh": "Tanh"}[kind], [biased], name)

    def skip_norm(self, x: str, skip: str, norm: Norm, name: str, bias: str = "") -> str:
        """LayerNorm(x + bias + skip)."""
        gamma = self.constant(f"{name}.gamma", norm.gamma)
        beta = self.constant(f"{name}.beta", norm.beta)
        inputs = [x, skip, gamma, beta, *([bias] if bias else [])]
        return self.node(
            "SkipLayerNormalization", inputs, name, MICROSOFT, epsilon=float(norm.epsilon)
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
    bias = w.constant(f"{encoder.projection.name}.bias", encoder.projection.bias)
    return w.node("Add", [w.product(x, encoder.projection, "projected"), bias], "projection")


def _layer(w: _Writer, layer: Layer, x: str, name: str, last: bool) -> str:
    rows = x
    if last:
        one, zero = w.constant("one", np.array([1])), "zero"
        rows = w.node("Slice", [x, zero, one, one], f"{name}.first")
    q = w.product(rows, layer.query, f"{name}.query")
    k = w.product(x, layer.key, f"{name}.key")
    v = w.product(x, layer.value, f"{name}.value")
    qkv_bias = np.concatenate([layer.query.bias, layer.key.bias, layer.value.bias])
    bias = w.constant(f"{name}.qkv_bias", qkv_bias)
    context = w.node(
        "MultiHeadAttention",
        [q, k, v, bias, "attention_mask"],
        f"{name}.attention",
        MICROSOFT,
        num_heads=layer.heads,
    )
    out = w.product(context, layer.attention_output, f"{name}.attention_output")
    bias = w.constant(f"{layer.attention_output.name}.bias", layer.attention_output.bias)
    x = w.skip_norm(out, rows, layer.attention_norm, f"{name}.attention_norm", bias)
    hidden = w.product(x, layer.feed_forward_in, f"{name}.feed_forward_in")
    bias = w.constant(f"{layer.feed_forward_in.name}.bias", layer.feed_forward_in.bias)
    hidden = w.activation(layer.activation, hidden, bias, f"{name}.activation")
    out = w.product(hidden, layer.feed_forward_out, f"{name}.feed_forward_out")
    bias = w.constant(f"{layer.feed_forward_out.name}.bias", layer.feed_forward_out.bias)
    return w.skip_norm(out, x, layer.output_norm, f"{name}.output_norm", bias)


def _head(w: _Writer, head: tuple[Linear | str, ...], x: str) -> None:
    dense, between, output = head
    assert isinstance(dense, Linear) and isinstance(between, str) and isinstance(output, Linear)
    bias = w.constant(f"{dense.name}.bias", dense.bias)
    x = w.activation(between, w.product(x, dense, "head.dense"), bias, "head.activation")
    bias = w.constant(f"{output.name}.bias", output.bias)
    w.node("Add", [w.product(x, output, "head.output"), bias], "logits")
