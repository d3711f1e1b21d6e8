"""TF-IDF of words and of characters with a linear SVM: the baseline without any neural network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import joblib
import numpy as np
from job import Job
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.svm import LinearSVC

PACKAGES = ("scikit-learn", "numpy")
SETTINGS = {
    "svm": "TfidfVectorizer(word, 1-2) + TfidfVectorizer(char_wb, 2-5), sublinear_tf, LinearSVC, "
    "all training texts; stored by joblib with compression 3",
}


def prepare(job: Job, folder: Path) -> None:
    texts, labels = job.train_data()
    vectors = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32),
        TfidfVectorizer(
            analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, dtype=np.float32
        ),
    )
    pipeline = make_pipeline(vectors, LinearSVC(random_state=job.seed))
    pipeline.fit(texts, labels)
    joblib.dump(pipeline, folder / "pipeline.joblib", compress=3)


def load(job: Job, folder: Path) -> Sklearn:
    return Sklearn(joblib.load(folder / "pipeline.joblib"))


class Sklearn:
    """scikit-learn takes all texts in one call."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline

    def predict(self, texts: Sequence[str]) -> list[int]:
        labels: list[int] = self.pipeline.predict(list(texts)).tolist()
        return labels

    bulk = predict
