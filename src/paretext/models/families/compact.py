"""Our own: what `CompactClassifier` holds, into which every family can be copied."""

from __future__ import annotations

from typing import Any

import numpy as np

from paretext.models.encoder import Attention, Encoder, FeedForward, Layer, Linear
from paretext.models.families.base import Family, ReadLinear, array, linear_reader, norm
from paretext.models.names import COMPACT


class Compact(Family):
    model_types = (COMPACT,)

    def read(self, model: Any) -> Encoder:
        read, config = _sharing(linear_reader(model)), model.config
        return Encoder(
            words=array(model.words.weight),
            word_factor=array(model.word_factor.weight).T if config.word_rank else None,
            positions=array(model.positions.weight) if config.absolute else None,
            embedding_norm=norm(model.embedding_norm),
            projection=read(model.projection) if hasattr(model, "projection") else None,
            layers=tuple(_layer(block, read) for block in model.layers),
            activation=config.activation,
            head=(read(model.head_dense), config.head_activation, read(model.head_output)),
            pooling=config.pooling,
            padding_id=config.pad_token_id if config.skips_padding else None,
            longest=config.max_position_embeddings or None,
            norm_first=config.norm_first,
            final_norm=norm(model.final_norm) if config.final_norm else None,
            head_norm=norm(model.head_norm) if config.head_norm else None,
            distance_rows=model.distance_rows.cpu().numpy() if config.distances else None,
            relative=array(model.relative.weight) if config.relative_rows else None,
            relative_norm=norm(model.relative_norm) if config.relative_norm else None,
        )

    def dropout(self, config: Any) -> float:
        return float(config.dropout)


def _sharing(read: ReadLinear) -> ReadLinear:
    """`read`, but what has another's numbers is the other: of layers that shared them (ALBERT's),
    until training makes them differ, the file needs one."""
    by_first_row: dict[bytes, list[Linear]] = {}

    def first(module: Any) -> Linear:
        own = read(module)
        alike = by_first_row.setdefault(own.weight[:1].tobytes(), [])
        for other in alike:
            if all(np.array_equal(getattr(own, k), getattr(other, k)) for k in ("weight", "bias")):
                return other
        alike.append(own)
        return own

    return first


def _layer(block: Any, read: ReadLinear) -> Layer:
    attention = feed_forward = None
    if block.heads:
        attention = Attention(
            heads=block.heads,
            query=read(block.query),
            key=read(block.key),
            value=read(block.value),
            output=read(block.attention_output),
            norm=norm(block.attention_norm) if hasattr(block.attention_norm, "weight") else None,
            bias=array(block.distance_bias.weight).T if hasattr(block, "distance_bias") else None,
            theta=block.theta,
            window=block.window,
        )
    if block.neurons:
        feed_forward = FeedForward(
            inner=read(block.feed_forward_in),
            outer=read(block.feed_forward_out),
            norm=norm(block.output_norm),
            gate=read(block.feed_forward_gate) if block.config.gated else None,
        )
    return Layer(attention, feed_forward)
