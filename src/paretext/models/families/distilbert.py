"""DistilBERT: BERT without token types, under names of its own.

Sanh et al. 2019, "DistilBERT, a distilled version of BERT".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from paretext.models.encoder import Attention, FeedForward, Layer, Linear
from paretext.models.families.base import ReadLinear, norm
from paretext.models.families.bert import Bert


class DistilBert(Bert):
    model_types = ("distilbert",)

    def activation(self, config: Any) -> str:
        return str(config.activation)

    def dropout(self, config: Any) -> float:
        return float(config.dropout)

    def blocks(self, base: Any) -> Iterable[Any]:
        layers: Iterable[Any] = base.transformer.layer
        return layers

    def layer(self, block: Any, read: ReadLinear) -> Layer:
        attention = block.attention
        return Layer(
            Attention(
                heads=attention.n_heads,
                query=read(attention.q_lin),
                key=read(attention.k_lin),
                value=read(attention.v_lin),
                output=read(attention.out_lin),
                norm=norm(block.sa_layer_norm),
            ),
            FeedForward(
                inner=read(block.ffn.lin1),
                outer=read(block.ffn.lin2),
                norm=norm(block.output_layer_norm),
            ),
        )

    def head(self, model: Any, read: ReadLinear) -> tuple[Linear, str, Linear]:
        return read(model.pre_classifier), "relu", read(model.classifier)
