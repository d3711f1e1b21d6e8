"""The integer graph of a few nodes: what it answers, against numpy doing the same by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from graphs import answer, calls, model_of, operators, random, weights_of
from numpy.typing import NDArray
from onnx import helper

from paretext.core.errors import ParetextError
from paretext.graphs.activations import Input, Seen, choose
from paretext.graphs.graph import checked
from paretext.graphs.quantisation import DynamicQuantization, Quantization
from paretext.graphs.quantised_graph import Counts, Plan, rewrite


def quantised(
    nodes: list[onnx.NodeProto],
    weights: dict[str, NDArray[Any]],
    x: NDArray[Any],
    step: Quantization | None = None,
) -> tuple[onnx.ModelProto, list[str]]:
    """What the step makes of a graph of these nodes, calibrated on x."""
    return (step or DynamicQuantization()).apply(model_of(nodes, weights, x), calls(x))


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


def test_a_plan_of_nothing_leaves_a_long_graph_as_it_is() -> None:
    model, _ = chain(100)
    made = rewrite(model, Plan(frozenset(), 7, None, {}))
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
    vectors, _, said = looked_up(table, ids, bits)
    assert said[1] == f"quantised 1 of 1 embedding tables to {bits} bits"
    block = width if bits == 8 else 32
    starts = np.arange(0, width, block)
    largest = np.maximum.reduceat(np.abs(table), starts, axis=1)
    step = np.repeat(largest, block, axis=1)[:, :width][ids] / (127 if bits == 8 else 7)
    assert vectors.shape == (2, 3, width)
    assert (np.abs(vectors - table[ids]) <= 0.501 * step + 1e-7).all()
    assert (vectors[0, 2] == 0).all()


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
    vectors, _, said = looked_up(table, ids, 4)
    np.testing.assert_array_equal(vectors, table[ids])
    assert said[1].startswith("quantised 0 of 1")


def test_a_gather_along_columns_is_no_lookup() -> None:
    table, ids = random(2, 16), np.array([3, 1])
    node = helper.make_node("Gather", ["table", "x"], ["logits"], axis=1)
    made, said = quantised([node], {"table": table}, ids)
    np.testing.assert_array_equal(answer(made, ids), table[:, [3, 1]])
    assert said[1].startswith("quantised 0 of 0")
