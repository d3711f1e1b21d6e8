"""ConvolutionalClassifier: what windows of a few words say, the most and the mean of it.

A text's words are looked up, every window of neighbouring words meets the same matrix, and of each
of its outputs the largest and the mean over the text go to the classes. Nothing waits for the word
before, as in a recurrent network, and no word is compared with every other, as in attention, so the
cost lies near that of reading the words. Source: Kim 2014, "Convolutional Neural Networks for
Sentence Classification"; the mean beside the maximum as in Shen et al. 2018, "Baseline Needs More
Love", section 3.

The table of words stays as it is given; what is learned is a matrix that brings its rows to a few
numbers. So words that no text has taught stand where their pretrained neighbours stand. In the
graph the two are one narrow table (`graphs.convolutional_graph`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel
from transformers.configuration_utils import PretrainedConfig
from transformers.modeling_outputs import SequenceClassifierOutput

from paretext.models.names import CONVOLUTIONAL


class ConvolutionalConfig(PretrainedConfig):
    """word_width: of the table that stays; embedding_size: to which its rows are brought;
    channels: outputs of a window; window: its words, an odd number."""

    model_type = CONVOLUTIONAL

    vocab_size: int = 1
    word_width: int = 1
    embedding_size: int = 1
    channels: int = 1
    window: int = 3
    dropout: float = 0.1
    pad_token_id: int | None = 0


class ConvolutionalClassifier(PreTrainedModel):
    """Sequence classifier of the shapes in its configuration."""

    config_class = ConvolutionalConfig
    main_input_name = "input_ids"
    _input_embed_layer = "words"

    def __init__(self, config: ConvolutionalConfig) -> None:
        super().__init__(config)
        self.words = nn.Embedding(config.vocab_size, config.word_width)
        self.projection = nn.Linear(config.word_width, config.embedding_size)
        self.windows = nn.Linear(config.window * config.embedding_size, config.channels)
        self.output = nn.Linear(2 * config.channels, int(config.num_labels or 0))
        self.dropout = nn.Dropout(config.dropout)
        self.post_init()  # type: ignore[no-untyped-call]

    def _init_weights(self, module: nn.Module) -> None:
        """PyTorch's own initial values: they suit the width of each matrix."""
        if isinstance(module, nn.Embedding | nn.Linear):
            module.reset_parameters()

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any
    ) -> SequenceClassifierOutput:
        """Logits (batch, classes) of ids and mask (batch, sequence)."""
        mask = attention_mask.unsqueeze(2)
        given = self.words(input_ids).detach()  # what has no gradient, no optimizer changes
        words = self.dropout(self.projection(given)) * mask
        aside = self.config.window // 2
        room = nn.functional.pad(words, (0, 0, aside, aside))
        windows = room.unfold(1, self.config.window, 1).transpose(2, 3).flatten(2)
        features = torch.relu(self.windows(windows)) * mask  # none is below the 0 of what is padded
        means = features.sum(1) / attention_mask.sum(1, keepdim=True)
        logits: Any = self.output(self.dropout(torch.cat([features.amax(1), means], 1)))
        return SequenceClassifierOutput(logits=logits)


AutoConfig.register(CONVOLUTIONAL, ConvolutionalConfig)
AutoModelForSequenceClassification.register(ConvolutionalConfig, ConvolutionalClassifier)
