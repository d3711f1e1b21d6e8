"""Clauses: verdicts, thresholds against scikit-learn, calibration against plain loops, speed."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np
import pytest
import scipy.stats
from sklearn import metrics as sk

from paretext.certification.budget import Budget
from paretext.certification.calibration import BINS, rises
from paretext.certification.guards import guards, promised, texts_for_all
from paretext.certification.judgement import judge
from paretext.certification.operating import At, find_threshold, operating_points
from paretext.certification.records import Clause, Part
from paretext.certification.verdicts import overall, verdict
from paretext.certification.wording import guarded
from paretext.core.errors import ParetextError
from paretext.core.records import Interval
from paretext.measure.deciding import texts_needed
from paretext.measure.proportions import Pairs

COUNTS = (550, 704, 178, 275, 212, 81)
LABELS = tuple("abcdef")


def pair(noise: float, hurt: float = 0.0, sharpness: float = 1.0, seed: int = 0):
    """Labels and both models' probabilities; the candidate sees the evidence with noise."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(6), COUNTS)
    evidence = rng.standard_normal((2000, 6))
    evidence[np.arange(2000), labels] += 3.5
    seen = evidence + noise * rng.standard_normal(evidence.shape)
    seen[:, -1] -= hurt

    def softmax(logits):
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)

    return labels, softmax(3 * evidence), softmax(3 * seen * sharpness)


# --- verdicts


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-0.01, 0.01, "holds"),
        (-0.01, 0.02, "holds"),  # the end may touch the limit
        (0.01, 0.03, "undecided"),
        (0.02, 0.03, "undecided"),
        (0.021, 0.03, "broken"),
    ],
)
def test_the_three_verdicts(low: float, high: float, expected: str) -> None:
    assert verdict(Interval((low + high) / 2, low, high), 0.02) == expected


def test_one_broken_clause_breaks_all() -> None:
    assert overall(["holds", "holds"]) == "holds"
    assert overall(["holds", "undecided"]) == "undecided"
    assert overall(["undecided", "broken", "holds"]) == "broken"
    assert overall([]) == "holds"


def shrinking(estimate: float, reach: float, prior: float = 0.0):
    """An interval whose half width shrinks with the square root, and a part of it faster."""

    def at(times: float) -> Interval:
        width = reach / times**0.5 + prior / times
        return Interval(estimate, estimate - width, estimate + width)

    return at


def test_texts_that_would_decide() -> None:
    # half the width would do: four times the texts
    assert texts_needed(1000, shrinking(0.0, 0.04), 0.02) == 4000
    assert texts_needed(1000, shrinking(0.04, 0.04), 0.02) == 4000
    assert texts_needed(1000, shrinking(0.0, 0.05), 0.02) == 6300  # 6250, two digits
    assert texts_needed(1000, shrinking(0.02, 0.02), 0.02) is None  # on the limit: never
    assert texts_needed(1000, shrinking(0.0, 0.01), 0.02) is None  # decided
    # twice the texts, where all of it is a prior's; the square root would say four times
    assert texts_needed(1000, shrinking(0.0, 0.0, 0.04), 0.02) == pytest.approx(
        2000, rel=0.06
    )  # rounded up
    assert texts_needed(1000, shrinking(0.0199, 0.05), 0.02) is None  # more than anybody has


def test_as_many_texts_as_were_said_do_decide() -> None:
    """Repeat the texts: estimates stay, intervals shrink as with more texts of the kind."""
    labels, before, after = pair(0.3)
    limit = Budget(macro_f1_drop=0.012, calibration_error_rise=None, brier_rise=None)
    clause = judge(labels, before, after, LABELS, limit, resamples=2000).clauses[0]
    assert clause.verdict == "undecided"
    assert clause.texts_needed is not None
    times = int(np.ceil(1.2 * clause.texts_needed / 2000))
    more = [np.concatenate([each] * times) for each in (labels, before, after)]
    again = judge(*more, LABELS, limit, resamples=2000).clauses[0]
    assert again.verdict in ("holds", "broken")


@pytest.mark.parametrize(("flipped", "decide"), [(0.0, 0.99), (0.012, 0.5), (0.02, 0.5)])
def test_as_many_texts_as_were_said_decide_every_second_time(flipped: float, decide: float) -> None:
    """One rare label among six, and answers that flip at random: simulated at the said number, and
    a fifth to either side of it. Of nothing changed, all hold at once."""
    counts = np.array(COUNTS) / 2000

    def pairs_of(n: float, rng: np.random.Generator) -> list[Pairs]:
        sizes = np.maximum(np.round(n * counts), 1).astype(int)
        return [Pairs(int(k), int(rng.binomial(k, 0.9 * flipped)), 0) for k in sizes]

    few = [Pairs(1000 * share, 1000 * share * 0.9 * flipped, 0) for share in counts]
    needed = texts_for_all(few, 0.02, 0.025)
    assert needed is not None

    def holding(n: float) -> float:
        rng = np.random.default_rng(1)
        sets = [guards(pairs_of(n, rng), 0.02, 0.025) for _ in range(200)]
        return float(np.mean([{each.verdict for each in judged} == {"holds"} for judged in sets]))

    if flipped:
        assert holding(0.8 * needed) < decide < holding(1.2 * needed)
    else:
        assert holding(needed) >= decide


# --- what the texts of a class can promise


@pytest.mark.parametrize(("n", "promise"), [(52, 0.116), (13, 0.41), (120, 0.0515), (400, 0.05)])
def test_what_so_many_texts_can_promise(n: int, promise: float) -> None:
    """proof: Clopper and Pearson's upper end of 2 in n, by scipy."""
    theirs = scipy.stats.binomtest(2, n).proportion_ci(0.9, method="exact").high
    assert promised(n, 0.05, 0.025) == pytest.approx(max(theirs, 0.05))
    assert promised(n, 0.05, 0.025) == pytest.approx(promise, abs=0.001)


@pytest.mark.parametrize(("n", "won"), [(20, 0.0), (52, 0.0), (52, 0.05), (120, 0.02)])
def test_a_class_that_lost_what_it_promised_passes_in_five_of_a_hundred(n: int, won: float) -> None:
    """Every outcome with its probability, none drawn."""
    promise = promised(n, 0.05, 0.025)
    law = scipy.stats.multinomial(n, [promise + won, won, 1 - promise - 2 * won])
    passed = 0.0
    for lost, back in itertools.product(range(n + 1), range(1 if won == 0 else 25)):
        chance = law.pmf([lost, back, n - lost - back]) if lost + back <= n else 0.0
        if chance > 1e-7:
            (guard,) = guards([Pairs(n, lost, back)], 0.05, 0.025)
            passed += chance * (guard.verdict == "holds")
    assert 0.001 < passed <= 0.0501


def test_alike_parts_have_alike_bounds_however_many() -> None:
    """All must hold: no correction. That one is broken is corrected."""
    one, ten = (guards([Pairs(300, 1, 0)] * many, 0.05, 0.025) for many in (1, 10))
    assert {each.drop.high for each in (*one, *ten)} == {one[0].drop.high}
    assert [each.verdict for each in ten] == ["holds"] * 10
    lost = guards([Pairs(100, 12, 0), *[Pairs(300, 0, 0)] * 76], 0.05, 0.025)
    alone = guards([Pairs(100, 12, 0)], 0.05, 0.025)
    assert (alone[0].verdict, lost[0].verdict) == ("broken", "undecided")


def test_a_class_that_lost_all_that_was_right_keeps_no_promise() -> None:
    right = np.array([True, True, False, False, False, False])
    (guard,) = guards([Pairs.count(right, np.zeros(6, bool))], 0.05, 0.025)
    assert guard.verdict == "undecided"
    (guard,) = guards([Pairs.count(right, right & ~np.eye(6, dtype=bool)[0])], 0.05, 0.025)
    assert guard.verdict == "holds"


def test_flips_that_cancel_out_do_no_harm_to_a_class() -> None:
    (guard,) = guards([Pairs(200, 6, 6)], 0.05, 0.025)
    assert guard.verdict == "holds"
    (guard,) = guards([Pairs(200, 8, 0)], 0.05, 0.025)
    assert guard.verdict == "undecided"


# --- judge


def by_name(judgement):
    return {clause.name: clause for clause in judgement.clauses}


def test_the_same_answers_hold_every_clause() -> None:
    labels, before, _ = pair(0.0)
    points = [At.parse("precision=0.9"), At.parse("fpr=1%")]
    for after in (before.copy(), before + 1e-7):
        judgement = judge(labels, before, after, LABELS, Budget(), at=points, resamples=1000)
        assert judgement.alike
        assert {clause.verdict for clause in judgement.clauses} == {"holds"}
        assert len(judgement.clauses) == 7
        assert {each.name for each in judgement.reported} == {
            *("balanced_accuracy_drop", "kappa_drop", "flips")
        }
        assert len(judgement.points) == 12
        for clause in judgement.clauses:
            assert clause.found.estimate == pytest.approx(0, abs=1e-6)
            assert clause.found.high > 0  # what the texts cannot exclude
        rare = by_name(judgement)["recall_drop"].parts[-1]
        assert (rare.texts, rare.limit) == (81, pytest.approx(0.0757, abs=1e-4))


def test_broken_is_what_is_broken_with_all_clauses_asked_at_once() -> None:
    """30 of 1,500 lost: 0.0138 at the least, alone beyond a limit of 0.0135; of 2 clauses not."""
    labels = np.arange(1500) % 2
    before = np.where(np.eye(2)[labels] > 0, 0.9, 0.1)
    after = before.copy()
    after[:30] = after[:30, ::-1]
    none = dict.fromkeys(Budget().limits())
    alone = Budget(**(none | {"accuracy_drop": 0.0135}))
    (clause,) = judge(labels, before, after, ("a", "b"), alone).clauses
    assert clause.verdict == "broken"
    both = Budget(**(none | {"accuracy_drop": 0.0135, "flips": 0.5}))
    clause, flips = judge(labels, before, after, ("a", "b"), both).clauses
    assert (clause.verdict, flips.verdict) == ("undecided", "holds")
    assert clause.why == "it looks broken, but not for sure with 2 clauses asked at once"


def test_a_class_that_collapsed_is_named() -> None:
    labels, before, after = pair(0.1, hurt=2.0)
    clauses = by_name(judge(labels, before, after, LABELS, Budget(), resamples=1000))
    recall = clauses["recall_drop"]
    assert recall.verdict == "broken"
    assert {part.label: part.verdict for part in recall.parts}["f"] == "broken"
    assert recall.found == next(part.drop for part in recall.parts if part.label == "f")
    assert clauses["macro_f1_drop"].verdict == "broken"


def test_a_candidate_that_is_too_sure_breaks_calibration_and_no_answer() -> None:
    labels, before, after = pair(0.0, sharpness=0.25)
    clauses = by_name(judge(labels, before, after, LABELS, Budget(), resamples=1000))
    assert clauses["accuracy_drop"].verdict == clauses["macro_f1_drop"].verdict == "holds"
    assert clauses["calibration_error_rise"].verdict == "broken"
    assert clauses["brier_rise"].verdict == "broken"


def test_only_what_the_budget_limits_is_judged() -> None:
    labels, before, after = pair(0.1)
    none = dict.fromkeys(Budget().limits())
    assert judge(labels, before, after, LABELS, Budget(**none), resamples=200).clauses == ()  # type: ignore[arg-type]
    only = Budget(**(none | {"flips": 0.1}))  # type: ignore[arg-type]
    (clause,) = judge(labels, before, after, LABELS, only, resamples=200).clauses
    assert clause.name == "flips"


def test_estimates_are_scikit_learns() -> None:
    labels, before, after = pair(0.3)
    judged = judge(labels, before, after, LABELS, Budget(), resamples=200)
    clauses = by_name(judged)
    old, new = before.argmax(1), after.argmax(1)
    clauses |= {each.name: each for each in judged.reported}
    for name, score in {
        "macro_f1_drop": lambda p: sk.f1_score(labels, p, average="macro"),
        "balanced_accuracy_drop": lambda p: sk.balanced_accuracy_score(labels, p),
        "kappa_drop": lambda p: sk.cohen_kappa_score(labels, p),
        "accuracy_drop": lambda p: sk.accuracy_score(labels, p),
    }.items():
        clause = clauses[name]
        assert clause.found.estimate == pytest.approx(score(old) - score(new), abs=1e-12)
        assert (clause.reference, clause.candidate) == pytest.approx((score(old), score(new)))
    recalls = sk.recall_score(labels, old, average=None) - sk.recall_score(
        labels, new, average=None
    )
    assert [part.drop.estimate for part in clauses["recall_drop"].parts] == pytest.approx(
        recalls.tolist()
    )


def test_ten_thousand_resamples_of_two_thousand_texts_take_seconds() -> None:
    labels, before, after = pair(0.3)
    begin = time.process_time()
    judge(labels, before, after, LABELS, Budget(), at=[At.parse("fpr=0.01")], resamples=10_000)
    assert time.process_time() - begin < 5


# --- operating points


@pytest.mark.parametrize("value", [0.5, 0.8, 0.95])
def test_the_threshold_is_the_lowest_that_scikit_learn_finds(value: float) -> None:
    labels, before, _ = pair(0.0)
    for k in range(6):
        positive, scores = labels == k, before[:, k]
        precision, _, thresholds = sk.precision_recall_curve(positive, scores)
        wanted = thresholds[precision[:-1] >= value].min()
        threshold = find_threshold(positive, scores, At("precision", value))
        assert threshold is not None
        below = scores[scores < wanted]
        assert (below.max() if below.size else 0) <= threshold <= wanted
        assert ((scores >= threshold) == (scores >= wanted)).all()
        rates, _, at = sk.roc_curve(positive, scores, drop_intermediate=False)
        wanted = at[rates <= 1 - value].min()
        threshold = find_threshold(positive, scores, At("fpr", 1 - value))
        assert threshold is not None
        assert ((scores >= threshold) == (scores >= wanted)).all()


def test_rates_at_the_references_threshold() -> None:
    labels, before, after = pair(0.3)
    for point in operating_points(labels, before, after, LABELS, [At.parse("fpr=0.02")], 0.95):
        record, k = point.record, LABELS.index(point.record.label)
        assert record.threshold is not None
        for rates, scores in ((record.reference, before), (record.candidate, after)):
            taken = scores[:, k] >= record.threshold
            tn, fp, fn, tp = sk.confusion_matrix(labels == k, taken).ravel()
            assert rates is not None
            assert rates.precision is not None
            assert rates.recall.estimate == pytest.approx(tp / (tp + fn))
            assert rates.precision.estimate == pytest.approx(tp / (tp + fp))
            assert rates.false_positive_rate.estimate == pytest.approx(fp / (fp + tn))
        assert record.reference is not None
        assert record.reference.false_positive_rate.estimate <= 0.02


def test_a_point_that_no_threshold_reaches() -> None:
    positive = np.array([0, 1, 0, 1], bool)
    assert find_threshold(positive, np.array([0.9, 0.5, 0.4, 0.3]), At("precision", 0.9)) is None
    labels, flat = np.array([0, 1] * 20), np.full((40, 2), 0.5)
    judgement = judge(labels, flat, flat, ("a", "b"), Budget(), at=[At.parse("precision=0.9")])
    assert {point.threshold for point in judgement.points} == {None}
    assert not [clause for clause in judgement.clauses if clause.name.startswith("operating")]


@pytest.mark.parametrize("text", ["precision", "recall=0.9", "precision=2", "fpr=0", "fpr=x"])
def test_points_that_are_not_understood(text: str) -> None:
    with pytest.raises(ParetextError, match=r"not understood; give precision=0\.9 or fpr=0\.01"):
        At.parse(text)


# --- calibration


def test_brier_and_calibration_error_by_plain_loops() -> None:
    labels, before, after = pair(0.3)
    rise = rises(labels, before, after, resamples=200)
    for model, brier in zip((before, after), rise.briers, strict=True):
        parts = [sk.brier_score_loss(labels == k, model[:, k]) for k in range(6)]
        assert brier == pytest.approx(sum(parts))
    order = np.argsort((before.max(1) + after.max(1)) / 2, kind="stable")
    for model, error in zip((before, after), rise.calibration_errors, strict=True):
        total = 0.0
        for rows in np.array_split(order, BINS):
            right = (model[rows].argmax(1) == labels[rows]).mean()
            total += len(rows) / 2000 * abs(model[rows].max(1).mean() - right)
        assert error == pytest.approx(total)
    assert rise.brier.low < rise.brier.estimate < rise.brier.high


def test_a_calibration_error_that_hides_in_the_references_noise_is_not_missed() -> None:
    """A calibrated reference, a candidate 1.4 times as sure: the plug-in rise is far too small."""
    missed = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        logits = 2.2 * rng.standard_normal((1000, 6))
        before = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        labels = (rng.random((1000, 1)) > before.cumsum(axis=1)).sum(axis=1).clip(max=5)
        sure = np.exp(1.4 * logits)
        rise = rises(labels, before, sure / sure.sum(axis=1, keepdims=True), resamples=200)
        missed += rise.calibration_error.high < 0.0856  # the truth, from ten million texts
        assert rise.calibration_error.estimate < 0.0856
    assert missed <= 2


@pytest.mark.parametrize(("reference", "candidate"), [(2.0, 1.3), (0.6, 0.9)])
def test_a_candidate_whose_confidences_are_clearly_better_holds(
    reference: float, candidate: float
) -> None:
    """However far it is from its reference, which is too sure, or not sure enough."""
    held = 0
    for seed in range(10):
        labels, (before, after) = sharpened(seed, reference, candidate, texts=2000)
        interval = rises(labels, before, after, resamples=200).calibration_error
        assert interval.low < interval.estimate < 0
        held += interval.high < 0.01
    assert held >= 9


def test_a_candidate_that_is_surer_than_a_sure_reference_does_not_hold() -> None:
    truth = np.mean([plug_in(*sharpened(seed, 1.4, 1.6, texts=20_000)) for seed in range(5)])
    assert 0.02 < truth < 0.05  # that a noisy bin adds nothing to, in so many texts
    sets = (sharpened(seed, 1.4, 1.6) for seed in range(20))
    ends = [rises(y, *models, resamples=200).calibration_error.high for y, models in sets]
    assert np.mean(np.array(ends) < truth) <= 0.1


def sharpened(seed: int, *scales: float, texts: int = 1000) -> tuple[Any, list[Any]]:
    """Labels drawn from probabilities, and models whose logits are those times a scale."""
    rng = np.random.default_rng(seed)
    logits = 2.2 * rng.standard_normal((texts, 6))
    models = []
    for scale in (1.0, *scales):
        power = np.exp(scale * logits)
        models.append(power / power.sum(axis=1, keepdims=True))
    labels = (rng.random((texts, 1)) > models[0].cumsum(axis=1)).sum(axis=1).clip(max=5)
    return labels, models[1:]


def plug_in(labels: Any, models: list[Any]) -> float:
    return rises(labels, *models, resamples=1).calibration_error.estimate


def test_a_bin_without_any_spread_is_no_number_less() -> None:
    """A variance as a difference of two squares can come out below 0, and its root as NaN."""
    labels = np.zeros(1000, np.int64)
    before = np.tile([0.7 + 1e-9, 0.3 - 1e-9], (1000, 1))
    rise = rises(labels, before, before[:, [0, 1]] * [0.9, 1.7], resamples=50)
    assert np.isfinite([rise.calibration_error.low, rise.calibration_error.high]).all()


def test_fewer_texts_than_bins() -> None:
    labels, before, after = np.array([0, 1, 1]), np.eye(2)[[0, 1, 0]], np.eye(2)[[0, 1, 1]]
    rise = rises(labels, before, after, resamples=100)
    assert rise.calibration_error.estimate == pytest.approx(-1 / 3)
    assert rise.calibration_error.low <= -1 / 3 <= rise.calibration_error.high


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"joy": 0.05, "fear": 0.05}, ("5%", "")),
        ({"joy": 0.05, "fear": 0.116}, ("5%", " (11.6% of fear, 52 texts)")),
        (
            {"joy": 0.05, "fear": 0.116, "love": 0.08},
            ("5%", " (11.6% of fear, 52 texts, and less of 1 more with few texts)"),
        ),
        (
            {"joy": 0.07, "fear": 0.41},
            ("7% to 41%", " (by how many texts it has; the most: fear, 52 texts)"),
        ),
        ({"joy": 0.0702, "fear": 0.0709}, ("7.1%", " (by how many texts it has)")),
    ],
)
def test_no_more_is_promised_than_each_labels_texts_can(
    limits: dict[str, float], said: tuple[str, str]
) -> None:
    """Where every label has few texts, the budget's own limit is promised of none."""
    nothing = Interval(0.0, 0.0, 0.0)
    parts = tuple(
        Part(
            label=label,
            at=None,
            texts=52,
            reference=0.9,
            candidate=0.9,
            drop=nothing,
            verdict="holds",
            limit=limit,
        )
        for label, limit in limits.items()
    )
    clause = Clause(
        name="recall_drop",
        unit="share",
        limit=0.05,
        reference=None,
        candidate=None,
        found=nothing,
        verdict="holds",
        certifiable=None,
        texts_needed=None,
        parts=parts,
    )
    assert guarded(clause) == said
