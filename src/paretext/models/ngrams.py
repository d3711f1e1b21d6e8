"""NgramClassifier: a linear model on weighted counts of character n-grams.

Every n-gram of TF-IDF is one of characters here. The tokenizer makes a text one stream of
characters, lower-cased, with one border between words and at both ends, so a word is the n-gram
"▁word▁", a pair of words "▁two▁words▁", and the pieces of a word are the n-grams inside of it. One
list of n-grams then holds them all, and one operator counts them (`graphs.ngram_graph`).

The value of an n-gram is (1 + log count) times its weight, the weights being inverse document
frequencies; the values of a text are scaled to length 1 and meet a matrix and a bias (Salton &
Buckley 1988, "Term-weighting approaches in automatic text retrieval"). What is written here counts
in plain Python: a second route to the numbers of the graph.
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel
from transformers.configuration_utils import PretrainedConfig
from transformers.modeling_outputs import SequenceClassifierOutput

from paretext.models.names import NGRAMS

SMALLEST = 1e-12
"""In place of the length 0 of a text without any known n-gram, whose logits are the bias."""


class NgramConfig(PretrainedConfig):
    """ngrams: how many there are; characters: the sum of their lengths."""

    model_type = NGRAMS

    vocab_size: int = 1
    ngrams: int = 1
    characters: int = 1
    pad_token_id: int | None = 0


class NgramClassifier(PreTrainedModel):
    """pool: the ids of all n-grams, one after the other, shorter ones first; lengths: of each;
    weights: of each. No n-gram holds the padding's id or the unknown one."""

    config_class = NgramConfig
    main_input_name = "input_ids"
    pool: torch.Tensor
    lengths: torch.Tensor
    weights: torch.Tensor

    def __init__(self, config: NgramConfig) -> None:
        super().__init__(config)
        self.register_buffer("pool", torch.zeros(config.characters, dtype=torch.int32))
        self.register_buffer("lengths", torch.zeros(config.ngrams, dtype=torch.int32))
        self.register_buffer("weights", torch.zeros(config.ngrams))
        self.output = nn.Linear(config.ngrams, int(config.num_labels or 0))
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any
    ) -> SequenceClassifierOutput:
        """Logits (batch, classes) of ids and mask (batch, sequence), padded on the right."""
        known = attention_mask.sum(1).tolist()
        rows = [self._values(ids[:n]) for ids, n in zip(input_ids.tolist(), known, strict=True)]
        logits: Any = self.output(torch.from_numpy(np.stack(rows)))
        return SequenceClassifierOutput(logits=logits)

    def _values(self, ids: list[int]) -> NDArray[np.float32]:
        """(ngrams,) the values of one text, of length 1."""
        values = np.zeros(self.config.ngrams, np.float32)
        text, places = "".join(map(chr, ids)), self._places
        counts = Counter(
            places[piece]
            for size in self._sizes
            for start in range(len(text) - size + 1)
            if (piece := text[start : start + size]) in places
        )
        for place, count in counts.items():
            values[place] = 1 + np.log(count)
        values *= self.weights.numpy()
        values /= max(float(np.linalg.norm(values)), SMALLEST)
        return values

    def ngrams(self) -> list[tuple[int, ...]]:
        """The ids of each n-gram."""
        ends = self.lengths.cumsum(0).tolist()
        pool = self.pool.tolist()
        return [tuple(pool[a:b]) for a, b in zip([0, *ends], ends, strict=False)]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {"".join(map(chr, ids)): place for place, ids in enumerate(self.ngrams())}

    @cached_property
    def _sizes(self) -> list[int]:
        return sorted(set(self.lengths.tolist()))


AutoConfig.register(NGRAMS, NgramConfig)
AutoModelForSequenceClassification.register(NgramConfig, NgramClassifier)
