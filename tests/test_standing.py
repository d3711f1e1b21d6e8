"""What is no model is not recommended: judged beside chance, the most frequent label, baselines."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from reporting import VERSIONS, make_run
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, f1_score

from paretext.certification.budget import Budget
from paretext.certification.certificate import Certificate
from paretext.certification.certify import certify
from paretext.compression import Recipe, compress
from paretext.graphs import export
from paretext.graphs.quantisation import DynamicQuantization
from paretext.measure.comparison import Comparison
from paretext.measure.intervals import paired_drops, quality
from paretext.measure.standing import Beside, Standing, stand
from paretext.models.classifier import Classifier
from paretext.report.run_data import RunReport
from paretext.report.run_page import write_report
from paretext.report.table import markdown, notes
from paretext.runtime.artifact import Artifact

Ids = np.ndarray[Any, np.dtype[np.int64]]


def judged(truth: Ids, answers: Ids, classes: int, *beside: tuple[str, Ids]) -> Standing:
    names = [f"label {k}" for k in range(classes)]
    metrics = quality(truth, answers, classes, resamples=2000)
    rows = []
    for name, other in beside:
        drops = paired_drops(truth, answers, other, classes, resamples=2000)
        score = quality(truth, other, classes, resamples=100).macro_f1.estimate
        low, high = drops.macro_f1.low, drops.macro_f1.high
        drop = {"estimate": drops.macro_f1.estimate, "low": low, "high": high}
        low = quality(truth, other, classes, resamples=2000).macro_f1.low
        rows.append(
            Beside.model_validate({"name": name, "macro_f1": score, "low": low, "drop": drop})
        )
    return stand("parent", truth, answers, names, metrics, beside=rows)


def noisy(truth: Ids, right: float, classes: int, seed: int = 0) -> Ids:
    """Answers of which a share is right on purpose, the others drawn at random."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, classes, len(truth))
    return np.where(rng.random(len(truth)) < right, truth, drawn)


# --- the figures, by scikit-learn's route


@pytest.mark.parametrize("shares", [(0.95, 0.05), (0.5, 0.5), (0.6, 0.3, 0.1)])
def test_the_simple_answers_have_scikit_learns_scores(shares: tuple[float, ...]) -> None:
    classes = len(shares)
    truth = np.repeat(np.arange(classes), [round(20_000 * share) for share in shares])
    standing = judged(truth, noisy(truth, 0.5, classes), classes)
    texts = np.zeros((len(truth), 1))

    def scores(strategy: str) -> tuple[float, float]:
        model = DummyClassifier(strategy=strategy, random_state=0).fit(texts, truth)
        answers = model.predict(texts)
        macro = f1_score(truth, answers, average="macro", zero_division=0)
        return float(macro), float(accuracy_score(truth, answers))

    most = (standing.most_frequent_macro_f1, standing.most_frequent_accuracy)
    assert most == pytest.approx(scores("most_frequent"))
    chance = (standing.chance_macro_f1, standing.chance_accuracy)
    assert chance == pytest.approx(scores("stratified"), abs=0.01)
    # nothing that ignores the text does better
    assert max(scores(each)[0] for each in ("most_frequent", "uniform")) < chance[0] + 0.01


# --- the verdict


@pytest.mark.parametrize("classes", [2, 6])
@pytest.mark.parametrize("n", [200, 2000])
def test_a_constant_model_is_no_model(classes: int, n: int) -> None:
    truth = np.arange(n) % classes
    standing = judged(truth, np.zeros(n, np.int64), classes)
    assert standing.verdict == "no better"
    assert standing.only == "label 0"
    assert standing.reason is not None
    assert standing.reason == "parent answers 'label 0' to every text: it has learnt nothing"


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.95, 0.05), (0.4, 0.3, 0.2, 0.1)])
@pytest.mark.parametrize("strategy", ["uniform", "stratified"])
def test_answers_at_random_are_not_better_though_their_macro_f1_is_above_the_constants(
    shares: tuple[float, ...], strategy: str
) -> None:
    classes, better = len(shares), 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        truth = rng.choice(classes, 400, p=shares)
        answers = rng.choice(classes, 400, p=shares if strategy == "stratified" else None)
        better += judged(truth, answers, classes).is_good
    assert better <= 3  # of 40, where one is expected


def test_an_accuracy_above_nine_tenths_needs_no_model() -> None:
    truth = (np.arange(2000) % 20 == 0).astype(np.int64)
    answers = np.zeros(2000, np.int64)
    answers[::201] = 1  # mostly wrong ones
    standing = judged(truth, answers, 2)
    assert standing.accuracy.estimate > 0.94
    assert not standing.is_good


def test_a_rare_label_that_is_found_is_better_though_accuracy_is_lower() -> None:
    truth = (np.arange(2000) % 20 == 0).astype(np.int64)
    answers = np.where(np.arange(2000) % 10 == 0, 1, 0)  # every one of them, and as many others
    standing = judged(truth, answers, 2)
    assert standing.accuracy.estimate <= standing.most_frequent_accuracy
    assert standing.is_good


def test_twenty_texts_are_too_few_to_say_anything() -> None:
    truth = np.arange(20) % 2
    standing = judged(truth, noisy(truth, 0.3, 2), 2)
    assert standing.verdict == "too few texts"
    assert standing.reason is not None
    assert standing.reason.startswith("20 texts are too few to say anything of parent")
    assert standing.remedy.startswith(f"Measure on about {standing.texts_needed:,} texts")
    assert (
        f"{standing.texts_needed:,}" not in standing.reason
    )  # which is said before compression too
    assert judged(truth, truth, 2).is_good  # twenty are enough to see a model without an error


@pytest.mark.parametrize("n", [12, 20, 300])
def test_what_is_not_above_chance_has_learnt_nothing_however_few_the_texts(n: int) -> None:
    truth = np.arange(n) % 3
    for answers in ((truth + 1) % 3, np.zeros(n, np.int64), np.where(truth == 2, 2, 1 - truth)):
        standing = judged(truth, answers, 3)
        if standing.macro_f1.estimate <= standing.chance_macro_f1:
            assert standing.verdict == "no better"
            assert "learnt nothing" in str(standing.reason)
            assert "too few" not in f"{standing.headline} {standing.remedy}"
            assert "Look at the labels" in standing.remedy


def test_a_baseline_above_chance_takes_the_place_of_a_parent_that_learnt_nothing() -> None:
    truth = np.arange(300) % 3
    nothing, good = np.zeros(300, np.int64), noisy(truth, 0.7, 3)
    standing = judged(truth, nothing, 3, ("bigru", noisy(truth, 0.02, 3)), ("tfidf", good))
    assert standing.instead is not None
    assert standing.instead.name == "tfidf"
    assert standing.headline == (
        "Deploy tfidf, and nothing made from parent: parent answers 'label 0' to every text: it "
        "has learnt nothing."
    )
    assert judged(truth, nothing, 3, ("tfidf", nothing)).instead is None  # nor has this one
    assert judged(truth, good, 3, ("tfidf", good)).instead is None  # the parent is good


def test_what_is_undecided_is_named() -> None:
    """One of three rare texts is found: above chance, and not yet above the most frequent label."""
    truth = np.array([0] * 30 + [1] * 3)
    answers = np.where(np.arange(33) == 32, 1, 0)
    standing = judged(truth, answers, 2)
    assert standing.macro_f1.low > standing.chance_macro_f1
    assert standing.gain.low < 0
    assert "above that of always answering 'label 0'" in str(standing.reason)


def test_as_many_texts_as_are_said_decide() -> None:
    truth = np.arange(60) % 3
    answers = noisy(truth, 0.15, 3, seed=1)
    few = judged(truth, answers, 3)
    assert few.verdict == "too few texts"
    assert few.texts_needed is not None
    times = int(np.ceil(1.3 * few.texts_needed / 60))
    assert judged(np.tile(truth, times), np.tile(answers, times), 3).verdict == "better"


def test_texts_of_one_label_tell_nothing() -> None:
    truth = np.zeros(300, np.int64)
    for answers in (truth, noisy(truth, 0.5, 2)):
        standing = judged(truth, answers, 2)
        assert "all texts have the label 'label 0'" in str(standing.reason)


def test_a_baseline_that_is_clearly_better_is_named_and_one_that_is_as_good_is_not() -> None:
    truth = np.arange(900) % 3
    parent = noisy(truth, 0.6, 3)
    better, same = noisy(truth, 0.8, 3, seed=1), parent.copy()
    same[:6] = noisy(truth, 0.5, 3, seed=2)[:6]
    assert judged(truth, parent, 3, ("tfidf", same)).is_good
    standing = judged(truth, parent, 3, ("bigru", same), ("tfidf", better))
    assert standing.verdict == "better"
    assert standing.beaten_by is not None
    assert "tfidf, trained beside it, is clearly better than parent: macro-F1 0." in str(
        standing.reason
    )


# --- the constant model, from certificate to page


@pytest.fixture(scope="module")
def constant(encoder: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder whose parent answers joy to every text, as 20 rows of training leave it."""
    out = tmp_path_factory.mktemp("constant") / "run"
    classifier = Classifier.from_pretrained(str(encoder("roberta")), toy.LABELS, max_length=24)
    classifier.model.classifier.out_proj.bias.data[1] += 8
    texts = toy.dataset(20).texts
    export(classifier, out / "artifacts" / "parent", texts, name="parent")
    export(
        classifier,
        out / "artifacts" / "int8",
        texts,
        name="int8",
        quantization=DynamicQuantization(),
    )
    return out


@pytest.fixture
def run(constant: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(constant, tmp_path / "run"))


def test_a_constant_model_is_certified_and_nothing_is_recommended(
    run: Path, tmp_path: Path, command: Any
) -> None:
    artifacts, held = run / "artifacts", toy.write(tmp_path / "e.csv", toy.texts_and_labels(1200))
    labels = artifacts / "parent"
    asked = ("certify", artifacts / "int8", "--against", labels, "--eval", held)
    ended = command(*asked, "--resamples", 500)
    assert ended.status == 0  # the two are alike
    said = "parent answers 'joy' to every text: it has learnt nothing"
    printed = " ".join(ended.out.split())
    assert said in printed
    assert "It compares two models, and says nothing good of either." in printed
    card = (artifacts / "int8" / "README.md").read_text("utf-8")
    assert said in card
    assert "chance is 0.333 and 0.389, always answering 'joy' 0.222 and 0.500" in card

    compare = ("compare", labels, artifacts / "int8", "--eval", held, "--rounds", 1)
    ended = command(*compare, "--out", run / "comparison")
    assert ended.status == 0
    headline = f"Nothing is worth deploying, because {said}"
    page, report = write_report(run)
    assert report.conclusion.version is None
    assert report.conclusion.verdict == "nothing"
    assert report.conclusion.headline == f"{headline}."
    ending = (*report.conclusion.sentences, report.conclusion.command)
    words = " ".join((report.conclusion.headline, *map(str, ending)))
    assert " ".join(ended.out.split()).endswith(words)  # the terminal's words are the page's
    html = page.read_text("utf-8")
    assert "to deploy</dt>" not in html
    assert 'class="verdict nothing"' in html
    assert "Deploy " not in " ".join(report.conclusion.sentences)
    text = (run / "comparison" / "comparison.md").read_text("utf-8")
    assert text.splitlines()[2].startswith(f"**{headline}")
    assert Comparison.read(run / "comparison").standing == report.measurement.standing  # type: ignore[union-attr]
    stored = RunReport.model_validate_json((page.parent / "report.json").read_text("utf-8"))
    assert stored == report


def test_a_constant_model_has_learnt_nothing_on_twenty_texts_too(
    run: Path, tmp_path: Path, command: Any
) -> None:
    held = toy.write(tmp_path / "few.csv", toy.texts_and_labels(20))
    versions = (run / "artifacts" / "parent", run / "artifacts" / "int8")
    out = tmp_path / "elsewhere"
    ended = command("compare", *versions, "--eval", held, "--rounds", 1, "--out", out)
    printed = " ".join(ended.out.split())
    said = "Nothing is worth deploying, because parent answers 'joy' to every text: it has learnt"
    assert said in printed
    assert "too few" not in printed


def test_compress_says_what_the_parent_is_worth_before_it_makes_anything(
    encoder: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    classifier = Classifier.from_pretrained(str(encoder("roberta")), toy.LABELS, max_length=24)
    classifier.save(tmp_path / "model")
    with caplog.at_level("INFO", logger="paretext"):
        compress(
            tmp_path / "model",
            Recipe(versions=()),
            toy.dataset(60),
            toy.dataset(300, seed=1),
            tmp_path / "out",
        )
    assert "to begin with: parent has a macro-F1 of" in caplog.text
    assert "warning: parent answers 'joy' to every text: it has learnt nothing" in caplog.text
    assert "would decide" not in caplog.text


def test_a_certificate_records_the_standing_of_a_pytorch_reference(
    versions: dict[str, Path], tmp_path: Path
) -> None:
    int8 = Path(shutil.copytree(versions["int8"], tmp_path / "int8"))
    data = toy.dataset(240, seed=5)
    certificate = certify(int8, versions["pytorch"], data, Budget(), resamples=200)
    assert certificate.standing is not None
    answers = Artifact.load(versions["fp32"]).predict(data.texts)
    truth = [toy.LABELS[label] for label in data.labels]
    assert certificate.standing.model == "pytorch"
    assert certificate.standing.accuracy.estimate == pytest.approx(accuracy_score(truth, answers))
    assert Certificate.of(int8) == certificate


# --- the page


def test_a_baseline_that_is_clearly_better_is_deployed(tmp_path: Path) -> None:
    """The parent errs in 6 of 100 texts; this one in none."""
    made = make_run(tmp_path / "run")
    path = tmp_path / "run" / "comparison" / "comparison.json"
    values = json.loads(path.read_text("utf-8"))
    values["standing"]["beside"][0]["drop"] = {"estimate": -0.05, "low": -0.07, "high": -0.03}
    path.write_text(json.dumps(values), "utf-8")
    conclusion = write_report(tmp_path / "run")[1].conclusion
    assert (conclusion.version, conclusion.verdict) == ("tfidf", "baseline")
    assert conclusion.headline == f"Deploy tfidf: {tmp_path / 'run' / 'artifacts' / 'tfidf'}"
    assert conclusion.sentences[0].startswith(
        "Tfidf, trained beside it, is clearly better than parent: macro-F1 0."
    )
    assert "0.050 [0.030, 0.070] more" in conclusion.sentences[0]
    assert "Nothing is worth deploying" not in " ".join(
        (*conclusion.sentences, *conclusion.details)
    )
    assert made.standing is not None
    assert made.standing.is_good


def test_a_good_parent_stands_beside_chance_too(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    page, report = write_report(tmp_path / "run")
    assert report.conclusion.version == "int8"
    sentence = next(each for each in report.conclusion.details if "chance is" in each)
    assert "trained beside it, 0." in sentence
    assert sentence in " ".join(page.read_text("utf-8").replace("&#39;", "'").split())


# --- labels without texts


def test_macro_f1_on_texts_that_lack_a_label_says_so(tmp_path: Path) -> None:
    labels = ("one", "two", "three", "four")
    made = make_run(tmp_path / "run", versions=VERSIONS[:2], labels=labels)
    assert notes(made) == []
    truth, names = np.arange(300) % 2, (*labels[:2], "none", "never")
    row = made.rows[0]
    metrics = quality(truth, truth, 4, resamples=200)
    drops = paired_drops(truth, truth, truth, 4, resamples=200)
    rows = (
        dataclasses.replace(row, quality=metrics),
        dataclasses.replace(made.rows[1], quality=metrics, drops=drops),
    )
    lacking = dataclasses.replace(made, rows=rows, labels=names)
    said, withheld = notes(lacking)
    assert withheld.startswith("2 of 4 labels have fewer than two texts")
    assert said.startswith("2 of 4 labels have no text here (none, never)")
    assert "at most 0.500 on these texts" in said
    assert metrics.macro_f1.estimate == 0.5
    text = markdown(lacking)
    assert said in text
    assert "| pytorch | 1.000 / 1.000 | 1.000 / 1.000 | undefined | undefined |" in text
    assert "nan" not in text
    flat = lacking.flat()[0]
    assert np.isnan(flat["f1_none"])


def test_what_is_undefined_is_no_number(tmp_path: Path) -> None:
    """One label is everything: kappa has no value."""
    made = make_run(tmp_path / "run", versions=VERSIONS[:2])
    truth = np.zeros(50, np.int64)
    metrics = quality(truth, truth, 3, resamples=100)
    text = markdown(
        dataclasses.replace(made, rows=(dataclasses.replace(made.rows[0], quality=metrics),))
    )
    assert "nan" not in text
    assert "undefined" in text
