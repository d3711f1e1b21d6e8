"""The networks whose shapes can change compute what their origin does, and load again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import toy
from torch import nn

from paretext.compression import (
    ConvolutionalStudent,
    Layers,
    LowRankEmbeddings,
    Material,
    Vocabulary,
)
from paretext.compression.step import compact
from paretext.core.errors import ParetextError
from paretext.graphs import export
from paretext.graphs.convolutional_graph import word_table
from paretext.models.classifier import Classifier
from paretext.models.compact import CompactClassifier
from paretext.models.convolutional import ConvolutionalClassifier, ConvolutionalConfig
from paretext.models.recurrent import RecurrentClassifier, RecurrentConfig
from paretext.training.fit import TrainingSettings, fit

Encoder = Callable[[str], Path]
TEXTS = toy.dataset(12, 5).texts
TRAINING = TrainingSettings(batch_size=8, epochs=1, precision="fp32", device="cpu")


def material() -> Material:
    return Material(toy.dataset(48), toy.dataset(24, 1), TRAINING)


def classifier(encoder: Encoder, architecture: str = "roberta") -> Classifier:
    made = Classifier.from_pretrained(str(encoder(architecture)), toy.LABELS, max_length=32)
    tiny.shake(made.model)
    return made


def recurrent(origin: Classifier, cell: str, layers: int) -> Classifier:
    torch.manual_seed(0)
    config = RecurrentConfig(
        vocab_size=len(origin.tokenizer),
        cell=cell,  # type: ignore[arg-type]
        embedding_size=16,
        hidden_size=12,
        num_hidden_layers=layers,
        id2label=dict(enumerate(toy.LABELS)),
    )
    model = RecurrentClassifier(config).eval()  # type: ignore[no-untyped-call]
    return Classifier(model, origin.tokenizer, toy.LABELS, origin.max_length)


def convolutional(origin: Classifier, window: int) -> Classifier:
    torch.manual_seed(0)
    config = ConvolutionalConfig(
        vocab_size=len(origin.tokenizer),
        word_width=24,
        embedding_size=16,
        channels=12,
        window=window,
        id2label=dict(enumerate(toy.LABELS)),
    )
    model = ConvolutionalClassifier(config).eval()  # type: ignore[no-untyped-call]
    return Classifier(model, origin.tokenizer, toy.LABELS, origin.max_length)


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_the_compact_network_gives_the_logits_of_every_family(
    encoder: Encoder, architecture: str
) -> None:
    origin = classifier(encoder, architecture)
    made = compact(origin)
    assert isinstance(made.model, CompactClassifier)
    np.testing.assert_allclose(made.logits(TEXTS), origin.logits(TEXTS), atol=2e-5)


def test_what_a_compact_copy_learns_does_not_change_its_origin(encoder: Encoder) -> None:
    origin = compact(classifier(encoder))
    before = origin.logits(TEXTS)
    fit(compact(origin), toy.dataset(24), toy.dataset(12, 1), TRAINING)
    np.testing.assert_array_equal(origin.logits(TEXTS), before)


def test_an_unknown_architecture_is_named_with_those_known(encoder: Encoder) -> None:
    origin = classifier(encoder)
    origin.model.config.is_decoder = True
    with pytest.raises(ParetextError, match="cannot be changed; that is known of albert, bert"):
        compact(origin)


def uneven(encoder: Encoder) -> Classifier:
    """Trimmed, factorised and cut to one layer."""
    made = classifier(encoder)
    for step in (Layers(keep=1), Vocabulary(minimum_count=2), LowRankEmbeddings(rank=8)):
        made, _ = step.apply(made, material())
    return made


KINDS: dict[str, Callable[[Encoder], Classifier]] = {
    "compact": uneven,
    "convolutional": lambda encoder: convolutional(classifier(encoder), 3),
    "gru": lambda encoder: recurrent(classifier(encoder), "gru", 2),
    "lstm": lambda encoder: recurrent(classifier(encoder), "lstm", 2),
}


@pytest.fixture(scope="module")
def answered(
    encoder: Encoder, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Classifier, Path, Any]]:
    """One of each kind, its folder, and what a new process that loads it from there answers."""
    root = tmp_path_factory.mktemp("saved")
    made = {kind: make(encoder) for kind, make in KINDS.items()}
    for kind, each in made.items():
        each.save(root / kind)
    (root / "texts.json").write_text(json.dumps(TEXTS), encoding="utf-8")
    code = (
        "import json, sys, numpy; from paretext.models.classifier import Classifier\n"
        "texts = json.load(open(sys.argv[1], encoding='utf-8'))\n"
        "for folder in sys.argv[2:]:\n"
        "    numpy.save(folder + '.npy', Classifier.load(folder).logits(texts))"
    )
    paths = [str(root / name) for name in ("texts.json", *made)]
    subprocess.run([sys.executable, "-c", code, *paths], check=True, capture_output=True)
    return {kind: (made[kind], root / kind, np.load(root / f"{kind}.npy")) for kind in made}


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_one_loads_in_a_new_process_and_trains_on(answered: Any, kind: str) -> None:
    made, folder, answers = answered[kind]
    np.testing.assert_allclose(answers, made.logits(TEXTS), atol=1e-6)
    loaded = Classifier.load(folder)
    assert loaded.label_names == toy.LABELS
    assert loaded.max_length == made.max_length
    fitted = fit(loaded, toy.dataset(24), toy.dataset(12, 1), TRAINING)
    assert np.abs(fitted.classifier.logits(TEXTS) - made.logits(TEXTS)).max() > 1e-4


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("layers", [1, 2])
def test_the_recurrent_graph_gives_pytorchs_logits_whatever_shares_the_call(
    encoder: Encoder, tmp_path: Path, cell: str, layers: int
) -> None:
    made = recurrent(classifier(encoder), cell, layers)
    texts = [" ".join(TEXTS[:n]) for n in (1, 2, 3)] + ["", "a"]
    artifact = export(made, tmp_path / "artifact", texts)
    alone = np.concatenate([made.logits([text]) for text in texts])
    np.testing.assert_allclose(made.logits(texts), alone, atol=1e-6)
    np.testing.assert_allclose(artifact.logits(texts), alone, atol=1e-5)
    gates = {"gru": 3, "lstm": 4}[cell]
    inputs = [16, 24][:layers]
    weights = sum(2 * gates * 12 * (width + 12) for width in inputs) + 24 * len(toy.LABELS)
    assert artifact.manifest.matrices.weights == weights


@pytest.mark.parametrize("window", [1, 3, 5])
def test_the_convolutional_graph_gives_pytorchs_logits_whatever_shares_the_call(
    encoder: Encoder, tmp_path: Path, window: int
) -> None:
    made = convolutional(classifier(encoder), window)
    texts = [" ".join(TEXTS[:n]) for n in (1, 2, 3)] + ["", "a"]
    artifact = export(made, tmp_path / "artifact", texts)
    alone = np.concatenate([made.logits([text]) for text in texts])
    np.testing.assert_allclose(made.logits(texts), alone, atol=1e-6)
    np.testing.assert_allclose(artifact.logits(texts), alone, atol=1e-5)
    # the words' matrix lies in their table
    assert artifact.manifest.matrices.weights == window * 16 * 12 + 24 * len(toy.LABELS)


def test_windows_are_a_convolution_and_see_nothing_beyond_the_text(encoder: Encoder) -> None:
    model = convolutional(classifier(encoder), 3).model
    ids, mask = torch.tensor([[7, 8, 9, 5, 6]]), torch.tensor([[1, 1, 1, 0, 0]])
    words = model.projection(model.words(ids[:, :3])).transpose(1, 2)
    kernel = model.windows.weight.view(12, 3, 16).transpose(1, 2)
    convolved = nn.functional.conv1d(words, kernel, model.windows.bias, padding=1).relu()
    expected = model.output(torch.cat([convolved.amax(2), convolved.mean(2)], 1))
    torch.testing.assert_close(model(ids, mask).logits, expected)


def test_a_mean_over_the_tokens_is_exported_as_pytorch_computes_it(
    encoder: Encoder, tmp_path: Path
) -> None:
    made = compact(classifier(encoder))
    first = made.logits(TEXTS)
    made.model.config.pooling = "mean"
    assert np.abs(made.logits(TEXTS) - first).max() > 1e-3
    artifact = export(made, tmp_path / "artifact", TEXTS)
    np.testing.assert_allclose(artifact.logits(TEXTS), made.logits(TEXTS), atol=1e-5)


@pytest.mark.parametrize("narrow", [False, True])
def test_a_convolutional_student_starts_from_its_parents_words_and_keeps_them(
    encoder: Encoder, tmp_path: Path, narrow: bool
) -> None:
    origin = classifier(encoder)
    parents = origin.model.roberta.embeddings.word_embeddings.weight.detach()
    if narrow:
        origin, _ = LowRankEmbeddings(rank=8).apply(origin, material())
        model = origin.model
        parents = model.words.weight.detach() @ model.word_factor.weight.detach().T
    step = ConvolutionalStudent(embedding_size=32, channels=8)
    student, said = step.apply(origin, material())
    # All 32 directions are a rotation, a shift and a scale: distances keep their proportions.
    ratio = torch.pdist(torch.from_numpy(word_table(student.model))) / torch.pdist(parents)
    assert float(ratio.std() / ratio.mean()) < 1e-3
    student.save(tmp_path / "student")
    loaded = Classifier.load(tmp_path / "student")
    taught = fit(loaded, toy.dataset(24), toy.dataset(12, 1), TRAINING).classifier.model
    before, after = (dict(each.named_parameters()) for each in (student.model, taught))
    assert {name for name in before if torch.equal(before[name], after[name])} == {"words.weight"}
    learned = sum(p.numel() for name, p in before.items() if name != "words.weight")
    assert f"{learned:,} parameters to teach" in said[0]
