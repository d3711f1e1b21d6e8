"""RoBERTa and its kin: BERT whose positions begin after the padding's, with a head of its own.

Liu et al. 2019, "RoBERTa"; XLM-RoBERTa (Conneau et al. 2020) and CamemBERT (Martin et al. 2020) are
the same network.
"""

from __future__ import annotations

from typing import Any, ClassVar

from paretext.models.encoder import Linear
from paretext.models.families.base import Family, ReadLinear
from paretext.models.families.bert import Bert


class Roberta(Bert):
    model_types: ClassVar[tuple[str, ...]] = ("roberta", "xlm-roberta", "camembert")
    positions_after_padding = True

    def head(self, model: Any, read: ReadLinear) -> tuple[Linear, str, Linear]:
        return read(model.classifier.dense), "tanh", read(model.classifier.out_proj)


class Counted(Family):
    """Others whose positions count as RoBERTa's do; their graphs are traced."""

    model_types = (
        *("xlm-roberta-xl", "roberta-prelayernorm", "longformer", "data2vec-text"),
        *("ibert", "xmod", "luke", "lilt", "layoutlmv3", "markuplm", "esm"),
    )
    positions_after_padding = True
    readable = False
