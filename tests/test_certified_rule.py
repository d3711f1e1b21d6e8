"""What a certificate says of answers as users get them: by the rule, alone as well as in bulk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from scipy.optimize import brentq
from sklearn.metrics import precision_score, recall_score
from test_clauses import LABELS, by_name, pair

from paretext.certification.budget import Budget
from paretext.certification.certificate import Certificate
from paretext.certification.certify import certify
from paretext.certification.clauses.operating_precision import OperatingPrecision
from paretext.certification.evidence import Evidence
from paretext.certification.guards import promised
from paretext.certification.judgement import judge
from paretext.certification.notes import notes
from paretext.certification.operating import RULE
from paretext.certification.precision import Cells
from paretext.certification.verify import verify
from paretext.core.files import digest_of
from paretext.measure.proportions import Pairs, score_interval
from paretext.runtime.artifact import Answers, Artifact
from paretext.runtime.rewriting import set_rule
from paretext.runtime.rule import NO_ANSWER, Rule, answers

DATA = toy.dataset(240, seed=5)
HALF_SURE = Rule(least_probability=0.7, thresholds={"f": 0.9})
BY_RULE = ["operating_recall_drop", "operating_fpr_rise", "operating_precision_drop", "unsure_rise"]


# --- the clauses


def test_both_models_are_judged_by_one_rule_as_scikit_learn_counts() -> None:
    labels, before, after = pair(0.3)
    judgement = judge(labels, before, after, LABELS, Budget(), resamples=400, rule=HALF_SURE)
    clauses = by_name(judgement)
    assert set(BY_RULE) <= clauses.keys()
    given = [answers(each, LABELS, HALF_SURE) for each in (before, after)]
    top = before.max(axis=1)
    least = np.where(before.argmax(axis=1) == 5, 0.9, 0.7)
    np.testing.assert_array_equal(given[0] == NO_ANSWER, top < least)
    for k, label in enumerate(LABELS):
        own = [each == k for each in given]
        (part,) = (p for p in clauses["operating_precision_drop"].parts if p.label == label)
        precision = [precision_score(labels == k, each) for each in own]
        assert (part.reference, part.candidate) == pytest.approx(precision)
        assert (part.at, part.texts) == (RULE, own[0].sum())
        assert part.drop.low < part.drop.estimate < part.drop.high
        assert part.drop.estimate == pytest.approx(precision[0] - precision[1])
        (part,) = (p for p in clauses["operating_recall_drop"].parts if p.label == label)
        recall = [recall_score(labels == k, each) for each in own]
        assert (part.reference, part.candidate) == pytest.approx(recall)
        (part,) = (p for p in clauses["operating_fpr_rise"].parts if p.label == label)
        false = [each[labels != k].mean() for each in own]
        assert (part.reference, part.candidate) == pytest.approx(false)
    unsure = clauses["unsure_rise"]
    shares = [float((each == NO_ANSWER).mean()) for each in given]
    assert (unsure.reference, unsure.candidate) == pytest.approx(shares)
    pairs = Pairs.count(given[0] != NO_ANSWER, given[1] != NO_ANSWER)
    assert unsure.found == score_interval(pairs, 0.025, 0.025)
    assert judgement.unsure is not None
    assert [each.estimate for each in judgement.unsure] == pytest.approx(shares)
    assert {point.at for point in judgement.points} == {RULE}


def test_the_same_answers_hold_whatever_the_rule_and_without_one_none_is_asked() -> None:
    labels, before, _ = pair(0.0)
    for rule in (Rule(), HALF_SURE, Rule(least_margin=0.9)):
        judgement = judge(labels, before, before + 1e-7, LABELS, Budget(), resamples=400, rule=rule)
        assert {clause.verdict for clause in judgement.clauses} == {"holds"}
        assert set(BY_RULE) <= by_name(judgement).keys()
    judgement = judge(labels, before, before, LABELS, Budget(), resamples=400)
    assert not by_name(judgement).keys() & set(BY_RULE)


def test_a_candidate_that_is_less_sure_breaks_what_users_get_and_no_answer() -> None:
    labels, before, after = pair(0.0, sharpness=0.3)
    quiet = Budget(calibration_error_rise=None, brier_rise=None)
    clauses = by_name(judge(labels, before, after, LABELS, quiet, resamples=400, rule=HALF_SURE))
    assert clauses["macro_f1_drop"].verdict == clauses["recall_drop"].verdict == "holds"
    assert clauses["unsure_rise"].verdict == clauses["operating_recall_drop"].verdict == "broken"


def test_a_label_whose_answers_are_all_wrong_keeps_no_promise() -> None:
    """The reference answers "a" once, and rightly: a single text promises nothing by its number."""
    truth = np.array([0, 1, 1, 1, 1, 1])
    sure = np.array([0.9, 0.1]), np.array([0.1, 0.9])
    before = np.array([sure[k] for k in truth])
    after = np.array([sure[k] for k in (1, 0, 1, 1, 1, 1)])
    evidence = Evidence(truth, before, after, ("a", "b"), resamples=400, rule=Rule())
    clause = OperatingPrecision().judge(evidence, 0.05)
    assert clause is not None
    assert {part.label: part.verdict for part in clause.parts}["a"] == "undecided"


@pytest.mark.parametrize(("answered", "precision"), [(20, 0.9), (60, 0.8), (300, 0.95)])
def test_precision_that_fell_by_its_promise_passes_in_five_of_a_hundred(
    answered: int, precision: float
) -> None:
    """300 sets, in truth exactly at what so many answers can promise; 2.5% should pass, and lie
    below the interval; binomial(300, 5%) is above 24 with a chance of 1%."""
    rng, promise = np.random.default_rng(answered), promised(answered, 0.05, 0.025)

    def shares(more: float) -> Any:
        """Of the reference's answers: kept, lost, then the same of the wrong ones; and new ones."""
        return np.array([precision - 0.02, 0.02, 0.02, 1 - precision, 0.0, more])

    def drop(weights: Any) -> float:
        old, new = Cells(tuple(weights)).values
        return old - new

    true = shares(brentq(lambda more: drop(shares(more)) - promise, 0, 20))
    passed = missed = 0
    for counts in rng.poisson(answered * true, (300, 6)).astype(float):
        cells = Cells(tuple(counts))
        span = cells.interval(cells.draws(400, rng), 0.025, 0.025)
        passed += span.high <= promised(cells.answered[0], 0.05, 0.025)
        missed += not span.low <= drop(true) <= span.high
    assert passed <= 24
    assert missed <= 24


def test_the_interval_of_a_small_drop_in_precision_covers_it() -> None:
    """300 sets of 300 texts, some won and some lost."""
    rng, shares = np.random.default_rng(4), np.array([0.80, 0.03, 0.02, 0.09, 0.02, 0.04])
    old, new = Cells(tuple(shares)).values
    missed = 0
    for counts in rng.multinomial(300, shares, 300).astype(float):
        cells = Cells(tuple(counts))
        span = cells.interval(cells.draws(400, rng), 0.025, 0.025)
        missed += not span.low <= old - new <= span.high
    assert missed <= 24


def test_as_many_texts_as_were_said_decide_on_precision() -> None:
    """Each text as often as was said, and a fifth more: estimates stay, the interval shrinks."""
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], [300, 300])
    before = np.where(truth[:, None] == np.arange(2), 0.9, 0.1)
    after = before.copy()
    after[rng.permutation(np.flatnonzero(truth == 1))[:9]] = [0.9, 0.1]
    evidence = Evidence(truth, before, after, ("a", "b"), resamples=2000, rule=Rule())
    clause = OperatingPrecision().judge(evidence, 0.05)
    assert clause is not None
    assert clause.verdict == "undecided"
    assert clause.texts_needed is not None
    assert 600 < clause.texts_needed < 6000
    times = int(np.ceil(1.2 * clause.texts_needed / 600))
    more = [np.concatenate([each] * times) for each in (truth, before, after)]
    again = OperatingPrecision().judge(
        Evidence(*more, ("a", "b"), resamples=2000, rule=Rule()), 0.05
    )
    assert again is not None
    assert again.verdict == "holds"


# --- in a certificate


@pytest.fixture
def made(versions: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    return {
        name: Path(shutil.copytree(versions[name], tmp_path / "run" / "artifacts" / name))
        for name in ("fp32", "int8")
    }


def half(folder: Path) -> Rule:
    """A rule by which about half of the texts are unsure."""
    sure = Artifact.load(folder).probabilities(DATA.texts).max(axis=1)
    return Rule(least_probability=float(np.median(sure)), aims=("unsure<=50%",), texts=240)


def test_the_parent_is_asked_by_the_same_rule(
    made: dict[str, Path], tmp_path: Path, command: Any
) -> None:
    rule = half(made["int8"])
    set_rule(made["int8"], rule)
    held_out = toy.write(tmp_path / "held-out.csv", toy.texts_and_labels(240, seed=5))
    asked = ("--against", made["fp32"], "--eval", held_out, "--resamples", 400)
    ended = command("certify", made["int8"], *asked)
    assert ended.status in (0, 1, 3), ended.err
    certificate = Certificate.of(made["int8"])
    assert certificate is not None
    assert certificate.ruled is not None
    assert (certificate.ruled.of, certificate.ruled.rule) == ("candidate", rule)
    plain = Artifact.load(made["fp32"])
    np.testing.assert_array_equal(plain.predict(DATA.texts) == "", False)
    before = answers(plain.probabilities(DATA.texts), plain.manifest.labels, rule)
    got = (Artifact.load(made["int8"]).predict(DATA.texts) == "").mean()
    assert certificate.ruled.candidate_unsure.estimate == pytest.approx(got)
    assert certificate.ruled.reference_unsure.estimate == pytest.approx(
        (before == NO_ANSWER).mean()
    )
    assert set(BY_RULE) <= {clause.name for clause in certificate.clauses}
    assert len(certificate.operating_points) == len(toy.LABELS)
    # in the same words in the terminal, on the card and in what the page is made of
    said, ways = notes(certificate)
    assert said.startswith("By int8's rule it answers any label where its probability is 0.")
    assert "of the texts are unsure" in said
    assert ways.startswith("All 240 texts were asked alone and in bulk: no label changed")
    card = (made["int8"] / "README.md").read_text("utf-8")
    for line in (said, ways):
        assert " ".join(line.split()) in " ".join(ended.out.split())
        assert line in card
    again = verify(made["int8"], DATA, made["fp32"], rerun=True)
    assert again.warnings == ()
    # without the rule the certificate is of other answers, and gone
    set_rule(made["int8"], None)
    assert Certificate.of(made["int8"]) is None


def test_a_rule_of_the_parent_alone_is_asked_of_both_and_said(made: dict[str, Path]) -> None:
    rule = half(made["fp32"])
    set_rule(made["fp32"], rule)
    certificate = certify(made["int8"], made["fp32"], DATA, resamples=200)
    assert certificate.ruled is not None
    assert (certificate.ruled.of, certificate.ruled.rule) == ("reference", rule)
    assert "By fp32's rule (int8 carries none) it answers" in notes(certificate)[0]
    assert (
        certificate.clause("unsure_rise").reference
        == certificate.ruled.reference_unsure.estimate
        > 0.4
    )


def test_a_rules_labels_are_called_as_people_call_them() -> None:
    rule = Rule(thresholds={"LABEL_1": 0.9}).renamed(("LABEL_0", "LABEL_1"), ("no", "yes"))
    assert rule.thresholds == {"yes": 0.9}
    assert rule.renamed(("no", "yes"), ("LABEL_0", "LABEL_1")).thresholds == {"LABEL_1": 0.9}


# --- alone and in bulk


def test_more_texts_than_are_asked_alone_are_drawn_and_counted(made: dict[str, Path]) -> None:
    certificate = certify(made["int8"], made["fp32"], toy.dataset(300, seed=6), resamples=200)
    assert certificate.ways is not None
    assert (certificate.ways.alone, certificate.ways.bulk, certificate.ways.allowed) == (
        256,
        300,
        0.005,
    )
    assert (
        "256 of 300 texts, drawn at random, were asked alone and in bulk" in notes(certificate)[0]
    )
    clause = certificate.clause("independence")
    assert (clause.verdict, clause.limit) == ("holds", 0.005)
    assert clause.found.high == certificate.ways.largest_probability_difference
    exact = certify(made["fp32"], made["int8"], DATA, resamples=200)
    assert exact.ways is not None
    assert exact.ways.allowed == pytest.approx(1e-5, rel=9)  # times the largest logit
    assert exact.clause("independence").limit == exact.ways.allowed < 1e-4


@pytest.mark.parametrize("moved", [0.02, 0.5])
def test_lone_answers_that_are_others_break_a_certificate(
    made: dict[str, Path], monkeypatch: pytest.MonkeyPatch, moved: float
) -> None:
    whole = Artifact._run_text

    def alone(self: Artifact, text: str) -> Answers:
        answered = whole(self, text)
        return answered._replace(logits=answered.logits + np.float32([moved, 0, 0]))

    monkeypatch.setattr(Artifact, "_run_text", alone)
    certificate = certify(made["int8"], made["fp32"], DATA, resamples=200)
    clause = certificate.clause("independence")
    assert certificate.verdict == clause.verdict == "broken"
    assert certificate.ways is not None
    plain = np.log(Artifact.load(made["int8"]).probabilities(DATA.texts))
    other = plain + np.array([moved, 0, 0])
    shares = [np.exp(each) / np.exp(each).sum(axis=1)[:, None] for each in (plain, other)]
    assert clause.found.estimate == pytest.approx(np.abs(shares[1] - shares[0]).max(), abs=1e-4)
    changed = (shares[0].argmax(1) != shares[1].argmax(1)).sum()
    assert certificate.ways.changed_labels == changed
    assert (clause.why is None) == (changed == 0)
    assert "independence" in str(certificate)


def test_a_certificate_that_did_not_ask_still_reads(made: dict[str, Path]) -> None:
    certify(made["int8"], made["fp32"], DATA, resamples=200)
    path = made["int8"] / "certificate.json"
    values = json.loads(path.read_text("utf-8"))
    for name in ("ways", "digest"):
        del values[name]
    values["budget"].pop("independence")
    values["clauses"] = [each for each in values["clauses"] if each["name"] != "independence"]
    values["digest"] = digest_of(values)
    path.write_text(json.dumps(values), "utf-8")
    older = Certificate.read(path)
    assert older.ways is None
    assert older.budget.independence is None
    assert notes(older) == []
