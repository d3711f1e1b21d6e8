"""RecurrentClassifier: word embeddings, a bidirectional GRU or LSTM, the largest of each output.

The classic network for short texts. Its cost grows with the words alone, not with a width times
layers, which makes it the strongest student there is at a megabyte: it reads word order, and the
embeddings it starts from are its teacher's. Sources: Cho et al. 2014 (GRU), Hochreiter and
Schmidhuber 1997 (LSTM); the maximum over time as in Conneau et al. 2017, section 3.2.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel
from transformers.configuration_utils import PretrainedConfig
from transformers.modeling_outputs import SequenceClassifierOutput

from paretext.models.names import RECURRENT, Cell


class RecurrentConfig(PretrainedConfig):
    """embedding_size: width of the word table; hidden_size: width of each direction's state;
    word_dropout: share of the words that are unknown while it trains, by unknown_token_id."""

    model_type = RECURRENT

    vocab_size: int = 1
    cell: Cell = "gru"
    embedding_size: int = 1
    hidden_size: int = 1
    num_hidden_layers: int = 1
    dropout: float = 0.2
    word_dropout: float = 0.0
    unknown_token_id: int | None = None
    pad_token_id: int | None = 0


class RecurrentClassifier(PreTrainedModel):
    """Sequence classifier of the shapes in its configuration."""

    config_class = RecurrentConfig
    main_input_name = "input_ids"
    _input_embed_layer = "words"

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        self.words = nn.Embedding(config.vocab_size, config.embedding_size)
        kind = {"gru": nn.GRU, "lstm": nn.LSTM}[config.cell]
        self.recurrent = kind(
            config.embedding_size,
            config.hidden_size,
            config.num_hidden_layers,
            bidirectional=True,
            batch_first=True,
        )
        self.output = nn.Linear(2 * config.hidden_size, int(config.num_labels or 0))
        self.dropout = nn.Dropout(config.dropout)
        self.post_init()  # type: ignore[no-untyped-call]

    def _init_weights(self, module: nn.Module) -> None:
        """PyTorch's own initial values: they suit the width of each matrix."""
        if isinstance(module, nn.Embedding | nn.Linear | nn.RNNBase):
            module.reset_parameters()

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any
    ) -> SequenceClassifierOutput:
        """Logits (batch, classes) of ids and mask (batch, sequence), padded on the right."""
        packed = nn.utils.rnn.pack_padded_sequence(
            self.dropout(self.words(self._some_unknown(input_ids))),
            attention_mask.sum(1).cpu(),
            batch_first=True,
            enforce_sorted=False,
        )
        outputs, _lengths = nn.utils.rnn.pad_packed_sequence(
            self.recurrent(packed)[0],
            batch_first=True,
            padding_value=-1.0,  # below every state, so that no maximum is a padded one's
            total_length=input_ids.shape[1],
        )
        logits: Any = self.output(self.dropout(outputs.amax(1)))
        return SequenceClassifierOutput(logits=logits)

    def _some_unknown(self, ids: torch.Tensor) -> torch.Tensor:
        """The ids; while it trains, some at random are the unknown word's."""
        if not self.training or not self.config.word_dropout:
            return ids
        drawn = torch.rand(ids.shape, device=ids.device) < self.config.word_dropout
        return ids.masked_fill(drawn, self.config.unknown_token_id)


AutoConfig.register(RECURRENT, RecurrentConfig)
AutoModelForSequenceClassification.register(RecurrentConfig, RecurrentClassifier)
