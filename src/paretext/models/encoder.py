"""The neutral form of an encoder and its head: all that its graph is written from.

Every family (`families`) is read into it, its matrices listed once, in the order of the
computation. Matrices are stored (inputs, outputs), as ONNX's MatMul wants them: the transpose of
`torch.nn.Linear.weight`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Rows = NDArray[np.int64]
ACTIVATIONS = frozenset({"gelu", "relu", "tanh", "gelu_new", "gelu_pytorch_tanh"})
"""Those that have an operator, by the names of transformers."""


@dataclass(frozen=True)
class Linear:
    """weight (inputs, outputs) and bias (outputs,), all zero where there is none; `name` is the
    module's name in PyTorch. Those of one name are one, whose weights are shared."""

    name: str
    weight: Array
    bias: Array


@dataclass(frozen=True)
class Norm:
    gamma: Array
    beta: Array
    epsilon: float


@dataclass(frozen=True)
class Attention:
    """heads x head size = width of query, key and value; scores are divided by the square root of
    the head size.

    norm: of the sum with what was there before, or of what the part reads (`Encoder.norm_first`);
    None: there is none. Where tokens are, the scores may know by four ways: bias (heads, rows), a
    number for each row of `Encoder.distance_rows` (Raffel et al. 2020, "T5", section 2.1);
    `Encoder.relative`, whose keys and queries this part's own matrices make; theta, the base of
    rotary angles (Su et al. 2021, "RoFormer", section 3.2.2; the two halves of a head are turned
    against each other); window, how many tokens a token sees on either side."""

    heads: int
    query: Linear
    key: Linear
    value: Linear
    output: Linear
    norm: Norm | None
    bias: Array | None = None
    theta: float | None = None
    window: int | None = None


@dataclass(frozen=True)
class FeedForward:
    """outer(activation(inner(x)) * gate(x)), or without a gate."""

    inner: Linear
    outer: Linear
    norm: Norm
    gate: Linear | None = None


@dataclass(frozen=True)
class Layer:
    """One encoder layer; a part that was pruned away is None."""

    attention: Attention | None
    feed_forward: FeedForward | None


@dataclass(frozen=True)
class Encoder:
    """words (vocabulary, width or rank); word_factor (rank, width) where they are factorised;
    positions (rows, width), with the embedding of token type 0 already added, or None: nothing is
    added to the words; padding_id: None, and a token's position is its index, or the id that is not
    counted, wherever it stands: its position is row 0, and that of the others how many of them
    there are up to here, itself included; head: two linears and the activation between them, and
    head_norm after it; pooling: "first" or "mean"; norm_first: norms stand before the parts, and
    final_norm after the last; longest: tokens of an input, where nothing else limits them.

    distance_rows: the row of each distance from query to key, -longest to longest, in what knows of
    distances: an attention's bias, or relative (rows, width), embeddings of distances, normed by
    relative_norm (He et al. 2021, "DeBERTa", section 3.1: a query also meets the distance's key,
    and a key the distance's query)."""

    words: Array
    word_factor: Array | None
    positions: Array | None
    embedding_norm: Norm
    projection: Linear | None
    layers: tuple[Layer, ...]
    activation: str
    head: tuple[Linear, str, Linear]
    pooling: str = "first"
    padding_id: int | None = None
    longest: int | None = None
    norm_first: bool = False
    final_norm: Norm | None = None
    head_norm: Norm | None = None
    distance_rows: Rows | None = None
    relative: Array | None = None
    relative_norm: Norm | None = None

    def up_to(self, tokens: int) -> Encoder:
        """Without what only inputs of more tokens reach."""
        positions, rows, layers = self.positions, self.distance_rows, self.layers
        if positions is not None:
            positions = positions[: tokens + (self.padding_id is not None)]
        if rows is not None and (spare := len(rows) // 2 - tokens) > 0:
            rows = rows[spare:-spare]
        layers = _seen(layers, tokens)
        return replace(self, positions=positions, distance_rows=rows, layers=layers, longest=tokens)


def _seen(layers: tuple[Layer, ...], tokens: int) -> tuple[Layer, ...]:
    """Layers without the windows that inputs of so many tokens fit into."""
    return tuple(
        replace(layer, attention=replace(layer.attention, window=None))
        if layer.attention and layer.attention.window and layer.attention.window >= tokens - 1
        else layer
        for layer in layers
    )


def rotary_angles(theta: float, size: int, tokens: int) -> Array:
    """By what each pair of numbers of a head is turned at each position, (tokens, size / 2)."""
    speeds = 1 / np.float32(theta) ** (np.arange(0, size, 2, dtype=np.float32) / np.float32(size))
    angles: Array = np.arange(tokens, dtype=np.float32)[:, None] * speeds.astype(np.float32)
    return angles
