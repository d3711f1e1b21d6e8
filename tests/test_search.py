"""The search's parts: the space, the table of shapes, limits, the front and the winner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretext.certification.budget import parse_limits
from paretext.compression.recipe import preset
from paretext.compression.step import Outline
from paretext.core.errors import ParetextError
from paretext.measure.intervals import paired_drops
from paretext.tuning.front import Candidate, front, nearest_miss, winner
from paretext.tuning.limits import Limits
from paretext.tuning.shapes import Shape, ShapeTable
from paretext.tuning.space import FAMILY, Space

PARENT = Outline("roberta", layers=6, width=384, word_width=384)
NARROW = Outline("roberta", layers=2, width=32, word_width=32)


# --- the space


@pytest.mark.parametrize("parent", [PARENT, NARROW])
def test_every_point_of_the_space_is_a_recipe_that_fits_the_parent(parent: Outline) -> None:
    space = Space().within(parent)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    families = set()
    for _ in range(60):
        point = space.suggest(study.ask())
        version = space.version(point)
        version.plan(parent)
        families.add(point[FAMILY])
        assert version.name.startswith(point[FAMILY])
        assert [step.step for step in version.steps][-1] == "dynamic_quantization"
    assert families == set(space.families)
    for name, family in space.families.items():
        for smallest in (True, False):
            space.version(space.point(name, family.corner(smallest=smallest))).plan(parent)


def test_the_presets_are_points_of_the_space() -> None:
    space = Space().within(PARENT)
    made = [space.version(point).steps for point in space.presets()]
    assert made == [
        version.steps for version in (*preset("nano"), *preset("small"), *preset("tiny"))
    ]
    # 64 directions are more than a parent of width 32 has.
    assert Space().within(NARROW).presets() == []


def test_equal_recipes_have_equal_names_and_others_have_not() -> None:
    space = Space().within(PARENT)
    point = space.presets()[0]
    rate = "convolutional.distillation.learning_rate"
    near = {**point, rate: point[rate] * 1.0001}  # the same in two significant digits
    far = {**point, rate: point[rate] * 1.1}
    assert space.version(near).name == space.version(point).name
    assert space.version(far).name != space.version(point).name


# --- the table of shapes


def test_the_table_keeps_what_was_measured(tmp_path: Path) -> None:
    path, shape = tmp_path / "shapes.json", Shape(bytes=170_000, p95_ms=0.132, ms_per_text=0.1)
    assert ShapeTable(path).shapes() == {}
    ShapeTable(path).add("one", shape)
    ShapeTable(path).add("two", shape)
    assert ShapeTable(path).shapes() == {"one": shape, "two": shape}


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "shapes.json"
    for text in ("{", "[]", '{"shapes": [1]}', '{"shapes": [{"recipe": "one"}]}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ParetextError, match=r"shapes\.json is damaged .*; delete it"):
            ShapeTable(path).shapes()


# --- limits


def test_limits_say_what_is_broken_and_by_how_much() -> None:
    limits = Limits(
        parse_limits("p95_latency<=1ms, size<=5MB, macro_f1_drop<=0.01, brier_rise<=1%")
    )
    assert limits.broken_costs(5e6, 1.0) == []
    assert limits.broken_costs(5.1e6, 1.1) == [
        "p95_latency <= 1 ms is not met by 1.1 ms",
        "size <= 5 MB is not met by 5.1 MB",
    ]
    assert limits.excess_of_costs(10e6, 0.5) == pytest.approx(
        {"p95_latency": -np.log(2), "size": np.log(2)}
    )
    assert limits.excess_of_drops({"macro_f1_drop": 0.03}) == pytest.approx({"macro_f1_drop": 0.02})
    assert limits.unseen() == ["brier_rise"]


# --- the front and the winner


def _candidate(name: str, score: float, size: int, ms: float, drop: float = 0.0) -> Candidate:
    return Candidate(name, "encoder", {}, score, {"macro_f1_drop": drop}, size, ms, ms)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(*[st.integers(1, 6)] * 3), min_size=1, max_size=20))
def test_the_front_is_what_no_other_candidate_beats(points: list[tuple[int, int, int]]) -> None:
    """Against optuna, which finds the front of a study its own way."""
    candidates = [_candidate(f"c{i}", f / 10, b, float(t)) for i, (f, b, t) in enumerate(points)]
    study = optuna.create_study(directions=["maximize", "minimize", "minimize"])
    for each in candidates:
        study.add_trial(optuna.trial.create_trial(values=[each.macro_f1, each.bytes, each.p95_ms]))
    expected = {f"c{trial.number}" for trial in study.best_trials}
    unbeaten = front(candidates)
    assert {each.name for each in unbeaten} == expected
    assert [each.bytes for each in unbeaten] == sorted(each.bytes for each in unbeaten)


def _answers(labels: np.ndarray[Any, Any], wrong: range) -> np.ndarray[Any, Any]:
    answers = labels.copy()
    answers[list(wrong)] = (answers[list(wrong)] + 1) % 3
    return answers


def test_the_winner_is_the_cheapest_within_one_standard_error_of_the_best() -> None:
    labels = np.random.default_rng(0).integers(3, size=900)
    answers = {
        "best": _answers(labels, range(60)),
        "near": _answers(labels, range(3, 64)),
        "far": _answers(labels, range(110)),
        "over": _answers(labels, range(10)),
    }
    limits = Limits({"size": 5e6, "macro_f1_drop": 0.2})
    candidates = [
        _candidate("best", 0.93, 4_000_000, 1.0),
        _candidate("near", 0.93 - 1e-3, 2_000_000, 0.5),
        _candidate("far", 0.88, 500_000, 0.1),
        _candidate("over", 0.99, 6_000_000, 1.0),
    ]
    chosen = winner(candidates, limits, labels, answers, 3)
    assert chosen is not None
    assert chosen.name == "near"
    error = {
        name: paired_drops(labels, answers["best"], answers[name], 3, confidence=0.6827).macro_f1
        for name in ("near", "far")
    }
    assert error["near"].low <= 0 < error["far"].low


def test_without_a_winner_the_limit_and_the_nearest_are_named() -> None:
    labels = np.arange(30) % 3
    limits = Limits({"size": 5e6, "macro_f1_drop": 0.01})
    bad = [_candidate("a", 0.8, 10, 1.0, drop=0.05), _candidate("b", 0.7, 9, 1.0, drop=0.15)]
    answers = {"a": labels, "b": labels}
    assert winner(bad, limits, labels, answers, 3) is None
    assert nearest_miss(bad, limits).startswith(
        "macro_f1_drop <= 0.01 was not met on the selection split: the nearest is a with 0.0500"
    )
    apart = [_candidate("a", 0.8, 10, 1.0, drop=0.05), _candidate("b", 0.9, 9_000_000, 1.0)]
    assert "no trained artifact holds all limits together" in nearest_miss(apart, limits)
