"""DeBERTa-v2 and -v3 (mDeBERTa): BERT whose tokens also meet the distances between them.

He et al. 2021, "DeBERTa: Decoding-enhanced BERT with Disentangled Attention", and 2023,
"DeBERTaV3". A score is the sum of three: query and key, query and the distance's key, key and the
distance's query, over the square root of three times the head size; here the query has the root of
three in it. Those of version 3 add no positions to the words. The convolution of the two largest of
version 2 is not known here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from paretext.models.encoder import ACTIVATIONS, Attention, Encoder, FeedForward, Layer, Linear
from paretext.models.families.base import ReadLinear, array, linear_reader, norm
from paretext.models.families.bert import Bert

_BOTH = {"c2p", "p2c"}


class DebertaV2(Bert):
    model_types = ("deberta-v2",)

    def computes(self, config: Any) -> bool:
        ways = set(config.pos_att_type or [])
        known = ways == _BOTH and getattr(config, "share_att_key", False)
        return (
            super().computes(config)
            and (known if config.relative_attention else not ways)
            and not getattr(config, "conv_kernel_size", 0)
            and config.pooler_hidden_size == config.hidden_size
            and config.pooler_hidden_act in ACTIVATIONS
        )

    def read(self, model: Any) -> Encoder:
        read, base, config = linear_reader(model), model.base_model, model.config
        embeddings, encoder = base.embeddings, base.encoder
        factor = embeddings.embed_proj
        added = _added(embeddings)
        if factor is not None and added is not None:
            added = added @ array(factor.weight).T
        whole = Encoder(
            words=array(embeddings.word_embeddings.weight),
            word_factor=None if factor is None else np.ascontiguousarray(array(factor.weight).T),
            positions=added,
            embedding_norm=norm(embeddings.LayerNorm),
            projection=None,
            layers=tuple(self.layer(block, read) for block in encoder.layer),
            activation=self.activation(config),
            head=(read(model.pooler.dense), config.pooler_hidden_act, read(model.classifier)),
            longest=config.max_position_embeddings,
        )
        if not config.relative_attention:
            return whole
        return replace(
            whole,
            distance_rows=_rows(encoder, config.max_position_embeddings),
            relative=array(encoder.rel_embeddings.weight),
            relative_norm=norm(encoder.LayerNorm) if "layer_norm" in encoder.norm_rel_ebd else None,
        )

    def layer(self, block: Any, read: ReadLinear) -> Layer:
        own, output = block.attention.self, block.attention.output
        parts = 1 + len(set(own.pos_att_type))
        query, root = read(own.query_proj), np.float32(np.sqrt(parts))
        return Layer(
            Attention(
                heads=own.num_attention_heads,
                query=Linear(query.name, query.weight / root, query.bias / root),
                key=read(own.key_proj),
                value=read(own.value_proj),
                output=read(output.dense),
                norm=norm(output.LayerNorm),
            ),
            FeedForward(
                inner=read(block.intermediate.dense),
                outer=read(block.output.dense),
                norm=norm(block.output.LayerNorm),
            ),
        )


def _added(embeddings: Any) -> Any:
    """What is added to the words at each position, or None."""
    types = embeddings.token_type_embeddings
    first = 0 if types is None else array(types.weight)[0]
    if embeddings.position_embeddings is not None:
        return array(embeddings.position_embeddings.weight) + first
    if types is None:
        return None
    return np.tile(first, (embeddings.config.max_position_embeddings, 1))


def _rows(encoder: Any, longest: int) -> Any:
    """The row of each distance from query to key; transformers counts from key to query."""
    import torch
    from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position

    distances = torch.arange(longest, -longest - 1, -1)
    if encoder.position_buckets > 0:
        distances = make_log_bucket_position(
            distances, encoder.position_buckets, encoder.max_relative_positions
        )
    half = encoder.rel_embeddings.num_embeddings // 2
    return (distances.long() + half).clamp(0, 2 * half - 1).numpy()
