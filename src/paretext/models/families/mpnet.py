"""MPNet: RoBERTa whose scores also know the distance between tokens, one bias for all layers.

Song et al. 2020, "MPNet: Masked and Permuted Pre-training for Language Understanding".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from paretext.models.encoder import Attention, Encoder, FeedForward, Layer
from paretext.models.families.base import ReadLinear, array, norm
from paretext.models.families.roberta import Roberta


class MPNet(Roberta):
    model_types = ("mpnet",)

    def read(self, model: Any) -> Encoder:
        import torch

        plain, encoder = super().read(model), model.base_model.encoder
        assert plain.positions is not None
        longest = len(plain.positions) - 1
        distances = torch.arange(-longest, longest + 1)
        bias = array(encoder.relative_attention_bias.weight).T
        return replace(
            plain,
            layers=tuple(_with_bias(layer, bias) for layer in plain.layers),
            distance_rows=encoder.relative_position_bucket(distances).numpy(),
        )

    def layer(self, block: Any, read: ReadLinear) -> Layer:
        attention = block.attention
        return Layer(
            Attention(
                heads=attention.attn.num_attention_heads,
                query=read(attention.attn.q),
                key=read(attention.attn.k),
                value=read(attention.attn.v),
                output=read(attention.attn.o),
                norm=norm(attention.LayerNorm),
            ),
            FeedForward(
                inner=read(block.intermediate.dense),
                outer=read(block.output.dense),
                norm=norm(block.output.LayerNorm),
            ),
        )


def _with_bias(layer: Layer, bias: Any) -> Layer:
    assert layer.attention is not None
    return replace(layer, attention=replace(layer.attention, bias=bias))
