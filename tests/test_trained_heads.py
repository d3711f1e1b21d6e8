"""A trained head and the labels of the data: which rows are kept, and in which order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy
from test_pretrained import refused, said

from paretext.models.classifier import Classifier


def test_a_trained_head_keeps_its_answers_in_the_order_of_the_data(
    versions: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    texts = toy.dataset(20).texts
    before = Classifier.load(versions["pytorch"])
    order = ("sad", "fear", "joy")
    classifier, text = said(
        caplog, lambda: Classifier.from_pretrained(str(versions["pytorch"]), order, 24)
    )
    columns = [before.label_names.index(label) for label in order]
    np.testing.assert_allclose(
        classifier.logits(texts), before.logits(texts)[:, columns], rtol=1e-6, atol=1e-6
    )
    assert tuple(classifier.predict(texts)) == tuple(before.predict(texts))
    assert "put in the order of the data's labels (sad, fear, joy)" in text
    assert classifier.model.config.id2label == {0: "sad", 1: "fear", 2: "joy"}
    assert classifier.model.config.label2id == {"sad": 0, "fear": 1, "joy": 2}


def test_a_trained_head_in_the_same_order_is_kept_as_it_is(
    versions: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    texts = toy.dataset(20).texts
    before = Classifier.load(versions["pytorch"])
    classifier, text = said(
        caplog, lambda: Classifier.from_pretrained(str(versions["pytorch"]), toy.LABELS, 24)
    )
    np.testing.assert_array_equal(classifier.logits(texts), before.logits(texts))
    assert "goes on from its trained head" in text


def test_shared_labels_keep_their_rows(
    versions: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    texts = toy.dataset(20).texts
    before = Classifier.load(versions["pytorch"])
    order = ("anger", "joy", "calm", "fear")
    classifier, text = said(
        caplog, lambda: Classifier.from_pretrained(str(versions["pytorch"]), order, 24)
    )
    logits = classifier.logits(texts)
    assert logits.shape == (20, 4)
    np.testing.assert_allclose(
        logits[:, [1, 3]], before.logits(texts)[:, [1, 0]], rtol=1e-6, atol=1e-6
    )
    assert "keeps the outputs of joy, fear; those of anger, calm are new" in text
    assert "those of sad are gone" in text


@pytest.mark.parametrize("count", [3, 5])
def test_a_head_with_other_labels_is_drawn_anew_even_where_the_count_fits(
    versions: dict[str, Path], caplog: pytest.LogCaptureFixture, count: int
) -> None:
    labels = tuple(f"topic {i}" for i in range(count))
    before = Classifier.load(versions["pytorch"]).model
    classifier, text = said(
        caplog, lambda: Classifier.from_pretrained(str(versions["pytorch"]), labels, 24)
    )
    assert "its trained head answers with other labels (fear, joy, sad)" in text
    weight = classifier.model.classifier.out_proj.weight
    assert weight.shape == (count, 32)
    assert not torch.equal(weight[:3], before.classifier.out_proj.weight)
    assert torch.equal(classifier.model.classifier.dense.weight, before.classifier.dense.weight)


def test_the_same_seed_draws_the_same_head(versions: dict[str, Path]) -> None:
    heads = [
        Classifier.from_pretrained(str(versions["pytorch"]), ("a", "b"), 24, seed=seed)
        .model.classifier.out_proj.weight
        for seed in (1, 1, 2)
    ]  # fmt: skip
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_a_file_of_labels_in_another_order_than_the_models_is_refused(
    versions: dict[str, Path], tmp_path: Path, command: Any
) -> None:
    data = toy.write(tmp_path / "train.csv", toy.texts_and_labels(30))
    labels = tmp_path / "labels.txt"
    labels.write_text("joy\nfear\nsad\n")
    ended = command(
        *("compress", versions["pytorch"], "--data", data, "--labels", labels),
        *("--out", tmp_path / "out"),
    )
    assert ended.status == 2
    assert "--labels says joy, fear, sad" in ended.err
    assert "names its outputs fear, joy, sad" in ended.err


def test_training_data_in_another_order_of_labels_is_taken_by_name(
    versions: dict[str, Path], tmp_path: Path
) -> None:
    from paretext.training.fit import TrainingSettings, fit

    data = toy.dataset(60)
    turned = data.aligned(("sad", "fear", "joy"))
    assert [turned.label_names[i] for i in turned.labels] == [
        data.label_names[i] for i in data.labels
    ]
    classifier = Classifier.load(versions["pytorch"])
    settings = TrainingSettings(epochs=1, batch_size=16, precision="fp32", device="cpu")
    one, other = (fit(classifier, each, each, settings) for each in (data, turned))
    assert one.history == other.history
    refused(
        lambda: (
            fit(classifier, *[toy.dataset(12).aligned(toy.LABELS)] * 2, settings)
            and data.aligned(("fear", "joy", "calm"))
        ),
        "the model's labels are 'fear', 'joy', 'calm'",
    )
