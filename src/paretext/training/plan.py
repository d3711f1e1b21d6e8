"""How long to train and how fast, from the size of the task: a pure function, and its record.

What a network needs to leave its pretraining is optimizer steps, not passes over the texts: few
texts and many classes need many passes (Mosbach et al. 2021, "On the Stability of Fine-tuning
BERT", section 6; Zhang et al. 2021, "Revisiting Few-sample BERT Fine-tuning", section 6), and for
many texts a few passes are enough (Devlin et al. 2019, "BERT", appendix A.3). The rate goes
down with the width: published ones are about 5e-5 at 768 and 3e-4 at 256 (BERT; Clark et al. 2020,
"ELECTRA", appendix B). For the case that this is too fast for an encoder, half of it is tried too
where texts are few and a training is short. Few texts are also few to choose on, so the half is
kept only where it is better by more than the noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from paretext.core.files import read_json, write_json

RECORD = "training.json"
EPOCHS_RATE, EPOCHS_PATIENCE = 5e-5, 2
"""Where a length in epochs is asked for."""

_STEPS, _STEPS_A_CLASS = 300, 6
_EPOCHS = 4
"""The least passes over the texts; where texts are many they decide the length."""
_EVALUATIONS = 16
_LEAST_EVALUATIONS = 4
_EVALUATING = 0.1
"""The most time spent on selection texts; one of those costs a third of a training text, since
nothing is passed back."""
_RATE, _WIDTH = 5e-5, 768
_MOST_RATE = 3e-4
_FEW_TEXTS = 2_000
_SECOND = 0.5
_RISE = 0.01


class Plan(BaseModel):
    """learning_rates: each is tried on the whole plan. interval: steps from one evaluation to the
    next; None evaluates after each epoch. patience: evaluations without a better one that end the
    training. warmup: steps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rates: tuple[float, ...]
    steps: int
    interval: int | None
    patience: int
    warmup: int

    def shorter(self, room: int) -> Plan:
        """This plan in no more than so many steps in all, its evaluations as many and its warm-up
        the same share; only one learning rate is tried where there is no room for all."""
        if self.steps * len(self.learning_rates) <= room:
            return self
        steps = min(self.steps, room)
        share = steps / self.steps
        return self.model_copy(
            update={
                "learning_rates": self.learning_rates[:1],
                "steps": steps,
                "interval": self.interval and max(1, math.ceil(self.interval * share)),
                "warmup": round(self.warmup * share),
            }
        )


class Tried(BaseModel):
    """A learning rate, and the best macro-F1 on selection that it came to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rate: float
    selection_macro_f1: float


class TrainingRecord(BaseModel):
    """How an encoder was trained: the plan, the learning rate that was kept of those tried, and
    whether macro-F1 was still rising at the end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: Plan
    learning_rate: float
    tried: tuple[Tried, ...]
    still_rising: bool
    epochs: int | None = None
    """Where the length was asked for in epochs."""

    @property
    def longer(self) -> str:
        """The option that trains twice as long."""
        return f"--epochs {2 * self.epochs}" if self.epochs else f"--steps {2 * self.plan.steps}"

    @property
    def advice(self) -> str | None:
        """What to do where macro-F1 was still rising."""
        if not self.still_rising:
            return None
        return f"macro-F1 was still rising at its last evaluation: train longer ({self.longer})"

    def write(self, folder: Path) -> None:
        write_json(folder / RECORD, self.model_dump(mode="json"))

    @classmethod
    def read(cls, folder: Path) -> TrainingRecord | None:
        """That of a candidate's folder; None of a baseline, or of a training before there was one.

        ParetextError where it is damaged.
        """
        if not (folder / RECORD).is_file():
            return None
        remedy = f"delete {folder}, and the same command trains it again"
        return read_json(folder / RECORD, remedy, cls.model_validate)


def plan(
    texts: int,
    classes: int,
    *,
    batch_size: int,
    width: int,
    selection: int,
    steps: int | None = None,
    learning_rate: float | None = None,
    patience: int | None = None,
    warmup: float = 0.06,
) -> Plan:
    """The plan for so many training texts (supersampled ones counted) and selection texts.

    width: of the encoder's hidden states. steps, learning_rate, patience: in place of the plan's
    own, which depends on nothing else. warmup: share of the steps.
    """
    epoch = math.ceil(texts / batch_size)
    steps = steps or max(_STEPS + _STEPS_A_CLASS * classes, _EPOCHS * epoch)
    affordable = selection / (3 * _EVALUATING * batch_size)
    interval = math.ceil(max(steps / _EVALUATIONS, min(affordable, steps / _LEAST_EVALUATIONS)))
    evaluations = math.ceil(steps / interval)
    rate = rate_for(width)
    rates = (rate, _SECOND * rate) if texts <= _FEW_TEXTS else (rate,)
    return Plan(
        learning_rates=rates if learning_rate is None else (learning_rate,),
        steps=steps,
        interval=interval,
        patience=patience or max(2, math.ceil(evaluations / 3)),
        warmup=round(warmup * steps),
    )


def plan_of_epochs(
    texts: int,
    epochs: int,
    *,
    batch_size: int,
    learning_rate: float | None = None,
    patience: int | None = None,
    warmup: float = 0.06,
) -> Plan:
    """The plan where a length in epochs is asked for."""
    steps = math.ceil(texts / batch_size) * epochs
    return Plan(
        learning_rates=(learning_rate or EPOCHS_RATE,),
        steps=steps,
        interval=None,
        patience=patience or EPOCHS_PATIENCE,
        warmup=round(warmup * steps),
    )


def rate_for(width: int) -> float:
    """The learning rate for an encoder of this width, to two digits; of one without a width, as
    for 768."""
    rate = min(_RATE * (_WIDTH / (width or _WIDTH)) ** 2, _MOST_RATE)
    return float(f"{rate:.1e}")


def better_rate(scores: Sequence[float], selection: int) -> int:
    """Which of the rates to keep, by their macro-F1 on so many texts: the first, unless another is
    better by more than a standard error of such a score."""
    noise = math.sqrt(scores[0] * (1 - scores[0]) / selection)
    best = scores.index(max(scores))
    return best if scores[best] > scores[0] + noise else 0


def still_rising(scores: Sequence[float]) -> bool:
    """Whether the last quarter of the evaluations is better than all before by more than the noise
    of a few texts."""
    last = math.ceil(len(scores) / 4)
    before = scores[:-last]
    return bool(before) and max(scores[-last:]) > max(before) + _RISE
