"""The plan of a training, value by value, and what fit() makes of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import toy
from damage import garble
from test_training import (
    EPOCH,
    SELECTION,
    SETTINGS,
    TRAIN,
    Killed,
    assert_same,
    at_step,
    die,
    new,
    score,
    wreck,
)

import paretext.training.plan
from paretext.compression.recipe import Recipe
from paretext.core.errors import ParetextError
from paretext.models.classifier import Classifier
from paretext.pipeline.asked import asked_recipe
from paretext.pipeline.options import Trains
from paretext.report.run_data import Candidate
from paretext.report.run_gather import _Gatherer
from paretext.training.fit import Fitted, fit
from paretext.training.plan import (
    Plan,
    TrainingRecord,
    better_rate,
    plan,
    plan_of_epochs,
    rate_for,
    still_rising,
)
from paretext.training.settings import TrainingSettings

PLANNED = SETTINGS.model_copy(update={"epochs": None, "steps": 40, "patience": 40})
"""Epochs have 12 steps; SELECTION is so large that there are only the least evaluations, 4, one
after every 10 steps."""


@pytest.fixture(scope="module")
def untrained(encoder: Callable[[str], Path]) -> Classifier:
    return new(encoder)


@pytest.fixture(scope="module")
def planned(untrained: Classifier) -> Fitted:
    return fit(untrained, TRAIN, SELECTION, PLANNED)


# --- the plan


@pytest.mark.parametrize(
    ("texts", "classes", "width", "selection", "expected"),
    [
        # few texts, many classes: 300 + 6 x 77 steps, which are 19 passes
        (1275, 77, 384, 225, ((2e-4, 1e-4), 762, 48, 6, 46)),
        (1275, 2, 384, 225, ((2e-4, 1e-4), 312, 24, 5, 19)),  # an evaluation costs a tenth: 23.4
        # many texts: 4 passes of 425 steps, and one rate
        (13_600, 6, 384, 2_400, ((2e-4,), 1_700, 250, 3, 102)),
        (13_600, 6, 768, 2_400, ((5e-5,), 1_700, 250, 3, 102)),
        # a selection split as large as this would take more time than the training: 4 evaluations
        (2_720, 3, 384, 50_000, ((2e-4,), 340, 85, 2, 20)),
        (20, 2, 384, 4, ((2e-4, 1e-4), 312, 20, 6, 19)),
    ],
)
def test_the_plan_follows_from_texts_classes_and_width(
    texts: int, classes: int, width: int, selection: int, expected: tuple[Any, ...]
) -> None:
    training_plan = plan(texts, classes, batch_size=32, width=width, selection=selection)
    rates, steps, interval, patience, warmup = expected
    assert training_plan == Plan(
        learning_rates=rates, steps=steps, interval=interval, patience=patience, warmup=warmup
    )


def test_what_is_asked_for_stands_in_place_of_the_plans_own() -> None:
    training_plan = plan(
        *(1275, 77),
        batch_size=32,
        width=384,
        selection=225,
        steps=100,
        learning_rate=3e-3,
        patience=9,
        warmup=0.1,
    )
    assert training_plan.learning_rates == (3e-3,)
    assert (training_plan.steps, training_plan.patience, training_plan.warmup) == (100, 9, 10)


def test_a_length_in_epochs_is_what_it_always_was() -> None:
    expected = Plan(learning_rates=(5e-5,), steps=200, interval=None, patience=2, warmup=12)
    assert plan_of_epochs(1275, 5, batch_size=32) == expected


def test_epochs_alone_train_as_with_the_settings_that_were_the_default(
    untrained: Classifier,
) -> None:
    settings = TrainingSettings(epochs=2, batch_size=8, precision="fp32", device="cpu")
    named = settings.model_copy(update={"learning_rate": 5e-5, "patience": 2})
    assert_same(*(fit(untrained, TRAIN, SELECTION, each) for each in (settings, named)))


@pytest.mark.parametrize(
    ("width", "rate"),
    [(0, 5e-5), (1024, 2.8e-5), (768, 5e-5), (384, 2e-4), (256, 3e-4), (32, 3e-4)],
)
def test_narrow_encoders_learn_at_higher_rates(width: int, rate: float) -> None:
    assert rate_for(width) == rate


def test_the_second_rate_is_kept_only_where_it_is_better_by_more_than_the_noise() -> None:
    assert better_rate((0.80, 0.81), 100) == 0  # a standard error is 0.04
    assert better_rate((0.80, 0.85), 100) == 1
    assert better_rate((0.80, 0.81), 2_500) == 1  # here it is 0.008
    assert better_rate((0.85, 0.80), 2_500) == 0
    assert better_rate((0.80,), 100) == 0


@pytest.mark.parametrize(
    ("scores", "rising"),
    [
        ((0.05, 0.12, 0.21, 0.26, 0.302), True),
        ((0.5, 0.8, 0.9, 0.905), False),  # by a few texts
        ((0.5, 0.9, 0.7, 0.7), False),
        ((0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.84), True),  # the last quarter, not the last alone
        ((0.3,), False),  # nothing to compare with
    ],
)
def test_rising_at_the_end(scores: tuple[float, ...], rising: bool) -> None:
    assert still_rising(scores) is rising


def test_a_length_is_given_once_and_a_flag_stands_for_the_recipes(tmp_path: Path) -> None:
    with pytest.raises(ParetextError, match="given twice, as 300 steps and as 3 epochs"):
        TrainingSettings(steps=300, epochs=3)
    with pytest.raises(ParetextError, match="given twice, as 300 steps and as 3 epochs"):
        Trains(steps=300, epochs=3)
    path = tmp_path / "recipe.yaml"
    path.write_text("training: {epochs: 10, learning_rate: 2.0e-5}", encoding="utf-8")
    training = asked_recipe(Trains(recipe=path, steps=300)).training
    assert (training.steps, training.epochs, training.learning_rate) == (300, None, 2e-5)
    assert asked_recipe(Trains(recipe=path, seed=1)).training.epochs == 10
    assert Recipe().training.epochs is None


# --- fit


def test_a_planned_training_is_measured_by_steps_and_the_best_weights_are_kept(
    planned: Fitted,
) -> None:
    steps = [row["step"] for row in planned.history]
    assert steps == [10, 20, 30, 40]
    assert [row["epoch"] for row in planned.history] == [0.83, 1.67, 2.5, 3.33]
    assert score(planned.classifier) == pytest.approx(planned.best["selection_macro_f1"], abs=1e-12)
    assert planned.record is not None
    assert planned.record.plan == plan(
        len(TRAIN),
        3,
        batch_size=8,
        width=32,
        selection=48,
        steps=40,
        learning_rate=5e-3,
        patience=40,
    )


@pytest.mark.parametrize("dies_at", [15, 25, 31])
def test_inside_an_epoch_an_interrupted_training_ends_as_an_uninterrupted_one(
    dies_at: int, untrained: Classifier, planned: Fitted, tmp_path: Path
) -> None:
    """The texts that are left of the epoch come in the order that they would have come in."""
    with pytest.raises(Killed):
        fit(untrained, TRAIN, SELECTION, PLANNED, work=tmp_path, after_step=at_step((dies_at, die)))
    steps: list[Any] = []
    resumed = fit(untrained, TRAIN, SELECTION, PLANNED, work=tmp_path, after_step=steps.append)
    assert len(steps) == 40 - (dies_at - 1) // 10 * 10
    assert_same(resumed, planned)


@pytest.mark.parametrize("stops_early", [False, True])
def test_a_training_that_has_ended_inside_an_epoch_makes_no_further_step(
    stops_early: bool, untrained: Classifier, tmp_path: Path
) -> None:
    settings = PLANNED.model_copy(update={"patience": 1 if stops_early else 40})
    work = tmp_path / "work"
    after_step = at_step((11, wreck))
    whole = fit(untrained, TRAIN, SELECTION, settings, work=work, after_step=after_step)
    last = whole.history[-1]["step"]
    assert (last < 40) is stops_early
    assert last % EPOCH
    shutil.move(work, tmp_path / "moved")
    assert_same(
        fit(untrained, TRAIN, SELECTION, settings, work=tmp_path / "moved", after_step=die), whole
    )


def test_of_few_texts_two_rates_are_tried_and_the_better_is_kept(
    untrained: Classifier,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The plan's own rate is made so high here that nothing is learned at it."""
    monkeypatch.setattr(paretext.training.plan, "rate_for", lambda width: 10.0)
    monkeypatch.setattr(paretext.training.plan, "_SECOND", 5e-4)
    settings = PLANNED.model_copy(update={"learning_rate": None, "steps": 60})
    with caplog.at_level("INFO", logger="paretext"):
        fitted = fit(untrained, TRAIN, SELECTION, settings, work=tmp_path / "work")
    alone = fit(untrained, TRAIN, SELECTION, settings.model_copy(update={"learning_rate": 5e-3}))
    assert_same(fitted, alone)
    record = fitted.record
    assert record is not None
    assert record.learning_rate == 0.005
    first, second = record.tried
    assert (first.learning_rate, second.learning_rate) == (10, 0.005)
    assert second.selection_macro_f1 == fitted.best["selection_macro_f1"]
    assert (
        f"10 {first.selection_macro_f1:.4f}, 0.005 {second.selection_macro_f1:.4f}; 0.005 is kept"
        in caplog.text
    )
    # Killed when both were over: neither is trained again.
    assert_same(
        fit(untrained, TRAIN, SELECTION, settings, work=tmp_path / "work", after_step=die), fitted
    )


def test_the_record_says_what_to_do_and_is_read_as_it_was_written(tmp_path: Path) -> None:
    done = TrainingRecord(
        plan=plan(1275, 77, batch_size=32, width=384, selection=225),
        learning_rate=2e-4,
        tried=(),
        still_rising=True,
    )
    assert done.advice == (
        "macro-F1 was still rising at its last evaluation: train longer (--steps 1524)"
    )
    in_epochs = done.model_copy(update={"epochs": 5})
    assert str(in_epochs.advice).endswith("(--epochs 10)")
    assert done.model_copy(update={"still_rising": False}).advice is None
    assert TrainingRecord.read(tmp_path) is None
    done.write(tmp_path)
    assert TrainingRecord.read(tmp_path) == done
    (tmp_path / "training.json").write_text(json.dumps({"plan": 3}), encoding="utf-8")
    with pytest.raises(ParetextError, match="the same command trains it again"):
        TrainingRecord.read(tmp_path)


def test_toy_texts_are_learned_without_any_setting(encoder: Callable[[str], Path]) -> None:
    settings = TrainingSettings(batch_size=8, steps=80, precision="fp32", device="cpu")
    fitted = fit(new(encoder), toy.dataset(96), SELECTION, settings)
    assert fitted.record is not None
    assert [each.learning_rate for each in fitted.record.tried] == [3e-4, 1.5e-4]


def test_the_page_knows_how_to_train_for_twice_as_long(tmp_path: Path) -> None:
    folder = tmp_path / "candidates" / "roberta"
    folder.mkdir(parents=True)
    gatherer, parent = (
        _Gatherer(tmp_path),
        Candidate(name="roberta", is_parent=True, selection_macro_f1=None, history=()),
    )

    def longer(epochs: int | None) -> str:
        settings = {"models": ["roberta"], "training": {"epochs": epochs}}
        return str(gatherer._where({}, [parent], settings).train)

    assert longer(5).endswith(" --epochs 10")  # a run without a record
    assert longer(None) == "None"
    TrainingRecord(
        plan=plan(1275, 77, batch_size=32, width=384, selection=225),
        learning_rate=2e-4,
        tried=(),
        still_rising=True,
    ).write(folder)
    assert longer(None).endswith(" --steps 1524")
    assert "train longer (--steps 1524)" in str(gatherer._where({}, [parent], {}).rising)
    garble(folder / "training.json")
    assert longer(5).endswith(" --epochs 10")
    assert {each.part for each in gatherer.missing} == {"candidates"}
