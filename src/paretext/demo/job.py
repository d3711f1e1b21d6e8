"""`paretext demo`: the main job on generated texts and an encoder that is built on the spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from paretext.compression import Recipe
from paretext.compression.recipe import preset
from paretext.core import progress
from paretext.core.files import Stages, write_text
from paretext.core.locks import works_in
from paretext.core.ownership import claim
from paretext.data.dataset import Dataset, read_label_names
from paretext.data.tables import RowWriter
from paretext.demo import model
from paretext.demo.corpus import LABELS, generate
from paretext.measure.comparison import Comparison
from paretext.pipeline.record import TEXTS
from paretext.pipeline.splits import prepare
from paretext.pipeline.stages import run
from paretext.training.fit import TrainingSettings


@works_in("out")
def run_demo(out: str | Path, *, seed: int = 0, threads: int | None = None) -> Comparison:
    """Write a corpus and an untrained RoBERTa below `out`, then run the main job on them.

    Offline. The evaluation texts are drawn apart from the training texts.
    """
    out = Path(out)
    stages = Stages(out)
    _claim(out, seed)
    sizes = [model.TRAIN_TEXTS, model.EVALUATION_TEXTS]
    stages.finished("data", {"sizes": sizes, "seed": seed}, lambda to: _write_corpus(to, seed))
    names = read_label_names(out / "data" / "labels.txt")
    train = Dataset.read(out / "data" / "train.csv", label_names=names)
    evaluation = Dataset.read(out / "data" / "evaluation.csv", label_names=names)
    stages.finished(
        "small-roberta",
        {"texts": train.fingerprint, "seed": seed},
        lambda to: model.build(train.texts, to, seed),
    )
    recipe = Recipe(
        models=(str(out / "small-roberta"),),
        max_length=model.MAX_LENGTH,
        versions=preset("pruned"),
        training=TrainingSettings(
            learning_rate=model.LEARNING_RATE,
            batch_size=model.BATCH_SIZE,
            epochs=model.EPOCHS,
            warmup=model.WARMUP_SHARE,
            precision=model.PRECISION,
            seed=seed,
        ),
    )
    return run(prepare(train, evaluation, recipe), recipe, out, threads=threads)


def _claim(out: Path, seed: int) -> None:
    """ParetextError, before a corpus is written over another, where `out` is of other texts."""
    texts, labels = generate(model.TRAIN_TEXTS, seed=2 * seed)
    fingerprint = Dataset(tuple(texts), np.array(labels), LABELS).fingerprint
    said = f"generated with seed {seed}, {len(texts):,} texts, {fingerprint[:8]}"
    claim(out, "run", {TEXTS: {fingerprint: said}}, writes=("data", "small-roberta"))


def _write_corpus(folder: Path, seed: int) -> None:
    for name, size, offset in (
        ("train.csv", model.TRAIN_TEXTS, 0),
        ("evaluation.csv", model.EVALUATION_TEXTS, 1),
    ):
        texts, labels = generate(size, seed=2 * seed + offset)
        with RowWriter(folder / name, ["text", "label"]) as writer:
            for text, label in zip(texts, labels, strict=True):
                writer.write({"text": text, "label": label})
    write_text(folder / "labels.txt", "\n".join(LABELS) + "\n")
    progress.say(f"generated {model.TRAIN_TEXTS:,} + {model.EVALUATION_TEXTS:,} texts")
