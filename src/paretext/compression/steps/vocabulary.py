"""Keep the tokens that the data uses.

A pretrained vocabulary covers a whole language and more; half the bytes of a small model are rows
that no text of the task ever looks up. `trimming` cuts the tokenizer; this step cuts the embedding
table with it, of any network that has one (`word_table`). What an unseen word was one token for, it
is a few pieces for now.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from paretext.compression.methods.trimming import trim, with_tokenizer
from paretext.compression.step import Material, Outline, Step, compact, require_encoder_there
from paretext.models.families.base import is_known

if TYPE_CHECKING:
    from paretext.models.classifier import Classifier


class Vocabulary(Step):
    """minimum_count: how often the training and unlabelled texts use a token that is kept; single
    characters stay. limit: the most tokens to keep, the most frequent ones first."""

    step: Literal["vocabulary"] = "vocabulary"
    minimum_count: int = Field(default=2, ge=1)
    limit: int | None = Field(default=None, ge=1)

    def plan(self, outline: Outline) -> Outline:
        require_encoder_there(self.step, outline)
        return replace(outline, parents_tokens=False)

    def apply(self, classifier: Classifier, data: Material) -> tuple[Classifier, list[str]]:
        import torch
        from torch import nn

        from paretext.models.word_table import with_rows

        trimmed = trim(
            classifier.tokenizer.backend_tokenizer,
            [*data.train.texts, *data.unlabelled],
            self.minimum_count,
            self.limit,
        )
        tokenizer = with_tokenizer(classifier.tokenizer, trimmed)
        tokenizer.model_max_length = classifier.max_length
        network: Any = classifier.model
        if is_known(network.config):
            network = compact(classifier).model
            rows = network.words.weight.detach()[torch.from_numpy(trimmed.kept)]
            network.words = nn.Embedding.from_pretrained(rows.clone(), freeze=False)
            network.config.vocab_size = len(rows)
            network.config.pad_token_id = tokenizer.pad_token_id
        else:
            ids = replace(classifier, tokenizer=tokenizer).tokenize(data.sample().texts)
            network = with_rows(network, trimmed.kept, ids["input_ids"])
        before, after = len(classifier.tokenizer), len(tokenizer)
        sentence = f"kept {after:,} of {before:,} tokens: those used {self.minimum_count} times"
        return replace(classifier, model=network, tokenizer=tokenizer), [sentence]
