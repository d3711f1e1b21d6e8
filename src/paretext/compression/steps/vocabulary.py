"""Keep the tokens that the data uses.

A pretrained vocabulary covers a whole language and more; half the bytes of a small model are rows
that no text of the task ever looks up. `trimming` cuts the tokenizer; this step cuts the embedding
table with it. What an unseen word was one token for, it is a few pieces for now.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from paretext.compression.methods.trimming import trim, with_tokenizer
from paretext.compression.step import Material, Outline, Step, compact, require_shapes

if TYPE_CHECKING:
    from paretext.models.classifier import Classifier


class Vocabulary(Step):
    """minimum_count: how often the training and unlabelled texts use a token that is kept; single
    characters stay. limit: the most tokens to keep, the most frequent ones first."""

    step: Literal["vocabulary"] = "vocabulary"
    minimum_count: int = Field(default=2, ge=1)
    limit: int | None = Field(default=None, ge=1)

    def plan(self, outline: Outline) -> Outline:
        require_shapes(self.step, outline)
        return replace(outline, parents_tokens=False)

    def apply(self, classifier: Classifier, data: Material) -> tuple[Classifier, list[str]]:
        import torch
        from torch import nn

        trimmed = trim(
            classifier.tokenizer.backend_tokenizer,
            [*data.train.texts, *data.unlabelled],
            self.minimum_count,
            self.limit,
        )
        tokenizer = with_tokenizer(classifier.tokenizer, trimmed)
        tokenizer.model_max_length = classifier.max_length
        smaller = compact(classifier)
        model: Any = smaller.model
        rows = model.words.weight.detach()[torch.from_numpy(trimmed.kept)]
        model.words = nn.Embedding.from_pretrained(rows.clone(), freeze=False)
        model.config.vocab_size = len(rows)
        model.config.pad_token_id = tokenizer.pad_token_id
        before, after = len(classifier.tokenizer), len(tokenizer)
        sentence = f"kept {after:,} of {before:,} tokens: those used {self.minimum_count} times"
        return replace(smaller, tokenizer=tokenizer), [sentence]
