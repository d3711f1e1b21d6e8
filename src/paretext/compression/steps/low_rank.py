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

from paretext.compression.step import Material, Outline, Step, compact, require_encoder_there
from paretext.core.errors import ParetextError
from paretext.data.dataset import Dataset
from paretext.models.families.base import is_known

if TYPE_CHECKING:
    import torch

    from paretext.models.classifier import Classifier


class LowRankEmbeddings(Step):
    """rank: width of the factorised table."""

    step: Literal["low_rank_embeddings"] = "low_rank_embeddings"
    rank: int = Field(default=128, ge=1)

    def plan(self, outline: Outline) -> Outline:
        require_encoder_there(self.step, outline)
        if outline.word_width:
            self._require_narrower(outline.word_width)
        return replace(outline, word_width=self.rank)

    def apply(self, classifier: Classifier, data: Material) -> tuple[Classifier, list[str]]:
        from torch import nn

        from paretext.models.word_table import factorised, word_table

        self.plan(Outline.of(classifier.model.config))
        model: Any = classifier.model
        known = is_known(model.config)
        if known:
            model = compact(classifier).model
        words = model.words.weight.detach() if known else word_table(model)
        self._require_narrower(words.shape[1])
        counts = token_counts(classifier, data.train, len(words))
        table, factor, kept = weighted_svd(words, counts, self.rank)
        if not known:
            ids = classifier.tokenize(data.sample().texts)["input_ids"]
            model = factorised(model, table, factor, ids)
        else:
            if model.config.word_rank:
                factor = model.word_factor.weight.detach() @ factor
            model.words = nn.Embedding.from_pretrained(table, freeze=False)
            model.word_factor = nn.Linear(self.rank, len(factor), bias=False)
            model.word_factor.weight = nn.Parameter(factor.contiguous())
            model.config.word_rank = self.rank
        return replace(classifier, model=model), [
            f"factorised {len(table):,} word embeddings to rank {self.rank}: {kept:.1%} of their "
            "variation stays, weighted by use"
        ]

    def _require_narrower(self, width: int) -> None:
        if self.rank >= width:
            raise ParetextError(
                f"the step low_rank_embeddings has the rank {self.rank}, and the word embeddings "
                f"are {width} wide there; give a smaller one."
            )


def token_counts(classifier: Classifier, data: Dataset, rows: int) -> torch.Tensor:
    """How often the texts use each token of a table with so many rows, (rows,)."""
    import torch

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
