"""Reads the encoders whose graph we write ourselves into one neutral form.

BERT, RoBERTa, XLM-RoBERTa, CamemBERT, ELECTRA and DistilBERT compute the same function up to the
names of their parameters, the first position they use and the head; `CompactClassifier` computes it
with shapes of its own in each layer. `read_encoder` lists their matrices once, in the order of the
computation, so that `graph` can write the leanest graph for all of them, and `compact` can copy any
of them. Matrices are stored (inputs, outputs), as ONNX's MatMul wants them: the transpose of
`torch.nn.Linear.weight`.

The model type is not enough to know a model by (a subclass may compute something else), so every
exported graph is checked against PyTorch on real texts afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import nn

Array = NDArray[np.float32]


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


FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert")
COMPACT = "paretext-compact"
_ACTIVATIONS = {"gelu", "relu", "tanh", "gelu_new", "gelu_pytorch_tanh"}


def is_known(model: Any) -> bool:
    """Whether `read_encoder` knows this model's architecture."""
    config = model.config
    if config.model_type == COMPACT:
        return True
    if config.model_type not in FAMILIES or getattr(config, "is_decoder", False):
        return False
    if getattr(config, "position_embedding_type", None) not in (None, "absolute"):
        return False
    return _activation(config) in _ACTIVATIONS


def read_encoder(model: Any) -> Encoder:
    """The encoder and head of a known sequence classifier, as float32 arrays."""
    names = {id(module): name for name, module in model.named_modules()}
    return (_read_compact if model.config.model_type == COMPACT else _read_family)(model, names)


def _read_family(model: Any, names: dict[int, str]) -> Encoder:
    config = model.config
    base = getattr(model, model.base_model_prefix)
    embeddings = base.embeddings
    positions = _array(embeddings.position_embeddings.weight)
    padding_id = None
    if config.model_type in ("roberta", "xlm-roberta", "camembert"):
        # These leave padding out as they count, wherever it stands (a text may hold "<pad>"), and
        # begin at padding_idx + 1 (fairseq's convention). Row padding_idx is the padding's own.
        padding_id = int(embeddings.padding_idx)
        positions = positions[padding_id:]
    if hasattr(embeddings, "token_type_embeddings"):
        positions = positions + _array(embeddings.token_type_embeddings.weight)[0]
    distilbert = config.model_type == "distilbert"
    blocks = base.transformer.layer if distilbert else base.encoder.layer
    read = _distilbert_layer if distilbert else _bert_layer
    projection = getattr(base, "embeddings_project", None)
    return Encoder(
        words=_array(embeddings.word_embeddings.weight),
        word_factor=None,
        positions=positions,
        embedding_norm=_norm(embeddings.LayerNorm),
        projection=None if projection is None else _linear(projection, names),
        layers=tuple(read(block, names) for block in blocks),
        activation=_activation(config),
        head=_head(model, base, names),
        padding_id=padding_id,
    )


def _read_compact(model: Any, names: dict[int, str]) -> Encoder:
    config = model.config
    return Encoder(
        words=_array(model.words.weight),
        word_factor=_array(model.word_factor.weight).T if config.word_rank else None,
        positions=_array(model.positions.weight),
        embedding_norm=_norm(model.embedding_norm),
        projection=_linear(model.projection, names) if hasattr(model, "projection") else None,
        layers=tuple(_compact_layer(block, names) for block in model.layers),
        activation=config.activation,
        head=(
            _linear(model.head_dense, names),
            config.head_activation,
            _linear(model.head_output, names),
        ),
        pooling=config.pooling,
        padding_id=config.pad_token_id if config.skips_padding else None,
    )


def _activation(config: object) -> str:
    return str(getattr(config, "hidden_act", None) or getattr(config, "activation", None))


def _array(tensor: torch.Tensor) -> Array:
    array: Array = tensor.detach().cpu().float().numpy()
    return array


def _linear(module: nn.Linear, names: dict[int, str]) -> Linear:
    weight = np.ascontiguousarray(_array(module.weight).T)
    return Linear(names[id(module)], weight, _array(module.bias))


def _norm(module: nn.LayerNorm) -> Norm:
    return Norm(_array(module.weight), _array(module.bias), module.eps)


def _bert_layer(block: Any, names: dict[int, str]) -> Layer:
    attention = block.attention
    return Layer(
        Attention(
            heads=attention.self.num_attention_heads,
            query=_linear(attention.self.query, names),
            key=_linear(attention.self.key, names),
            value=_linear(attention.self.value, names),
            output=_linear(attention.output.dense, names),
            norm=_norm(attention.output.LayerNorm),
        ),
        FeedForward(
            inner=_linear(block.intermediate.dense, names),
            outer=_linear(block.output.dense, names),
            norm=_norm(block.output.LayerNorm),
        ),
    )


def _distilbert_layer(block: Any, names: dict[int, str]) -> Layer:
    attention = block.attention
    return Layer(
        Attention(
            heads=attention.n_heads,
            query=_linear(attention.q_lin, names),
            key=_linear(attention.k_lin, names),
            value=_linear(attention.v_lin, names),
            output=_linear(attention.out_lin, names),
            norm=_norm(block.sa_layer_norm),
        ),
        FeedForward(
            inner=_linear(block.ffn.lin1, names),
            outer=_linear(block.ffn.lin2, names),
            norm=_norm(block.output_layer_norm),
        ),
    )


def _compact_layer(block: Any, names: dict[int, str]) -> Layer:
    attention = feed_forward = None
    if block.heads:
        attention = Attention(
            heads=block.heads,
            query=_linear(block.query, names),
            key=_linear(block.key, names),
            value=_linear(block.value, names),
            output=_linear(block.attention_output, names),
            norm=_norm(block.attention_norm),
        )
    if block.neurons:
        feed_forward = FeedForward(
            inner=_linear(block.feed_forward_in, names),
            outer=_linear(block.feed_forward_out, names),
            norm=_norm(block.output_norm),
        )
    return Layer(attention, feed_forward)


def _head(model: Any, base: Any, names: dict[int, str]) -> tuple[Linear, str, Linear]:
    kind = model.config.model_type
    if kind == "bert":
        return (_linear(base.pooler.dense, names), "tanh", _linear(model.classifier, names))
    if kind == "distilbert":
        return (_linear(model.pre_classifier, names), "relu", _linear(model.classifier, names))
    head = model.classifier
    between = "gelu" if kind == "electra" else "tanh"
    return (_linear(head.dense, names), between, _linear(head.out_proj, names))
