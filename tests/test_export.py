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
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from paretext.compression import Material
from paretext.compression.steps.magnitude import MagnitudePruning, linears
from paretext.core.errors import ParetextError
from paretext.core.files import files_below, folder_bytes
from paretext.data.dataset import Dataset
from paretext.graphs import artifact_writer, export, traced
from paretext.graphs.calibration import Calibration, divergence
from paretext.graphs.graph import POSITIONS
from paretext.graphs.quantisation import DynamicQuantization, StaticQuantization
from paretext.graphs.quantised_graph import Counts
from paretext.graphs.traced import plain_products, trace_graph
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
    found, layers = operators(graph), classifier.model.config.num_hidden_layers
    names = [node.name.split(".") for node in graph.node]
    per_layer = Counter(parts[1] for parts in names if parts[0] == "layer")
    # the last layer has one more: it cuts its input down to the first token
    assert per_layer == {str(i): 18 + (i == layers - 1) for i in range(layers)}
    assert found["MultiHeadAttention"] == layers
    assert found["LayerNormalization"] == 2 * layers + 1
    assert found["MatMul"] == len(linears(classifier.model))
    assert found == fp32.manifest.operators


def test_no_skip_connection_is_fused_into_a_slower_operator(
    fp32: Artifact, int8: Artifact, tmp_path: Path
) -> None:
    for made in (fp32, int8):
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
        options.log_severity_level = 3  # it warns that the file suits this machine only
        onnxruntime.InferenceSession(graph_file(made.folder), options)
        found = operators(onnx.load(tmp_path / "loaded.onnx").graph)
        assert found["SkipLayerNormalization"] == 0
        assert found["LayerNormalization"] == operators(graph_of(made))["LayerNormalization"]


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


# Architectures whose graph PyTorch traces -----------------------------------------------------


def run_nodes(
    nodes: list[onnx.NodeProto], weights: dict[str, NDArray[Any]], x: NDArray[Any]
) -> NDArray[np.float32]:
    """The answer of nodes from x to y, by ONNX Runtime."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None] * x.ndim)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    answer: NDArray[np.float32] = session.run(["y"], {"x": x})[0]
    return answer


def test_all_forms_of_a_linear_become_one() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(3, 8)).astype(np.float32)
    weight = generator.normal(size=(8, 8)).astype(np.float32)
    bias = generator.normal(size=8).astype(np.float32)
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["a"], transB=1, name="gemm"),
        helper.make_node("Transpose", ["w"], ["w.t"], perm=[1, 0]),
        helper.make_node("MatMul", ["a", "w.t"], ["c"]),
        helper.make_node("MatMul", ["c", "copy"], ["d"]),
        helper.make_node("Gemm", ["d", "w"], ["e"]),
        helper.make_node("Gemm", ["e", "w", "b"], ["y"], alpha=0.5),
    ]
    weights = {"w": weight, "b": bias, "copy": weight.T.copy()}
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 8])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    plain = plain_products(model)
    assert operators(plain.graph) == {"MatMul": 4, "Add": 1, "Gemm": 1}
    stored = weights_of(plain.graph)
    assert sorted(values.shape for values in stored.values()) == [(8,), (8, 8), (8, 8)]
    expected = run_nodes(nodes, weights, x)
    session = onnxruntime.InferenceSession(plain.SerializeToString())
    np.testing.assert_allclose(session.run(["y"], {"x": x})[0], expected, rtol=1e-4)
    by_hand = (x @ weight.T + bias) @ weight.T @ weight.T @ weight
    np.testing.assert_allclose(expected, 0.5 * by_hand @ weight + bias, rtol=1e-4, atol=1e-3)


def traced_classifier(encoder: Encoder, kind: str) -> Classifier:
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(encoder("bert")))
    shape: dict[str, Any] = {
        **tiny.SHAPE,
        "vocab_size": len(tokenizer),
        "num_labels": len(LABELS),
        "pad_token_id": tokenizer.pad_token_id,
        "max_position_embeddings": 64,
    }
    torch.manual_seed(0)
    model: Any
    if kind == "mpnet":
        model = transformers.MPNetForSequenceClassification(transformers.MPNetConfig(**shape))
    elif kind == "modernbert":  # nearly all of its products have no bias
        config = transformers.ModernBertConfig(
            **shape,
            local_attention=16,
            **dict.fromkeys(("cls_token_id", "bos_token_id"), tokenizer.cls_token_id),
            **dict.fromkeys(("sep_token_id", "eos_token_id"), tokenizer.sep_token_id),
        )
        model = transformers.ModernBertForSequenceClassification(config)
    elif kind == "albert":  # its layers share their weights
        config = transformers.AlbertConfig(embedding_size=16, **shape)
        model = transformers.AlbertForSequenceClassification(config)
    else:
        config = transformers.DebertaV2Config(
            relative_attention=True,
            position_buckets=8,
            pos_att_type=["p2c", "c2p"],
            share_att_key=True,
            norm_rel_ebd="layer_norm",
            **shape,
        )
        model = transformers.DebertaV2ForSequenceClassification(config)
    return Classifier(tiny.shake(model.eval()), tokenizer, LABELS, MAX_LENGTH)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mpnet", "albert", "deberta", "modernbert"])
def test_a_traced_architecture(
    encoder: Encoder,
    tmp_path: Path,
    kind: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    classifier = traced_classifier(encoder, kind)
    capfd.readouterr()
    written = export(classifier, tmp_path / "written", TEXTS)
    assert "written for ONNX Runtime" in written.manifest.done[0]
    monkeypatch.setattr(artifact_writer, "is_known", lambda config: False)
    made = export(classifier, tmp_path / "fp32", TEXTS)
    expected = classifier.logits(TEXTS)
    np.testing.assert_allclose(
        made.logits(TEXTS), expected, atol=1e-4 * max(1, np.abs(expected).max())
    )
    for text, row in zip(TEXTS, expected, strict=True):
        np.testing.assert_allclose(made.logits([text])[0], row, atol=1e-3)
    assert "traced by PyTorch" in made.manifest.done[0]
    np.testing.assert_allclose(written.logits(TEXTS), made.logits(TEXTS), atol=1e-4)
    assert 2 * len(graph_of(written).node) < len(graph_of(made).node)
    graph = graph_of(made)
    assert b"stack_trace" not in (graph_file(made.folder)).read_bytes()
    assert [each.name for each in graph.input] == ["input_ids", "attention_mask"]
    assert {each.type.tensor_type.elem_type for each in graph.input} == {TensorProto.INT64}
    session = onnxruntime.InferenceSession(graph_file(made.folder))
    for shape in ((1, 1), (1, 3), (5, 1), (5, 3), (1, MAX_LENGTH), (5, MAX_LENGTH)):
        ids = np.random.default_rng(0).integers(len(classifier.tokenizer), size=shape)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        with torch.inference_mode():
            wanted = classifier.model(
                **{name: torch.from_numpy(values) for name, values in feed.items()}
            ).logits.numpy()
        (found,) = session.run(["logits"], feed)
        np.testing.assert_allclose(found, wanted, atol=1e-4 * max(1, np.abs(wanted).max()))
    modules = linears(classifier.model)
    assert made.manifest.matrices.weights == sum(m.weight.numel() for _, m in modules)

    int8 = export(classifier, tmp_path / "int8", TEXTS, quantization=DynamicQuantization())
    said = "\n".join(int8.manifest.done)
    names = {n.input[1] for n in graph_of(int8).node if n.op_type == "MatMulIntegerToFloat"}
    assert len(names) == len(modules)
    products = operators(graph_of(int8))["MatMulIntegerToFloat"]
    assert f"quantised {products} of {products} matrix products" in said
    assert folder_bytes(int8.folder) < folder_bytes(made.folder)
    assert np.abs(int8.logits(TEXTS) - expected).max() < 0.15 * np.ptp(expected)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


@pytest.mark.slow
def test_a_traced_graph_keeps_its_nodes_whatever_is_quantised(encoder: Encoder) -> None:
    """ModernBERT lost 86 of its nodes, others a few, by chance."""
    classifier = traced_classifier(encoder, "modernbert")
    graph = trace_graph(classifier.model)
    outputs = {node.output[0] for node in graph.graph.node}
    assert len(outputs) == len(graph.graph.node)
    calibration = Calibration.from_texts(TEXTS, classifier.tokenizer.backend_tokenizer, 0)
    expected = calibration.log_probabilities(graph)
    products = Counts.of(graph).products
    biases = sum("bias" in each.name for each in graph.graph.initializer)
    some = next(iter(Counts.of(graph).matrices)).removesuffix(".weight")
    for quantization in (
        *(
            step(weight_bits=bits, embedding_bits=table)
            for step in (DynamicQuantization, StaticQuantization)
            for bits in (7, 8)
            for table in (None, 4, 8)
        ),
        DynamicQuantization(keep_fp32=(some,)),
        DynamicQuantization(sensitivity_limit=1e-9),
        StaticQuantization(sensitivity_limit=10),
    ):
        made, said = quantization.apply(graph, calibration)
        gone = outputs - {node.output[0] for node in made.graph.node}
        integer = operators(made.graph)["MatMulIntegerToFloat"]
        assert said[0].startswith(f"quantised {integer} of {products} matrix products")
        # an Add of a bias takes its product's place, and nothing else is missing
        assert len(gone) <= biases
        assert gone <= {node.output[0] for node in graph.graph.node if node.op_type == "MatMul"}
        left = operators(graph.graph) - operators(made.graph)
        tables = operators(made.graph)["GatherBlockQuantized"]
        assert left == Counter(MatMul=integer, Add=len(gone), Gather=tables) - Counter()
        away = divergence(expected, calibration.log_probabilities(made))
        # another text's answers, or those of a graph that lost a node, are far from these
        unlike = divergence(expected, np.roll(expected, 1, axis=0))
        assert away < unlike / (4 if quantization.embedding_bits == 4 else 20)


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


def test_a_model_that_cannot_be_traced(encoder: Encoder) -> None:
    class Stubborn(nn.Module):
        device, config = torch.device("cpu"), transformers.BertConfig()

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
            raise RuntimeError("no such thing\nas an export")

    with pytest.raises(ParetextError, match="cannot export Stubborn") as caught:
        trace_graph(Stubborn())
    assert "\n" not in str(caught.value)


def test_one_network_is_traced_once(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier, traced_models = classifier_of(encoder("bert")), []

    def counted(model: Any) -> onnx.ModelProto:
        traced_models.append(model)
        return onnx.ModelProto(producer_name=str(len(traced_models)))

    monkeypatch.setattr(traced, "_traced", counted)
    first, other = trace_graph(classifier.model), trace_graph(classifier.copy().model)
    assert first.producer_name == other.producer_name == "1"
    first.producer_name = "changed"  # a caller's own
    assert trace_graph(classifier.model).producer_name == "1"
    tiny.shake(classifier.model)
    assert trace_graph(classifier.model).producer_name == "2"


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
