"""In which precision a network can be trained: seen on one step of a few texts, before the first.

Not every network computes in bfloat16: a constant below its least number (DeBERTa's mask), an
operator that wants both sides alike. PyTorch says so in its own words, somewhere inside of the
first step; here it is asked before.
"""

from __future__ import annotations

import torch

from paretext.core import progress
from paretext.core.errors import ParetextError, first_line
from paretext.data.dataset import Dataset
from paretext.models.classifier import Classifier
from paretext.training.device import uses_bf16
from paretext.training.settings import TrainingSettings

_TEXTS = 2


def possible(
    classifier: Classifier, data: Dataset, settings: TrainingSettings, label: str
) -> TrainingSettings:
    """The settings with a precision in which the network can be trained.

    ParetextError where there is none, or bfloat16 was asked for and it cannot.
    """
    kind = type(classifier.model).__name__
    texts = data.texts[:_TEXTS]
    if not uses_bf16(settings):
        if reason := _refuses(classifier, texts, bf16=False):
            raise ParetextError(
                f"{kind} cannot be trained ({reason}); use another model, such as a BERT or a "
                "RoBERTa."
            )
        return settings
    reason = _refuses(classifier, texts, bf16=True)
    if not reason:
        return settings
    if settings.precision == "bf16":
        raise ParetextError(f"{kind} cannot compute in bfloat16 ({reason}); use --precision fp32.")
    exact = settings.model_copy(update={"precision": "fp32"})
    exact = possible(classifier, data, exact, label)
    progress.say(f"{label}: {kind} cannot compute in bfloat16 ({reason}), so it is float32")
    return exact


def _refuses(classifier: Classifier, texts: tuple[str, ...], *, bf16: bool) -> str:
    """Why a step on these texts cannot be made; "" where it can. Asked of a copy: some
    networks (CTRL) round their own tables in bfloat16."""
    model = classifier.copy().model.train()
    device = model.device
    inputs = classifier.pad(classifier.tokenize(texts)["input_ids"])
    wanted = [each for each in model.parameters() if each.requires_grad]
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            logits = model(**{name: each.to(device) for name, each in inputs.items()}).logits
        gradients = torch.autograd.grad(logits.float().sum(), wanted, allow_unused=True)
    except Exception as error:  # a network's code is anybody's
        return first_line(error)
    tensors = [logits, *(each for each in gradients if each is not None)]
    return "" if all(each.isfinite().all() for each in tensors) else "it gives what is no number"
