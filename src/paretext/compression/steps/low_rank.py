"""Factorise the word embeddings: a narrow table times a matrix.

The best table of rank r is the truncated singular value decomposition; each row counts as often as
the training texts use its token, so that frequent words keep their place and rare ones pay. Source:
Lan et al. 2020, "ALBERT", section 3.1 (factorised embeddings); the weighting as in Hsu et al. 2022,
"Language model compression with weighted low-rank factorization".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from paretext.compression.step import Material, Outline, Step, compact, require_shapes
from paretext.core.errors import ParetextError
from paretext.data.dataset import Dataset

if TYPE_CHECKING:
    import torch

    from paretext.models.classifier import Classifier


class LowRankEmbeddings(Step):
    """rank: width of the factorised table."""

    step: Literal["low_rank_embeddings"] = "low_rank_embeddings"
    rank: int = Field(default=128, ge=1)

    def plan(self, outline: Outline) -> Outline:
        require_shapes(self.step, outline)
        if self.rank >= outline.word_width:
            raise ParetextError(
                f"the step low_rank_embeddings has the rank {self.rank}, and the word embeddings "
                f"are {outline.word_width} wide there; give a smaller one."
            )
        return replace(outline, word_width=self.rank)

    def apply(self, classifier: Classifier, data: Material) -> tuple[Classifier, list[str]]:
        from torch import nn

        self.plan(Outline.of(classifier.model.config))
        factorised = compact(classifier)
        model: Any = factorised.model
        counts = token_counts(classifier, data.train)
        table, factor, kept = weighted_svd(model.words.weight.detach(), counts, self.rank)
        if model.config.word_rank:
            factor = model.word_factor.weight.detach() @ factor
        model.words = nn.Embedding.from_pretrained(table, freeze=False)
        model.word_factor = nn.Linear(self.rank, len(factor), bias=False)
        model.word_factor.weight = nn.Parameter(factor.contiguous())
        model.config.word_rank = self.rank
        return factorised, [
            f"factorised {len(table):,} word embeddings to rank {self.rank}: {kept:.1%} of their "
            "variation stays, weighted by use"
        ]


def token_counts(classifier: Classifier, data: Dataset) -> torch.Tensor:
    """How often the texts use each token, (vocabulary,)."""
    import torch

    rows = classifier.model.config.vocab_size  # some tables have more than the tokenizer
    ids = np.concatenate(classifier.tokenize(data.texts)["input_ids"])
    return torch.from_numpy(np.bincount(ids, minlength=rows)).float()


def weighted_svd(
    table: torch.Tensor, counts: torch.Tensor, rank: int
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """`table` (tokens, width) as (tokens, rank) @ factor.T, with factor (width, rank), so that the
    squared error weighted by counts + 1 is least; and the share of the weighted squares kept."""
    import torch

    scale = (counts[: len(table)] + 1).sqrt().unsqueeze(1)
    _, sizes, directions = torch.linalg.svd(table * scale, full_matrices=False)
    factor = directions[:rank].T
    kept = float(sizes[:rank].square().sum() / sizes.square().sum())
    return (table @ factor).contiguous(), factor, kept
