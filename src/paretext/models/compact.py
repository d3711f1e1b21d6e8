"""CompactClassifier: one network for all BERT-like encoders, each layer with shapes of its own.

BERT and its kin compute the same function under different names (`families` reads them all), and
none of their classes can hold a layer with fewer heads or neurons than its neighbour. This one can,
so every step that changes shapes works on it alone. Its configuration lists the shapes, so a saved
folder loads again with `Classifier.load` and trains on.

What it adds to BERT's function: word embeddings of low rank (a narrow table times a matrix), layers
without attention or without a feed-forward part, a mean over the tokens in place of the first one,
and what other encoders have in BERT's place (`encoder`). Every matrix and norm has a bias here,
zero where its origin has none. As the head reads one row a text, the last layer computes only that
row.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from paretext.models.compact_config import CompactConfig
from paretext.models.compact_layer import MODULES, CompactLayer, Places
from paretext.models.encoder import Encoder, Layer, Linear, Norm


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
        if config.absolute:
            rows = config.max_position_embeddings + config.skips_padding
            self.positions = nn.Embedding(rows, embedding)
        self.embedding_norm = nn.LayerNorm(embedding, config.layer_norm_eps)
        if config.projects:
            self.projection = nn.Linear(embedding, width)
        if config.distances:
            none = torch.zeros(2 * config.distances + 1, dtype=torch.int64)
            self.register_buffer("distance_rows", none)
        if config.relative_rows:
            self.relative = nn.Embedding(config.relative_rows, width)
            if config.relative_norm:
                self.relative_norm = nn.LayerNorm(width, config.layer_norm_eps)
        self.layers = nn.ModuleList(CompactLayer(config, **shape) for shape in config.shapes)
        if config.final_norm:
            self.final_norm = nn.LayerNorm(width, config.layer_norm_eps)
        self.head_dense = nn.Linear(width, config.head_size)
        self.head_activation = MODULES[config.head_activation]
        if config.head_norm:
            self.head_norm = nn.LayerNorm(config.head_size, config.layer_norm_eps)
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
        if self.config.head_norm:
            hidden = self.head_norm(hidden)
        hidden = nn.functional.dropout(hidden, self.config.dropout, self.training)
        logits = self.head_output(hidden)
        kept = tuple(states) if output_hidden_states else None
        return SequenceClassifierOutput(logits=logits, hidden_states=kept)

    def embed(self, input_ids: torch.Tensor) -> torch.Tensor:
        """What the first layer reads, (batch, sequence, width)."""
        x: torch.Tensor = self.words(input_ids)
        if self.config.word_rank:
            x = self.word_factor(x)
        if self.config.absolute:
            x = x + self._positions(input_ids)
        x = self.embedding_norm(x)
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

    def places(self, attention_mask: torch.Tensor) -> Places:
        """Where the tokens of this mask (batch, sequence) are."""
        mask = attention_mask.bool()[:, None, None, :]
        if not self.config.distances:
            return Places(mask)
        table = cast(torch.Tensor, self.distance_rows)
        order = torch.arange(attention_mask.shape[1], device=table.device)
        rows = table[order - order[:, None] + self.config.distances]
        if not self.config.relative_rows:
            return Places(mask, rows)
        low, high = int(rows.min()), int(rows.max())
        relative = self.relative.weight[low : high + 1]  # those that a text of this length asks for
        if self.config.relative_norm:
            relative = self.relative_norm(relative)
        relative = nn.functional.dropout(relative, self.config.dropout, self.training)
        return Places(mask, rows - low, relative)

    def encode(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, every_token: bool = False
    ) -> list[torch.Tensor]:
        """The embeddings, each layer's output (of the last one only what the head reads, unless
        every token is asked for), and last the pooled (batch, width)."""
        places = self.places(attention_mask)
        x = self.embed(input_ids)
        states = [x]
        first_only = self.config.pooling == "first"
        for index, layer in enumerate(self.layers):
            last = first_only and index == len(self.layers) - 1 and not every_token
            x = layer(x, places, x[:, :1] if last else x)
            states.append(x)
        if self.config.final_norm:
            states[-1] = x = self.final_norm(x)
        if first_only:
            return [*states, x[:, 0]]
        present = attention_mask.bool()
        share = present / present.sum(1, keepdim=True)
        return [*states, (x * share.unsqueeze(2)).sum(1)]


def from_encoder(encoder: Encoder, **config: Any) -> CompactClassifier:
    """The network that computes what `encoder` does, with its weights.

    config: settings that weights do not show, such as id2label, dropout and pad_token_id.
    """
    dense, between, output = encoder.head
    words, factor = encoder.words, encoder.word_factor
    positions, rows, relative = encoder.positions, encoder.distance_rows, encoder.relative
    distances = 0 if rows is None else len(rows) // 2
    longest = encoder.longest or distances
    if positions is not None:
        longest = len(positions) - (encoder.padding_id is not None)
    parts = [layer.feed_forward for layer in encoder.layers]
    model = CompactClassifier(
        CompactConfig(
            vocab_size=len(words),
            hidden_size=dense.weight.shape[0],
            embedding_size=len(encoder.embedding_norm.gamma),
            projects=encoder.projection is not None,
            word_rank=None if factor is None else words.shape[1],
            max_position_embeddings=longest,
            absolute=positions is not None,
            skips_padding=encoder.padding_id is not None,
            shapes=[_shape(layer) for layer in encoder.layers],
            activation=encoder.activation,
            head_size=dense.weight.shape[1],
            head_activation=between,
            pooling=encoder.pooling,
            layer_norm_eps=encoder.embedding_norm.epsilon,
            gated=any(part is not None and part.gate is not None for part in parts),
            norm_first=encoder.norm_first,
            final_norm=encoder.final_norm is not None,
            head_norm=encoder.head_norm is not None,
            distances=distances,
            relative_rows=0 if relative is None else len(relative),
            relative_norm=encoder.relative_norm is not None,
            **config,
        )
    )
    with torch.no_grad():
        model.words.weight.copy_(torch.from_numpy(words))
        if factor is not None:
            model.word_factor.weight.copy_(torch.from_numpy(factor.T.copy()))
        if positions is not None:
            model.positions.weight.copy_(torch.from_numpy(positions))
        if rows is not None:
            cast(torch.Tensor, model.distance_rows).copy_(torch.from_numpy(rows))
        if relative is not None:
            model.relative.weight.copy_(torch.from_numpy(relative))
        _copy_norm(encoder.embedding_norm, model.embedding_norm)
        for name in ("final_norm", "head_norm", "relative_norm"):
            if (norm := getattr(encoder, name)) is not None:
                _copy_norm(norm, getattr(model, name))
        if encoder.projection is not None:
            _copy_linear(encoder.projection, model.projection)
        for layer, block in zip(encoder.layers, model.layers, strict=True):
            _copy_layer(layer, block)
        _copy_linear(dense, model.head_dense)
        _copy_linear(output, model.head_output)
    nn.Module.eval(model)
    return model


def _shape(layer: Layer) -> dict[str, Any]:
    """What `CompactLayer` takes, without what it takes for granted."""
    shape: dict[str, Any] = {"heads": 0, "head_size": 0, "neurons": 0}
    if (part := layer.attention) is not None:
        shape |= {"heads": part.heads, "head_size": part.query.weight.shape[1] // part.heads}
        rows = 0 if part.bias is None else part.bias.shape[1]
        more = {"theta": part.theta, "window": part.window, "bias_rows": rows}
        shape |= {name: value for name, value in more.items() if value}
        shape |= {} if part.norm is not None else {"normed": False}
    if layer.feed_forward is not None:
        shape["neurons"] = layer.feed_forward.inner.weight.shape[1]
    return shape


def _copy_layer(layer: Layer, block: Any) -> None:
    if (part := layer.attention) is not None:
        _copy_linear(part.query, block.query)
        _copy_linear(part.key, block.key)
        _copy_linear(part.value, block.value)
        _copy_linear(part.output, block.attention_output)
        if part.bias is not None:
            block.distance_bias.weight.copy_(torch.from_numpy(part.bias.T.copy()))
        if part.norm is not None:
            _copy_norm(part.norm, block.attention_norm)
    if layer.feed_forward is not None:
        _copy_linear(layer.feed_forward.inner, block.feed_forward_in)
        if layer.feed_forward.gate is not None:
            _copy_linear(layer.feed_forward.gate, block.feed_forward_gate)
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
