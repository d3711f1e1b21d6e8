"""When an artifact's answers stand: tuned by one route, counted by another, the same everywhere."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import toy
from sklearn.metrics import precision_score, recall_score
from test_bad_input import refused

import paretext
from paretext.certification.certificate import Certificate
from paretext.certification.certify import certify
from paretext.certification.decided import decided
from paretext.core.errors import ParetextError
from paretext.measure.aims import Aim, tune
from paretext.pipeline.inspection import describe
from paretext.runtime.artifact import Artifact
from paretext.runtime.bulk import predict_file, predict_stream, predict_texts
from paretext.runtime.manifest import Manifest
from paretext.runtime.rewriting import set_rule
from paretext.runtime.rule import NO_ANSWER, Rule
from paretext.runtime.rule import answers as answered_by

LABELS = ("a", "b: c", "d")


def made(n: int, seed: int = 0) -> tuple[Any, Any]:
    """(n,) class ids and (n, 3) probabilities that are right in some 80 of 100 texts."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, n, p=(0.6, 0.3, 0.1))
    logits = rng.normal(size=(n, 3))
    logits[np.arange(n), truth] += 2
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return truth, probabilities.astype(np.float32)


def answers(probabilities: Any, rule: Rule | None, labels: Any = LABELS) -> Any:
    return answered_by(probabilities, labels, rule)


def write_rows(path: Path, names: list[str], rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


def aims(*texts: str) -> list[Aim]:
    return [Aim.parse(text, LABELS) for text in texts]


@pytest.mark.parametrize("asked", ["precision>=92%", "b: c: precision >= .92", "d:precision>=0.92"])
def test_a_threshold_is_the_lowest_that_reaches_its_precision(asked: str) -> None:
    """By brute force over every score."""
    truth, probabilities = made(3000)
    rule = tune(truth, probabilities, LABELS, aims(asked))
    (aim,) = aims(asked)
    own = precision_score(truth, probabilities.argmax(axis=1), average=None)
    wanting = {label for label, share in zip(LABELS, own, strict=True) if share < 0.92}
    assert len(wanting) == 2
    assert set(rule.thresholds) == ({aim.label} if aim.label else wanting)
    for k, label in enumerate(LABELS):
        if label not in rule.thresholds:
            continue
        best = probabilities.argmax(axis=1)
        tried = [float(score) for score in np.unique(probabilities[best == k, k])]
        reaching = [
            least
            for least in tried
            if (truth[(best == k) & (probabilities[:, k] >= least)] == k).mean() >= 0.92
            and (truth[(best == k) & (probabilities[:, k] >= least)] == k).sum() >= 10
        ]
        lowest, below = min(reaching), max(each for each in tried if each < min(reaching))
        assert rule.thresholds[label] == pytest.approx((lowest + below) / 2, abs=1e-9)
        given = answers(probabilities, rule)
        assert precision_score(truth == k, given == k) >= 0.92


@pytest.mark.parametrize("by", ["", " by margin"])
def test_no_more_are_unsure_than_was_asked_and_one_more_would_be(by: str) -> None:
    truth, probabilities = made(1000)
    rule = tune(truth, probabilities, LABELS, aims(f"unsure<=5%{by}"))
    unsure = rule.unsure(probabilities, LABELS)
    assert unsure.sum() == 50
    two = np.sort(probabilities, axis=1)[:, ::-1]
    score = two[:, 0] - two[:, 1] if by else two[:, 0]
    assert set(np.flatnonzero(unsure)) == set(np.argsort(score, kind="stable")[:50])


def test_a_rule_says_what_it_does_and_no_more() -> None:
    assert Rule().sentences() == ["always"]
    rule = Rule(thresholds={"a": 0.9, "d": 0.4}, least_probability=0.5, least_margin=0.1)
    assert rule.sentences() == [
        "a where its probability is 0.9000 or more",
        "any other label where its probability is 0.5000 or more",
        "only where a label leads the second by 0.1000 or more",
    ]


def test_both_kinds_of_aims_share_what_may_be_unsure() -> None:
    truth, probabilities = made(2000)
    precise = tune(truth, probabilities, LABELS, aims("d: precision>=95%"))
    both = tune(truth, probabilities, LABELS, aims("unsure<=20%", "d: precision>=95%"))
    assert both.thresholds == precise.thresholds
    assert 0 < precise.unsure(probabilities, LABELS).sum() < 400
    assert both.unsure(probabilities, LABELS).sum() == 400
    with pytest.raises(ParetextError, match="of these texts are unsure for the other aims alone"):
        tune(truth, probabilities, LABELS, aims("unsure<=0.1%", "d: precision>=95%"))


def test_scores_that_are_equal_stay_together() -> None:
    probabilities = np.array([[0.6, 0.4]] * 30 + [[0.9, 0.1]] * 70, np.float32)
    rule = tune(np.zeros(100, np.int64), probabilities, ("x", "y"), [Aim("unsure", 0.2)])
    assert not rule.unsure(probabilities, ("x", "y")).any()  # all 30 or none
    rule = tune(np.zeros(100, np.int64), probabilities, ("x", "y"), [Aim("unsure", 0.3)])
    assert rule.unsure(probabilities, ("x", "y")).sum() == 30


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("precision>=1.5", "the aim 'precision>=1.5' is not understood; give precision>=95%"),
        ("recall>=0.9", "is not understood"),
        ("unsure<=5% by luck", "is not understood"),
        ("e: precision>=0.9", "is for 'e', which is no label; there are a, b: c, d"),
    ],
)
def test_an_aim_that_is_none_is_refused(asked: str, said: str) -> None:
    with pytest.raises(ParetextError, match=said.replace("(", r"\(")):
        aims(asked)


def test_a_precision_that_no_threshold_reaches_is_refused_with_the_best() -> None:
    truth, probabilities = made(600)
    truth = np.where(np.arange(600) % 2 == 0, truth, (truth + 1) % 3)
    with pytest.raises(ParetextError, match=r"'a' has a precision of at most 0\.\d+ on these"):
        tune(truth, probabilities, LABELS, aims("a: precision>=99%"))
    with pytest.raises(ParetextError, match=r"'d' is answered rightly to \d of these texts"):
        tune(truth[:60], probabilities[:60], LABELS, aims("d: precision>=50%"))


def test_what_users_get_is_scikit_learns_and_contains_its_estimates() -> None:
    truth, probabilities = made(2000)
    _, noise = made(2000, seed=1)
    other = 0.97 * probabilities + 0.03 * noise
    rule = tune(truth, probabilities, LABELS, aims("precision>=92%", "unsure<=30%"))
    before, after = answers(probabilities, rule), answers(other, rule)
    got = decided(truth, before, after, LABELS, resamples=2000)
    assert got.candidate_unsure.estimate == pytest.approx((after == NO_ANSWER).mean())
    assert got.unsure_rise.estimate == pytest.approx(
        (after == NO_ANSWER).mean() - (before == NO_ANSWER).mean()
    )
    for k, each in enumerate(got.labels):
        for rates, own in ((each.reference, before), (each.candidate, after)):
            assert rates.recall.estimate == pytest.approx(recall_score(truth == k, own == k))
            assert rates.precision is not None
            assert rates.precision.estimate == pytest.approx(precision_score(truth == k, own == k))
            assert rates.false_positive_rate.estimate == pytest.approx(
                (own[truth != k] == k).mean()
            )
        assert each.precision_drop is not None
        assert each.precision_drop.estimate == pytest.approx(
            precision_score(truth == k, before == k) - precision_score(truth == k, after == k)
        )
        for span in (each.recall_drop, each.precision_drop, each.false_positive_rise):
            assert span.low < span.estimate < span.high


# --- in an artifact


@pytest.fixture
def ruled(versions: dict[str, Path], tmp_path: Path) -> Path:
    """An artifact that is unsure of about half of the toy's texts."""
    folder = Path(shutil.copytree(versions["int8"], tmp_path / "ruled"))
    probabilities = Artifact.load(folder).probabilities(toy.dataset(60).texts)
    least = float(np.median(probabilities.max(axis=1)))
    set_rule(folder, Rule(least_probability=least, aims=("unsure<=50% by probability",), texts=60))
    return folder


def test_a_rule_leaves_labels_out_the_same_way_everywhere(
    ruled: Path, versions: dict[str, Path], tmp_path: Path
) -> None:
    texts = toy.dataset(60).texts
    plain, artifact = Artifact.load(versions["int8"]), Artifact.load(ruled)
    predicted = artifact.predict(texts)
    np.testing.assert_array_equal(artifact.probabilities(texts), plain.probabilities(texts))
    sure = predicted != ""
    assert 20 < sure.sum() < 40
    np.testing.assert_array_equal(predicted[sure], plain.predict(texts)[sure])
    assert [each["label"] for each in predict_texts(artifact, texts)] == [
        str(label) or None for label in predicted
    ]
    stream = predict_stream(artifact, [texts[:7], [" "], texts[7:]], "skip", "the lines")
    streamed = list(stream)
    assert streamed.pop(7)["probabilities"] is None  # no text, and so no answer of either kind
    assert [each["label"] for each in streamed] == [str(label) or None for label in predicted]
    assert all(each["probabilities"] for each in streamed)
    source = tmp_path / "texts.csv"
    write_rows(source, ["text"], [{"text": text} for text in texts])
    predict_file(artifact, source, tmp_path / "answers.csv")
    with (tmp_path / "answers.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["predicted_label"] for row in rows] == predicted.tolist()
    assert [row["unsure"] for row in rows] == [str(not each) for each in sure.tolist()]
    predict_file(artifact, source, tmp_path / "answers.parquet")
    table = pq.read_table(tmp_path / "answers.parquet").to_pydict()
    assert table["unsure"] == [not each for each in sure.tolist()]
    predict_file(plain, source, tmp_path / "plain.csv")
    assert "unsure" not in (tmp_path / "plain.csv").read_text("utf-8").splitlines()[0]


def test_a_rule_is_part_of_what_the_artifact_is_and_can_be_taken_back(
    ruled: Path, versions: dict[str, Path]
) -> None:
    before = Manifest.read(versions["int8"])
    assert Manifest.read(ruled).identity != before.identity
    assert "## When an answer stands" in (ruled / "README.md").read_text("utf-8")
    assert "any label where its probability is" in describe(ruled)["answers stand where"][0]
    set_rule(ruled, None)
    assert Manifest.read(ruled).identity == before.identity
    assert (ruled / "README.md").read_bytes() == (versions["int8"] / "README.md").read_bytes()
    assert Artifact.load(ruled).predict(["x"]).tolist() != [""]


def test_a_certificate_goes_with_the_answers_that_it_was_about(
    versions: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(versions["int8"], tmp_path / "int8"))
    certify(folder, versions["fp32"], toy.dataset(120, seed=5), resamples=100)
    assert Certificate.of(folder) is not None
    set_rule(folder, Rule(least_margin=0.1))
    assert Certificate.of(folder) is None
    Artifact.load(folder)  # every digest is right
    certify(folder, versions["fp32"], toy.dataset(120, seed=5), resamples=100)
    assert Certificate.of(folder) is not None


@pytest.mark.parametrize(
    ("operating", "said"),
    [
        (
            {"thresholds": {"nobody": 0.5}},
            "damaged at operating: it has a threshold for 'nobody', which is no label",
        ),
        ({"least_probability": 2.0}, "damaged at operating.least_probability"),
    ],
)
def test_a_strangers_rule_has_bounds(ruled: Path, operating: Any, said: str) -> None:
    values = json.loads((ruled / "manifest.json").read_text("utf-8"))
    (ruled / "manifest.json").write_text(json.dumps(values | {"operating": operating}))
    with pytest.raises(ParetextError, match=said):
        Artifact.load(ruled)


def test_the_verb_tunes_shows_and_takes_back(
    command: Any, versions: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(versions["int8"], tmp_path / "int8"))
    for name, seed in (("selection", 7), ("held-out", 8)):
        rows = [{"text": t, "label": k} for t, k in toy.texts_and_labels(90, seed=seed)]
        write_rows(tmp_path / f"{name}.csv", ["text", "label"], rows)
    given = ("--selection", tmp_path / "selection.csv", "--eval", tmp_path / "held-out.csv")
    ended = command("threshold", folder, *given, "--aim", "unsure<=10%", "--json")
    assert ended.status == 0, ended.err
    tuned = json.loads(ended.out)
    assert tuned["figures"]["selection"]["candidate_unsure"]["estimate"] == pytest.approx(0.1)
    held = tuned["figures"]["eval"]
    texts = [t for t, _ in toy.texts_and_labels(90, seed=8)]
    unsure = (Artifact.load(folder).predict(texts) == "").mean()
    assert held["candidate_unsure"]["estimate"] == pytest.approx(unsure)
    assert held["reference_unsure"]["estimate"] == 0
    shown = command("threshold", folder, *given, "--aim", "unsure<=20% by margin")
    assert "tuned on 90 texts to unsure<=20% by margin" in shown.out
    assert "A text may be unsure from now on" in shown.out
    assert command("predict", folder, "--text", "x", "--json").status == 0
    assert command("threshold", folder, "--clear").status == 0
    assert Manifest.read(folder).operating is None
    before = (folder / "manifest.json").read_bytes()
    for wrong, said in (
        ((), "threshold needs what to aim at"),
        (("--aim", "unsure<=5%"), "threshold tunes on labelled texts"),
        (("--aim", "unsure<=5%", "--clear"), "--clear takes the rule away and --aim tunes one"),
        ((*given, "--aim", "fury: precision>=90%"), "is for 'fury', which is no label; there are"),
        ((*given, "--aim", "joy: precision>=99.9%"), "'joy' has a precision of at most 0."),
        ((*given, "--aim", "unsure<=5%", "--against", versions["pytorch"]), "is not an artifact"),
        ((*given[:2], "--eval", given[1], "--aim", "unsure<=5%"), "a score on it would be one of"),
    ):
        refused(command("threshold", folder, *wrong), said)
    assert (folder / "manifest.json").read_bytes() == before


def test_the_python_call_takes_what_the_others_take(
    versions: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(versions["int8"], tmp_path / "int8"))
    texts, labels = zip(*toy.texts_and_labels(60, seed=7), strict=True)
    tuned = paretext.threshold(folder, aim="unsure<=25%", selection=(list(texts), list(labels)))
    assert tuned.rule == Manifest.read(folder).operating
    ((_, figures),) = tuned.figures
    assert figures.candidate_unsure.estimate == (Artifact.load(folder).predict(texts) == "").mean()
    assert paretext.threshold(folder, clear=True).rule is None
    assert Manifest.read(folder).operating is None
