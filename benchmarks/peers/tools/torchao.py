"""torchao: dynamic int8 activations, int8 weights; as it is, and through torch.compile."""

from __future__ import annotations

from pathlib import Path

import torch
from job import Job
from torch._inductor import config as inductor
from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_
from transformers import AutoConfig, AutoModelForSequenceClassification

from tools.transformers_model import TorchModel, load_classifier, load_tokenizer

PACKAGES = ("torch", "torchao", "transformers")
_STEP = "quantize_(model, Int8DynamicActivationInt8WeightConfig()), stored as a state dict"
SETTINGS = {
    "eager": _STEP,
    "compiled": f"{_STEP}, then torch.compile(model, dynamic=True) with freezing",
}


def prepare(job: Job, folder: Path) -> None:
    model = load_classifier(job.classifier)
    quantize_(model, Int8DynamicActivationInt8WeightConfig())
    model.config.save_pretrained(folder)
    torch.save(model.state_dict(), folder / "model.pt")
    load_tokenizer(job.classifier).save_pretrained(folder)


def load(job: Job, folder: Path) -> TorchModel:
    """As torchao's page on serialisation says: an empty model takes the stored tensors over."""
    model = AutoModelForSequenceClassification.from_config(AutoConfig.from_pretrained(folder))
    state = torch.load(folder / "model.pt", weights_only=False)
    model.load_state_dict(state, assign=True)
    model.eval()
    if job.variant == "compiled":
        inductor.freezing = True
        model = torch.compile(model, dynamic=True)
    return TorchModel(model, folder, job.threads)
