"""What Hugging Face's Trainer is given: losses, orders, scores, and what is told of a training."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from paretext.core import progress
from paretext.measure.metrics import confusion_matrix, macro_f1
from paretext.training.batches import OwnRows
from paretext.training.checkpoints import seal
from paretext.training.plan import Plan
from paretext.training.settings import OnEpoch
from paretext.training.targets import Distance

_DIVERGENCE = "eval_divergence"


def weighted_loss(weights: torch.Tensor) -> Callable[..., torch.Tensor]:
    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        logits = outputs["logits"].float()
        return nn.functional.cross_entropy(logits, labels, weight=weights.to(logits.device))

    return loss


def trainer_class() -> Any:
    """Trainer, with another loss where there are targets, and the rows of each epoch if given."""
    from transformers import Trainer

    class Distiller(Trainer):
        def __init__(
            self,
            *,
            rows: Sequence[NDArray[np.int64]] | None,
            distance: Distance | None,
            **arguments: Any,
        ) -> None:
            super().__init__(**arguments)
            self.rows, self.distance = rows, distance

        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            if self.rows is None:
                return super()._get_train_sampler(train_dataset)
            examples: Any = self.train_dataset
            batch_size, seed = self.args.train_batch_size, self.args.seed
            return OwnRows(self.rows, examples.lengths, batch_size, seed)

        def _get_eval_sampler(self, eval_dataset: Any) -> Any:
            return torch.utils.data.SequentialSampler(eval_dataset)  # it lies by length already

        def compute_loss(  # type: ignore[override]
            self, model: nn.Module, inputs: dict[str, Any], **given: Any
        ) -> Any:
            if self.distance is None or "teacher_logits" not in inputs:
                return super().compute_loss(model, inputs, **given)
            taught = {name: inputs.pop(name) for name in list(inputs) if name.startswith("teach")}
            inputs.pop("labels")
            return self.distance(model, inputs, taught)

    return Distiller


def selection_scores(
    teacher: NDArray[np.float32] | None,
) -> Callable[[Any], dict[str, float]]:
    """What is measured on selection after each epoch; `teacher` are its logits there, if any."""

    def scores(predicted: Any) -> dict[str, float]:
        logits, labels = predicted.predictions, predicted.label_ids
        counts = confusion_matrix(labels, logits.argmax(axis=1), logits.shape[1])
        measured = {"macro_f1": float(macro_f1(counts))}
        if teacher is not None:
            own, wanted = (torch.from_numpy(each).log_softmax(1) for each in (logits, teacher))
            divergence = (wanted.exp() * (wanted - own)).sum(1).mean()
            measured["divergence"] = float(divergence)
        return measured

    return scores


def callback(
    advance: progress.Advance,
    after_step: Callable[[nn.Module], None] | None,
    on_epoch: OnEpoch | None,
    plan: Plan,
    done: int,
) -> Any:
    from transformers import TrainerCallback

    class Callback(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            advance(done)

        def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            if after_step is not None:
                after_step(given["model"])
            if state.global_step >= plan.steps:
                control.should_log = True  # the loss since the last evaluation
            advance()

        def on_evaluate(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            metrics = given["metrics"]
            score = metrics["eval_macro_f1"]
            when = (
                f"epoch {metrics['epoch']:.0f}"
                if plan.interval is None
                else (f"step {state.global_step:,} of {plan.steps:,}")
            )
            note = f"{when}: macro-F1 {score:.4f} on selection"
            if _DIVERGENCE in metrics:
                note += f", divergence {metrics[_DIVERGENCE]:.4f}"
            advance(0, note=note)

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            seal(Path(args.output_dir) / f"checkpoint-{state.global_step}")
            if on_epoch is not None:
                score = next(row for row in reversed(state.log_history) if "eval_macro_f1" in row)
                on_epoch(round(score["epoch"]), score["eval_macro_f1"])

    return Callback()


def ends(until: float, label: str) -> Any:
    from transformers import TrainerCallback

    class Ends(TrainerCallback):
        def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if time.monotonic() > until and state.global_step < state.max_steps:
                control.should_training_stop = True
                done = f"{state.global_step:,} of {state.max_steps:,} steps"
                progress.say(f"{label}: the time is over, after {done}")

    return Ends()


def quiet(trainer: Any) -> None:
    """Trainer prints its logs where no progress bar is; ours are told by `progress`."""
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)


def history(log: list[dict[str, float]]) -> tuple[dict[str, float], ...]:
    losses = {row["step"]: row["loss"] for row in log if "loss" in row}
    return tuple(
        {
            "step": row["step"],
            "epoch": round(row["epoch"]) if row["epoch"] % 1 == 0 else round(row["epoch"], 2),
            "train_loss": losses[row["step"]],
            "selection_loss": row["eval_loss"],
            "selection_macro_f1": row["eval_macro_f1"],
            **({"selection_divergence": row[_DIVERGENCE]} if _DIVERGENCE in row else {}),
        }
        for row in log
        if "eval_macro_f1" in row
    )
