"""FactorisedClassifier: a network of any architecture, its word table a narrow one times a matrix.

The network inside is transformers' own, built from its own configuration; only the module that it
calls its input embeddings is another. Source: Lan et al. 2020, "ALBERT", section 3.1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel
from transformers.configuration_utils import PretrainedConfig

from paretext.models.names import FACTORISED


class FactorisedConfig(PretrainedConfig):
    """word_rank: width of the table. text_config: the configuration of the network inside."""

    model_type = FACTORISED

    def __init__(
        self, word_rank: int = 1, text_config: dict[str, Any] | None = None, **other: Any
    ) -> None:
        self.word_rank = word_rank
        inner = dict(text_config or {"model_type": "bert"})
        self.text_config = AutoConfig.for_model(inner.pop("model_type"), **inner)
        super().__init__(**other)
        self.pad_token_id = self.text_config.pad_token_id

    def get_text_config(self, *_: Any, **__: Any) -> Any:
        return self.text_config.get_text_config()


class FactorisedEmbedding(nn.Embedding):
    """Rows of rank numbers, (tokens, rank), and the matrix that makes them `width` wide."""

    def __init__(self, tokens: int, rank: int, width: int) -> None:
        super().__init__(tokens, rank)
        self.factor = nn.Linear(rank, width, bias=False)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        wide: torch.Tensor = self.factor(super().forward(input))
        return wide


class FactorisedClassifier(PreTrainedModel):
    """Sequence classifier whose network's word table has rank `word_rank`."""

    config_class = FactorisedConfig
    main_input_name = "input_ids"

    def __init__(self, config: FactorisedConfig) -> None:
        super().__init__(config)
        inner = config.text_config
        inner.id2label, inner.label2id = config.id2label, config.label2id
        inner.problem_type = None
        self.network = AutoModelForSequenceClassification.from_config(inner)
        before = self.network.get_input_embeddings()
        rows, width = before.weight.shape
        self.network.set_input_embeddings(FactorisedEmbedding(rows, config.word_rank, width))
        self.post_init()  # type: ignore[no-untyped-call]

    @property
    def base_model(self) -> nn.Module:
        encoder: nn.Module = self.network.base_model
        return encoder

    def get_input_embeddings(self) -> nn.Module:
        words: nn.Module = self.network.get_input_embeddings()
        return words

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        output_hidden_states: bool = False,
        **_: Any,
    ) -> Any:
        """What the network inside answers to ids and mask, (batch, sequence)."""
        asked = {"output_hidden_states": True} if output_hidden_states else {}
        return self.network(input_ids=input_ids, attention_mask=attention_mask, **asked)


AutoConfig.register(FACTORISED, FactorisedConfig)
AutoModelForSequenceClassification.register(FactorisedConfig, FactorisedClassifier)
