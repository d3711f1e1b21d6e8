"""The configuration of a `CompactClassifier`: what shapes its parts have, and which there are."""

from __future__ import annotations

from typing import Any

from transformers.configuration_utils import PretrainedConfig

from paretext.models.names import COMPACT


class CompactConfig(PretrainedConfig):
    """word_rank: width of the word table where it is factorised, else None.
    embedding_size: width of the embeddings' norm. projects: whether a matrix follows it (None, as
    in older files: where the width is not hidden_size); it stays where `width` makes them equal.
    shapes: {"heads", "head_size", "neurons"} of each layer, and what else `CompactLayer` takes;
    0 leaves that part out. head_size: outputs of the head's first matrix. pooling: "first" token or
    "mean" of all. absolute: whether there is a table of positions. skips_padding: they count the
    tokens that are not pad_token_id (`Encoder.padding_id`), so the table has one row more than the
    longest input, max_position_embeddings (0: there is no longest). gated, norm_first, final_norm,
    head_norm: as in `Encoder`. distances: the longest that `Encoder.distance_rows` has a row for,
    0: none is asked for; relative_rows: rows of `Encoder.relative`, 0: there is none."""

    model_type = COMPACT

    def __init__(
        self,
        vocab_size: int = 1,
        hidden_size: int = 1,
        embedding_size: int | None = None,
        projects: bool | None = None,
        word_rank: int | None = None,
        max_position_embeddings: int = 1,
        shapes: list[dict[str, Any]] | None = None,
        activation: str = "gelu",
        head_size: int = 1,
        head_activation: str = "tanh",
        pooling: str = "first",
        layer_norm_eps: float = 1e-12,
        dropout: float = 0.1,
        initializer_range: float = 0.02,
        pad_token_id: int = 0,
        absolute: bool = True,
        skips_padding: bool = False,
        gated: bool = False,
        norm_first: bool = False,
        final_norm: bool = False,
        head_norm: bool = False,
        distances: int = 0,
        relative_rows: int = 0,
        relative_norm: bool = False,
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
        self.absolute = absolute
        self.skips_padding = skips_padding
        self.gated = gated
        self.norm_first = norm_first
        self.final_norm = final_norm
        self.head_norm = head_norm
        self.distances = distances
        self.relative_rows = relative_rows
        self.relative_norm = relative_norm
        super().__init__(**other)
        self.pad_token_id = pad_token_id

    @property
    def num_hidden_layers(self) -> int:
        return len(self.shapes)
