"""Ablation: what it trains, and intervals that other routes give too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from sklearn.metrics import f1_score

import paretext.pipeline.candidates
from paretext.core.errors import ParetextError
from paretext.core.records import Interval
from paretext.measure.intervals import paired_drops, pooled_drop
from paretext.models.classifier import Classifier
from paretext.pipeline.ablation import Ablation, SeedResult, arms_of

SHORT = (
    *("--epochs", 2, "--batch-size", 16, "--max-length", 32, "--precision", "fp32"),
    *("--device", "cpu", "--learning-rate", 5e-3),
)


def answers(seed: int, wrong: float, labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    generator = np.random.default_rng(seed)
    other = generator.integers(0, 3, len(labels))
    return np.where(generator.random(len(labels)) < wrong, other, labels)


# --- the pooled interval


def test_one_pair_has_the_interval_of_paired_drops() -> None:
    labels = np.arange(300) % 3
    first, second = answers(1, 0.2, labels), answers(2, 0.3, labels)
    pooled = pooled_drop(labels, [first], [second], 3)
    assert pooled == paired_drops(labels, first, second, 3).macro_f1


def test_equal_pairs_have_the_interval_of_one() -> None:
    """Three seeds that answer alike say no more than one, however many columns there are."""
    labels = np.arange(300) % 3
    first, second = answers(1, 0.2, labels), answers(2, 0.3, labels)
    for times in (3, 25):
        pooled = pooled_drop(labels, [first] * times, [second] * times, 3)
        one = paired_drops(labels, first, second, 3).macro_f1
        assert (pooled.estimate, pooled.low, pooled.high) == pytest.approx(
            (one.estimate, one.low, one.high), abs=1e-12
        )


@pytest.mark.slow
def test_the_pooled_interval_is_that_of_a_plain_bootstrap() -> None:
    labels = np.arange(1_500) % 3
    firsts = [answers(seed, 0.2, labels) for seed in (1, 2, 3)]
    seconds = [answers(seed, 0.3, labels) for seed in (4, 5, 6)]
    interval = pooled_drop(labels, firsts, seconds, 3)

    def mean_drop(rows: Any) -> float:
        truth = labels[rows]
        f1 = [
            f1_score(truth, first[rows], average="macro")
            - f1_score(truth, second[rows], average="macro")
            for first, second in zip(firsts, seconds, strict=True)
        ]
        return float(np.mean(f1))

    assert interval.estimate == pytest.approx(mean_drop(slice(None)), abs=1e-12)
    generator = np.random.default_rng(0)
    by_class = [np.flatnonzero(labels == k) for k in range(3)]
    drawn = [
        mean_drop(np.concatenate([generator.choice(rows, len(rows)) for rows in by_class]))
        for _ in range(150)
    ]
    assert np.std(drawn) == pytest.approx((interval.high - interval.low) / 3.92, rel=0.2)


def test_pairs_that_do_not_match_are_refused() -> None:
    with pytest.raises(ParetextError, match="1 references and 2 candidates"):
        pooled_drop([0, 1], [[0, 1]], [[0, 1], [1, 0]], 2)


# --- what is said


def ablation(low: float, high: float, drops: tuple[float, ...]) -> Ablation:
    same = Interval(0.1, 0.05, 0.2)
    results = tuple(
        SeedResult(i, (0.9, 0.9 - drop), Interval(drop, low, high), same)
        for i, drop in enumerate(drops)
    )
    mean = float(np.mean(drops))
    spread = float(np.std(drops, ddof=1)) if len(drops) > 1 else None
    return Ablation(
        "Removing stop words", ("with", "without"), 500, results, Interval(mean, low, high), spread
    )


def test_the_sentence_says_what_the_interval_can_show() -> None:
    lower = ablation(0.004, 0.021, (0.012,)).sentence
    assert lower == ("Removing stop words lowers macro-F1 by 0.012 [0.004, 0.021], with one seed.")
    higher = ablation(-0.02, -0.01, (-0.02, -0.01)).sentence
    assert "raises macro-F1 by 0.015 [0.010, 0.020]" in higher
    assert "2 of 2 seeds point that way, with a standard deviation of 0.007" in higher
    none = ablation(-0.01, 0.02, (0.01, -0.004)).sentence
    assert (
        "no difference in macro-F1 that these 500 texts can show: -0.003 [-0.020, +0.010]" in none
    )


@pytest.mark.parametrize(
    ("models", "remove", "given"),
    [
        ([], False, "0 models"),
        (["a"], False, "one model;"),
        (["a", "b"], True, "2 models and --remove-stop-words"),
        (["a", "b", "c"], False, "3 models"),
        (["a", "a"], False, "a twice"),
    ],
)
def test_other_than_one_change_is_refused(models: list[str], remove: bool, given: str) -> None:
    with pytest.raises(ParetextError, match="exactly one thing") as refused:
        arms_of(models, remove)
    assert given in str(refused.value)


# --- the verb


@pytest.mark.slow
def test_stop_words_are_ablated_with_one_command_and_nothing_is_done_twice(
    encoder: Callable[[str], Path],
    command: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = toy.write(tmp_path / "train.csv", toy.texts_and_labels(90))
    evaluation = toy.write(tmp_path / "eval.csv", toy.texts_and_labels(60, seed=1))
    out = tmp_path / "out"
    arguments = (
        *("ablate", "--data", data, "--eval", evaluation, "--model", encoder("roberta")),
        *("--remove-stop-words", "--seed", 1, "--seed", 2, "--out", out, *SHORT, "--json"),
    )
    ended = command(*arguments)
    assert ended.status == 0, ended.err
    record = json.loads(ended.out)
    assert record["arms"] == ["with-stop-words", "without-stop-words"]
    assert [each["seed"] for each in record["seeds"]] == [1, 2]
    test = toy.dataset(60, 1)
    for each in record["seeds"]:
        for arm, score in zip(record["arms"], each["macro_f1"], strict=True):
            folder = out / "candidates" / f"{arm}-seed-{each['seed']}" / "model"
            classifier = Classifier.load(folder)
            predicted = classifier.logits(test.texts).argmax(axis=1)
            assert score == pytest.approx(f1_score(test.labels, predicted, average="macro"))
            same = classifier.tokenize(["the happy"]) == classifier.tokenize(["happy"])
            assert same == (arm == "without-stop-words")
    drops = [each["macro_f1"][0] - each["macro_f1"][1] for each in record["seeds"]]
    assert record["drop"]["estimate"] == pytest.approx(np.mean(drops))
    assert record["spread"] == pytest.approx(np.std(drops, ddof=1))
    text = (out / "ablation.md").read_text("utf-8")
    assert record["sentence"] in text
    assert "| mean |" in text
    assert json.loads((out / "ablation.json").read_text("utf-8"))["drop"] == record["drop"]

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("done twice")

    monkeypatch.setattr(paretext.pipeline.candidates, "_train_one", never)
    monkeypatch.setattr(Classifier, "logits", never)
    again = command(*arguments)
    assert again.status == 0, again.err
    assert json.loads(again.out) == record


def test_two_encoders_are_trained_on_the_same_texts(
    encoder: Callable[[str], Path], command: Any, tmp_path: Path
) -> None:
    data = toy.write(tmp_path / "train.csv", toy.texts_and_labels(60))
    evaluation = toy.write(tmp_path / "eval.csv", toy.texts_and_labels(30, seed=1))
    models = [encoder("distilroberta"), encoder("twitter-roberta")]
    ended = command(
        *("ablate", "--data", data, "--eval", evaluation, "--out", tmp_path / "out"),
        *("--model", models[0], "--model", models[1], *SHORT[2:]),
        *("--epochs", 1),
    )
    assert ended.status == 0, ended.err
    assert "twitter-roberta in place of distilroberta" in ended.out.replace("\n", " ")
    refused = command(
        *("ablate", "--data", data, "--eval", evaluation, "--out", tmp_path / "other"),
        *("--model", models[0]),
    )
    assert refused.status == 2
    assert "exactly one thing" in refused.err
    assert not (tmp_path / "other").exists()
