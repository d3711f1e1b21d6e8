"""What the tools that run a PyTorch model share: transformers' own way to load and to call it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from job import in_batches
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def load_classifier(folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    return AutoModelForSequenceClassification.from_pretrained(folder, dtype=dtype).eval()


def load_tokenizer(folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(folder)


class TorchModel:
    """A batch is tokenised, padded to its longest and answered in inference mode. transformers'
    guide has no other way for many texts on a CPU, so `bulk` is a loop over batches of 32."""

    def __init__(self, model: Any, folder: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        self.model, self.tokenizer = model, load_tokenizer(folder)

    @torch.inference_mode()
    def predict(self, texts: Sequence[str]) -> list[int]:
        batch = self.tokenizer(
            list(texts),
            truncation=True,
            padding=True,
            return_token_type_ids=False,
            return_tensors="pt",
        )
        labels: list[int] = self.model(**batch).logits.float().softmax(1).argmax(1).tolist()
        return labels

    def bulk(self, texts: Sequence[str]) -> list[int]:
        return in_batches(self.predict, texts)
