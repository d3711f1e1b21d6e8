"""The networks whose shapes can change compute what their origin does, and load again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
import toy

from paretext.compression import Layers, LowRankEmbeddings, Material, RecurrentStudent, Vocabulary
from paretext.compression.step import compact
from paretext.core.errors import ParetextError
from paretext.graphs import export
from paretext.models.classifier import Classifier
from paretext.models.compact import CompactClassifier
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


@pytest.mark.parametrize("kind", ["compact", "gru", "lstm"])
def test_a_saved_one_loads_in_a_new_process_and_trains_on(
    encoder: Encoder, tmp_path: Path, kind: str
) -> None:
    made = uneven(encoder) if kind == "compact" else recurrent(classifier(encoder), kind, 2)
    made.save(tmp_path / "model")
    (tmp_path / "texts.json").write_text(json.dumps(TEXTS), encoding="utf-8")
    code = (
        "import json, sys, numpy; from paretext.models.classifier import Classifier\n"
        "texts = json.load(open(sys.argv[2], encoding='utf-8'))\n"
        "numpy.save(sys.argv[3], Classifier.load(sys.argv[1]).logits(texts))"
    )
    paths = [str(tmp_path / name) for name in ("model", "texts.json", "logits.npy")]
    subprocess.run([sys.executable, "-c", code, *paths], check=True, capture_output=True)
    np.testing.assert_allclose(np.load(paths[2]), made.logits(TEXTS), atol=1e-6)
    loaded = Classifier.load(tmp_path / "model")
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


def test_a_mean_over_the_tokens_is_exported_as_pytorch_computes_it(
    encoder: Encoder, tmp_path: Path
) -> None:
    made = compact(classifier(encoder))
    first = made.logits(TEXTS)
    made.model.config.pooling = "mean"
    assert np.abs(made.logits(TEXTS) - first).max() > 1e-3
    artifact = export(made, tmp_path / "artifact", TEXTS)
    np.testing.assert_allclose(artifact.logits(TEXTS), made.logits(TEXTS), atol=1e-5)


def test_a_recurrent_student_starts_from_its_parents_words(encoder: Encoder) -> None:
    origin = classifier(encoder)
    student, said = RecurrentStudent(embedding_size=32, hidden_size=8).apply(origin, material())
    own = student.model.words.weight.detach()
    parents = origin.model.roberta.embeddings.word_embeddings.weight.detach()
    # All 32 directions are a rotation, a shift and a scale: distances keep their proportions.
    ratio = torch.pdist(own) / torch.pdist(parents)
    assert float(ratio.std() / ratio.mean()) < 1e-4
    assert "gru" in said[0]
    assert f"{sum(p.numel() for p in student.model.parameters()):,}" in said[0]
