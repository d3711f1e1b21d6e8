"""Quantisation: what the integer graph answers, against numpy doing the same by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import tiny
import toy
from graphs import graph_file, graph_of, operators, weights_of
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from paretext.compression.steps.magnitude import linears
from paretext.core.errors import ParetextError
from paretext.core.files import folder_bytes
from paretext.graphs import export, sensitivity
from paretext.graphs.activations import Input, Seen, choose
from paretext.graphs.artifact_writer import _tokenizer, float_graph
from paretext.graphs.calibration import Calibration, divergence
from paretext.graphs.graph import POSITIONS, checked
from paretext.graphs.quantisation import DynamicQuantization, Quantization, StaticQuantization
from paretext.graphs.quantised_graph import Counts, Plan, rewrite
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


def model_of(
    nodes: list[onnx.NodeProto], weights: dict[str, NDArray[Any]], x: NDArray[Any]
) -> onnx.ModelProto:
    """A graph of these nodes from x, numbers or ids to look up, to logits."""
    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    looks_up = np.issubdtype(x.dtype, np.integer) and nodes[0].op_type == "Gather"
    rank = x.ndim + looks_up
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", kind, [None] * x.ndim)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None] * rank)],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def answer(model: onnx.ModelProto, x: NDArray[Any]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    found: NDArray[np.float32] = session.run(["logits"], {"x": x})[0]
    return found


def calls(*arrays: NDArray[Any]) -> Calibration:
    return Calibration(tuple({"x": each} for each in arrays))


def quantised(
    nodes: list[onnx.NodeProto],
    weights: dict[str, NDArray[Any]],
    x: NDArray[Any],
    step: Quantization | None = None,
) -> tuple[onnx.ModelProto, list[str]]:
    """What the step makes of a graph of these nodes, calibrated on x."""
    return (step or DynamicQuantization()).apply(model_of(nodes, weights, x), calls(x))


def random(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


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
    found = operators(graph_of(made))
    assert found["MatMulIntegerToFloat"] + 3 * found["QAttention"] == len(linears(classifier.model))


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


# Products -------------------------------------------------------------------------------------


def by_hand(x: NDArray[Any], weight: NDArray[Any], how: Input, largest: int = 64) -> NDArray[Any]:
    """The product of x, in 8 bits as `how` says, with the weight in integers up to `largest`."""
    low, high = min(how.low, 0), max(how.high, 0)
    step = (high - low) / 255
    zero = np.round(-low / step)
    factors = np.ones(x.shape[-1]) if how.factors is None else how.factors
    x = x / factors
    rows = 1 if how.floor is None else np.maximum(x.max(axis=-1, keepdims=True), how.floor)
    x8 = np.clip(np.round(x / rows / step) + zero, 0, 255) - zero
    weight = weight * factors[:, None]
    scale = np.abs(weight).max(axis=0) / largest
    w8 = np.round(weight / np.where(scale > 0, scale, 1))
    result: NDArray[Any] = x8 @ w8 * scale * step * rows
    return result


FACTORS = np.linspace(0.5, 3, 24).astype(np.float32)


@pytest.mark.parametrize(("bits", "largest"), [(7, 64), (8, 127)])
@pytest.mark.parametrize("opset", [17, 18])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize(
    "how",
    [
        Input(-3, 4),
        Input(-2, 1.5, FACTORS),
        Input(-0.7, 1, None, 0.3),
        Input(-0.5, 1, FACTORS / 3, 0.9),
    ],
)
def test_a_product_is_that_of_the_dequantised_numbers(
    how: Input, biased: bool, opset: int, bits: int, largest: int
) -> None:
    x, weight = random(2, 3, 24), random(24, 5, seed=1) * np.float32([1, 10, 0.1, 0, 3])
    x[1] -= 4 * (x[1] > 0) * x[1]  # rows without a number above 0
    bias = random(5, seed=2)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["product" if biased else "logits"])]
    if biased:
        nodes.append(helper.make_node("Add", ["product", "b"], ["logits"]))
    model = model_of(nodes, {"w": weight, "b": bias}, x)
    model.opset_import[0].version = opset
    made = rewrite(model, Plan(frozenset({"w"}), bits, None, {"x": how}))
    assert made.products == 1
    assert not {"MatMul", "DynamicQuantizeLinear"} & {*operators(made.graph.graph)}
    for scale in (1, 100):  # in range, and far outside it
        expected = by_hand(scale * x, weight, how, largest) + bias * biased
        np.testing.assert_allclose(
            answer(made.graph, scale * x), expected, rtol=1e-4, atol=1e-4 * scale
        )


def test_a_fixed_range_is_that_of_calibration() -> None:
    seen = [random(3, 24, seed=3), 3 * random(7, 24, seed=4)]
    model = model_of(
        [helper.make_node("MatMul", ["x", "w"], ["logits"])], {"w": np.ones((24, 5), "f4")}, seen[0]
    )
    made, said = DynamicQuantization().apply(model, calls(*seen))
    weights = weights_of(made.graph)
    step, zero = float(weights["x.scale"]), int(weights["x.zero"])
    factors = weights.get("x.factors", np.float32(1))
    low = min((each * factors).min() for each in seen)
    high = max((each * factors).max() for each in seen)
    assert -zero * step == pytest.approx(low, abs=step)
    assert (255 - zero) * step == pytest.approx(high, abs=step)
    assert "1 inputs over their ranges on 10 texts" in said[0]


def seen_of(x: NDArray[Any]) -> Seen:
    return Seen(x.min(axis=0), x.max(axis=0), (x**2).mean(axis=0), x.max(axis=1))


def error(x: NDArray[Any], weight: NDArray[Any], how: Input) -> float:
    """The root mean square error of the integer product against that of its numbers."""
    return float(np.sqrt(((by_hand(x, weight, how) - x @ weight) ** 2).mean()))


def test_a_channel_fifty_times_the_others_costs_nothing() -> None:
    x, weight = random(300, 24).astype(np.float64), random(24, 5, seed=1)
    fifty = np.where(np.arange(24) == 7, 50, 1)
    plain = choose(seen_of(x), [weight], 64, rows=True, even=True)
    tall = choose(seen_of(x * fifty), [weight / fifty[:, None]], 64, rows=True, even=True)
    assert tall.factors is not None
    left = choose(seen_of(x * fifty), [weight / fifty[:, None]], 64, rows=True, even=False)
    errors = [
        error(x, weight, plain),
        error(x * fifty, weight / fifty[:, None], tall),
        error(x * fifty, weight / fifty[:, None], left),
    ]
    assert errors[1] < 1.2 * errors[0]
    assert errors[2] > 5 * errors[0]


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
            found = calibration.log_probabilities(step().apply(model, calibration)[0])
            errors.append(np.abs(found - exact).mean())
            assert divergence(exact, found) < 0.005
            top = np.sort(exact, axis=1)
            sure = top[:, -1] - top[:, -2] > 0.1 * np.ptp(exact, axis=0).max()
            assert not (found.argmax(1) != exact.argmax(1))[sure].any()
    assert errors[2] < 2 * errors[0]
    assert errors[3] < 2 * errors[1]


def test_rows_that_differ_get_scales_of_their_own() -> None:
    """Numbers as a GELU gives them, a few rows of them twenty times the others."""
    x = np.maximum(random(300, 24), -0.17).astype(np.float64)
    x[::30] = np.maximum(20 * x[::30], -0.17)
    weight = random(24, 5, seed=1)
    own = choose(seen_of(x), [weight], 64, rows=True, even=True)
    one = choose(seen_of(x), [weight], 64, rows=False, even=True)
    assert own.floor is not None
    assert one.floor is None
    most = np.arange(300) % 30 > 0
    assert error(x[most], weight, own) < 0.5 * error(x[most], weight, one)
    alike = choose(seen_of(x[most]), [weight], 64, rows=True, even=True)
    assert alike.floor is None
    below = choose(seen_of(-np.abs(x)), [weight], 64, rows=True, even=True)
    assert below.floor is None


def test_products_that_cannot_be_quantised_are_kept_and_counted() -> None:
    """A product with a stack of matrices is no Linear; it stays as it is, and the count says so."""
    x, stack, flat = random(2, 3, 8), random(2, 8, 4, seed=1), random(4, 4, seed=2)
    nodes = [
        helper.make_node("MatMul", ["x", "stack"], ["between"]),
        helper.make_node("MatMul", ["between", "flat"], ["logits"]),
    ]
    made, said = quantised(nodes, {"stack": stack, "flat": flat}, x)
    assert said[0].startswith("quantised 1 of 2 matrix products")
    np.testing.assert_allclose(answer(made, x), x @ stack @ flat, atol=0.2)


def test_products_that_share_a_matrix_or_an_input_share_its_integers() -> None:
    x, weight, other = random(2, 8), random(8, 8, seed=1), random(8, 8, seed=2)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("MatMul", ["x", "v"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["c"]),
        helper.make_node("MatMul", ["c", "w"], ["logits"]),
    ]
    made, said = quantised(nodes, {"w": weight, "v": other}, x)
    assert said[0].startswith("quantised 3 of 3")
    assert operators(made.graph)["QuantizeLinear"] == 2
    names = {each.name for each in made.graph.initializer}
    inputs = {f"{x}.{part}" for x in "xc" for part in ("scale", "zero")}
    assert names == {"v.int8", "v.scale", "w.int8", "w.scale"} | inputs
    np.testing.assert_allclose(answer(made, x), (x @ weight + x @ other) @ weight, atol=0.7)


def chain(length: int, width: int = 8) -> tuple[onnx.ModelProto, NDArray[np.float32]]:
    """Products without biases, with other operators between them and biases on every third."""
    x, nodes, weights = random(2, width), [], {}
    before = "x"
    for index in range(length):
        weights[f"w{index}"] = random(width, width, seed=index) / np.float32(2 * width**0.5)
        nodes.append(helper.make_node("MatMul", [before, f"w{index}"], [f"product{index}"]))
        before = f"product{index}"
        if index % 3 == 0:
            weights[f"b{index}"] = random(width, seed=index)
            nodes.append(helper.make_node("Add", [f"b{index}", before], [f"biased{index}"]))
            before = f"biased{index}"
        nodes.append(helper.make_node("Erf", [before], [f"erf{index}"]))
        nodes.append(helper.make_node("Mul", [before, f"erf{index}"], [f"gated{index}"]))
        nodes.append(helper.make_node("Add", [f"gated{index}", before], [f"sum{index}"]))
        before = f"sum{index}"
    nodes.append(helper.make_node("Identity", [before], ["logits"]))
    return model_of(nodes, weights, x), x


def kept(model: onnx.ModelProto) -> dict[str, bytes]:
    """Every node by its first output."""
    return {node.output[0]: node.SerializeToString() for node in model.graph.node}


def test_a_long_graph_keeps_every_node_that_is_not_replaced() -> None:
    """Nodes were known by the `id` of an object that protobuf makes anew at each look."""
    model, x = chain(200)
    matrices = frozenset(Counts.of(model).matrices)
    assert len(matrices) == 200
    inputs = {x: Input(-3, 3) for read in Counts.of(model).matrices.values() for x in read}
    for _ in range(3):
        made = rewrite(model, Plan(matrices, 7, 8, inputs))
        assert made.products == 200
        gone = {node.output[0] for node in model.graph.node if node.op_type == "MatMul"}
        biased = {f"product{index}" for index in range(0, 200, 3)}
        before, after = kept(model), kept(made.graph)
        assert set(before) - set(after) == biased  # their Adds are one operator with them
        changed = {name for name in set(before) & set(after) if before[name] != after[name]}
        assert changed == gone - biased | {f"biased{index}" for index in range(0, 200, 3)}
        new = [node.op_type for node in made.graph.graph.node if node.output[0] not in before]
        assert set(new) == {"QuantizeLinear"}
        assert len(new) == 200
    short, x = chain(4)
    made = rewrite(short, Plan(frozenset(Counts.of(short).matrices), 7, 8, inputs))
    np.testing.assert_allclose(answer(made.graph, x), answer(short, x), atol=0.1)


def test_a_plan_of_nothing_leaves_the_graph_as_it_is(fp32: Artifact) -> None:
    graph = onnx.load(graph_file(fp32.folder))
    nothing = Plan(frozenset(), 7, None, {})
    for model in (graph, chain(100)[0]):
        made = rewrite(model, nothing)
        assert (made.products, made.tables) == (0, 0)
        assert made.graph.SerializeToString(deterministic=True) == model.SerializeToString(
            deterministic=True
        )


def test_what_is_added_but_is_no_bias_stays() -> None:
    """One number for all outputs is no bias: the integer product wants one for each."""
    x, weight, one = random(3, 8), random(8, 4, seed=1), random(1, seed=2)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("Add", ["product", "one"], ["logits"]),
    ]
    made, _ = quantised(nodes, {"w": weight, "one": one}, x)
    assert operators(made.graph)["Add"] == 1
    np.testing.assert_allclose(answer(made, x), x @ weight + one, atol=0.2)


def test_a_table_that_is_multiplied_by_too_is_not_mistaken_for_its_matrix() -> None:
    """A matrix has a scale for each column, a table one for each row."""
    table, ids = random(8, 8) * np.float32(range(1, 9))[:, None], np.array([[7, 0, 3]])
    nodes = [
        helper.make_node("Gather", ["table", "x"], ["rows"]),
        helper.make_node("MatMul", ["rows", "table"], ["products"]),
        helper.make_node("Gather", ["table", "x"], ["again"]),
        helper.make_node("Add", ["products", "again"], ["logits"]),
    ]
    made, said = quantised(nodes, {"table": table}, ids)
    expected = table[ids] @ table + table[ids]
    np.testing.assert_allclose(answer(made, ids), expected, atol=0.03 * np.abs(expected).max())
    assert said[0].startswith("quantised 1 of 1")
    assert said[1].startswith("quantised 0 of 2")


def test_a_graph_that_lost_a_node_is_not_passed_on() -> None:
    model, _ = chain(3)
    del model.graph.node[2]
    with pytest.raises(ParetextError, match="not valid") as caught:
        checked(model)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("bits", "saturates"), [(7, False), (8, True)])
def test_seven_bits_never_saturate_sixteen(bits: Any, saturates: bool) -> None:
    """vpmaddubsw, by hand: pairs of uint8 x int8 products are added in 16 bits, saturating.

    Under qemu's Haswell ONNX Runtime's answers equal this sum, at 8 bits as at 7.
    """
    weight, step = np.abs(random(32, 6)) + 1, DynamicQuantization(weight_bits=bits)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["logits"])]
    made, said = quantised(nodes, {"w": weight}, random(9, 32), step)
    assert any("without VNNI sums saturate" in each for each in said) is saturates
    integers = weights_of(made.graph)["w.int8"].astype(np.int64)
    for signs in (1, -1):
        pairs = (np.full((32, 1), 255) * signs * integers).reshape(16, 2, 6).sum(axis=1)
        exact = np.array_equal(np.clip(pairs, -(2**15), 2**15 - 1), pairs)
        assert exact is not saturates


# Tables ---------------------------------------------------------------------------------------


def looked_up(
    table: NDArray[np.float32], ids: NDArray[np.int32], bits: Any
) -> tuple[NDArray[np.float32], onnx.GraphProto, list[str]]:
    node = helper.make_node("Gather", ["table", "x"], ["logits"])
    made, said = quantised([node], {"table": table}, ids, DynamicQuantization(embedding_bits=bits))
    return answer(made, ids), made.graph, said


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("width", [2, 8, 16, 24, 32, 40, 100, 128, 200])
def test_tables_of_any_width_are_looked_up_within_half_a_step(width: int, bits: Any) -> None:
    table = random(50, width, seed=width)
    table[7] = 0
    table *= np.random.default_rng(0).uniform(1e-3, 10, size=(50, 1)).astype(np.float32)
    table[8] *= 1e-9  # smaller than any float16
    ids = np.array([[0, 49, 7], [3, 8, 12]], np.int32)
    found, _, said = looked_up(table, ids, bits)
    assert said[1] == f"quantised 1 of 1 embedding tables to {bits} bits"
    block = width if bits == 8 else 32
    starts = np.arange(0, width, block)
    largest = np.maximum.reduceat(np.abs(table), starts, axis=1)
    step = np.repeat(largest, block, axis=1)[:, :width][ids] / (127 if bits == 8 else 7)
    assert found.shape == (2, 3, width)
    assert (np.abs(found - table[ids]) <= 0.501 * step + 1e-7).all()
    assert (found[0, 2] == 0).all()


def test_a_table_takes_a_quarter_and_an_eighth_of_its_bytes() -> None:
    table, ids = random(300, 128), np.zeros((1, 2), np.int32)
    sizes = {
        bits: sum(each.nbytes for each in weights_of(looked_up(table, ids, bits)[1]).values())
        for bits in (8, 4)
    }
    assert sizes[8] == 300 * (128 + 2)
    assert sizes[4] == 300 * (128 // 2 + 2 * 4)


def test_an_odd_row_does_not_fill_whole_bytes_and_stays() -> None:
    table, ids = random(5, 7), np.array([[4, 0]], np.int32)
    found, _, said = looked_up(table, ids, 4)
    np.testing.assert_array_equal(found, table[ids])
    assert said[1].startswith("quantised 0 of 1")


def test_a_gather_along_columns_is_no_lookup() -> None:
    table, ids = random(2, 16), np.array([3, 1])
    node = helper.make_node("Gather", ["table", "x"], ["logits"], axis=1)
    made, said = quantised([node], {"table": table}, ids)
    np.testing.assert_array_equal(answer(made, ids), table[:, [3, 1]])
    assert said[1].startswith("quantised 0 of 0")


# Calibration and sensitivity ------------------------------------------------------------------


def test_calibration_texts_are_fed_without_padding(int8: Artifact) -> None:
    texts = [*TEXTS, *("x " * n for n in range(12))] * 3
    calibration = Calibration.from_texts(texts, int8._tokenizer, pad_id=0)
    assert calibration.texts == len(texts)
    rows = [tuple(row) for feed in calibration.feeds for row in feed["input_ids"].tolist()]
    expected = [tuple(each.ids) for each in int8._tokenizer.encode_batch_fast(texts)]
    assert sorted(rows) == sorted(expected)
    assert all((feed["attention_mask"] == 1).all() for feed in calibration.feeds)
    assert max(feed["input_ids"].size for feed in calibration.feeds) <= 192


def outlier_model() -> tuple[onnx.ModelProto, Calibration]:
    """Two products; in every channel of one's input a few numbers, of both signs, are so large that
    8 bits leave nothing of the rest."""
    x = random(40, 8)
    nodes = [
        helper.make_node("MatMul", ["x", "first.weight"], ["a"]),
        helper.make_node("Pow", ["x", "power"], ["b"]),
        helper.make_node("MatMul", ["b", "last.weight"], ["c"]),
        helper.make_node("Add", ["a", "c"], ["logits"]),
    ]
    weights = {
        "first.weight": random(8, 3, seed=1) / 3,
        "last.weight": random(8, 3, seed=2) / 3,
        "power": np.asarray(9, np.float32),
    }
    return model_of(nodes, weights, x), calls(x[:15], x[15:])


@pytest.mark.parametrize("step", [DynamicQuantization, StaticQuantization])
def test_a_product_that_costs_too_much_stays_and_the_figures_are_given(
    step: Callable[..., Quantization], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensitivity, "allowed", lambda _: 100)
    model, calibration = outlier_model()
    made, said = step(sensitivity_limit=0.01).apply(model, calibration)
    assert [node.input[1] for node in made.graph.node if node.op_type == "MatMul"] == [
        "last.weight"
    ]
    alone, _ = step(keep_fp32=("first",)).apply(model, calibration)
    reference = calibration.log_probabilities(model)
    answers = calibration.log_probabilities(alone)
    cost, moved = divergence(reference, answers), reference.argmax(1) != answers.argmax(1)
    assert cost > 0.01 > divergence(reference, calibration.log_probabilities(made))
    assert said[2:] == [
        f"last stays float32: quantised alone it costs KL {cost:.1e}, {moved.sum()} of 40 "
        "predictions flip, limit 0.01"
    ]


def test_what_is_within_the_limit_is_not_measured_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, calibration = outlier_model()
    passes: list[onnx.ModelProto] = []
    measured = Calibration.log_probabilities

    def counted(self: Calibration, model: onnx.ModelProto) -> Any:
        passes.append(model)
        return measured(self, model)

    monkeypatch.setattr(Calibration, "log_probabilities", counted)
    monkeypatch.setattr(sensitivity, "allowed", lambda _: 100)
    _, said = DynamicQuantization(sensitivity_limit=100).apply(model, calibration)
    assert len(passes) == 3  # float32, the products alone, all of it
    assert said[0].startswith("quantised 2 of 2")
    assert "no product kept: all quantised together cost KL" in said[2]


def test_what_is_asked_for_stays_float32_where_it_would_not_hold() -> None:
    model, calibration = outlier_model()
    reference = calibration.log_probabilities(model)

    made, said = StaticQuantization().apply(model, calibration)
    expected, _ = StaticQuantization(keep_fp32=("last",)).apply(model, calibration)
    np.testing.assert_array_equal(
        calibration.log_probabilities(made), calibration.log_probabilities(expected)
    )
    assert said[-1] == "last stays float32, so that it holds"
    assert re.match(r"all that was asked for quantised cost KL .*; what is, KL ", said[-2])
    answers = calibration.log_probabilities(made)
    assert divergence(reference, answers) < sensitivity.HOLDS


def test_a_table_that_would_not_hold_stays_float32() -> None:
    """Sixteen blocks of a row share one scale of 4 bits with a number that is many times theirs."""
    ids = np.arange(40)[:, None]
    table = random(40, 32)
    table[:, 0] += 1000
    weight = random(32, 3, seed=1)
    weight[0] = 0
    nodes = [
        helper.make_node("Gather", ["table", "x"], ["row"]),
        helper.make_node("MatMul", ["row", "out.weight"], ["many"]),
        helper.make_node("ReduceSum", ["many", "axis"], ["logits"], keepdims=0),
    ]
    weights = {"table": table, "out.weight": weight, "axis": np.array([1])}
    model, calibration = model_of(nodes, weights, ids), calls(ids)
    made, said = DynamicQuantization(embedding_bits=4).apply(model, calibration)
    assert operators(made.graph)["Gather"] == 1
    assert "quantised 0 of 1 embedding tables" in said[1]
    assert "the embedding tables stay float32, so that it holds" in said
    reference, answers = (calibration.log_probabilities(each) for each in (model, made))
    assert divergence(reference, answers) < sensitivity.HOLDS


def test_what_may_be_lost_is_never_all_that_is_said() -> None:
    """Half of scipy's mutual information of text and answer, up to HOLDS."""
    from scipy.special import log_softmax
    from scipy.stats import entropy

    for spread, expected in ((3.0, sensitivity.HOLDS), (0.2, None), (1e-3, sensitivity.NOTHING)):
        answers = log_softmax(spread * random(50, 4), axis=1)
        joint = np.exp(answers) / len(answers)
        said = entropy(joint.sum(axis=0)) + np.log(len(answers)) - entropy(joint.ravel())
        found = sensitivity.allowed(answers.astype(np.float64))
        assert found == pytest.approx(said / 2 if expected is None else expected, rel=1e-4)


def test_what_holds_in_no_way_is_refused_with_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensitivity, "allowed", lambda _: 1e-12)
    with pytest.raises(
        ParetextError, match=r"KL .*, and KL 1.0e-12 is allowed.*1 of 2 matrices in float32 \(KL"
    ):
        DynamicQuantization().apply(*outlier_model())


def test_divergence_is_that_of_scipy() -> None:
    from scipy.special import log_softmax
    from scipy.stats import entropy

    p, q = log_softmax(random(9, 4), axis=1), log_softmax(random(9, 4, seed=1), axis=1)
    expected = entropy(np.exp(p), np.exp(q), axis=1).mean()
    assert divergence(p, q) == pytest.approx(expected, rel=1e-5)


# Bad input ------------------------------------------------------------------------------------


def test_no_calibration_texts(int8: Artifact) -> None:
    with pytest.raises(ParetextError, match="calibration set is empty; give at least one text"):
        Calibration.from_texts([], int8._tokenizer, pad_id=0)


def test_an_unknown_product_is_named_with_the_nearest() -> None:
    model, calibration = outlier_model()
    with pytest.raises(ParetextError, match=r"no matrix product 'fist'.*did you mean 'first'\?"):
        DynamicQuantization(keep_fp32=("fist",)).apply(model, calibration)


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
