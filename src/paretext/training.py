"""fit(): the one training path, on Hugging Face's Trainer.

Rare classes get the care of `balance`: supersampling, and class weights after it. Batches hold
texts of similar length, padded to the longest. After every epoch macro-F1 is measured on the
selection split; the best epoch's weights are kept, and training stops when `patience` epochs in a
row have not improved it.

A student learns on the same path (`targets`): the loss is then the distance of its answers from
its teacher's, softened by a temperature (Hinton et al. 2015, "Distilling the Knowledge in a Neural
Network", section 2), and of its first token's states from the teacher's where those are given (Sun
et al. 2019, "Patient Knowledge Distillation for BERT Model Compression", section 3.2).

A training that dies goes on from its last whole checkpoint and ends with the same weights:
Trainer keeps optimizer, schedule, random states and data order in each checkpoint.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from paretext import progress
from paretext.balance import class_weights, supersampled
from paretext.checkpoints import last_whole, prepare_to_resume, seal, steps_done
from paretext.classifier import Classifier
from paretext.data import Dataset
from paretext.errors import ParetextError
from paretext.locks import temporary_folder
from paretext.metrics import confusion_matrix, macro_f1
from paretext.training_settings import Device, OnEpoch, TrainingSettings

__all__ = [
    "Fitted",
    "OnEpoch",
    "Targets",
    "TrainingSettings",
    "fit",
    "resolve_device",
    "uses_bf16",
]

Beside = Callable[[Any, Sequence[torch.Tensor], torch.Tensor, torch.Tensor], torch.Tensor]
_POOL_BATCHES = 50
"""Texts are sorted by length in pools of so many batches: nearly no padding, and batches differ."""
_TOKENISED_TOGETHER = 4096
_DIVERGENCE = "eval_divergence"


@dataclass(frozen=True)
class Targets:
    """A teacher's answers to the training texts, row by row, in place of their labels.

    logits: (texts, classes). selection: those of the selection split, in its order; the best epoch
    is the one with the least mean KL divergence from them: it has less noise than macro-F1, which
    hangs on the few texts that are answered otherwise.
    epochs: the rows that each epoch learns, as many of them in each.
    states: (texts, layers, width), what the first token of the student shall be after each of its
    layers, compared after scaling to length 1, with `states_weight`.
    beside: a further distance, of a network and its states for ids and mask (batch, sequence).
    """

    logits: NDArray[np.float32]
    selection: NDArray[np.float32]
    epochs: Sequence[NDArray[np.int64]]
    temperature: float = 2.0
    states: NDArray[np.float16] | None = None
    states_weight: float = 0.0
    beside: Beside | None = None


@dataclass(frozen=True)
class Fitted:
    """The trained classifier and one row per epoch: epoch, train_loss, selection_loss,
    selection_macro_f1, of a student selection_divergence; `best` is the row whose weights were
    kept."""

    classifier: Classifier
    history: tuple[dict[str, float], ...]

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
) -> Fitted:
    """Train a copy of `classifier` on `train`; choose the epoch on `selection`.

    work: a folder for checkpoints; where it holds some of an earlier call with the same
        arguments, training goes on from there. Delete it when the result is safe.
    after_step: called with the network after each optimizer step (a pruning mask, say).
    on_epoch: called after each epoch, once its checkpoint is written; what it raises ends the
        training, which can go on from there.
    targets: learn these answers, not the labels; the texts of each epoch then count once.
    Raises ParetextError for factors of the wrong length, a device that is not there, or data with
    other labels than the classifier's; their order may be another, since they go by name.
    """
    from transformers import EarlyStoppingCallback, set_seed

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
            )
    train, selection = (each.aligned(classifier.label_names) for each in (train, selection))
    if targets is not None:
        settings = settings.model_copy(update={"supersample": None, "class_weights": False})
    rows = supersampled(train, settings.supersample)
    counts = np.bincount(train.labels[rows], minlength=len(train.label_names))
    weights = torch.tensor(class_weights(counts))
    if not settings.class_weights:
        weights = torch.ones_like(weights)
    checkpoint = last_whole(work, label)
    epochs = settings.epochs
    if checkpoint:
        progress.say(f"{label}: goes on from {checkpoint.name}")
        epochs = prepare_to_resume(checkpoint, epochs)
    set_seed(settings.seed)
    classifier = classifier.copy()
    texts = len(rows if targets is None else targets.epochs[0])
    steps = -(-texts // settings.batch_size) * settings.epochs
    order = _by_length(selection)
    metric = "macro_f1" if targets is None else "divergence"
    with progress.task(label, steps) as advance:
        trainer = _trainer_class()(
            model=classifier.model,
            args=_arguments(settings, epochs, work, round(settings.warmup * steps), metric),
            train_dataset=_Examples(classifier, train.take(rows), targets),
            eval_dataset=_Examples(classifier, selection.take(order)),
            data_collator=_Padding(classifier),
            compute_loss_func=_weighted_loss(weights),
            targets=targets,
            compute_metrics=_selection_scores(
                None if targets is None else targets.selection[order]
            ),
            callbacks=[
                EarlyStoppingCallback(settings.patience),
                _callback(advance, after_step, on_epoch, done=steps_done(checkpoint)),
            ],
        )
        _quiet(trainer)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    history = _history(trainer.state.log_history)
    classifier.model.to("cpu").eval()
    return Fitted(classifier, history)


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


class _Examples(torch.utils.data.Dataset[dict[str, Any]]):
    """Tokenised texts as Trainer wants them, with labels and, if any, the teacher's answers."""

    def __init__(
        self, classifier: Classifier, data: Dataset, targets: Targets | None = None
    ) -> None:
        parts, lengths = [np.empty(0, np.int32)], []
        for start in range(0, len(data), _TOKENISED_TOGETHER):
            texts = data.texts[start : start + _TOKENISED_TOGETHER]
            found = classifier.tokenize(texts)["input_ids"]
            parts.append(np.fromiter(itertools.chain.from_iterable(found), np.int32))
            lengths += [len(each) for each in found]
        self.lengths = np.array(lengths)
        self._tokens = np.concatenate(parts)  # Python's own numbers would take nine times as much
        self._ends = np.cumsum(self.lengths)
        self.arrays: dict[str, NDArray[Any]] = {"labels": data.labels}
        if targets is not None:
            self.arrays["teacher_logits"] = targets.logits
            if targets.states is not None:
                self.arrays["teacher_states"] = targets.states

    def __len__(self) -> int:
        return len(self.arrays["labels"])

    def __getitem__(self, index: int) -> dict[str, Any]:
        end, length = self._ends[index], self.lengths[index]
        ids = self._tokens[end - length : end].tolist()
        return {"input_ids": ids} | {name: rows[index] for name, rows in self.arrays.items()}


class _Padding:
    """Pads a batch to its longest text."""

    def __init__(self, classifier: Classifier) -> None:
        self.pad = classifier.pad

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        inputs = self.pad([example["input_ids"] for example in examples])
        stacked = {
            name: torch.from_numpy(np.stack([example[name] for example in examples]))
            for name in examples[0]
            if name not in inputs
        }
        return {**inputs, **stacked}


def _by_length(data: Dataset) -> NDArray[np.intp]:
    """The rows, short texts first: less padding, and no metric depends on the order."""
    return np.argsort([len(text) for text in data.texts], kind="stable")


def _arguments(
    settings: TrainingSettings, epochs: int, work: Path, warmup_steps: int, metric: str
) -> Any:
    from transformers import TrainingArguments

    device = resolve_device(settings.device)
    return TrainingArguments(
        output_dir=str(work),
        learning_rate=settings.learning_rate,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=64,
        num_train_epochs=epochs,
        weight_decay=settings.weight_decay,
        lr_scheduler_type="linear",
        warmup_steps=warmup_steps,
        train_sampling_strategy="group_by_length",
        bf16=uses_bf16(settings),
        use_cpu=device == "cpu",
        dataloader_pin_memory=device == "cuda",
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        save_total_limit=2,  # the best and the last; with 1, the last goes before the end
        restore_callback_states_from_checkpoint=True,  # early stopping counts on
        load_best_model_at_end=True,
        metric_for_best_model=metric,
        greater_is_better=metric == "macro_f1",
        seed=settings.seed,
        label_names=["labels"],  # Trainer would look for them in the arguments of `forward`
        remove_unused_columns=False,  # the teacher's answers are read by the loss, not the model
        report_to=[],
        disable_tqdm=True,
        log_level="error",
    )


def _weighted_loss(weights: torch.Tensor) -> Callable[..., torch.Tensor]:
    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        logits = outputs["logits"].float()
        return nn.functional.cross_entropy(logits, labels, weight=weights.to(logits.device))

    return loss


class _OwnRows(torch.utils.data.Sampler[int]):
    """The rows of one epoch after the other, batches of like lengths in random order.

    Trainer says which epoch it is; the order depends on nothing else, so a training that goes on
    from a checkpoint meets the same batches.
    """

    def __init__(
        self,
        epochs: Sequence[NDArray[np.int64]],
        lengths: NDArray[np.int64],
        batch_size: int,
        seed: int,
    ) -> None:
        self.epochs, self.lengths = epochs, lengths
        self.batch_size, self.seed = batch_size, seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.epochs[0])

    def __iter__(self) -> Iterator[int]:
        rows = self.epochs[self.epoch]
        chance = np.random.default_rng((self.seed, self.epoch))
        order = chance.permutation(len(rows))
        pool = _POOL_BATCHES * self.batch_size
        pools = [order[start : start + pool] for start in range(0, len(order), pool)]
        order = np.concatenate(
            [each[np.argsort(self.lengths[rows[each]], kind="stable")] for each in pools]
        )
        whole = len(order) - len(order) % self.batch_size
        batches = chance.permutation(order[:whole].reshape(-1, self.batch_size))
        yield from rows[np.concatenate([batches.ravel(), order[whole:]])].tolist()


def _trainer_class() -> Any:
    """Trainer, with another loss and other rows in each epoch where there are targets."""
    from transformers import Trainer

    class Distiller(Trainer):
        def __init__(self, *, targets: Targets | None, **arguments: Any) -> None:
            super().__init__(**arguments)
            self.targets = targets

        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            if self.targets is None:
                return super()._get_train_sampler(train_dataset)
            examples: Any = self.train_dataset
            batch_size, seed = self.args.train_batch_size, self.args.seed
            return _OwnRows(self.targets.epochs, examples.lengths, batch_size, seed)

        def _get_eval_sampler(self, eval_dataset: Any) -> Any:
            return torch.utils.data.SequentialSampler(eval_dataset)  # it lies by length already

        def compute_loss(  # type: ignore[override]
            self, model: nn.Module, inputs: dict[str, Any], **given: Any
        ) -> Any:
            if self.targets is None or "teacher_logits" not in inputs:
                return super().compute_loss(model, inputs, **given)
            taught = {name: inputs.pop(name) for name in list(inputs) if name.startswith("teach")}
            inputs.pop("labels")
            outputs = model(**inputs)
            distance = _distance(outputs, taught, self.targets)
            if self.targets.beside is not None:
                read = inputs["input_ids"], inputs["attention_mask"]
                distance = distance + self.targets.beside(model, outputs["hidden_states"], *read)
            return distance

    return Distiller


def _distance(outputs: Any, taught: dict[str, torch.Tensor], targets: Targets) -> torch.Tensor:
    """Of a student's answers to a batch from its teacher's, and of its states, if asked for."""
    heat = targets.temperature
    student = (outputs["logits"].float() / heat).log_softmax(1)
    teacher = (taught["teacher_logits"] / heat).softmax(1)
    # Times heat squared, so that the gradients keep their size (Hinton et al., section 2).
    distance = heat**2 * nn.functional.kl_div(student, teacher, reduction="batchmean")
    if targets.states is not None:
        after = outputs["hidden_states"][1:]
        own = torch.stack([state[:, 0] for state in after], 1).float()
        own = nn.functional.normalize(own, dim=2)
        wanted = nn.functional.normalize(taught["teacher_states"].float(), dim=2)
        distance = distance + targets.states_weight * (own - wanted).square().sum(2).mean()
    return distance


def _selection_scores(
    teacher: NDArray[np.float32] | None,
) -> Callable[[Any], dict[str, float]]:
    """What is measured on selection after each epoch; `teacher` are its logits there, if any."""

    def scores(predicted: Any) -> dict[str, float]:
        logits, labels = predicted.predictions, predicted.label_ids
        counts = confusion_matrix(labels, logits.argmax(axis=1), logits.shape[1])
        found = {"macro_f1": float(macro_f1(counts))}
        if teacher is not None:
            own, wanted = (torch.from_numpy(each).log_softmax(1) for each in (logits, teacher))
            divergence = (wanted.exp() * (wanted - own)).sum(1).mean()
            found["divergence"] = float(divergence)
        return found

    return scores


def _callback(
    advance: progress.Advance,
    after_step: Callable[[nn.Module], None] | None,
    on_epoch: OnEpoch | None,
    done: int,
) -> Any:
    from transformers import TrainerCallback

    class Callback(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            advance(done)

        def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            if after_step is not None:
                after_step(given["model"])
            advance()

        def on_evaluate(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            metrics = given["metrics"]
            score = metrics["eval_macro_f1"]
            note = f"epoch {metrics['epoch']:.0f}: macro-F1 {score:.4f} on selection"
            if _DIVERGENCE in metrics:
                note += f", divergence {metrics[_DIVERGENCE]:.4f}"
            advance(0, note=note)

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            seal(Path(args.output_dir) / f"checkpoint-{state.global_step}")
            if on_epoch is not None:
                score = next(row for row in reversed(state.log_history) if "eval_macro_f1" in row)
                on_epoch(round(score["epoch"]), score["eval_macro_f1"])

    return Callback()


def _quiet(trainer: Any) -> None:
    """Trainer prints its logs where no progress bar is; ours are told by `progress`."""
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)


def _history(log: list[dict[str, float]]) -> tuple[dict[str, float], ...]:
    losses = {round(row["epoch"]): row["loss"] for row in log if "loss" in row}
    return tuple(
        {
            "epoch": round(row["epoch"]),
            "train_loss": losses[round(row["epoch"])],
            "selection_loss": row["eval_loss"],
            "selection_macro_f1": row["eval_macro_f1"],
            **({"selection_divergence": row[_DIVERGENCE]} if _DIVERGENCE in row else {}),
        }
        for row in log
        if "eval_macro_f1" in row
    )
