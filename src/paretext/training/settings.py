"""How to train: read and checked without PyTorch; `training` has what does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import Field, model_validator

from paretext.core.settings import Settings
from paretext.data.balance import Supersample

Device = Literal["auto", "cpu", "cuda"]
OnEpoch = Callable[[int, float], None]
"""Told the number of the epoch that has ended, from 1, and its macro-F1 on selection."""


class TrainingSettings(Settings):
    """How to train. learning_rate, steps and patience: None as `plan` finds them from the
    data and the encoder. epochs: a length in epochs and in place of that plan, whatever `steps` is;
    patience then counts epochs, otherwise evaluations. warmup: share of the steps."""

    learning_rate: float | None = Field(default=None, gt=0)
    batch_size: int = Field(default=32, ge=1)
    steps: int | None = Field(default=None, ge=1)
    epochs: int | None = Field(default=None, ge=1)
    patience: int | None = Field(default=None, ge=1)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.06, ge=0, lt=1)
    supersample: Supersample = None
    class_weights: bool = True
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: Device = "auto"
    seed: int = 0

    @model_validator(mode="after")
    def _one_length(self) -> TrainingSettings:
        if self.steps is not None and self.epochs is not None:
            raise ValueError(
                f"the length of training is given twice, as {self.steps} steps and as "
                f"{self.epochs} epochs; leave one out"
            )
        return self
