"""Reads the encoders whose graph we write ourselves into one neutral form.

BERT, RoBERTa, XLM-RoBERTa, CamemBERT, ELECTRA and DistilBERT compute the same function up to the
names of their parameters, the first position they use and the head. `read_encoder` lists their
matrices once, in the order of the computation, so that `graph` can write the leanest graph for
all of them. Matrices are stored (inputs, outputs), as ONNX's MatMul wants them: the transpose of
`torch.nn.Linear.weight`.

The model type is not enough to know a model by (a subclass may compute something else), so every
exported graph is checked against PyTorch on real texts afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
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
class Layer:
    """One encoder layer. heads x head size = width of query, key and value."""

    heads: int
    query: Linear
    key: Linear
    value: Linear
    attention_output: Linear
    attention_norm: Norm
    feed_forward_in: Linear
    feed_forward_out: Linear
    output_norm: Norm
    activation: str


@dataclass(frozen=True)
class Encoder:
    """words (vocabulary, width); positions (longest, width), row 0 being the first token's, with
    the embedding of token type 0 already added; head: linears and the activations between them."""

    words: Array
    positions: Array
    embedding_norm: Norm
    projection: Linear | None
    layers: tuple[Layer, ...]
    head: tuple[Linear | str, ...]


FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert")
_ACTIVATIONS = {"gelu", "relu", "tanh", "gelu_new", "gelu_pytorch_tanh"}


def is_known(model: Any) -> bool:
    """Whether `read_encoder` knows this model's architecture."""
    config = model.config
    if config.model_type not in FAMILIES or getattr(config, "is_decoder", False):
        return False
    if getattr(config, "position_embedding_type", None) not in (None, "absolute"):
        return False
    return _activation(config) in _ACTIVATIONS


def read_encoder(model: Any) -> Encoder:
    """The encoder and head of a sequence classifier of one of FAMILIES, as float32 arrays."""
    config = model.config
    base = getattr(model, model.base_model_prefix)
    embeddings = base.embeddings
    positions = _array(embeddings.position_embeddings.weight)
    if config.model_type in ("roberta", "xlm-roberta", "camembert"):
        # These count positions from padding_idx + 1 (fairseq's convention).
        positions = positions[config.pad_token_id + 1 :]
    if hasattr(embeddings, "token_type_embeddings"):
        positions = positions + _array(embeddings.token_type_embeddings.weight)[0]
    distilbert = config.model_type == "distilbert"
    blocks = base.transformer.layer if distilbert else base.encoder.layer
    read = _distilbert_layer if distilbert else _bert_layer
    projection = getattr(base, "embeddings_project", None)
    names = {id(module): name for name, module in model.named_modules()}
    return Encoder(
        words=_array(embeddings.word_embeddings.weight),
        positions=positions,
        embedding_norm=_norm(embeddings.LayerNorm),
        projection=None if projection is None else _linear(projection, names),
        layers=tuple(read(block, _activation(config), names) for block in blocks),
        head=_head(model, base, names),
    )


def _activation(config: object) -> str:
    return str(getattr(config, "hidden_act", None) or getattr(config, "activation", None))


def _array(tensor: torch.Tensor) -> Array:
    return tensor.detach().to("cpu", torch.float32).numpy()


def _linear(module: nn.Linear, names: dict[int, str]) -> Linear:
    weight = np.ascontiguousarray(_array(module.weight).T)
    return Linear(names[id(module)], weight, _array(module.bias))


def _norm(module: nn.LayerNorm) -> Norm:
    return Norm(_array(module.weight), _array(module.bias), module.eps)


def _bert_layer(block: Any, activation: str, names: dict[int, str]) -> Layer:
    attention = block.attention
    return Layer(
        heads=attention.self.num_attention_heads,
        query=_linear(attention.self.query, names),
        key=_linear(attention.self.key, names),
        value=_linear(attention.self.value, names),
        attention_output=_linear(attention.output.dense, names),
        attention_norm=_norm(attention.output.LayerNorm),
        feed_forward_in=_linear(block.intermediate.dense, names),
        feed_forward_out=_linear(block.output.dense, names),
        output_norm=_norm(block.output.LayerNorm),
        activation=activation,
    )


def _distilbert_layer(block: Any, activation: str, names: dict[int, str]) -> Layer:
    attention = block.attention
    return Layer(
        heads=attention.n_heads,
        query=_linear(attention.q_lin, names),
        key=_linear(attention.k_lin, names),
        value=_linear(attention.v_lin, names),
        attention_output=_linear(attention.out_lin, names),
        attention_norm=_norm(block.sa_layer_norm),
        feed_forward_in=_linear(block.ffn.lin1, names),
        feed_forward_out=_linear(block.ffn.lin2, names),
        output_norm=_norm(block.output_layer_norm),
        activation=activation,
    )


def _head(model: Any, base: Any, names: dict[int, str]) -> tuple[Linear | str, ...]:
    kind = model.config.model_type
    if kind == "bert":
        return (_linear(base.pooler.dense, names), "tanh", _linear(model.classifier, names))
    if kind == "distilbert":
        return (_linear(model.pre_classifier, names), "relu", _linear(model.classifier, names))
    head = model.classifier
    between = "gelu" if kind == "electra" else "tanh"
    return (_linear(head.dense, names), between, _linear(head.out_proj, names))
