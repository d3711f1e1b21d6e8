"""The neutral form of an encoder and its head: all that its graph is written from.

Every family (`families`) is read into it, its matrices listed once, in the order of the
computation. Matrices are stored (inputs, outputs), as ONNX's MatMul wants them: the transpose of
`torch.nn.Linear.weight`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
ACTIVATIONS = frozenset({"gelu", "relu", "tanh", "gelu_new", "gelu_pytorch_tanh"})
"""Those that have an operator, by the names of transformers."""


@dataclass(frozen=True)
class Linear:
    """weight (inputs, outputs) and bias (outputs,); `name` is the module's name in PyTorch."""

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
    """heads x head size = width of query, key and value."""

    heads: int
    query: Linear
    key: Linear
    value: Linear
    output: Linear
    norm: Norm


@dataclass(frozen=True)
class FeedForward:
    inner: Linear
    outer: Linear
    norm: Norm


@dataclass(frozen=True)
class Layer:
    """One encoder layer; a part that was pruned away is None."""

    attention: Attention | None
    feed_forward: FeedForward | None


@dataclass(frozen=True)
class Encoder:
    """words (vocabulary, width or rank); word_factor (rank, width) where they are factorised;
    positions (rows, width), with the embedding of token type 0 already added; padding_id: None, and
    a token's position is its index, or the id that is not counted, wherever it stands: its position
    is row 0, and that of the others how many of them there are up to here, itself included; head:
    two linears and the activation between them; pooling: "first" or "mean"."""

    words: Array
    word_factor: Array | None
    positions: Array
    embedding_norm: Norm
    projection: Linear | None
    layers: tuple[Layer, ...]
    activation: str
    head: tuple[Linear, str, Linear]
    pooling: str = "first"
    padding_id: int | None = None
