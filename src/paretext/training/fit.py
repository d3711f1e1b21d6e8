"""fit(): the one training path, on Hugging Face's Trainer.

Rare classes get the care of `balance`: supersampling, and class weights after it. Batches hold
texts of similar length, padded to the longest. How many steps there are, how often macro-F1 is
measured on the selection split and which learning rates are tried says `plan`; the best
evaluation's weights are kept, and training stops when `patience` evaluations in a row have not
improved it.

A student learns on the same path (`targets`): the loss is then the distance of its answers from
its teacher's, and of what it makes of every token.

A training that dies goes on from its last whole checkpoint and ends with the same weights:
Trainer keeps optimizer, schedule, random states and data order in each checkpoint.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from paretext.core import progress
from paretext.core.errors import OutOfTime
from paretext.core.files import read_json, write_json
from paretext.core.locks import temporary_folder
from paretext.data.balance import class_weights, supersampled
from paretext.data.dataset import Dataset
from paretext.models.classifier import Classifier
from paretext.training.batches import Examples, Padding, by_length
from paretext.training.checkpoints import last_whole, prepare_to_resume, steps_done
from paretext.training.device import resolve_device, uses_bf16
from paretext.training.pace import EVALUATED, pace
from paretext.training.plan import (
    Plan,
    TrainingRecord,
    Tried,
    better_rate,
    plan_of_epochs,
    still_rising,
)
from paretext.training.plan import plan as make_plan
from paretext.training.precision import possible
from paretext.training.settings import OnEpoch, TrainingSettings
from paretext.training.targets import Distance, Targets, forget_maps, map_states
from paretext.training.trainer import (
    callback,
    ends,
    history,
    quiet,
    selection_scores,
    trainer_class,
    weighted_loss,
)

__all__ = [
    "Fitted",
    "OnEpoch",
    "TrainingSettings",
    "fit",
]

LEAST_STEPS = 50
LATE = 1.15
"""How many times as long as it was given a training may take, on a machine that became slower."""


@dataclass(frozen=True)
class Fitted:
    """The trained classifier and one row per evaluation: step, epoch (whole or not), train_loss
    since the one before, selection_loss, selection_macro_f1, of a student selection_divergence;
    `best` is the row whose weights were kept. record: how it was trained; None of what is fitted in
    one go."""

    classifier: Classifier
    history: tuple[dict[str, float], ...]
    record: TrainingRecord | None = None

    @property
    def best(self) -> dict[str, float]:
        if "selection_divergence" in self.history[0]:
            return min(self.history, key=lambda row: row["selection_divergence"])
        return max(self.history, key=lambda row: row["selection_macro_f1"])


def fit(
    classifier: Classifier,
    train: Dataset,
    selection: Dataset,
    settings: TrainingSettings,
    *,
    work: Path | None = None,
    label: str = "training",
    after_step: Callable[[nn.Module], None] | None = None,
    on_epoch: OnEpoch | None = None,
    targets: Targets | None = None,
    seconds: float | None = None,
    until: float | None = None,
) -> Fitted:
    """Train a copy of `classifier` on `train`; choose the weights on `selection`.

    work: a folder for checkpoints; where it holds some of an earlier call with the same
        arguments, training goes on from there. Delete it when the result is safe.
    after_step: called with the network after each optimizer step (a pruning mask, say).
    on_epoch: called after each evaluation, once its checkpoint is written; what it raises ends the
        training, which can go on from there.
    targets: learn these answers, not the labels; the texts of each epoch then count once, and the
        length is in epochs.
    seconds: about how long it may take: a plan that takes longer is cut short, once, when it
        begins. OutOfTime where there is none for LEAST_STEPS. until: ends at the first evaluation
        after this time of `time.monotonic`, whatever was planned.
    Raises ParetextError for factors of the wrong length, a device that is not there, or data with
    other labels than the classifier's; their order may be another, since they go by name.
    """
    if work is None:
        with temporary_folder() as folder:
            return fit(
                classifier,
                train,
                selection,
                settings,
                work=folder,
                label=label,
                after_step=after_step,
                on_epoch=on_epoch,
                targets=targets,
                seconds=seconds,
                until=until,
            )
    if seconds is not None and until is None:
        until = time.monotonic() + LATE * seconds
    train, selection = (each.aligned(classifier.label_names) for each in (train, selection))
    if targets is not None:
        settings = settings.model_copy(update={"supersample": None, "class_weights": False})
    settings = possible(classifier, train, settings, label)
    rows = supersampled(train, settings.supersample)
    texts = len(rows if targets is None else targets.epochs[0])
    plan = _planned(settings, texts, len(selection), classifier)
    if seconds is not None:
        plan = _in_time(plan, seconds, classifier, train, selection, settings, work, label)
    several = len(plan.learning_rates) > 1
    tried = [
        _Training(
            classifier=classifier,
            train=train.take(rows),
            selection=selection,
            settings=settings,
            plan=plan,
            rate=rate,
            work=work / f"{rate:g}" if several else work,
            label=f"{label} at {rate:g}" if several else label,
            targets=targets,
            until=until,
        ).fitted(after_step, on_epoch)
        for rate in plan.learning_rates
    ]
    scores = [each.best["selection_macro_f1"] for each in tried]
    kept = better_rate(scores, len(selection))
    by_rate = dict(zip(plan.learning_rates, scores, strict=True))
    if several:
        listed = ", ".join(f"{rate:g} {score:.4f}" for rate, score in by_rate.items())
        progress.say(
            f"{label}: macro-F1 on selection by learning rate: {listed}; "
            f"{plan.learning_rates[kept]:g} is kept"
        )
    record = TrainingRecord(
        plan=plan,
        learning_rate=plan.learning_rates[kept],
        tried=tuple(Tried(learning_rate=r, selection_macro_f1=s) for r, s in by_rate.items()),
        still_rising=still_rising([row["selection_macro_f1"] for row in tried[kept].history]),
        epochs=settings.epochs,
    )
    return replace(tried[kept], record=record)


def _planned(
    settings: TrainingSettings, texts: int, selection: int, classifier: Classifier
) -> Plan:
    """What is to be done for so many texts: as asked for, and by the plan where nothing is."""
    asked: dict[str, Any] = {
        name: getattr(settings, name)
        for name in ("batch_size", "learning_rate", "patience", "warmup")
    }
    if settings.epochs is not None:
        return plan_of_epochs(texts, settings.epochs, **asked)
    return make_plan(
        texts,
        len(classifier.label_names),
        width=int(getattr(classifier.model.config, "hidden_size", 0)),
        selection=selection,
        steps=settings.steps,
        **asked,
    )


def _in_time(
    plan: Plan,
    seconds: float,
    classifier: Classifier,
    train: Dataset,
    selection: Dataset,
    settings: TrainingSettings,
    work: Path,
    label: str,
) -> Plan:
    """The plan that so many seconds have room for: the first learning rate alone where there is no
    time for all, and fewer steps where there is none for that. It is kept in `work`."""
    kept = work / "plan.json"
    if kept.is_file():
        return read_json(kept, f"delete {work}", Plan.model_validate)
    begin = time.monotonic()
    a_step = pace(classifier, train, settings, None)
    evaluating = EVALUATED * a_step * len(selection) / settings.batch_size
    epoch = math.ceil(len(train) / settings.batch_size)
    a_step += evaluating / (plan.interval or epoch)
    room = int((seconds - (time.monotonic() - begin)) / a_step)
    least = min(LEAST_STEPS, plan.steps)
    if plan.interval is None:  # epochs are asked for, and stay whole
        room, least = room - room % epoch, epoch
    if room < least:
        raise OutOfTime(a_step * least)
    shorter = plan.shorter(room)
    if shorter != plan:
        progress.say(
            f"{label}: there is time for {shorter.steps:,} of "
            f"{plan.steps * len(plan.learning_rates):,} planned steps"
        )
    work.mkdir(parents=True, exist_ok=True)
    write_json(kept, shorter.model_dump(mode="json"))
    return shorter


@dataclass(frozen=True)
class _Training:
    """One training at one learning rate; `train` has its supersampled texts several times."""

    classifier: Classifier
    train: Dataset
    selection: Dataset
    settings: TrainingSettings
    plan: Plan
    rate: float
    work: Path
    label: str
    targets: Targets | None
    until: float | None = None

    def fitted(
        self, after_step: Callable[[nn.Module], None] | None, on_epoch: OnEpoch | None
    ) -> Fitted:
        from transformers import EarlyStoppingCallback, set_seed

        checkpoint = last_whole(self.work, self.label)
        ended = False
        if checkpoint:
            progress.say(f"{self.label}: goes on from {checkpoint.name}")
            ended = prepare_to_resume(checkpoint)
        set_seed(self.settings.seed)
        classifier = self.classifier.copy()
        order = by_length(self.selection)
        targets = self.targets
        if targets is not None and targets.states is not None:
            map_states(classifier.model, targets.states)
        done = steps_done(checkpoint)
        with progress.task(self.label, self.plan.steps) as advance:
            trainer = trainer_class()(
                model=classifier.model,
                args=self._arguments(done if ended else None),
                train_dataset=Examples(classifier, self.train, targets),
                eval_dataset=Examples(classifier, self.selection.take(order)),
                data_collator=Padding(classifier),
                compute_loss_func=weighted_loss(self._class_weights()),
                rows=self._rows(),
                distance=None if targets is None else Distance(targets),
                compute_metrics=selection_scores(
                    None if self.targets is None else self.targets.selection[order]
                ),
                callbacks=[
                    EarlyStoppingCallback(self.plan.patience),
                    callback(advance, after_step, on_epoch, self.plan, done),
                    *([] if self.until is None else [ends(self.until, self.label)]),
                ],
            )
            quiet(trainer)
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        evaluations = history(trainer.state.log_history)
        forget_maps(classifier.model)
        for wrapped in ("forward", "_original_forward"):  # in bfloat16, for the training alone
            classifier.model.__dict__.pop(wrapped, None)
        _restore_tables(classifier.model, self.classifier.model)
        classifier.model.to("cpu").eval()
        return Fitted(classifier, evaluations)

    def _class_weights(self) -> torch.Tensor:
        counts = np.bincount(self.train.labels, minlength=len(self.train.label_names))
        weights = torch.tensor(class_weights(counts))
        return weights if self.settings.class_weights else torch.ones_like(weights)

    def _texts(self) -> int:
        """Those of one epoch."""
        return len(self.train if self.targets is None else self.targets.epochs[0])

    def _rows(self) -> Sequence[NDArray[np.int64]] | None:
        """The rows of each epoch; None for those of Trainer, which draws an order that no training
        can go on with inside an epoch."""
        if self.targets is not None:
            return self.targets.epochs
        if self.plan.interval is None:
            return None
        every = np.arange(len(self.train))
        return [every] * math.ceil(self.plan.steps * self.settings.batch_size / len(every) + 1)

    def _arguments(self, ended_after: int | None) -> Any:
        """ended_after: the steps of a training that has ended; its best weights are still to be
        read, and no further step is made."""
        from transformers import TrainingArguments

        settings, interval = self.settings, self.plan.interval
        device = resolve_device(settings.device)
        epoch = math.ceil(self._texts() / settings.batch_size)
        steps = self.plan.steps if ended_after is None else ended_after
        by_steps = interval is not None and ended_after is None
        metric = "macro_f1" if self.targets is None else "divergence"
        every = "epoch" if interval is None else "steps"
        return TrainingArguments(
            output_dir=str(self.work),
            learning_rate=self.rate,
            per_device_train_batch_size=settings.batch_size,
            per_device_eval_batch_size=64,
            num_train_epochs=steps // epoch,
            max_steps=steps if by_steps else -1,
            weight_decay=settings.weight_decay,
            lr_scheduler_type="linear",
            warmup_steps=self.plan.warmup,
            train_sampling_strategy="group_by_length",
            bf16=uses_bf16(settings),
            use_cpu=device == "cpu",
            dataloader_pin_memory=device == "cuda",
            eval_strategy=every,
            save_strategy=every,
            logging_strategy=every,
            eval_steps=interval,
            save_steps=interval or 1,
            logging_steps=interval or 1,
            save_total_limit=2,  # the best and the last; with 1, the last goes before the end
            restore_callback_states_from_checkpoint=True,  # early stopping counts on
            load_best_model_at_end=True,
            metric_for_best_model=metric,
            greater_is_better=metric == "macro_f1",
            seed=settings.seed,
            label_names=["labels"],  # Trainer would look for them in the arguments of `forward`
            remove_unused_columns=False,  # the loss reads the teacher's answers, not the model
            report_to=[],
            disable_tqdm=True,
            log_level="error",
        )


def _restore_tables(model: nn.Module, origin: nn.Module) -> None:
    """The buffers that no file holds, as they were: some networks (CTRL) round theirs in bfloat16,
    and would answer otherwise once they are loaded again."""
    stored = set(model.state_dict())
    for name, buffer in origin.named_buffers():
        if name not in stored:
            place, _, own = name.rpartition(".")
            setattr(model.get_submodule(place), own, buffer.detach().clone())
