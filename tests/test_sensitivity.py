"""What quantisation may cost: measured on the calibration texts, and kept in float32 beyond it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from graphs import calls, model_of, operators, random
from onnx import helper

from paretext.core.errors import ParetextError
from paretext.graphs import sensitivity
from paretext.graphs.calibration import Calibration, divergence
from paretext.graphs.quantisation import DynamicQuantization, Quantization, StaticQuantization


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
        allowed = sensitivity.allowed(answers.astype(np.float64))
        assert allowed == pytest.approx(said / 2 if expected is None else expected, rel=1e-4)


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


def test_an_unknown_product_is_named_with_the_nearest() -> None:
    model, calibration = outlier_model()
    with pytest.raises(ParetextError, match=r"no matrix product 'fist'.*did you mean 'first'\?"):
        DynamicQuantization(keep_fp32=("fist",)).apply(model, calibration)
