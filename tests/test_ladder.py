"""Ladders end where quality or time does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toy
from test_compact import TRAINING, classifier, material
from test_distillation import Oracle

from paretext.compression import (
    Distillation,
    DynamicQuantization,
    MagnitudePruning,
    Material,
    Recipe,
    Version,
    compress,
)
from paretext.compression.ladder import Allowance, TimeLeft, ends
from paretext.compression.step import Outline
from paretext.compression.steps.distillation import epochs_for
from paretext.core import progress
from paretext.core.clock import Clock, in_words, seconds_in
from paretext.core.errors import OutOfTime, ParetextError
from paretext.measure.intervals import paired_drops
from paretext.models.classifier import Classifier
from paretext.training.fit import fit
from paretext.training.plan import Plan

Encoder = Callable[[str], Path]


class Said:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)

    task = progress.Silent.task


def clock(seconds: float, passed: float = 0.0) -> Clock:
    """One of which so much has passed, and that stands still."""
    times = iter([0.0])
    return Clock(seconds, lambda: next(times, passed))


def many() -> Material:
    return Material(toy.dataset(180), toy.dataset(60, 1), TRAINING)


@pytest.fixture(scope="module")
def parent(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a classifier that has learnt something."""
    data, folder = many(), tmp_path_factory.mktemp("able") / "parent"
    settings = TRAINING.model_copy(update={"epochs": 4, "learning_rate": 5e-3})
    fit(classifier(encoder), data.train, data.selection, settings).classifier.save(folder)
    return folder


# --- quality


@pytest.mark.parametrize(("lost", "over"), [(0, False), (10, False), (40, True)])
def test_a_rung_ends_the_ladder_where_it_loses_more_than_noise(lost: int, over: bool) -> None:
    truth = np.arange(600) % 3
    worse = truth.copy()
    worse[:lost] = (worse[:lost] + 1) % 3
    drops = paired_drops(truth, truth, worse, 3, resamples=500)
    why = ends(drops, {"macro_f1_drop": 0.01, "accuracy_drop": 0.01})
    assert (why is not None) == over
    if why:
        assert f"{lost / 600:.3f} of accuracy" in why
    assert ends(drops, {}) is None


def test_flips_end_it_where_they_are_limited() -> None:
    truth = np.arange(600) % 3
    before, after = truth.copy(), truth.copy()
    before[:60], after[60:120] = (truth[:60] + 1) % 3, (truth[60:120] + 1) % 3
    drops = paired_drops(truth, before, after, 3, resamples=500)
    assert ends(drops, {"macro_f1_drop": 0.01}) is None
    assert "20.0%" in str(ends(drops, {"flips": 0.05}))


@pytest.mark.parametrize("ladder", [True, False])
def test_what_is_below_a_broken_rung_is_made_only_where_it_was_asked_for(
    parent: Path, tmp_path: Path, ladder: bool
) -> None:
    data = many()
    versions = (
        Version(name="int8", steps=(DynamicQuantization(),)),
        Version(
            name="broken",
            steps=(MagnitudePruning(amount=0.99, recovery_epochs=0), DynamicQuantization()),
        ),
        Version(name="below", steps=(DynamicQuantization(),)),
    )
    recipe = Recipe(versions=versions, training=TRAINING, ladder=ladder)
    said = Said()
    with progress.using(said):
        made = compress(
            *(parent, recipe, data.train, data.selection, tmp_path / "run"),
            limits={"flips": 0.1},
        )
    steps = tmp_path / "run" / "artifacts" / "broken.1-magnitude_pruning"
    assert steps.is_dir() != ladder  # of a ladder the rungs alone are exported
    names = [each.name for each in made]
    assert [name for name in names if "." not in name] == [
        *("parent", "int8", "broken"),
        *([] if ladder else ["below"]),
    ]
    told = [line for line in said.lines if "not made: below, for broken is the last" in line]
    assert bool(told) == ladder
    record = tmp_path / "run" / "ladder.json"
    assert (json.loads(record.read_text()) if record.exists() else []) == told


def test_nothing_is_distilled_from_a_parent_that_has_learnt_nothing(
    encoder: Encoder, tmp_path: Path
) -> None:
    data = material()
    classifier(encoder).save(tmp_path / "parent")
    versions = (
        Version(name="int8", steps=(DynamicQuantization(),)),
        Version(name="taught", steps=(Distillation(epochs=1), DynamicQuantization())),
    )
    recipe, said = Recipe(versions=versions, training=TRAINING, ladder=True), Said()
    with progress.using(said):
        made = compress(
            *(tmp_path / "parent", recipe, data.train, data.selection, tmp_path / "run")
        )
    assert [each.name for each in made] == ["parent", "int8"]
    why = "nothing is distilled from a parent that has learnt nothing"
    assert f"not made: taught, for {why}" in said.lines


# --- time


def test_times_are_read_and_written() -> None:
    assert seconds_in("30m") == 1800
    assert seconds_in("1h 30m") == seconds_in("90min") == 5400
    assert [in_words(each) for each in (42, 700, 5400, 7200)] == [
        "42 s",
        "12 min",
        "1 h 30 min",
        "2 h",
    ]
    for wrong in ("30", "m", "0s", "-5m", "soon", "5 m x"):
        with pytest.raises(ParetextError, match="30m or 2h30m"):
            seconds_in(wrong)


def test_rungs_share_what_measuring_leaves() -> None:
    left = TimeLeft(clock(1000, 200), lambda versions: 50.0 * versions)
    assert left.seconds(1, 2) == pytest.approx((800 - 3 * 50 - 2 * 25) / 2)
    assert "--time 20m" in left.lacking(1, needed=left.seconds(1, 1) + 180)


def test_a_time_too_short_for_one_version_says_the_least() -> None:
    allowance = Allowance(clock(60, 20), lambda _: lambda versions: 100.0 * versions)
    with pytest.raises(ParetextError, match=r"--time 60 s is too short.*give --time 3m or more"):
        allowance.within(Path("parent"))


def test_few_texts_are_read_more_often() -> None:
    assert [epochs_for(n) for n in (100, 1_700, 13_600, 10**6)] == [48, 24, 8, 2]


def test_a_step_takes_no_more_than_its_time(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Epochs go first, then texts without labels, and what was decided is kept."""
    data, origin = material(), classifier(encoder)
    step = Distillation(copies=1, epochs=6, states_weight=0)
    more = tuple(f"text {number}" for number in range(len(data.train)))
    taught = Material(
        *(data.train, data.selection, TRAINING, Oracle(), more),
        work=tmp_path / "scratch",
    )
    n = len(data.train)
    monkeypatch.setattr(Distillation, "_seconds_a_text", lambda *_: 1.0)

    def length(seconds: float) -> tuple[int, int]:
        (tmp_path / "scratch" / "length.json").unlink(missing_ok=True)
        own, epochs = step._length(origin, replace(taught, seconds=seconds), TRAINING)
        assert json.loads((tmp_path / "scratch" / "length.json").read_text()) == [len(own), epochs]
        return len(own), epochs

    assert step._length(origin, taught, TRAINING) == ([*data.train.texts, *more], 6)
    assert length(2 * n * 100) == (2 * n, 6)
    assert length(2 * n * 3 + 1) == (2 * n, 3)
    assert length(2 * n + n + 1) == (n + n // 2, 2)
    # What was decided when it began stands, whatever is left now.
    own, epochs = step._length(origin, replace(taught, seconds=0.0), TRAINING)
    assert (len(own), epochs) == (n + n // 2, 2)
    with pytest.raises(OutOfTime) as error:
        length(2 * n - 1)
    assert error.value.seconds == pytest.approx(2 * n)


def test_what_there_is_no_time_for_is_left_out_and_said(parent: Path, tmp_path: Path) -> None:
    data = many()
    versions = (
        Version(name="int8", steps=(DynamicQuantization(),)),
        Version(name="taught", steps=(Distillation(batch_size=8), DynamicQuantization())),
    )
    recipe = Recipe(versions=versions, training=TRAINING, ladder=True).within(
        Outline.of(Classifier.load(parent).model.config)
    )
    said = Said()
    with progress.using(said):
        made = compress(
            *(parent, recipe, data.train, data.selection, tmp_path / "run"),
            allowance=Allowance(clock(100), lambda _: lambda versions: 74.9),
        )
    assert [each.name for each in made] == ["parent", "int8"]
    assert any("not made: taught, for it takes about" in line for line in said.lines)


def test_a_training_is_cut_to_its_time_once(encoder: Encoder, tmp_path: Path) -> None:
    data = material()
    settings = TRAINING.model_copy(update={"epochs": None, "steps": 400, "learning_rate": 1e-3})
    with pytest.raises(OutOfTime):
        fit(
            *(classifier(encoder), data.train, data.selection, settings),
            work=tmp_path / "none",
            seconds=0.0,
        )
    some = settings.model_copy(update={"steps": 8, "patience": 99})
    fitted = fit(
        *(classifier(encoder), data.train, data.selection, some),
        work=tmp_path / "enough",
        seconds=600.0,
    )
    assert fitted.history[-1]["step"] == 8
    assert (tmp_path / "enough" / "plan.json").is_file()
    kept = Plan(learning_rates=(1e-3,), steps=3, interval=1, patience=5, warmup=0)
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "plan.json").write_text(kept.model_dump_json())
    fitted = fit(
        *(classifier(encoder), data.train, data.selection, settings),
        work=tmp_path / "some",
        seconds=600.0,
    )
    assert fitted.history[-1]["step"] == 3
    late = fit(
        *(classifier(encoder), data.train, data.selection, some),
        work=tmp_path / "late",
        until=time.monotonic(),
    )
    assert late.history[-1]["step"] < 8


def test_a_shorter_plan_keeps_its_shape() -> None:
    plan = Plan(learning_rates=(2e-4, 1e-4), steps=1600, interval=100, patience=6, warmup=96)
    assert plan.shorter(3200) == plan
    alone = plan.shorter(3000)
    assert (alone.learning_rates, alone.steps, alone.interval) == ((2e-4,), 1600, 100)
    half = plan.shorter(800)
    assert (half.steps, half.interval, half.warmup, half.patience) == (800, 50, 48, 6)
