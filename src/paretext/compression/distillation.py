"""Distillation: a compressed classifier learns the parent's answers.

Labels say which class; the parent's probabilities say how sure it is and what else it could be,
for every text, also for texts that nobody labelled. The texts are the training texts, `unlabelled`
ones and altered copies of both (words replaced, left out, cut or mixed with another text), so that
the student sees the parent's answers around the texts it will meet. Sources: Hinton et al. 2015,
"Distilling the Knowledge in a Neural Network"; for the copies Tang et al. 2019, "Distilling
Task-Specific Knowledge from BERT into Simple Neural Networks", section 3.3.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from paretext.classifier import Classifier
from paretext.compression.augmentation import altered
from paretext.compression.step import Material, Step
from paretext.data import Dataset
from paretext.errors import ParetextError
from paretext.training import Targets, fit


class Distillation(Step):
    """epochs: over the texts and their altered copies. copies: altered copies of each text.
    precision: None trains as the parent was trained."""

    step: Literal["distillation"] = "distillation"
    epochs: int = Field(default=6, ge=1)
    learning_rate: float = Field(default=2e-4, gt=0)
    batch_size: int = Field(default=32, ge=1)
    temperature: float = Field(default=2.0, gt=0)
    copies: int = Field(default=2, ge=0)
    precision: Literal["auto", "fp32", "bf16"] | None = None

    def apply(self, classifier: Classifier, data: Material) -> tuple[Classifier, list[str]]:
        if data.teacher is None:
            raise ParetextError("the step distillation needs a teacher, and none was given.")
        own = [*data.train.texts, *data.unlabelled]
        texts = [*own, *altered(own, self.copies, data.training.seed)]
        logits = data.teacher.logits(texts)
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
            texts=tuple(texts),
            labels=logits.argmax(axis=1).astype(np.int64),
            label_names=data.train.label_names,
        )
        fitted = fit(
            classifier,
            taught,
            data.selection,
            settings,
            work=data.work,
            label="distillation",
            targets=Targets(logits, self.temperature),
        )
        best = fitted.best
        return fitted.classifier, [
            f"learned the parent's answers to {len(own):,} texts and "
            f"{len(texts) - len(own):,} altered copies for {self.epochs} epochs; "
            f"epoch {best['epoch']:.0f} was best: macro-F1 {best['selection_macro_f1']:.4f} on "
            "selection"
        ]
