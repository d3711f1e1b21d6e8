"""PyTorch itself: float32, bfloat16, and its dynamic quantisation of Linear layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from job import Job
from transformers import AutoConfig, AutoModelForSequenceClassification

from tools.transformers_model import TorchModel, load_classifier, load_tokenizer

PACKAGES = ("torch", "transformers", "tokenizers")
SETTINGS = {
    "fp32": "float32, inference_mode, batches padded to their longest",
    "bf16": "weights and activations in bfloat16, otherwise as float32",
    "dynamic": "torch.ao.quantization.quantize_dynamic(model, {Linear}, qint8), stored as a state "
    "dict; deprecated by PyTorch in favour of torchao",
}
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "dynamic": torch.float32}


def prepare(job: Job, folder: Path) -> None:
    model = load_classifier(job.classifier, _DTYPES[job.variant])
    if job.variant == "dynamic":
        model.config.save_pretrained(folder)
        torch.save(_quantised(model).state_dict(), folder / "model.pt")
    else:
        model.save_pretrained(folder)
    load_tokenizer(job.classifier).save_pretrained(folder)


def load(job: Job, folder: Path) -> TorchModel:
    if job.variant == "dynamic":
        empty = AutoModelForSequenceClassification.from_config(AutoConfig.from_pretrained(folder))
        model = _quantised(empty.eval())
        model.load_state_dict(torch.load(folder / "model.pt", weights_only=False))
    else:
        model = load_classifier(folder, _DTYPES[job.variant])
    return TorchModel(model, folder, job.threads)


def _quantised(model: Any) -> Any:
    return torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
