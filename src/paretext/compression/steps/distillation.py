"""Distillation: a compressed classifier learns the parent's answers.

Labels say which class; the parent's probabilities say how sure it is and what else it could be,
for every text, also for texts that nobody labelled. The texts are the training texts, `unlabelled`
ones and altered copies of both (words replaced, left out, cut or mixed with another text), so that
the student sees the parent's answers around the texts it will meet. Every epoch has copies of its
own: from as many passes over the same copies a student learns less. The epoch that is kept is the
one whose answers to the selection split are nearest to the parent's.

An encoder can also learn what stands between the layers: with `states_weight` what the parent's
first token becomes on its way, with `relations_weight` how like each other the tokens are
(`relations`).

Sources: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network"; for the copies Tang et
al. 2019, "Distilling Task-Specific Knowledge from BERT into Simple Neural Networks", section 3.3;
for the states Sun et al. 2019, "Patient Knowledge Distillation for BERT Model Compression", section
3.2.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from paretext.compression.methods.augmentation import altered
from paretext.compression.step import Material, Outline, Step, Teacher, compact, require_shapes
from paretext.core.errors import ParetextError
from paretext.data.dataset import Dataset

if TYPE_CHECKING:
    from paretext.models.classifier import Classifier
    from paretext.training.fit import Targets


class Distillation(Step):
    """epochs: over the texts and altered copies of them. copies: of each text, new in each epoch.
    precision: None trains as the parent was trained. states_weight: of the distance between the
    states, 0 to 4, beside the answers' divergence; for students as wide as the parent. dropout:
    None keeps the classifier's own; with 0 a training step takes about a seventh less time.
    relations_weight: of the relations' divergence, about 1, for encoders of any width; the parent
    reads every batch beside the student, so a step of a small one takes nearly twice the time.
    quantization_aware: train on the numbers that dynamic_quantization will leave, as a last, short
    distillation where its artifact is worse than the one before."""

    teaches: ClassVar[bool] = True

    step: Literal["distillation"] = "distillation"
    epochs: int = Field(default=6, ge=1)
    learning_rate: float = Field(default=2e-4, gt=0)
    batch_size: int = Field(default=32, ge=1)
    temperature: float = Field(default=2.0, gt=0)
    copies: int = Field(default=2, ge=0)
    precision: Literal["auto", "fp32", "bf16"] | None = None
    states_weight: float = Field(default=0.0, ge=0)
    relations_weight: float = Field(default=0.0, ge=0)
    dropout: float | None = Field(default=None, ge=0, lt=1)
    quantization_aware: bool = False

    def plan(self, outline: Outline) -> Outline:
        if self.dropout is not None:
            require_shapes("distillation with dropout", outline)
        if self.relations_weight:
            require_shapes("distillation with relations_weight", outline)
        if self.quantization_aware:
            require_shapes("distillation with quantization_aware", outline)
        if not self.states_weight:
            return outline
        require_shapes("distillation with states_weight", outline)
        if outline.width != outline.parent_width:
            raise ParetextError(
                "the step distillation with states_weight compares states of width "
                f"{outline.width} with the parent's of width {outline.parent_width}; leave "
                "states_weight out."
            )
        return outline

    def apply(self, classifier: Classifier, data: Material) -> tuple[Classifier, list[str]]:
        from paretext.compression.methods.quantization_aware import start_rounding, stop_rounding
        from paretext.training.fit import fit

        if data.teacher is None:
            raise ParetextError("the step distillation needs a teacher, and none was given.")
        inside = self.states_weight or self.relations_weight or self.quantization_aware
        if inside or self.dropout is not None:
            classifier = compact(classifier)
        if self.dropout is not None:
            classifier.model.config.dropout = self.dropout
        own = [*data.train.texts, *data.unlabelled]
        rounds = altered(own, self.epochs * self.copies, data.training.seed)
        texts = tuple(text for each in (own, *rounds) for text in each)
        targets = self._targets(classifier, data, data.teacher, own, rounds)
        settings = data.training.model_copy(
            update={
                "epochs": self.epochs,
                "patience": self.epochs,
                "learning_rate": self.learning_rate,
                "batch_size": self.batch_size,
                "precision": self.precision or data.training.precision,
            }
        )
        taught = Dataset(
            texts=texts,
            labels=targets.logits.argmax(axis=1).astype(np.int64),
            label_names=data.train.label_names,
        )
        if self.quantization_aware:
            start_rounding(classifier.model)
        pause = data.pause
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
        )
        stop_rounding(fitted.classifier.model)
        best = fitted.best
        return fitted.classifier, [
            f"learned the parent's answers to {len(own):,} texts and "
            f"{len(texts) - len(own):,} altered copies for {self.epochs} epochs; "
            f"epoch {best['epoch']:.0f} was nearest to it: divergence "
            f"{best['selection_divergence']:.4f}, macro-F1 {best['selection_macro_f1']:.4f} on "
            "selection"
        ]

    def _targets(
        self,
        student: Classifier,
        data: Material,
        teacher: Teacher,
        own: list[str],
        rounds: list[list[str]],
    ) -> Targets:
        """What the student is to learn of the texts and the rounds of their copies."""
        from paretext.compression.methods.relations import Relations
        from paretext.training.fit import Targets

        states = beside = None
        if self.states_weight:
            layers = len(student.model.layers)
            states = np.concatenate([teacher.states(each, layers) for each in (own, *rounds)])
        if self.relations_weight:
            relations = Relations(student, teacher.whole())
            beside = partial(relations.distance, weight=self.relations_weight)
        answers = [teacher.logits(own), *(teacher.logits_of_copies(rounds) if rounds else [])]
        numbers = np.arange(self.epochs * self.copies * len(own)).reshape(self.epochs, -1)
        epochs = [np.concatenate([np.arange(len(own)), len(own) + each]) for each in numbers]
        return Targets(
            logits=np.concatenate(answers),
            selection=teacher.logits(data.selection.texts),
            epochs=epochs,
            temperature=self.temperature,
            states=states,
            states_weight=self.states_weight,
            beside=beside,
        )
