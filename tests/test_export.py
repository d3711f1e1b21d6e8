"""Export: an artifact answers as PyTorch does, quantised or not, or it is not written."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import tiny
import torch
import transformers
from graphs import graph_file, graph_of, operators, weights_of
from onnx import TensorProto, numpy_helper
from torch import nn

from paretext.compression import Material
from paretext.compression.steps.magnitude import MagnitudePruning, linears
from paretext.core.errors import ParetextError
from paretext.core.files import files_below
from paretext.data.dataset import Dataset
from paretext.graphs import artifact_writer, export
from paretext.graphs.graph import POSITIONS
from paretext.graphs.quantisation import DynamicQuantization
from paretext.models.classifier import Classifier
from paretext.models.families.base import is_known
from paretext.runtime import artifact as runtime
from paretext.runtime.artifact import Artifact
from paretext.runtime.manifest import MODEL, Manifest
from paretext.training.fit import TrainingSettings

LABELS = ("anger", "joy", "sadness")
MAX_LENGTH = 20
TEXTS = (
    "i feel so happy today",
    "",
    "no",
    "what a lovely surprise, thank you! \U0001f602\U0001f44d\U0001f3fd",
    "he made me angry again, and again, and again, " * 8,
    "caf\u00e9 na\u00efve \u4f60\u597d \u0441\u043f\u0430\u0441\u0438\u0431\u043e",
    "  spaces\tand\nlines  ",
    "i am sad and nothing helps, not even the sun that was out all day long",
)
Encoder = Callable[[str], Path]


def classifier_of(folder: Path) -> Classifier:
    """A random classifier in which no parameter is trivially zero or one."""
    classifier = Classifier.from_pretrained(str(folder), LABELS, MAX_LENGTH)
    tiny.shake(classifier.model)
    return classifier


@pytest.fixture(scope="module", params=tiny.ARCHITECTURES)
def classifier(request: pytest.FixtureRequest, encoder: Encoder) -> Classifier:
    return classifier_of(encoder(request.param))


@pytest.fixture(scope="module")
def fp32(classifier: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return export(classifier, tmp_path_factory.mktemp("fp32") / "artifact", TEXTS)


@pytest.fixture(scope="module")
def int8(classifier: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("int8") / "artifact"
    return export(classifier, folder, TEXTS, quantization=DynamicQuantization())


# The float32 graph ----------------------------------------------------------------------------


def test_logits_are_those_of_pytorch(classifier: Classifier, fp32: Artifact) -> None:
    expected = classifier.logits(TEXTS)
    assert np.ptp(expected, axis=0).min() > 0.1  # the texts are told apart, so this can fail
    np.testing.assert_allclose(fp32.logits(TEXTS), expected, atol=1e-4)
    assert fp32.predict(TEXTS).tolist() == classifier.predict(TEXTS).tolist()


def test_a_text_alone_answers_as_in_a_padded_batch(
    fp32: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = np.concatenate([fp32.logits([text]) for text in TEXTS])
    monkeypatch.setattr(runtime, "GROUP_TOKENS", 10**6)
    np.testing.assert_allclose(fp32.logits(TEXTS), alone, atol=1e-5)


def test_the_graph_has_the_inputs_promised_and_nothing_unread(fp32: Artifact) -> None:
    graph = graph_of(fp32)
    inputs = {each.name: each.type.tensor_type for each in graph.input}
    assert list(inputs) == ["input_ids", "attention_mask"]
    for each in inputs.values():
        assert each.elem_type == TensorProto.INT64
        assert [d.dim_param for d in each.shape.dim] == ["batch", "sequence"]
    (logits,) = graph.output
    assert logits.name == "logits"
    assert logits.type.tensor_type.shape.dim[1].dim_value == len(LABELS)
    read = [name for node in graph.node for name in node.input]
    made = [name for node in graph.node for name in node.output]
    assert set(inputs) <= set(read)
    assert {each.name for each in graph.initializer} <= set(read)
    assert set(made) - set(read) == {"logits"}
    assert len(made) == len(set(made))
    names = [each.name for each in graph.initializer]
    assert len(names) == len(set(names))


def test_a_layer_is_eighteen_operators(classifier: Classifier, fp32: Artifact) -> None:
    graph = graph_of(fp32)
    counts, layers = operators(graph), classifier.model.config.num_hidden_layers
    names = [node.name.split(".") for node in graph.node]
    per_layer = Counter(parts[1] for parts in names if parts[0] == "layer")
    # the last layer has one more: it cuts its input down to the first token
    assert per_layer == {str(i): 18 + (i == layers - 1) for i in range(layers)}
    assert counts["MultiHeadAttention"] == layers
    assert counts["LayerNormalization"] == 2 * layers + 1
    assert counts["MatMul"] == len(linears(classifier.model))
    assert counts == fp32.manifest.operators


def test_no_skip_connection_is_fused_into_a_slower_operator(
    fp32: Artifact, int8: Artifact, tmp_path: Path
) -> None:
    for made in (fp32, int8):
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
        options.log_severity_level = 3  # it warns that the file suits this machine only
        onnxruntime.InferenceSession(graph_file(made.folder), options)
        counts = operators(onnx.load(tmp_path / "loaded.onnx").graph)
        assert counts["SkipLayerNormalization"] == 0
        assert counts["LayerNormalization"] == operators(graph_of(made))["LayerNormalization"]


def test_only_positions_that_can_occur_are_stored(classifier: Classifier, fp32: Artifact) -> None:
    table = weights_of(graph_of(fp32))["embeddings.positions"]
    embeddings = classifier.model.base_model.embeddings
    rows = embeddings.position_embeddings.weight.detach().numpy()
    # RoBERTa: row 1 is the padding token's own, which a text may hold, and the first token's is 2
    roberta = classifier.model.config.model_type == "roberta"
    types = getattr(embeddings, "token_type_embeddings", None)
    first_type = 0 if types is None else types.weight.detach().numpy()[0]
    used = slice(1, MAX_LENGTH + 2) if roberta else slice(0, MAX_LENGTH)
    np.testing.assert_array_equal(table, rows[used] + first_type)


@pytest.mark.parametrize("activation", ["relu", "gelu_new", "gelu_pytorch_tanh"])
def test_other_activations(encoder: Encoder, tmp_path: Path, activation: str) -> None:
    classifier = classifier_of(encoder("bert"))
    config = transformers.BertConfig(
        **classifier.model.config.to_dict() | {"hidden_act": activation}
    )
    model = transformers.BertForSequenceClassification(config).eval()
    model.load_state_dict(classifier.model.state_dict())
    other = dataclasses.replace(classifier, model=model)
    assert is_known(model.config)
    made = export(other, tmp_path / "artifact", TEXTS)
    # the two forms of GELU are close: the answers must be much closer to their own than to GELU's
    expected = other.logits(TEXTS)
    apart = float(np.abs(expected - classifier.logits(TEXTS)).max())
    np.testing.assert_allclose(made.logits(TEXTS), expected, atol=min(1e-4, apart / 10))


def test_the_manifest_counts_the_zeros_of_a_pruned_classifier(
    classifier: Classifier, tmp_path: Path
) -> None:
    data = Dataset(("a b", "c d"), np.array([0, 1]), LABELS)
    step = MagnitudePruning(amount=0.35, recovery_epochs=0)
    pruned, _ = step.apply(classifier, Material(data, data, TrainingSettings()))
    modules = [m for m in pruned.model.modules() if isinstance(m, nn.Linear)]
    weights = sum(m.weight.numel() for m in modules)
    zeros = sum(int((m.weight.detach().numpy() == 0).sum()) for m in modules)
    assert zeros == round(0.35 * weights)
    made = export(pruned, tmp_path / "artifact", TEXTS).manifest.matrices
    assert (made.weights, made.zeros) == (weights, zeros)


def test_what_the_manifest_says_of_the_agreement(classifier: Classifier, int8: Artifact) -> None:
    agreement = int8.manifest.agreement
    difference = np.abs(int8.predict_proba(TEXTS) - classifier.predict_proba(TEXTS)).max()
    flips = int((int8.predict(TEXTS) != classifier.predict(TEXTS)).sum())
    assert agreement.texts == len(TEXTS)
    assert agreement.largest_probability_difference == pytest.approx(difference, abs=1e-6)
    assert agreement.flipped_predictions == flips
    assert 0 < agreement.largest_logit_difference <= 1e-4 * max(1, np.abs(int8.logits(TEXTS)).max())


# A graph that is wrong is not written ---------------------------------------------------------


def test_a_weight_that_is_off_is_refused(
    classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = artifact_writer.read_encoder

    def misread(model: Any) -> Any:
        encoder = read(model)
        layer = encoder.layers[-1]
        weight = layer.attention.key.weight.copy()
        weight[3, 5] += 1
        key = dataclasses.replace(layer.attention.key, weight=weight)
        attention = dataclasses.replace(layer.attention, key=key)
        layers = (*encoder.layers[:-1], dataclasses.replace(layer, attention=attention))
        return dataclasses.replace(encoder, layers=layers)

    monkeypatch.setattr(artifact_writer, "read_encoder", misread)
    with pytest.raises(ParetextError, match="differs from PyTorch"):
        export(classifier, tmp_path / "artifact", TEXTS)
    assert list(tmp_path.iterdir()) == []


def test_a_model_with_another_head_is_refused(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subclass that computes something else has the same config; the answers give it away."""
    classifier = classifier_of(encoder("roberta"))
    forward = classifier.model.forward

    def shifted(*args: Any, **kwargs: Any) -> Any:
        answer = forward(*args, **kwargs)
        answer.logits = answer.logits + torch.tensor([0.0, 0.01, 0.0])
        return answer

    monkeypatch.setattr(classifier.model, "forward", shifted)
    with pytest.raises(ParetextError, match=r"by 0\.01 in a logit"):
        export(classifier, tmp_path / "artifact", TEXTS)
    assert list(tmp_path.iterdir()) == []


def test_no_texts_to_check_with(encoder: Encoder, tmp_path: Path) -> None:
    with pytest.raises(ParetextError, match="at least one text"):
        export(classifier_of(encoder("bert")), tmp_path / "artifact", [])


# What cannot answer --------------------------------------------------------------------------


def test_a_graph_for_short_texts_alone_is_refused(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exporter may take for fixed what it was shown; ONNX Runtime's own words are not ours."""
    classifier = classifier_of(encoder("bert"))
    graph, how = artifact_writer.float_graph(classifier)
    short = onnx.ModelProto()
    short.CopyFrom(graph)
    for tensor in short.graph.initializer:
        if tensor.name == POSITIONS:
            rows = numpy_helper.to_array(tensor)[:8]
            tensor.CopyFrom(numpy_helper.from_array(rows.copy(), tensor.name))
    monkeypatch.setattr(artifact_writer, "float_graph", lambda _: (short, how))
    with pytest.raises(ParetextError, match="cannot run the graph of BertForSeq") as caught:
        export(classifier, tmp_path / "artifact", ["happy"])
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_cannot_answer_a_text_is_refused(encoder: Encoder, tmp_path: Path) -> None:
    class Longer(transformers.BertForSequenceClassification):  # type: ignore[misc]
        def forward(self, input_ids: Any, attention_mask: Any, **given: Any) -> Any:
            if input_ids.shape[1] < 3:
                raise IndexError("too short")
            return super().forward(input_ids, attention_mask, **given)

    classifier = classifier_of(encoder("bert"))
    model = Longer(classifier.model.config)
    model.load_state_dict(classifier.model.state_dict())
    with pytest.raises(ParetextError, match=r"Longer itself cannot answer '' \(too short\)"):
        export(dataclasses.replace(classifier, model=model), tmp_path / "artifact", ["happy"])


def test_whether_a_graph_answers_is_known_before_training(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = classifier_of(encoder("bert"))
    graph, how = artifact_writer.float_graph(classifier)
    artifact_writer.require_exportable(classifier, TEXTS)
    monkeypatch.setattr(artifact_writer, "is_known", lambda _: False)  # so it would be traced
    monkeypatch.setattr(artifact_writer, "float_graph", lambda _: (graph, how))
    artifact_writer.require_exportable(classifier, TEXTS)
    tiny.shake(classifier.model)
    with pytest.raises(ParetextError, match=r"differs from PyTorch .* try a shorter --max-length"):
        artifact_writer.require_exportable(classifier, TEXTS)


def test_the_folder_is_replaced_whole(classifier: Classifier, tmp_path: Path) -> None:
    folder = tmp_path / "artifact"
    export(classifier, folder, TEXTS, name="first")
    (folder / "certificate.json").write_text("{}")  # of the first
    made = export(classifier, folder, TEXTS, name="second")
    configs = {"tokenizer.json", "tokenizer_config.json", "config.json", "manifest.json"}
    names = {MODEL, *configs, "README.md"}
    assert {path.relative_to(folder).as_posix() for path in files_below(folder)} == names
    assert set(made.manifest.files) == names - {"manifest.json"}
    assert Manifest.read(folder).name == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["artifact"]
    config = transformers.AutoConfig.from_pretrained(str(folder))
    assert tuple(config.id2label.values()) == LABELS
