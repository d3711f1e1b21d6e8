"""Cut networks compute what masked ones do; scores, choices and times agree with a second route."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import toy

from paretext.compression.methods import latency
from paretext.compression.methods.batches import batches
from paretext.compression.methods.importance import fisher, layers_to_keep, squared_gradients
from paretext.compression.methods.refit import refit
from paretext.compression.step import Material, compact
from paretext.compression.steps.structured import (
    StructuredPruning,
    best,
    by_share,
    cut,
    drop_empty_layers,
    lost,
)
from paretext.core.errors import ParetextError
from paretext.graphs import export
from paretext.models.classifier import Classifier
from paretext.models.families.base import read_encoder
from paretext.training.fit import TrainingSettings

TEXTS = toy.dataset(24, 1).texts
ALL_HEADS, ALL_NEURONS = np.arange(4), np.arange(64)
NONE = np.arange(0)


def random_classifier(encoder: Callable[[str], Path], architecture: str) -> Classifier:
    classifier = Classifier.from_pretrained(str(encoder(architecture)), toy.LABELS, max_length=32)
    tiny.shake(classifier.model, 0.1)
    return classifier


@pytest.fixture(scope="module")
def parent(encoder: Callable[[str], Path]) -> Classifier:
    return random_classifier(encoder, "roberta")


@pytest.fixture(scope="module", params=["roberta", *tiny.OTHERS])
def each(request: pytest.FixtureRequest, encoder: Callable[[str], Path]) -> Classifier:
    """A network of every kind that steps cut."""
    return compact(random_classifier(encoder, request.param))


@pytest.fixture(scope="module")
def whole(parent: Classifier) -> Classifier:
    return compact(parent)


@pytest.fixture(scope="module")
def data() -> Material:
    return Material(toy.dataset(48), toy.dataset(24, 1), TrainingSettings())


def masked_logits(whole: Classifier, layer: int, part: str, gone: list[int]) -> Any:
    """The whole network's logits with these inputs of one matrix set to zero."""
    copy = whole.copy()
    with torch.no_grad():
        getattr(copy.model.layers[layer], part).weight[:, gone] = 0
    return copy.logits(TEXTS)


# --- cutting


@pytest.mark.parametrize("layer", [0, 1])
def test_cutting_a_unit_out_is_masking_it(layer: int, each: Classifier) -> None:
    heads, neurons = [ALL_HEADS, ALL_HEADS], [ALL_NEURONS, ALL_NEURONS]
    fewer_heads = [*heads]
    fewer_heads[layer] = np.array([0, 1, 3])
    smaller = replace(each, model=cut(each.model, fewer_heads, neurons))
    masked = masked_logits(each, layer, "attention_output", list(range(16, 24)))
    np.testing.assert_allclose(smaller.logits(TEXTS), masked, atol=1e-5)
    assert np.abs(masked - each.logits(TEXTS)).max() > 1e-2

    fewer_neurons = [*neurons]
    fewer_neurons[layer] = np.setdiff1d(ALL_NEURONS, [5, 40])
    smaller = replace(each, model=cut(each.model, heads, fewer_neurons))
    masked = masked_logits(each, layer, "feed_forward_out", [5, 40])
    np.testing.assert_allclose(smaller.logits(TEXTS), masked, atol=1e-5)
    assert np.abs(masked - each.logits(TEXTS)).max() > 1e-3


def test_uneven_layers_and_one_without_heads_are_saved_exported_and_loaded(
    each: Classifier, tmp_path: Path
) -> None:
    model = cut(each.model, [np.array([1, 2, 3]), NONE], [np.arange(7, 24), np.arange(40)])
    smaller = replace(each, model=model)
    assert [(x["heads"], x["neurons"]) for x in model.config.shapes] == [(3, 17), (0, 40)]
    expected = smaller.logits(TEXTS)
    smaller.save(tmp_path / "classifier")
    again = Classifier.load(tmp_path / "classifier")
    np.testing.assert_array_equal(again.logits(TEXTS), expected)
    artifact = export(again, tmp_path / "artifact", TEXTS)
    np.testing.assert_allclose(artifact.logits(TEXTS), expected, atol=1e-4)


def test_a_layer_without_parts_goes_and_the_answers_stay(whole: Classifier) -> None:
    model = cut(whole.model, [ALL_HEADS, NONE], [ALL_NEURONS, NONE])
    smaller = replace(whole, model=model)
    expected = smaller.logits(TEXTS)
    drop_empty_layers(model)
    assert len(model.layers) == len(model.config.shapes) == 1
    np.testing.assert_allclose(smaller.logits(TEXTS), expected, atol=1e-5)


# --- fitting what is left


def test_doubled_neurons_cost_nothing_after_the_fit(each: Classifier) -> None:
    """Neurons 32 to 63 do what 0 to 31 do, so cutting them loses nothing that a fit cannot mend."""
    doubled = each.copy()
    with torch.no_grad():
        for layer in doubled.model.layers:
            layer.feed_forward_in.weight[32:] = layer.feed_forward_in.weight[:32]
            layer.feed_forward_in.bias[32:] = layer.feed_forward_in.bias[:32]
            if layer.config.gated:
                layer.feed_forward_gate.weight[32:] = layer.feed_forward_gate.weight[:32]
                layer.feed_forward_gate.bias[32:] = layer.feed_forward_gate.bias[:32]
    work = batches(doubled, toy.dataset(240, 2).texts)
    model = cut(doubled.model, [ALL_HEADS, ALL_HEADS], [np.arange(32)] * 2)
    smaller, expected = replace(doubled, model=model), doubled.logits(TEXTS)
    before = np.abs(smaller.logits(TEXTS) - expected).mean()
    assert refit(doubled.model, model, work) == 4
    after = np.abs(smaller.logits(TEXTS) - expected).mean()
    assert after < before / 20


def test_an_uncut_network_is_not_changed_by_the_fit(each: Classifier) -> None:
    model = cut(each.model, [ALL_HEADS] * 2, [ALL_NEURONS] * 2)
    refit(each.model, model, batches(each, toy.dataset(48).texts))
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(weight, each.model.state_dict()[name], atol=1e-5, rtol=0)


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("part", ["heads", "neurons"])
def test_the_norm_before_takes_on_what_a_missing_part_did(
    part: str, layer: int, whole: Classifier
) -> None:
    heads, neurons = [ALL_HEADS] * 2, [ALL_NEURONS] * 2
    (heads if part == "heads" else neurons)[layer] = NONE
    model = cut(whole.model, heads, neurons)
    smaller, expected = replace(whole, model=model), whole.logits(toy.dataset(48).texts)
    before = np.square(smaller.logits(toy.dataset(48).texts) - expected).mean()
    refit(whole.model, model, batches(whole, toy.dataset(48).texts))
    assert np.square(smaller.logits(toy.dataset(48).texts) - expected).mean() < before / 2


# --- scores


def test_the_scores_are_the_fisher_information_of_the_masks(whole: Classifier) -> None:
    """Averaged over all signs they are sum_c p_c g_c^2, by autograd text by text."""
    data = toy.dataset(6)
    (batch,) = batches(whole, data.texts)
    patterns = list(itertools.product((0, 1), repeat=3))
    by_pattern = [
        squared_gradients(whole.model, batch, torch.tensor([signs] * 6)) for signs in patterns
    ]
    neurons = torch.stack([each[1] for each in by_pattern]).mean(0)
    heads = torch.stack([each[2] for each in by_pattern]).mean(0)
    by_hand = [torch.zeros(64), torch.zeros(4)]
    masks = [torch.ones(64, requires_grad=True), torch.ones(4, requires_grad=True)]
    first, second = whole.model.layers
    hooks = [
        first.feed_forward_out.register_forward_pre_hook(lambda _, x: x[0] * masks[0]),
        second.attention_output.register_forward_pre_hook(
            lambda _, x: x[0] * masks[1].repeat_interleave(8)
        ),
    ]
    for text in range(6):
        length = int(batch.mask[text].sum())
        ids, mask = batch.ids[text : text + 1, :length], batch.mask[text : text + 1, :length]
        logs = whole.model(ids, mask).logits.log_softmax(1)[0]
        for log in logs:
            gradients = torch.autograd.grad(log, masks, retain_graph=True)
            for total, gradient in zip(by_hand, gradients, strict=True):
                total += log.exp().detach() * gradient.square()
    for hook in hooks:
        hook.remove()
    torch.testing.assert_close(neurons.float(), by_hand[0], rtol=1e-3, atol=1e-7)
    torch.testing.assert_close(heads.float(), by_hand[1], rtol=1e-3, atol=1e-7)


def test_a_unit_that_does_nothing_scores_least(whole: Classifier) -> None:
    copy = whole.copy()
    with torch.no_grad():
        copy.model.layers[0].feed_forward_out.weight[:, 9] = 0
        copy.model.layers[1].attention_output.weight[:, 8:16] = 0
    scores = fisher(copy, toy.dataset(12))
    assert scores.neurons[0].argmin() == 9
    assert scores.neurons[0][9] == 0
    assert scores.heads[1].argmin() == 1


def test_the_layer_that_does_nothing_goes_first(whole: Classifier) -> None:
    for idle in (0, 1):
        copy = whole.copy()
        layer = copy.model.layers[idle]
        with torch.no_grad():  # a norm of what a norm has left is that again
            for name, part in layer.named_parameters():
                if name.startswith(("attention_output", "feed_forward_out")):
                    part.zero_()
                if "norm" in name:
                    part.fill_(float(name.endswith("weight")))
            for norm in (copy.model.embedding_norm, copy.model.layers[0].output_norm):
                norm.weight.fill_(1.0)
                norm.bias.zero_()
        kept = layers_to_keep(copy, 1, toy.dataset(12))
        assert kept == (1 - idle,)
    assert layers_to_keep(whole, 2, toy.dataset(12)) == (0, 1)


# --- how many of each layer


def test_shares_keep_the_best_units_of_the_whole_network() -> None:
    scores = [np.array([9.0, 1, 8, 7]), np.array([2.0, 3, 10, 0])]
    kept = by_share(scores, 0.5, 1)
    assert [each.tolist() for each in kept] == [[0, 2, 3], [2]]
    # in pairs: 9 and 8, then 10 and 3, then 7 and 1, then 2 and 0
    kept = by_share(scores, 0.5, 2)
    assert [each.tolist() for each in kept] == [[0, 2], [1, 2]]
    assert best(scores[0], 2).tolist() == [0, 2]
    assert lost(scores[0], 2) == 8
    assert lost(scores[0], 4) == 0


def test_the_knapsack_finds_what_trying_everything_finds() -> None:
    random = np.random.default_rng(0)
    for _ in range(30):
        costs = random.integers(0, 10, size=(4, 5)).tolist()
        losses = random.random((4, 5)).tolist()
        budget = 20  # its 4,000 steps hold these whole numbers exactly
        tried = {
            choice: sum(losses[i][c] for i, c in enumerate(choice))
            for choice in itertools.product(range(5), repeat=4)
            if sum(costs[i][c] for i, c in enumerate(choice)) <= budget
        }
        cheapest = latency.cheapest(costs, losses, budget)
        assert cheapest is not None
        assert tried[tuple(cheapest)] == pytest.approx(min(tried.values()))
    assert latency.cheapest([[5.0], [6.0]], [[1.0], [1.0]], 10) is None


def test_the_table_has_each_width_and_equal_layers_share_it(
    whole: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed: list[Any] = []

    def pretend(sessions: dict[Any, Any], *_: object) -> dict[Any, float]:
        timed.extend(sessions)
        # the whole network: the rest 1, and twice what its parts take one by one
        whole = {"rest": 1.0, "whole": 1.0 + 2 * (1 + 16 + 1 + 16 + 4 + 64)}
        return {name: whole[name] if name in whole else 1.0 + name[1] for name in sessions}

    monkeypatch.setattr(latency, "_time", pretend)
    encoder = read_encoder(whole.model)
    first = latency._renamed(encoder.layers[0], "first.")  # a graph has no two equal names
    three = replace(encoder, layers=(first, *encoder.layers))
    table = latency.measure(three, 24, "int8", "group", 16)
    assert table.texts == 8
    assert list(table.attention[0]) == [0, 1, 2, 3, 4]
    assert list(table.feed_forward[0]) == [0, 16, 32, 48, 64]
    assert table.attention[0] == table.attention[1] == {h: h / 2 for h in range(5)}  # 4 copies
    assert table.attention[2] == {
        h: 2 * h for h in range(5)
    }  # the last one computes one row a text
    assert len(timed) == 2 + 2 * (4 + 4)
    assert table.milliseconds([4, 64, 0, 16, 4, 0]) == (1 + 2 * (1 + 16 + 0 + 4 + 4 + 0)) / 8


def test_a_part_takes_longer_the_more_of_it_there_is(
    whole: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency, "_SECONDS", 0.5)
    for runtime, call in (("int8", "group"), ("fp32", "text")):
        table = latency.measure(read_encoder(whole.model), 16, runtime, call, 16)
        assert table.texts == (12 if call == "group" else 1)
        assert table.rest > 0
        if call == "group":
            assert table.attention[0][4] > table.attention[0][1] > 0


# --- the step


def test_half_of_everything_is_half_of_everything(parent: Classifier, data: Material) -> None:
    before = parent.logits(TEXTS)
    step = StructuredPruning(heads=0.5, neurons=0.5, multiple=8)
    smaller, sentences = step.apply(parent, data)
    shapes = smaller.model.config.shapes
    assert sum(shape["heads"] for shape in shapes) == 4
    assert sum(shape["neurons"] for shape in shapes) == 64
    assert all(shape["neurons"] % 8 == 0 for shape in shapes)
    assert sentences[0].startswith("kept 4 of 8 heads and 64 of 128 neurons; layer by layer ")
    assert sentences[1].endswith(" on 48 texts")
    np.testing.assert_array_equal(parent.logits(TEXTS), before)
    again, _ = step.apply(smaller, data)
    assert sum(shape["heads"] for shape in again.model.config.shapes) == 2


def table(whole: Any) -> latency.LatencyTable:
    attention = ({h: float(h) for h in range(5)},) * 2
    feed_forward = ({n: n / 16 for n in range(0, 65, 16)},) * 2
    return latency.LatencyTable(1, 20, 4.0, attention, feed_forward)


def test_a_speed_is_kept_with_the_least_loss(
    parent: Classifier, data: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency, "measure", lambda *_: table(parent))
    smaller, sentences = StructuredPruning(speedup=1.6, multiple=16).apply(parent, data)
    shapes = smaller.model.config.shapes
    milliseconds = 4 + sum(shape["heads"] + shape["neurons"] / 16 for shape in shapes)
    assert milliseconds <= 20 / 1.6
    scores = fisher(compact(parent), data.sample())
    pairs = zip(scores.heads, scores.neurons, strict=True)
    options = [[lost(s, w) for w in range(0, len(s) + 1, len(s) // 4)] for p in pairs for s in p]
    tried = [
        sum(options[i][c] for i, c in enumerate(choice))
        for choice in itertools.product(range(5), repeat=4)
        if 4 + sum(choice) <= 20 / 1.6
    ]
    widths = [w for s in shapes for w in (s["heads"], s["neurons"] // 16)]
    assert sum(options[i][c] for i, c in enumerate(widths)) == pytest.approx(min(tried))
    assert sentences[1] == (
        "estimated 12 ms a text, 1.67x faster than the 20 ms before, by a table of 20 times "
        "measured here for 1 x 20 tokens in int8"
    )


@pytest.mark.parametrize("budget", [{"speedup": 6.0}, {"milliseconds": 3.0}])
def test_a_speed_out_of_reach_says_what_is_possible(
    budget: dict[str, float],
    parent: Classifier,
    data: Material,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(latency, "measure", lambda *_: table(parent))
    with pytest.raises(ParetextError, match=r"cut it takes 4 ms, 5x faster than now; ask for less"):
        StructuredPruning(**budget).apply(parent, data)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"heads": 0},
        {"neurons": 1.1},
        {"speedup": 1},
        {"speedup": float("inf")},
        {"milliseconds": 0},
        {"heads": 0.5, "speedup": 2},
        {"speedup": 2, "milliseconds": 1},
        {"heads": 0.5, "multiple": 0},
        {"heads": 0.5, "runtime": "int4"},
    ],
)
def test_settings_out_of_range_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ParetextError):
        StructuredPruning(**values)
