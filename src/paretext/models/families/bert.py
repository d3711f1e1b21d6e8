"""BERT, and what its kin share: a norm after each part, and a table of positions.

Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers". A kin's file overrides
what differs: where the layers are, the names in a layer, the head.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from paretext.models.encoder import ACTIVATIONS, Attention, Encoder, FeedForward, Layer, Linear
from paretext.models.families.base import Family, ReadLinear, array, linear_reader, norm


class Bert(Family):
    model_types: ClassVar[tuple[str, ...]] = ("bert",)

    def computes(self, config: Any) -> bool:
        positions = getattr(config, "position_embedding_type", None)
        return (
            not getattr(config, "is_decoder", False)
            and positions in (None, "absolute")
            and self.activation(config) in ACTIVATIONS
        )

    def read(self, model: Any) -> Encoder:
        read, base = linear_reader(model), model.base_model
        embeddings = base.embeddings
        padding_id = int(embeddings.padding_idx) if self.positions_after_padding else None
        positions = array(embeddings.position_embeddings.weight)[padding_id or 0 :]
        if hasattr(embeddings, "token_type_embeddings"):
            positions = positions + array(embeddings.token_type_embeddings.weight)[0]
        projection = self.projection(base)
        return Encoder(
            words=array(embeddings.word_embeddings.weight),
            word_factor=None,
            positions=positions,
            embedding_norm=norm(embeddings.LayerNorm),
            projection=None if projection is None else read(projection),
            layers=tuple(self.layer(block, read) for block in self.blocks(base)),
            activation=self.activation(model.config),
            head=self.head(model, read),
            padding_id=padding_id,
        )

    def activation(self, config: Any) -> str:
        """Between the two matrices of a feed-forward part."""
        return str(config.hidden_act)

    def projection(self, base: Any) -> Any:
        """The linear layer behind the embeddings, or None."""
        return getattr(base, "embeddings_project", None)

    def blocks(self, base: Any) -> Iterable[Any]:
        """The layers of the encoder `base`."""
        layers: Iterable[Any] = base.encoder.layer
        return layers

    def layer(self, block: Any, read: ReadLinear) -> Layer:
        attention = block.attention
        return Layer(
            Attention(
                heads=attention.self.num_attention_heads,
                query=read(attention.self.query),
                key=read(attention.self.key),
                value=read(attention.self.value),
                output=read(attention.output.dense),
                norm=norm(attention.output.LayerNorm),
            ),
            FeedForward(
                inner=read(block.intermediate.dense),
                outer=read(block.output.dense),
                norm=norm(block.output.LayerNorm),
            ),
        )

    def head(self, model: Any, read: ReadLinear) -> tuple[Linear, str, Linear]:
        """Two linear layers, and the activation between them."""
        return read(model.base_model.pooler.dense), "tanh", read(model.classifier)
