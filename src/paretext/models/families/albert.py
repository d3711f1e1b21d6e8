"""ALBERT: BERT whose layers share their weights, with narrow embeddings.

Lan et al. 2020, "ALBERT: A Lite BERT for Self-supervised Learning of Language Representations". It
is read as layers one after the other, whose matrices have one name and lie in the file once. Steps
that change shapes or train give each layer its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from paretext.models.encoder import Attention, FeedForward, Layer, Linear
from paretext.models.families.base import ReadLinear, norm
from paretext.models.families.bert import Bert


class Albert(Bert):
    model_types = ("albert",)
    shares_layers = True

    def projection(self, base: Any) -> Any:
        return base.encoder.embedding_hidden_mapping_in

    def blocks(self, base: Any) -> Iterable[Any]:
        layers, groups = base.config.num_hidden_layers, base.config.num_hidden_groups
        for index in range(layers):
            group = base.encoder.albert_layer_groups[int(index / (layers / groups))]
            yield from group.albert_layers

    def layer(self, block: Any, read: ReadLinear) -> Layer:
        attention = block.attention
        return Layer(
            Attention(
                heads=attention.num_attention_heads,
                query=read(attention.query),
                key=read(attention.key),
                value=read(attention.value),
                output=read(attention.dense),
                norm=norm(attention.LayerNorm),
            ),
            FeedForward(
                inner=read(block.ffn),
                outer=read(block.ffn_output),
                norm=norm(block.full_layer_layer_norm),
            ),
        )

    def head(self, model: Any, read: ReadLinear) -> tuple[Linear, str, Linear]:
        return read(model.base_model.pooler), "tanh", read(model.classifier)
