"""How to train: read and checked without PyTorch; `training` has what does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from paretext.balance import Supersample

Device = Literal["auto", "cpu", "cuda"]
OnEpoch = Callable[[int, float], None]
"""Told the number of the epoch that has ended, from 1, and its macro-F1 on selection."""


class TrainingSettings(BaseModel):
    """How to train. Lengths in epochs; `warmup` and the splits as shares of one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rate: float = Field(default=5e-5, gt=0)
    batch_size: int = Field(default=32, ge=1)
    epochs: int = Field(default=5, ge=1)
    patience: int = Field(default=2, ge=1)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.06, ge=0, lt=1)
    supersample: Supersample = None
    class_weights: bool = True
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: Device = "auto"
    seed: int = 0
