"""Writes an encoder as the ONNX graph that gives the runtime the least to do.

The graph takes int64 `input_ids` and `attention_mask` (batch, sequence), padded on the right, and
gives float32 `logits` (batch, classes): the types and names that every client of ONNX classifiers
sends. Attention is one operator, and so is the activation
(`com.microsoft` operators of ONNX Runtime, documented in its ContribOperators.md). A skip
connection is a Sum and a LayerNormalization, 11 us for 22 tokens of width 384 and 42 for 176. Of an
Add and the norm ONNX Runtime would make one SkipLayerNormalization, which takes 39 and 280; a Sum
it leaves alone. Every product is a MatMul and the Add of its bias, so a layer is 18 operators;
quantisation makes one of both (`quantised_graph`), so it is 13 there, and one more for each input
whose channels are evened out, five for one whose rows have scales of their own. Two things are left
out because nothing reads them:

- position ids, where position = index (padding is on the right): the table starts at the first
  position in use, with token type 0 added in. RoBERTa's family does not count the padding token,
  which a text may hold, so its positions are computed from the ids;
- everything but the first token after the last layer's keys and values: where the head reads only
  the first token, the last layer's query, output and feed-forward products run on one row a text.

Biases that are zero throughout are left out, and so are windows that no input is longer than. What
attention reads of where tokens are: `attention`. Other families than BERT's have more operators a
layer, counted in docs/models.md.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from paretext.core.errors import ParetextError, first_line
from paretext.graphs.attention import Distances, attention
from paretext.graphs.writer import MICROSOFT, GraphWriter
from paretext.models.encoder import Encoder, FeedForward
from paretext.models.families.base import readable_types

OPSET = 17
OPSET_TRACED = 18
POSITIONS = "embeddings.positions"
"""The position table's name: it is cut to the longest input, and stays float32."""
LARGEST_FILE = 2**31 - 1


def others() -> str:
    """What to do where another architecture cannot be exported."""
    return f"use a model of one of the types {', '.join(readable_types())}"


def write_graph(encoder: Encoder) -> onnx.ModelProto:
    """The float32 graph of `encoder`."""
    w = GraphWriter()
    x = _embed(w, encoder)
    distances = Distances(w, encoder)
    last = len(encoder.layers) - 1
    for index, layer in enumerate(encoder.layers):
        name = f"layer.{index}"
        rows = x
        if index == last and encoder.pooling == "first":
            rows = _first(w, x, name)
        if layer.attention is not None:
            rows = attention(w, layer.attention, distances, x, rows, name)
        if layer.feed_forward is not None:
            rows = _feed_forward(w, layer.feed_forward, encoder, rows, name)
        x = rows
    if not encoder.layers and encoder.pooling == "first":
        x = _first(w, x, "embeddings")
    if encoder.final_norm is not None:
        x = w.norm(x, encoder.final_norm, "final_norm")
    dense, between, output = encoder.head
    mean = encoder.pooling == "mean"
    pooled = _mean(w, x) if mean else w.node("Squeeze", [x, w.one], "pooled")
    x = w.activation(between, w.linear(pooled, dense, "head.dense"), "head.activation")
    if encoder.head_norm is not None:
        x = w.norm(x, encoder.head_norm, "head.norm")
    w.linear(x, output, "logits")
    return finish(w.nodes, w.initializers, output.bias.shape[0])


def finish(
    nodes: list[onnx.NodeProto], initializers: list[onnx.TensorProto], classes: int
) -> onnx.ModelProto:
    """A model with the inputs and output that every artifact has, and what its nodes read."""
    read = {name for node in nodes for name in node.input}
    initializers = [tensor for tensor in initializers if tensor.name in read]
    shape = ["batch", "sequence"]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, shape)
        for name in ("input_ids", "attention_mask")
    ]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes])
    graph = helper.make_graph(nodes, "classifier", inputs, [logits], initializers)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="paretext")
    model.ir_version = 8
    return checked(model)


def checked(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model, once ONNX's checker has found it whole; called after every rewrite.

    It looks at each node's attributes and at the order: every input is there before it is read. Of
    operators in other domains it only asks that their domain is imported.
    """
    size = model.ByteSize()
    if size > LARGEST_FILE:
        raise ParetextError(
            f"the graph has {size / 1e9:.1f} GB and an ONNX file holds at most 2.1; "
            "use a smaller model."
        )
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ParetextError(
            f"the graph that was made is not valid ({first_line(error)}), so nothing was written; "
            "leave the quantisation out, or use another model."
        ) from None
    return model


def _embed(w: GraphWriter, encoder: Encoder) -> str:
    words = w.constant("embeddings.words", encoder.words)
    x = w.node("Gather", [words, "input_ids"], "embeddings.looked_up")
    if encoder.word_factor is not None:
        factor = w.constant("embeddings.factor", encoder.word_factor)
        x = w.node("MatMul", [x, factor], "embeddings.words_widened")
    if encoder.positions is None:
        x = w.norm(x, encoder.embedding_norm, "embeddings.norm")
    else:
        positions = w.constant(POSITIONS, encoder.positions)
        if encoder.padding_id is None:
            length = w.node("Shape", ["input_ids"], "embeddings.length", start=1, end=2)
            used = w.node("Slice", [positions, w.zero, length, w.zero], "embeddings.used_positions")
        else:
            counted = _counted(w, encoder.padding_id)
            used = w.node("Gather", [positions, counted], "embeddings.used_positions")
        add = "Add" if encoder.padding_id is None else "Sum"
        x = w.skip_norm(x, used, encoder.embedding_norm, "embeddings.norm", add)
    if encoder.projection is None:
        return x
    return w.linear(x, encoder.projection, "embeddings.projection")


def _counted(w: GraphWriter, padding_id: int) -> str:
    """How many tokens but the padding there are up to each one; 0 for the padding itself."""
    padding = w.constant("embeddings.padding", np.array(padding_id))
    no, yes = (w.constant(f"embeddings.{n}", np.array(n)) for n in (0, 1))
    is_padding = w.node("Equal", ["input_ids", padding], "embeddings.is_padding")
    is_token = w.node("Where", [is_padding, no, yes], "embeddings.is_token")
    axis = w.constant("embeddings.axis", np.array(1))
    so_far = w.node("CumSum", [is_token, axis], "embeddings.so_far")
    return w.node("Mul", [so_far, is_token], "embeddings.counted")


def _first(w: GraphWriter, x: str, name: str) -> str:
    """The first token's row of each text, (batch, 1, width)."""
    return w.node("Slice", [x, w.zero, w.one, w.one], f"{name}.first")


def _mean(w: GraphWriter, x: str) -> str:
    """The mean over the tokens of each text: (1, sequence) shares times (sequence, width)."""
    mask = w.node("Cast", ["attention_mask"], "pooling.mask", to=TensorProto.FLOAT)
    count = w.node("ReduceSum", [mask, w.one], "pooling.count", keepdims=1)
    shares = w.node("Div", [mask, count], "pooling.shares")
    row = w.node("Unsqueeze", [shares, w.one], "pooling.row")
    return w.node("Squeeze", [w.node("MatMul", [row, x], "pooling.mean"), w.one], "pooled")


def _feed_forward(w: GraphWriter, part: FeedForward, encoder: Encoder, x: str, name: str) -> str:
    read = w.norm(x, part.norm, f"{name}.output_norm") if encoder.norm_first else x
    hidden = w.linear(read, part.inner, f"{name}.feed_forward_in")
    hidden = w.activation(encoder.activation, hidden, f"{name}.activation")
    if part.gate is not None:
        gate = w.linear(read, part.gate, f"{name}.feed_forward_gate")
        hidden = w.node("Mul", [hidden, gate], f"{name}.gated")
    out = w.linear(hidden, part.outer, f"{name}.feed_forward_out")
    if encoder.norm_first:
        return w.node("Sum", [out, x], f"{name}.output_sum")
    return w.skip_norm(out, x, part.norm, f"{name}.output_norm")
