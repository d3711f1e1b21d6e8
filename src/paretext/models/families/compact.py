"""Our own: what `CompactClassifier` holds, into which every family can be copied."""

from __future__ import annotations

from typing import Any

from paretext.models.encoder import Attention, Encoder, FeedForward, Layer
from paretext.models.families.base import Family, ReadLinear, array, linear_reader, norm
from paretext.models.names import COMPACT


class Compact(Family):
    model_types = (COMPACT,)

    def read(self, model: Any) -> Encoder:
        read, config = linear_reader(model), model.config
        return Encoder(
            words=array(model.words.weight),
            word_factor=array(model.word_factor.weight).T if config.word_rank else None,
            positions=array(model.positions.weight),
            embedding_norm=norm(model.embedding_norm),
            projection=read(model.projection) if hasattr(model, "projection") else None,
            layers=tuple(_layer(block, read) for block in model.layers),
            activation=config.activation,
            head=(read(model.head_dense), config.head_activation, read(model.head_output)),
            pooling=config.pooling,
            padding_id=config.pad_token_id if config.skips_padding else None,
        )

    def dropout(self, config: Any) -> float:
        return float(config.dropout)


def _layer(block: Any, read: ReadLinear) -> Layer:
    attention = feed_forward = None
    if block.heads:
        attention = Attention(
            heads=block.heads,
            query=read(block.query),
            key=read(block.key),
            value=read(block.value),
            output=read(block.attention_output),
            norm=norm(block.attention_norm),
        )
    if block.neurons:
        feed_forward = FeedForward(
            inner=read(block.feed_forward_in),
            outer=read(block.feed_forward_out),
            norm=norm(block.output_norm),
        )
    return Layer(attention, feed_forward)
