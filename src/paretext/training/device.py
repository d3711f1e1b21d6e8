"""Where a training runs, and in which arithmetic."""

from __future__ import annotations

import torch

from paretext.core.errors import ParetextError
from paretext.training.settings import Device, TrainingSettings


def resolve_device(device: Device) -> str:
    """The device to use; ParetextError if CUDA was asked for and is not there."""
    if device == "cuda" and not torch.cuda.is_available():
        raise ParetextError("device is cuda, and PyTorch sees no GPU; use --device auto or cpu.")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


def uses_bf16(settings: TrainingSettings) -> bool:
    """Whether the products run in bfloat16: where the processor has instructions for it."""
    if settings.precision != "auto":
        return settings.precision == "bf16"
    if resolve_device(settings.device) == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported())
