"""ModernBERT and its kin (mmBERT, Ettin): norms before the parts, rotary positions, gates, windows.

Warner et al. 2024, "Smarter, Better, Faster, Longer: A Modern Bidirectional Encoder". Two layers of
three see a window of tokens alone, and turn their positions by another base; the first layer has no
norm before its attention, as the embeddings have one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from paretext.models.encoder import ACTIVATIONS, Attention, Encoder, FeedForward, Layer, Linear
from paretext.models.families.base import Family, ReadLinear, array, linear_reader, norm

_POOLING = {"cls": "first", "mean": "mean"}


class ModernBert(Family):
    model_types = ("modernbert",)

    def computes(self, config: Any) -> bool:
        ways = [config.rope_parameters[kind] for kind in set(config.layer_types)]
        return (
            all(way["rope_type"] == "default" for way in ways)
            and config.hidden_activation in ACTIVATIONS
            and config.classifier_activation in ACTIVATIONS
            and config.classifier_pooling in _POOLING
        )

    def read(self, model: Any) -> Encoder:
        read, base, config = linear_reader(model), model.base_model, model.config
        return Encoder(
            words=array(base.embeddings.tok_embeddings.weight),
            word_factor=None,
            positions=None,
            embedding_norm=norm(base.embeddings.norm),
            projection=None,
            layers=tuple(_layer(block, read) for block in base.layers),
            activation=config.hidden_activation,
            head=(read(model.head.dense), config.classifier_activation, read(model.classifier)),
            pooling=_POOLING[config.classifier_pooling],
            longest=config.max_position_embeddings,
            norm_first=True,
            final_norm=norm(base.final_norm),
            head_norm=norm(model.head.norm),
        )

    def dropout(self, config: Any) -> float:
        return float(config.mlp_dropout)


def _layer(block: Any, read: ReadLinear) -> Layer:
    attention, config = block.attn, block.config
    query, key, value = _split(read(attention.Wqkv), ("query", "key", "value"))
    inner, gate = _split(read(block.mlp.Wi), ("inner", "gate"))
    local = block.attention_type == "sliding_attention"
    return Layer(
        Attention(
            heads=config.num_attention_heads,
            query=query,
            key=key,
            value=value,
            output=read(attention.Wo),
            norm=norm(block.attn_norm) if hasattr(block.attn_norm, "weight") else None,
            theta=float(config.rope_parameters[block.attention_type]["rope_theta"]),
            window=config.sliding_window if local else None,
        ),
        FeedForward(inner=inner, outer=read(block.mlp.Wo), norm=norm(block.mlp_norm), gate=gate),
    )


def _split(whole: Linear, names: tuple[str, ...]) -> list[Linear]:
    """The matrices that lie side by side in one."""
    weights = np.split(whole.weight, len(names), axis=1)
    biases = np.split(whole.bias, len(names))
    parts = zip(names, weights, biases, strict=True)
    return [Linear(f"{whole.name}.{name}", np.ascontiguousarray(w), b) for name, w, b in parts]
