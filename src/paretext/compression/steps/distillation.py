"""Distillation: a compressed classifier learns the parent's answers.

Labels say which class; the parent's probabilities say how sure it is and what else it could be,
for every text, also for texts that nobody labelled. The texts are the training texts, `unlabelled`
ones and altered copies of both (words replaced, left out, cut or mixed with another text, and some
moved to their neighbours in the parent's embeddings), so that the student sees the parent's answers
around the texts it will meet. Every epoch has copies of its own: from as many passes over the same
copies a student learns less. The epoch that is kept is the one whose answers to the selection split
are nearest to the parent's.

Where the student reads the tokens that its parent reads, it also learns what the parent makes of
every one of them: the hidden states after layers spread evenly over the parent, the last among
them, through a matrix where the widths differ (`training.targets`). That is worth most where texts
are few, and needs no label either. A convolutional student has the answers alone to learn from, and
is then less sure, or surer, than it is right; so at the end its logits are divided by one
temperature, which changes no answer.

Sources: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network"; Jiao et al. 2020,
"TinyBERT: Distilling BERT for Natural Language Understanding", section 3.1 (hidden states); for the
copies Tang et al. 2019, "Distilling Task-Specific Knowledge from BERT into Simple Neural Networks",
section 3.3.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from paretext.compression.methods.augmentation import altered
from paretext.compression.step import (
    Material,
    Outline,
    Step,
    Teacher,
    compact,
    require_encoder_there,
    require_shapes,
)
from paretext.core import progress
from paretext.core.errors import OutOfTime, ParetextError
from paretext.core.files import read_json, write_json
from paretext.core.locks import temporary_folder
from paretext.data.dataset import Dataset
from paretext.measure.temperature import temperature
from paretext.models.names import CONVOLUTIONAL

if TYPE_CHECKING:
    from paretext.models.classifier import Classifier
    from paretext.training.settings import TrainingSettings
    from paretext.training.targets import States, Targets


STATES_WEIGHT = 3.0
EPOCHS, TEXTS = 24, 1_700
"""So many epochs are worth their time where there are so many texts: of 3,000 unseen texts of
banking77, SST-2 and emotion `small` answered 5.8%, 9.3% and 5.6% otherwise with 12, and 5.4%, 8.7%
and 4.7% with 24."""
LEAST_EPOCHS, MOST_EPOCHS = 2, 48
_BETWEEN_EPOCHS = 1.5
"""Seconds to write a checkpoint and read the selection split."""
PACE_TEXTS = 384
"""Texts that a training's pace is measured on."""
MOST_STATES = 2**30
"""Numbers of two bytes; of the texts beyond them the student learns the answers alone."""


class Distillation(Step):
    """epochs: over the texts and altered copies of them; None as many as `epochs_for` says, and no
    more than there is time for. copies: of each text, new in each epoch.
    precision: None trains as the parent was trained. states_weight: of the distance between the
    hidden states of all tokens in units of their variance, beside the answers' divergence; None is
    3 for an encoder that reads its parent's tokens, and 0 for others: after the step vocabulary,
    and for a convolutional student, which has no layers. Altered copies have no states, and of very
    many texts (a thousand million numbers) not all have.
    dropout: None keeps the classifier's own; with 0 a training step takes about a seventh less
    time."""

    teaches: ClassVar[bool] = True

    step: Literal["distillation"] = "distillation"
    epochs: int | None = Field(default=None, ge=1)
    learning_rate: float = Field(default=2e-4, gt=0)
    batch_size: int = Field(default=32, ge=1)
    temperature: float = Field(default=2.0, gt=0)
    copies: int = Field(default=2, ge=0)
    precision: Literal["auto", "fp32", "bf16"] | None = None
    states_weight: float | None = Field(default=None, ge=0)
    dropout: float | None = Field(default=None, ge=0, lt=1)

    def plan(self, outline: Outline) -> Outline:
        if self.dropout is not None:
            require_shapes("distillation with dropout", outline)
        if self.states_weight:
            require_encoder_there("distillation with states_weight", outline)
        if self.states_weight and not outline.parents_tokens:
            raise ParetextError(
                "the step distillation with states_weight compares token by token, and after the "
                "step vocabulary the student reads other tokens than its parent; leave one out."
            )
        return outline

    def apply(self, classifier: Classifier, data: Material) -> tuple[Classifier, list[str]]:
        from paretext.training.fit import LATE, fit
        from paretext.training.precision import possible

        if data.teacher is None:
            raise ParetextError("the step distillation needs a teacher, and none was given.")
        if data.work is None:
            with temporary_folder() as folder:
                return self.apply(classifier, replace(data, work=folder))
        if self.dropout is not None:
            classifier = compact(classifier)
            classifier.model.config.dropout = self.dropout
        settings = data.training.model_copy(
            update={
                "learning_rate": self.learning_rate,
                "batch_size": self.batch_size,
                "precision": self.precision or data.training.precision,
            }
        )
        until = None
        if data.seconds is not None:
            until = time.monotonic() + LATE * data.seconds
            settings = possible(classifier, data.train, settings, "distillation")
        own, epochs = self._length(classifier, data, settings)
        settings = settings.model_copy(update={"epochs": epochs, "patience": epochs})
        near = data.teacher.neighbours(own) if self.copies else {}
        rounds = altered(own, epochs * self.copies, data.training.seed, near)
        texts = tuple(text for each in (own, *rounds) for text in each)
        targets = self._targets(classifier, data, own, rounds, epochs)
        taught = Dataset(
            texts=texts,
            labels=targets.logits.argmax(axis=1).astype(np.int64),
            label_names=data.train.label_names,
        )
        states, pause = targets.states, data.pause
        inside = (
            ""
            if states is None
            else (
                f", and what {len(states.starts) - 1:,} texts' tokens are after "
                f"{len(states.layers)} of its layers"
            )
        )
        fitted = fit(
            classifier,
            taught,
            data.selection,
            settings,
            work=data.work,
            label="distillation",
            after_step=None if pause is None else lambda _: pause(),
            on_epoch=data.on_epoch,
            targets=targets,
            until=until,
        )
        best = fitted.best
        heat = _tempered(fitted.classifier, data.selection)
        return fitted.classifier, [
            f"learned the parent's answers to {len(own):,} texts and "
            f"{len(texts) - len(own):,} altered copies for {epochs} epochs{inside}; "
            f"epoch {best['epoch']:.0f} was nearest to it: divergence "
            f"{best['selection_divergence']:.4f}, macro-F1 {best['selection_macro_f1']:.4f} on "
            "selection" + ("" if heat is None else f"; its logits are divided by {heat:.2f}")
        ]

    def epochs_of(self, texts: int) -> int:
        """How many are asked for of so many texts, where time sets no end."""
        return self.epochs or epochs_for(texts)

    def _length(
        self, classifier: Classifier, data: Material, settings: TrainingSettings
    ) -> tuple[list[str], int]:
        """The texts to learn, and for how many epochs: all that there are and as long as is worth
        it; where there is no time for that fewer epochs, and then fewer texts without labels.

        What was decided is kept, so that a step which was interrupted goes on with it.
        OutOfTime where there is none for the least of it.
        """
        own = [*data.train.texts, *data.unlabelled]
        wanted = self.epochs_of(len(own))
        if data.seconds is None:
            return own, wanted
        assert data.work is not None
        kept = data.work / "length.json"
        if kept.is_file():
            texts, epochs = read_json(kept, f"delete {data.work}", lambda pair: tuple(pair))
            return own[:texts], epochs
        begin = time.monotonic()
        a_text = self._seconds_a_text(classifier, data, settings, own)
        left = data.seconds - (time.monotonic() - begin)
        least, fewest = min(LEAST_EPOCHS, wanted), len(data.train)
        epochs = min(wanted, int(left / (a_text * len(own))))
        texts = len(own)
        if epochs < least:
            epochs, texts = least, min(len(own), int(left / (a_text * least)))
        if texts < fewest:
            raise OutOfTime(a_text * least * fewest)
        data.work.mkdir(parents=True, exist_ok=True)
        write_json(kept, [texts, epochs])
        if (texts, epochs) != (len(own), wanted):
            progress.say(
                f"there is time for {epochs} of {wanted} epochs over {texts:,} of {len(own):,} "
                "texts"
            )
        return own[:texts], epochs

    def _seconds_a_text(
        self, student: Classifier, data: Material, settings: TrainingSettings, own: list[str]
    ) -> float:
        """About how long a text takes in each epoch: it and its copies are learned, the copies are
        answered by the teacher, and a share of the selection texts is asked."""
        from paretext.training.pace import EVALUATED, pace

        assert data.teacher is not None
        some, (copies,) = own[:PACE_TEXTS], altered(own[:PACE_TEXTS], 1, data.training.seed)
        answering = data.teacher.seconds_a_text(copies) if self.copies else 0.0
        targets = self._targets(student, data, some, [], epochs=1)
        sample = Dataset(tuple(some), targets.logits.argmax(axis=1), data.train.label_names)
        learning = pace(student, sample, settings, targets) / self.batch_size
        evaluated = EVALUATED * len(data.selection) / len(own)
        between = _BETWEEN_EPOCHS / len(own)
        return learning * (1 + self.copies + evaluated) + answering * self.copies + between

    def _targets(
        self,
        student: Classifier,
        data: Material,
        own: list[str],
        rounds: list[list[str]],
        epochs: int,
    ) -> Targets:
        """What the student is to learn of the texts and the rounds of their copies."""
        from paretext.training.targets import Targets

        teacher, work = data.teacher, data.work
        assert teacher is not None
        assert work is not None
        answers = [teacher.logits(own), *(teacher.logits_of_copies(rounds) if rounds else [])]
        copies = np.arange(len(rounds) * len(own)).reshape(epochs, -1)
        weight = STATES_WEIGHT if self.states_weight is None else self.states_weight
        return Targets(
            logits=np.concatenate(answers),
            selection=teacher.logits(data.selection.texts),
            epochs=[np.concatenate([np.arange(len(own)), len(own) + each]) for each in copies],
            temperature=self.temperature,
            states=_states(student, teacher, own, work / "states") if weight else None,
            states_weight=weight,
        )


def epochs_for(texts: int) -> int:
    """As many as are worth their time: few texts are read more often, and twice as many texts take
    1.4 times as many steps."""
    wanted = EPOCHS * math.sqrt(TEXTS / texts)
    return int(min(max(round(wanted), LEAST_EPOCHS), MOST_EPOCHS))


def _tempered(student: Classifier, selection: Dataset) -> float | None:
    """What the logits of a convolutional student are divided by from now on, so that it is as sure
    of the selection texts as it is right; None where nobody labelled those, and of an encoder: the
    states teach it its parent's own confidence."""
    import torch

    if student.model.config.model_type != CONVOLUTIONAL or selection.answered_by is not None:
        return None
    heat = temperature(student.logits(selection.texts), selection.labels)
    with torch.no_grad():
        for each in student.model.output.parameters():
            each.div_(heat)
    return heat


def _states(
    student: Classifier, teacher: Teacher, texts: Sequence[str], place: Path
) -> States | None:
    """The parent's states of these texts' tokens, for as many of its layers as the student has,
    evenly spread; None where the two read other tokens, or one of the networks has none."""
    from paretext.training.targets import States

    parent = teacher.whole()
    own, there = (_layers(each) for each in (student, parent))
    ids = student.tokenize(texts)["input_ids"]
    if not own or not there or ids != parent.tokenize(texts)["input_ids"]:
        return None
    starts = np.concatenate([[0], np.cumsum([len(each) for each in ids])]).astype(np.int64)
    numbers = own * int(parent.model.config.get_text_config().hidden_size)
    known = int(np.searchsorted(starts, MOST_STATES // numbers, "right")) - 1
    after = [-(-(layer + 1) * there // own) for layer in range(own)]
    tokens = teacher.states(texts[:known], after, place)
    if tokens is None:
        return None
    return States(layers=range(1, own + 1), tokens=tokens, starts=starts[: known + 1])


def _layers(classifier: Classifier) -> int:
    """Those whose states an encoder shows."""
    config = classifier.model.config.get_text_config()
    return int(getattr(config, "num_hidden_layers", None) or 0)
