"""Writes a ConvolutionalClassifier as an ONNX graph: a narrow table and two products.

The words' table and the matrix that follows it become one table, as no text changes them. What lies
beyond a text, on either side, is a row of zeros at the table's end, so that windows at the ends see
nothing there, whatever a batch is padded with. A window is the same rows three times, shifted: one
product then does what a convolution does, and becomes one of integers as every other product.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto

from paretext.graphs.graph import finish
from paretext.graphs.writer import GraphWriter
from paretext.models.families.base import array, linear_reader


def write_convolutional_graph(model: Any) -> onnx.ModelProto:
    """The float32 graph of a ConvolutionalClassifier."""
    config, w = model.config, GraphWriter()
    read, table = linear_reader(model), word_table(model)
    words = w.constant("embeddings.words", np.pad(table, ((0, 1), (0, 0))))
    nothing = w.constant("nothing", np.array(len(table)))
    ids = w.node(
        "Where",
        [w.node("Cast", ["attention_mask"], "inside", to=TensorProto.BOOL), "input_ids", nothing],
        "ids.inside",
    )
    aside = config.window // 2
    ids = w.node("Pad", [ids, w.constant("room", np.array([0, aside, 0, aside])), nothing], "ids")
    x = _windows(w, w.node("Gather", [words, ids], "embeddings.looked_up"), config.window)
    x = w.linear(x, read(model.windows), "windows.linear")
    x = w.node("Relu", [x], "found")
    mask = w.node("Cast", ["attention_mask"], "pooling.mask", to=TensorProto.FLOAT)
    column = w.node("Unsqueeze", [mask, w.constant("two", np.array([2]))], "pooling.column")
    x = w.node("Mul", [x, column], "found.inside")
    most = w.node("ReduceMax", [x], "pooling.most", axes=[1], keepdims=0)
    sums = w.node("ReduceSum", [x, w.one], "pooling.sums", keepdims=0)
    count = w.node("ReduceSum", [mask, w.one], "pooling.count", keepdims=1)
    means = w.node("Div", [sums, count], "pooling.means")
    pooled = w.node("Concat", [most, means], "pooled", axis=1)
    w.linear(pooled, read(model.output), "logits")
    return finish(w.nodes, w.initializers, config.num_labels)


def word_table(model: Any) -> NDArray[np.float32]:
    """What the network makes of each word, (vocabulary, embedding_size)."""
    with torch.no_grad():
        return array(model.projection(model.words.weight))


def _windows(w: GraphWriter, x: str, window: int) -> str:
    """(batch, sequence + window - 1, width) -> (batch, sequence, window x width)."""
    shifted = []
    for first in range(window):
        # up to as many before the end as are left for the windows' later words
        end = first - window + 1 or np.iinfo(np.int64).max
        ends = [
            w.constant(f"windows.{first}.{n}", np.array([v]))
            for n, v in (("from", first), ("to", end))
        ]
        shifted.append(w.node("Slice", [x, *ends, w.one], f"windows.{first}"))
    return w.node("Concat", shifted, "windows", axis=2) if window > 1 else shifted[0]
