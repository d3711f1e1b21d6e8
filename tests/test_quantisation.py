"""Quantisation of whole classifiers: every product in integers, and answers that stay close."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tiny
import toy
from graphs import graph_file, graph_of, operators, weights_of
from onnx import helper, numpy_helper

from paretext.compression.steps.magnitude import linears
from paretext.core.errors import ParetextError
from paretext.core.files import folder_bytes
from paretext.graphs import export, sensitivity
from paretext.graphs.artifact_writer import _tokenizer, float_graph
from paretext.graphs.calibration import Calibration, divergence
from paretext.graphs.graph import POSITIONS, checked
from paretext.graphs.quantisation import DynamicQuantization, Quantization, StaticQuantization
from paretext.graphs.quantised_graph import Plan, rewrite
from paretext.models.classifier import Classifier
from paretext.runtime.artifact import Artifact

PRODUCTS = ("MatMulIntegerToFloat", "QAttention")
LABELS = ("anger", "joy", "sadness")
TEXTS = (
    "i feel so happy today",
    "",
    "no",
    "he made me angry again, and again, and again, " * 8,
    "i am sad and nothing helps, not even the sun that was out all day long",
    "thank you",
)
Encoder = Callable[[str], Path]


@pytest.fixture(scope="module", params=tiny.ARCHITECTURES)
def classifier(request: pytest.FixtureRequest, encoder: Encoder) -> Classifier:
    return random_classifier(encoder, request.param)


def random_classifier(encoder: Encoder, architecture: str) -> Classifier:
    made = Classifier.from_pretrained(str(encoder(architecture)), LABELS, max_length=20)
    tiny.shake(made.model)
    return made


@pytest.fixture(scope="module")
def fp32(classifier: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return export(classifier, tmp_path_factory.mktemp("fp32") / "artifact", TEXTS)


@pytest.fixture(scope="module")
def int8(classifier: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("int8") / "artifact"
    return export(classifier, folder, TEXTS, quantization=DynamicQuantization())


@pytest.fixture(scope="module")
def static(classifier: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("static") / "artifact"
    return export(classifier, folder, TEXTS, quantization=StaticQuantization())


# Whole classifiers ----------------------------------------------------------------------------


def test_every_matrix_product_is_quantised(classifier: Classifier, int8: Artifact) -> None:
    graph, modules = graph_of(int8), linears(classifier.model)
    weights = weights_of(graph)
    # query, key and value are part of their attention but in the last layer, whose query is of one
    # token
    attentions = classifier.model.config.num_hidden_layers - 1
    assert operators(graph)["QAttention"] == attentions
    assert operators(graph)["MatMulIntegerToFloat"] == len(modules) - 3 * attentions
    assert operators(graph)["MatMul"] == 0
    # the products add their biases: what is left are the skip connections and the positions
    added = operators(graph)["Add"] + operators(graph)["Sum"]
    assert added == 2 * classifier.model.config.num_hidden_layers + 1
    assert not any(
        name in weights
        and name != POSITIONS  # small, and integers would cost time there
        and weights[name].ndim > 1
        and weights[name].dtype == np.float32
        for node in graph.node
        if node.op_type in ("Gemm", "MatMul", "Gather")
        for name in node.input
    )
    counted = sum(module.weight.numel() for _, module in modules)
    assert int8.manifest.matrices.weights == counted
    said = "\n".join(int8.manifest.done)
    assert f"quantised {len(modules)} of {len(modules)} matrix products" in said
    assert "quantised 1 of 1 embedding tables" in said
    assert int8.manifest.recipe[-1] == DynamicQuantization().model_dump(mode="json")


@pytest.mark.parametrize(("bits", "largest"), [(7, 64), (8, 127)])
def test_weights_are_within_half_a_step(
    classifier: Classifier,
    fp32: Artifact,
    int8: Artifact,
    tmp_path: Path,
    bits: Any,
    largest: int,
) -> None:
    step = DynamicQuantization(weight_bits=bits)
    made = int8 if bits == 7 else export(classifier, tmp_path / "8", TEXTS, quantization=step)
    graph, weights = graph_of(made), weights_of(graph_of(made))
    # query, key and value lie side by side in an attention; channels may have been evened out
    reading = {node.input[1]: node for node in graph.node if node.op_type in PRODUCTS}
    cut = {node.input[0]: [0, node] for node in graph.node if node.op_type == "QAttention"}
    for name, module in linears(classifier.model):
        expected = module.weight.detach().numpy().T
        if f"{name}.weight.int8" in reading:
            node, columns = reading[f"{name}.weight.int8"], slice(None)
        else:
            begin, node = next(iter(cut.values()))
            columns = slice(begin, begin + module.out_features)
            cut[node.input[0]][0] = columns.stop
            if columns.stop == 3 * module.out_features:
                del cut[node.input[0]]
        values = weights[node.input[1]][:, columns]
        scale = weights[f"{node.input[1].removesuffix('.int8')}.scale"][columns]
        x = node.input[0].removesuffix(".int8")
        evened = weights.get(f"{x}.factors", np.float32(1))
        if f"{x}.gamma.even" in weights:  # the norm before does it
            evened = weights[f"{x}.gamma.even"] / weights_of(graph_of(fp32))[f"{x}.gamma"]
        step = scale * np.reshape(evened, (-1, 1))
        assert values.dtype == np.int8
        assert scale.shape == (module.out_features,)
        assert (np.abs(values).max(axis=0) == largest).all()  # the whole range of every channel
        assert (np.abs(values * step - expected) <= step * 0.5001).all()
    assert not cut


def test_integers_are_smaller_and_close(fp32: Artifact, int8: Artifact, static: Artifact) -> None:
    expected = fp32.logits(TEXTS)
    for made in (int8, static):
        sizes = [graph_file(each.folder).stat().st_size for each in (made, fp32)]
        assert sizes[0] < 0.75 * sizes[1]
        assert folder_bytes(made.folder) < folder_bytes(fp32.folder)
        difference = np.abs(made.logits(TEXTS) - expected).max()
        assert 0 < difference < 0.15 * np.ptp(expected)


def test_an_answer_depends_on_its_text_alone(
    fp32: Artifact, int8: Artifact, static: Artifact
) -> None:
    """By itself, in bulk, and in any batch, whatever stands beside it."""
    generator = np.random.default_rng(0)
    for artifact in (fp32, int8, static):
        alone = np.concatenate([artifact.logits([text]) for text in TEXTS])
        for size in (2, 5, 13):
            rows = generator.integers(len(TEXTS), size=size)
            texts = [TEXTS[row] for row in rows]
            for answers in (artifact.logits(texts), artifact.one_batch(texts)):
                np.testing.assert_allclose(answers, alone[rows], rtol=0, atol=1e-5)
        assert operators(graph_of(artifact))["DynamicQuantizeLinear"] == 0


def test_the_sentences_count_how_inputs_became_integers(static: Artifact, int8: Artifact) -> None:
    for made, step in ((static, StaticQuantization()), (int8, DynamicQuantization())):
        graph, weights = graph_of(made), weights_of(graph_of(made))
        own = operators(graph)["ReduceMax"]
        even = sum(name.endswith((".factors", ".gamma.even")) for name in weights)
        fixed = operators(graph)["QuantizeLinear"] - own
        said = "\n".join(made.manifest.done)
        assert f"{fixed} inputs over their ranges on {len(TEXTS)} texts, {own} by each" in said
        assert f"the channels of {even} evened out" in said
        assert made.manifest.recipe[-1] == step.model_dump(mode="json")
        assert made is int8 or own == 0


def test_tables_stay_when_asked(classifier: Classifier, tmp_path: Path) -> None:
    kept = DynamicQuantization(embedding_bits=None)
    made = export(classifier, tmp_path / "artifact", TEXTS, quantization=kept)
    words = weights_of(graph_of(made))["embeddings.words"]
    expected = classifier.model.get_input_embeddings().weight.detach().numpy()
    np.testing.assert_array_equal(words, expected)
    assert "quantised 0 of 1 embedding tables" in "\n".join(made.manifest.done)
    counts = operators(graph_of(made))
    assert counts["MatMulIntegerToFloat"] + 3 * counts["QAttention"] == len(
        linears(classifier.model)
    )


def test_products_named_stay_as_they_are(
    classifier: Classifier, fp32: Artifact, tmp_path: Path
) -> None:
    name, module = linears(classifier.model)[1]
    step = DynamicQuantization(keep_fp32=(name,))
    made = export(classifier, tmp_path / "artifact", TEXTS, quantization=step)
    graph, modules = graph_of(made), linears(classifier.model)
    assert operators(graph)["MatMul"] == 1
    assert operators(graph)["MatMulIntegerToFloat"] == len(modules) - 1
    np.testing.assert_array_equal(
        weights_of(graph)[f"{name}.weight"], module.weight.detach().numpy().T
    )
    said = "\n".join(made.manifest.done)
    assert f"{name} stays float32" in said
    assert f"quantised {len(modules) - 1} of {len(modules)} matrix products" in said


def test_a_plan_of_nothing_leaves_the_graph_as_it_is(fp32: Artifact) -> None:
    model = onnx.load(graph_file(fp32.folder))
    made = rewrite(model, Plan(frozenset(), 7, None, {}))
    assert (made.products, made.tables) == (0, 0)
    assert made.graph.SerializeToString(deterministic=True) == model.SerializeToString(
        deterministic=True
    )


def with_outliers(model: onnx.ModelProto, channel: int, by: float) -> onnx.ModelProto:
    """The same function, with a channel of what each normalisation gives its products `by` times as
    large, and their weights as much smaller. Skip connections read it as it was."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    stored = {each.name: each for each in made.graph.initializer}
    del made.graph.node[:]

    def scale(name: str, factor: float) -> None:
        array = numpy_helper.to_array(stored[name]).copy()
        array[channel] *= factor
        stored[name].CopyFrom(numpy_helper.from_array(array, name))

    tall, smaller = set(), set()
    for node in model.graph.node:
        made.graph.node.append(node)
        if node.op_type == "LayerNormalization":
            x, back = node.output[0], np.ones(stored[node.input[1]].dims, np.float32)
            back[channel] /= by
            made.graph.initializer.append(numpy_helper.from_array(back, f"{x}.back"))
            made.graph.node[-1].output[0] = f"{x}.tall"
            made.graph.node.append(helper.make_node("Mul", [f"{x}.tall", f"{x}.back"], [x]))
            for name in node.input[1:]:
                scale(name, by)
            tall.add(x)
        elif node.op_type == "MatMul" and node.input[0] in tall:
            made.graph.node[-1].input[0] += ".tall"
            if node.input[1] not in smaller:  # layers may share it
                scale(node.input[1], 1 / by)
                smaller.add(node.input[1])
    return checked(made)


@pytest.mark.parametrize("architecture", [*tiny.ARCHITECTURES, *tiny.OTHERS])
def test_a_model_with_outlier_channels_loses_nothing(
    encoder: Encoder, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that a normalisation gives, of every family; one scale alone would lose the rest."""
    monkeypatch.setattr(sensitivity, "allowed", lambda _: 100)  # nothing is kept in float32
    classifier = random_classifier(encoder, architecture)
    plain, _ = float_graph(classifier)
    texts = toy.dataset(100, 3).texts
    calibration = Calibration.from_texts(texts, _tokenizer(classifier), classifier.pad_id)
    exact, errors = calibration.log_probabilities(plain), []
    for model in (plain, with_outliers(plain, 7, 50)):
        if architecture == "albert":  # a matrix reads what no normalisation gave, too
            exact = calibration.log_probabilities(model)
        np.testing.assert_allclose(calibration.log_probabilities(model), exact, atol=1e-3)
        for step in (DynamicQuantization, StaticQuantization):
            quantised = calibration.log_probabilities(step().apply(model, calibration)[0])
            errors.append(np.abs(quantised - exact).mean())
            assert divergence(exact, quantised) < 0.005
            top = np.sort(exact, axis=1)
            sure = top[:, -1] - top[:, -2] > 0.1 * np.ptp(exact, axis=0).max()
            assert not (quantised.argmax(1) != exact.argmax(1))[sure].any()
    assert errors[2] < 2 * errors[0]
    assert errors[3] < 2 * errors[1]


# Calibration ----------------------------------------------------------------------------------


def test_calibration_texts_are_fed_without_padding(int8: Artifact) -> None:
    texts = [*TEXTS, *("x " * n for n in range(12))] * 3
    calibration = Calibration.from_texts(texts, int8._tokenizer, pad_id=0)
    assert calibration.texts == len(texts)
    rows = [tuple(row) for feed in calibration.feeds for row in feed["input_ids"].tolist()]
    expected = [tuple(each.ids) for each in int8._tokenizer.encode_batch_fast(texts)]
    assert sorted(rows) == sorted(expected)
    assert all((feed["attention_mask"] == 1).all() for feed in calibration.feeds)
    assert max(feed["input_ids"].size for feed in calibration.feeds) <= 192


# Bad input ------------------------------------------------------------------------------------


def test_no_calibration_texts(int8: Artifact) -> None:
    with pytest.raises(ParetextError, match="calibration set is empty; give at least one text"):
        Calibration.from_texts([], int8._tokenizer, pad_id=0)


@pytest.mark.parametrize("step", [DynamicQuantization, StaticQuantization])
@pytest.mark.parametrize(
    "setting",
    [
        {"weight_bits": 4},
        {"embedding_bits": 2},
        {"embedding_bits": True},
        {"sensitivity_limit": 0},
        {"sensitivity_limit": -1.0},
        {"sensitivity_limit": float("nan")},
        {"sensitivity_limit": float("inf")},
        {"keep_fp32": "classifier"},
        {"keep_fp32": [3]},
        {"embeddings": False},
        {"step": "other"},
    ],
)
def test_settings_that_mean_nothing_are_refused(
    step: Callable[..., Quantization], setting: dict[str, Any]
) -> None:
    with pytest.raises(ParetextError):
        step(**setting)
