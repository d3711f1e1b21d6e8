"""Architectures whose graph PyTorch traces: the same answers, every node kept, traced once."""

from __future__ import annotations

from collections import Counter
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
from test_export import LABELS, MAX_LENGTH, TEXTS, Encoder, classifier_of
from torch import nn

from paretext.compression.steps.magnitude import linears
from paretext.core.errors import ParetextError
from paretext.core.files import folder_bytes
from paretext.graphs import artifact_writer, export, traced
from paretext.graphs.calibration import Calibration, divergence
from paretext.graphs.quantisation import DynamicQuantization, StaticQuantization
from paretext.graphs.quantised_graph import Counts
from paretext.graphs.traced import plain_products, trace_graph
from paretext.models.classifier import Classifier


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
        (logits,) = session.run(["logits"], feed)
        np.testing.assert_allclose(logits, wanted, atol=1e-4 * max(1, np.abs(wanted).max()))
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
