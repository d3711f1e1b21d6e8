"""CompactClassifier: one network for all BERT-like encoders, each layer with shapes of its own.

BERT and its kin compute the same function under different names (`families` reads them all), and
none of their classes can hold a layer with fewer heads or neurons than its neighbour. This one can,
so every step that changes shapes works on it alone. Its configuration lists the shapes, so a saved
folder loads again with `Classifier.load` and trains on.

What it adds to BERT's function: word embeddings of low rank (a narrow table times a matrix), layers
without attention or without a feed-forward part, and a mean over the tokens in place of the first
one. As the head reads one row a text, the last layer computes only that row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel
from transformers.configuration_utils import PretrainedConfig
from transformers.modeling_outputs import SequenceClassifierOutput

from paretext.models.encoder import Encoder, Layer, Linear, Norm
from paretext.models.names import COMPACT

_MODULES: dict[str, nn.Module] = {
    "gelu": nn.GELU(),
    "gelu_new": nn.GELU(approximate="tanh"),
    "gelu_pytorch_tanh": nn.GELU(approximate="tanh"),
    "relu": nn.ReLU(),
    "tanh": nn.Tanh(),
}


class CompactConfig(PretrainedConfig):
    """word_rank: width of the word table where it is factorised, else None.
    embedding_size: width of the embeddings' norm. projects: whether a matrix follows it (None, as in
    older files: where the width is not hidden_size); it stays where `width` makes them equal.
    shapes: {"heads", "head_size", "neurons"} of each layer; 0 leaves that part out.
    head_size: outputs of the head's first matrix. pooling: "first" token or "mean" of all.
    skips_padding: positions count the tokens that are not pad_token_id (`Encoder.padding_id`), so
    the table has one row more than the longest input, max_position_embeddings."""

    model_type = COMPACT

    def __init__(
        self,
        vocab_size: int = 1,
        hidden_size: int = 1,
        embedding_size: int | None = None,
        projects: bool | None = None,
        word_rank: int | None = None,
        max_position_embeddings: int = 1,
        shapes: list[dict[str, int]] | None = None,
        activation: str = "gelu",
        head_size: int = 1,
        head_activation: str = "tanh",
        pooling: str = "first",
        layer_norm_eps: float = 1e-12,
        dropout: float = 0.1,
        initializer_range: float = 0.02,
        pad_token_id: int = 0,
        skips_padding: bool = False,
        **other: Any,
    ) -> None:
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.embedding_size = embedding_size or hidden_size
        self.projects = self.embedding_size != hidden_size if projects is None else projects
        self.word_rank = word_rank
        self.max_position_embeddings = max_position_embeddings
        self.shapes = shapes or []
        self.activation = activation
        self.head_size = head_size
        self.head_activation = head_activation
        self.pooling = pooling
        self.layer_norm_eps = layer_norm_eps
        self.dropout = dropout
        self.initializer_range = initializer_range
        self.skips_padding = skips_padding
        super().__init__(**other)
        self.pad_token_id = pad_token_id

    @property
    def num_hidden_layers(self) -> int:
        return len(self.shapes)


class CompactLayer(nn.Module):
    """softmax(q k) v, a feed-forward part, and a norm after each; either part may be missing."""

    def __init__(self, config: CompactConfig, heads: int, head_size: int, neurons: int) -> None:
        super().__init__()
        width = config.hidden_size
        self.heads, self.head_size, self.neurons = heads, head_size, neurons
        self.config = config
        self.activation = _MODULES[config.activation]
        if heads:
            self.query = nn.Linear(width, heads * head_size)
            self.key = nn.Linear(width, heads * head_size)
            self.value = nn.Linear(width, heads * head_size)
            self.attention_output = nn.Linear(heads * head_size, width)
            self.attention_norm = nn.LayerNorm(width, config.layer_norm_eps)
        if neurons:
            self.feed_forward_in = nn.Linear(width, neurons)
            self.feed_forward_out = nn.Linear(neurons, width)
            self.output_norm = nn.LayerNorm(width, config.layer_norm_eps)

    def forward(self, x: torch.Tensor, mask: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """x (batch, sequence, width); `rows` are those rows of x that are asked for."""
        chance = self.config.dropout if self.training else 0.0
        if self.heads:
            q, k, v = (self._split(each) for each in (self.query(rows), self.key(x), self.value(x)))
            context = _attend(q, k, v, mask, chance)
            out = self.attention_output(context.transpose(1, 2).flatten(2))
            rows = self.attention_norm(nn.functional.dropout(out, chance) + rows)
        if self.neurons:
            out = self.feed_forward_out(self.activation(self.feed_forward_in(rows)))
            rows = self.output_norm(nn.functional.dropout(out, chance) + rows)
        return rows

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(*x.shape[:2], self.heads, self.head_size).transpose(1, 2)


def _attend(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor, dropout: float
) -> torch.Tensor:
    """softmax(q k / sqrt(size)) v over the keys that `mask` has, each (batch, heads, rows, size).

    Written out, since PyTorch's fused operator is made for long inputs: on a CPU in bfloat16 it
    took 39% of a training step of a small student (4 heads, 24 tokens), which this makes 1.5 times
    as fast.
    """
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    shares = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(-1)
    return nn.functional.dropout(shares, dropout).to(v.dtype) @ v


class CompactClassifier(PreTrainedModel):
    """Sequence classifier of the shapes in its configuration."""

    config_class = CompactConfig
    base_model_prefix = "encoder"
    main_input_name = "input_ids"
    _input_embed_layer = "words"

    def __init__(self, config: CompactConfig) -> None:
        super().__init__(config)
        embedding, width = int(config.embedding_size), config.hidden_size
        rank = config.word_rank or embedding
        self.words = nn.Embedding(config.vocab_size, rank)
        if config.word_rank:
            self.word_factor = nn.Linear(rank, embedding, bias=False)
        rows = config.max_position_embeddings + config.skips_padding
        self.positions = nn.Embedding(rows, embedding)
        self.embedding_norm = nn.LayerNorm(embedding, config.layer_norm_eps)
        if config.projects:
            self.projection = nn.Linear(embedding, width)
        self.layers = nn.ModuleList(CompactLayer(config, **shape) for shape in config.shapes)
        self.head_dense = nn.Linear(width, config.head_size)
        self.head_activation = _MODULES[config.head_activation]
        self.head_output = nn.Linear(config.head_size, int(config.num_labels or 0))
        self.post_init()  # type: ignore[no-untyped-call]

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
        if isinstance(module, nn.Linear | nn.LayerNorm) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        output_hidden_states: bool = False,
        **_: Any,
    ) -> SequenceClassifierOutput:
        """Logits (batch, classes) of ids and mask (batch, sequence), padded on the right, and where
        they are asked for the states of all tokens: the embeddings, then those after each layer,
        each (batch, sequence, width)."""
        *states, pooled = self.encode(input_ids, attention_mask, every_token=output_hidden_states)
        hidden = nn.functional.dropout(pooled, self.config.dropout, self.training)
        hidden = self.head_activation(self.head_dense(hidden))
        hidden = nn.functional.dropout(hidden, self.config.dropout, self.training)
        logits = self.head_output(hidden)
        kept = tuple(states) if output_hidden_states else None
        return SequenceClassifierOutput(logits=logits, hidden_states=kept)

    def embed(self, input_ids: torch.Tensor) -> torch.Tensor:
        """What the first layer reads, (batch, sequence, width)."""
        x: torch.Tensor = self.words(input_ids)
        if self.config.word_rank:
            x = self.word_factor(x)
        x = self.embedding_norm(x + self._positions(input_ids))
        x = nn.functional.dropout(x, self.config.dropout, self.training)
        if self.config.projects:
            x = self.projection(x)
        return x

    def _positions(self, input_ids: torch.Tensor) -> torch.Tensor:
        """The embedding of each token's position, (sequence, width) or one for each text."""
        table = self.positions.weight
        if not self.config.skips_padding:
            return table[: input_ids.shape[1]]
        counted = (input_ids != self.config.pad_token_id).int()
        return nn.functional.embedding(counted.cumsum(1) * counted, table)

    def encode(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, every_token: bool = False
    ) -> list[torch.Tensor]:
        """The embeddings, each layer's output (of the last one only what the head reads, unless
        every token is asked for), and last the pooled (batch, width)."""
        present = attention_mask.bool()
        mask = present[:, None, None, :]
        x = self.embed(input_ids)
        states = [x]
        first_only = self.config.pooling == "first"
        for index, layer in enumerate(self.layers):
            last = first_only and index == len(self.layers) - 1 and not every_token
            x = layer(x, mask, x[:, :1] if last else x)
            states.append(x)
        if first_only:
            return [*states, x[:, 0]]
        share = present / present.sum(1, keepdim=True)
        return [*states, (x * share.unsqueeze(2)).sum(1)]


def from_encoder(encoder: Encoder, **config: Any) -> CompactClassifier:
    """The network that computes what `encoder` does, with its weights.

    config: settings that weights do not show, such as id2label, dropout and pad_token_id.
    """
    dense, between, output = encoder.head
    words, factor = encoder.words, encoder.word_factor
    model = CompactClassifier(
        CompactConfig(
            vocab_size=len(words),
            hidden_size=dense.weight.shape[0],
            embedding_size=encoder.positions.shape[1],
            projects=encoder.projection is not None,
            word_rank=None if factor is None else words.shape[1],
            max_position_embeddings=len(encoder.positions) - (encoder.padding_id is not None),
            skips_padding=encoder.padding_id is not None,
            shapes=[_shape(layer) for layer in encoder.layers],
            activation=encoder.activation,
            head_size=dense.weight.shape[1],
            head_activation=between,
            pooling=encoder.pooling,
            layer_norm_eps=encoder.embedding_norm.epsilon,
            **config,
        )
    )
    with torch.no_grad():
        model.words.weight.copy_(torch.from_numpy(words))
        if factor is not None:
            model.word_factor.weight.copy_(torch.from_numpy(factor.T.copy()))
        model.positions.weight.copy_(torch.from_numpy(encoder.positions))
        _copy_norm(encoder.embedding_norm, model.embedding_norm)
        if encoder.projection is not None:
            _copy_linear(encoder.projection, model.projection)
        for layer, block in zip(encoder.layers, model.layers, strict=True):
            _copy_layer(layer, block)
        _copy_linear(dense, model.head_dense)
        _copy_linear(output, model.head_output)
    nn.Module.eval(model)
    return model


def _shape(layer: Layer) -> dict[str, int]:
    heads, head_size, neurons = 0, 0, 0
    if layer.attention is not None:
        heads = layer.attention.heads
        head_size = layer.attention.query.weight.shape[1] // heads
    if layer.feed_forward is not None:
        neurons = layer.feed_forward.inner.weight.shape[1]
    return {"heads": heads, "head_size": head_size, "neurons": neurons}


def _copy_layer(layer: Layer, block: Any) -> None:
    if layer.attention is not None:
        _copy_linear(layer.attention.query, block.query)
        _copy_linear(layer.attention.key, block.key)
        _copy_linear(layer.attention.value, block.value)
        _copy_linear(layer.attention.output, block.attention_output)
        _copy_norm(layer.attention.norm, block.attention_norm)
    if layer.feed_forward is not None:
        _copy_linear(layer.feed_forward.inner, block.feed_forward_in)
        _copy_linear(layer.feed_forward.outer, block.feed_forward_out)
        _copy_norm(layer.feed_forward.norm, block.output_norm)


def _copy_linear(source: Linear, target: nn.Linear) -> None:
    target.weight.copy_(torch.from_numpy(np.ascontiguousarray(source.weight.T)))
    target.bias.copy_(torch.from_numpy(source.bias))


def _copy_norm(source: Norm, target: nn.LayerNorm) -> None:
    target.weight.copy_(torch.from_numpy(source.gamma))
    target.bias.copy_(torch.from_numpy(source.beta))


AutoConfig.register(CompactConfig.model_type, CompactConfig)
AutoModelForSequenceClassification.register(CompactConfig, CompactClassifier)
