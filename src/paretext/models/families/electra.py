"""ELECTRA: BERT, in its small size with narrower embeddings, and a head with another activation.

Clark et al. 2020, "ELECTRA: Pre-training Text Encoders as Discriminators Rather Than Generators".
"""

from __future__ import annotations

from typing import Any

from paretext.models.encoder import Linear
from paretext.models.families.base import ReadLinear
from paretext.models.families.bert import Bert


class Electra(Bert):
    model_types = ("electra",)

    def head(self, model: Any, read: ReadLinear) -> tuple[Linear, str, Linear]:
        return read(model.classifier.dense), "gelu", read(model.classifier.out_proj)
