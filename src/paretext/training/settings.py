"""How to train: read and checked without PyTorch; `training` has what does it.

The same classes are a part of the recipe, the arguments of the Python calls and the options of the
command line (`core.settings`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from paretext.core.settings import Settings

Device = Literal["auto", "cpu", "cuda"]
OnEpoch = Callable[[int, float], None]
"""Told the number of the epoch that has ended, from 1, and its macro-F1 on selection."""


def _parse_factors(value: Any) -> Any:
    """'1,1,4' as the command line gives it."""
    if isinstance(value, str) and value != "auto":
        try:
            value = tuple(int(part) for part in value.split(","))
        except ValueError:
            raise ValueError(
                f"supersample is {value!r}; give 'auto' or one whole number per class: 1,1,4"
            ) from None
    if isinstance(value, list | tuple) and any(factor < 1 for factor in value):
        raise ValueError(f"supersample is {value}; every factor must be at least 1")
    return value


Supersample = Annotated[tuple[int, ...] | Literal["auto"] | None, BeforeValidator(_parse_factors)]
"""Copies of each class's texts, one factor a class; "auto"; or None for one copy each."""


class InputSettings(Settings):
    """How a model reads a text."""

    model_config = ConfigDict(title="Training")

    max_length: int = Field(default=128, ge=4, description="Longest input in tokens.")
    language: str = Field(default="en", title="NAME", description="Of stop words, as ISO code.")


class TrainingSettings(Settings):
    """How to train. learning_rate, steps and patience: None as `plan` finds them from the
    data and the encoder. epochs: a length in epochs and in place of that plan, whatever `steps` is;
    patience then counts epochs, otherwise evaluations. warmup: share of the steps."""

    model_config = ConfigDict(title="Training")

    learning_rate: float | None = Field(
        default=None, gt=0, description="Peak (default: by the encoder's width)."
    )
    batch_size: int = Field(default=32, ge=1, description="Texts per training step.")
    steps: int | None = Field(
        default=None, ge=1, description="Most steps (default: by texts and classes)."
    )
    epochs: int | None = Field(
        default=None, ge=1, description="Most epochs, in place of --steps; at 5e-5."
    )
    patience: int | None = Field(
        default=None, ge=1, description="Evaluations without a better one (a third)."
    )
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.06, ge=0, lt=1)
    supersample: Supersample = Field(
        default=None, title="COPIES", description="Copies of each class: 1,1,4,2,3,8 or auto."
    )
    class_weights: bool = Field(default=True, description="Weigh classes inversely (default: yes).")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto", description="Of the arithmetic."
    )
    device: Device = Field(default="auto", description="Where to train.")
    seed: int = Field(default=0, description="Of splits, head and order.")

    @model_validator(mode="after")
    def _one_length(self) -> TrainingSettings:
        if self.steps is not None and self.epochs is not None:
            raise ValueError(
                f"the length of training is given twice, as {self.steps} steps and as "
                f"{self.epochs} epochs; leave one out"
            )
        return self
