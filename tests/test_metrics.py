"""Metrics and intervals against scikit-learn, scipy and a plain loop over resampled rows."""

from __future__ import annotations

import itertools
import math
import warnings
from collections import Counter

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from paretext.core.errors import ParetextError
from paretext.measure import bootstrap, influence, intervals, metrics


def sklearn_scores(truth, predicted, n_classes):
    """What scikit-learn says, in the layout METRICS, F1 per class, recall per class."""
    classes = list(range(n_classes))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scalars = [
            sk.f1_score(truth, predicted, labels=classes, average="macro", zero_division=0),
            sk.balanced_accuracy_score(truth, predicted),
            sk.cohen_kappa_score(truth, predicted),
            sk.accuracy_score(truth, predicted),
        ]
        f1 = sk.f1_score(truth, predicted, labels=classes, average=None, zero_division=0)
        recall = sk.recall_score(
            truth, predicted, labels=classes, average=None, zero_division=np.nan
        )
    return np.concatenate([scalars, f1, recall])


def our_scores(counts):
    margins = metrics.margins_of(counts)
    scalars = np.stack([getattr(margins, name)() for name in metrics.METRICS], axis=-1)
    return np.concatenate([scalars, margins.f1(), margins.recall()], axis=-1)


def three_models(n=400, n_classes=4, seed=1):
    """Truth with a rare class, a reference, and a candidate that flips some of its answers."""
    rng = np.random.default_rng(seed)
    shares = 1.0 / np.arange(1, n_classes + 1) ** 1.5
    truth = rng.choice(n_classes, size=n, p=shares / shares.sum())
    reference = np.where(rng.random(n) < 0.85, truth, rng.integers(0, n_classes, n))
    candidate = np.where(rng.random(n) < 0.9, reference, rng.integers(0, n_classes, n))
    return truth, reference, candidate


@st.composite
def labelled(draw):
    """Two columns of class ids in which classes may be absent from either or both."""
    n_classes = draw(st.integers(2, 8))
    n = draw(st.integers(1, 40))
    used = draw(st.lists(st.integers(0, n_classes - 1), min_size=1, max_size=n_classes))
    column = st.lists(st.sampled_from(used), min_size=n, max_size=n)
    return np.array(draw(column)), np.array(draw(column)), n_classes


@settings(max_examples=120, deadline=None)
@given(labelled())
def test_every_metric_equals_sklearns(case):
    truth, predicted, n_classes = case
    counts = metrics.confusion_matrix(truth, predicted, n_classes)
    expected = sk.confusion_matrix(truth, predicted, labels=range(n_classes))
    np.testing.assert_array_equal(counts, expected)
    assert counts.dtype == np.int64
    np.testing.assert_allclose(
        our_scores(counts), sklearn_scores(truth, predicted, n_classes), rtol=0, atol=1e-12
    )


def test_kappa_is_undefined_when_one_class_is_everything():
    assert np.isnan(metrics.margins_of([[5, 0], [0, 0]]).kappa())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isnan(sk.cohen_kappa_score([0] * 5, [0] * 5))
    # One class each but not the same one: chance agreement is 0, and so is kappa.
    kappa = metrics.margins_of([[0, 5], [0, 0]]).kappa()
    assert kappa == sk.cohen_kappa_score([0] * 5, [1] * 5) == 0.0


def test_leading_axes_are_independent_matrices():
    counts = np.random.default_rng(0).integers(0, 4, size=(3, 5, 4, 4))
    together = our_scores(counts)
    for index in np.ndindex(3, 5):
        np.testing.assert_array_equal(together[index], our_scores(counts[index]))


def test_resampled_weights_are_dirichlet():
    """Means, variances and totals against the Dirichlet distribution's own."""
    shapes = np.array([6.0, 3.0, 0.25, 2.0, 2.0])
    drawn = np.concatenate(list(bootstrap.resampled_weights(shapes, 13, 40_000, seed=1)))
    np.testing.assert_allclose(drawn.sum(axis=1), 13)
    theirs = scipy.stats.dirichlet(shapes)
    np.testing.assert_allclose(drawn.mean(axis=0), 13 * theirs.mean(), rtol=0.05)
    np.testing.assert_allclose(drawn.var(axis=0), 13**2 * theirs.var(), rtol=0.1)


def test_each_draw_scores_as_weighted_rows_do():
    """Repeat the draws and hand scikit-learn every outcome with its weight."""
    truth, reference, candidate = three_models(n=80)
    rows, shapes = bootstrap.table(truth, (reference, candidate), 4, bootstrap.prior_of(4))
    drawn = np.concatenate(list(bootstrap.resampled_weights(shapes, 80, 25, seed=3)))
    draws = bootstrap.bootstrap(truth, (reference, candidate), 4, resamples=25, seed=3)
    for resample, which in itertools.product(range(25), (0, 1)):
        kwargs = {"sample_weight": drawn[resample]}
        expected = [
            sk.f1_score(rows[0], rows[1 + which], average="macro", **kwargs),
            sk.balanced_accuracy_score(rows[0], rows[1 + which], **kwargs),
            sk.cohen_kappa_score(rows[0], rows[1 + which], **kwargs),
            sk.accuracy_score(rows[0], rows[1 + which], **kwargs),
        ]
        np.testing.assert_allclose(draws[which, resample, :4], expected, rtol=0, atol=1e-9)


def test_an_outcome_is_drawn_once_for_all_that_stands_for_it():
    """Gamma draws of one outcome add up to one draw of the sum of their shapes: the same sums, and
    the intervals of a draw for each, but for the noise of another draw."""
    truth, *models = three_models(n=80)
    outcomes, counts = bootstrap.outcomes_of((truth, *models), 4)
    unseen, prior = bootstrap._unseen(outcomes, counts, 4, 0.5)
    apart = np.concatenate([outcomes, unseen], axis=1)
    shapes = np.concatenate([counts, prior])
    cells, together = bootstrap.table(truth, tuple(models), 4, 0.5)
    expected = Counter()
    for outcome, shape in zip(apart.T.tolist(), shapes, strict=True):
        expected[tuple(outcome)] += shape
    assert dict(zip(map(tuple, cells.T.tolist()), together, strict=True)) == pytest.approx(expected)
    assert len(together) < len(shapes)

    draws = []
    for weights in bootstrap.resampled_weights(shapes, 80, 20_000, seed=1):
        hits = weights @ (np.eye(4)[apart[0]] * np.eye(4)[apart[1]])
        both = weights @ (np.eye(4)[apart[0]] + np.eye(4)[apart[1]])
        draws.append((2 * hits / both).mean(axis=1))
    low, high = np.quantile(np.concatenate(draws), (0.025, 0.975))
    resampled = bootstrap.bootstrap(truth, tuple(models), 4, 20_000, seed=2)
    ends = np.quantile(resampled[0][:, 0], (0.025, 0.975))
    np.testing.assert_allclose(ends, (low, high), atol=0.03 * (high - low))


def test_what_was_not_seen_weighs_half_a_text_a_kind_and_two_in_all():
    truth, reference, candidate = three_models(n=80)
    outcomes, counts = bootstrap.outcomes_of((truth, reference, candidate), 4)
    unseen, prior = bootstrap._unseen(outcomes, counts, 4, bootstrap.prior_of(4))
    assert [bootstrap.prior_of(classes) * classes for classes in (2, 4, 77)] == [1, 2, 2]
    np.testing.assert_allclose(np.bincount(unseen[0], prior), np.full(4, 2.0))
    right = unseen[1:] == unseen[0]
    for kind in itertools.product((True, False), repeat=2):
        matching = (right == np.array(kind)[:, None]).all(axis=0)
        assert prior[matching].sum() == pytest.approx(4 / 2)


def test_estimates_are_sklearns_and_quality_holds_the_confusion_matrix():
    truth, reference, _ = three_models()
    result = intervals.quality(truth, reference, 4, resamples=50)
    expected = sklearn_scores(truth, reference, 4)
    got = [getattr(result, name) for name in metrics.METRICS] + [*result.f1, *result.recall]
    np.testing.assert_allclose([i.estimate for i in got], expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(result.confusion, sk.confusion_matrix(truth, reference))
    assert result.n == 400


def test_paired_intervals_match_a_plain_loop_over_resampled_rows():
    truth, reference, candidate = three_models(n=2000)  # the prior of the unseen vanishes
    assert np.bincount(truth).min() > 15  # so that every resample holds every class

    def scores(truth, predicted):
        # One call a resample: scikit-learn's checks of its inputs are most of this test's time.
        _, recall, f1, _ = sk.precision_recall_fscore_support(
            truth, predicted, labels=range(4), zero_division=0
        )
        return np.array([f1.mean(), *f1, *recall])

    rng = np.random.default_rng(11)
    loop = []
    for _ in range(1000):
        rows = rng.integers(0, 2000, 2000)
        loop.append(scores(truth[rows], reference[rows]) - scores(truth[rows], candidate[rows]))
    drops = intervals.paired_drops(truth, reference, candidate, 4)
    # Where flips abound: in the rare classes the loop knows only the flips it was given.
    drop_intervals = [drops.macro_f1, *drops.f1[:2], *drops.recall[:2]]
    loop = np.array(loop)[:, [0, 1, 2, 5, 6]]
    ends = np.quantile(loop, [0.025, 0.975], axis=0)
    spread = np.std(loop, axis=0)
    for interval, expected, deviation in zip(drop_intervals, ends.T, spread, strict=True):
        # The 2.5% quantile of 1000 draws has a standard error near 0.085 standard deviations.
        np.testing.assert_allclose(
            [interval.low, interval.high], expected, rtol=0, atol=0.35 * deviation
        )
        assert interval.low < interval.high


def test_paired_interval_matches_scipys_bootstrap():
    truth, reference, candidate = three_models(n=2000)  # the prior of the unseen vanishes

    def drop(t, r, c):
        return metrics.macro_f1(metrics.confusion_matrix(t, r, 4)) - metrics.macro_f1(
            metrics.confusion_matrix(t, c, 4)
        )

    theirs = scipy.stats.bootstrap(
        (truth, reference, candidate),
        drop,
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=4000,
        rng=np.random.default_rng(2),
    )
    ours = intervals.paired_drops(truth, reference, candidate, 4).macro_f1
    interval = theirs.confidence_interval
    np.testing.assert_allclose(
        [ours.low, ours.high], [interval.low, interval.high], atol=0.3 * theirs.standard_error
    )


def test_pairing_narrows_the_interval_of_the_difference():
    truth, reference, candidate = three_models(n=1000)
    alone = intervals.quality(truth, reference, 4, resamples=2000).macro_f1
    paired = intervals.paired_drops(truth, reference, candidate, 4, resamples=2000).macro_f1
    assert paired.high - paired.low < alone.high - alone.low


def test_identical_predictions_drop_nothing_within_what_the_texts_can_show():
    truth, reference, _ = three_models()
    drops = intervals.paired_drops(truth, reference, reference.copy(), 4, resamples=2000)
    for interval in (*(getattr(drops, name) for name in metrics.METRICS), *drops.recall):
        assert interval.estimate == 0
        assert interval.low < 0 < interval.high
    rarest = int(np.bincount(truth).argmin())
    few = int(np.bincount(truth).min())
    theirs = scipy.stats.binomtest(0, few).proportion_ci(0.95, method="wilson").high
    assert drops.recall[rarest].high == pytest.approx(theirs)
    assert drops.accuracy.high < 5 / 400
    assert drops.flips.estimate == drops.flips.low == 0.0
    assert 0 < drops.flips.high < 0.01


@pytest.mark.parametrize(("flipped", "n"), [(0, 50), (3, 50), (25, 60), (50, 50)])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_flips_interval_is_scipys_wilson_interval(flipped, n, confidence):
    reference = np.zeros(n, dtype=int)
    candidate = (np.arange(n) < flipped).astype(int)
    drops = intervals.paired_drops(
        reference, reference, candidate, 2, resamples=10, confidence=confidence
    )
    theirs = scipy.stats.binomtest(flipped, n).proportion_ci(confidence, method="wilson")
    assert drops.flips.estimate == flipped / n
    assert (drops.flips.low, drops.flips.high) == pytest.approx((theirs.low, theirs.high))


def test_intervals_depend_on_the_seed_alone(monkeypatch):
    case = three_models()
    first = intervals.paired_drops(*case, 4, resamples=300, seed=7)
    assert intervals.paired_drops(*case, 4, resamples=300, seed=7) == first
    assert intervals.paired_drops(*case, 4, resamples=300, seed=8) != first
    # Nor on how many resamples are drawn at once, nor on the order of the texts.
    monkeypatch.setattr(bootstrap, "_CHUNK_CELLS", 500)
    few = intervals.paired_drops(*case, 4, resamples=300, seed=7)
    assert _ends(few) == pytest.approx(_ends(first), abs=1e-12)  # a product's last digit may differ
    shuffled = np.random.default_rng(0).permutation(400)
    assert intervals.paired_drops(*(c[shuffled] for c in case), 4, resamples=300, seed=7) == few


def _ends(drops):
    drop_intervals = (
        drops.macro_f1,
        drops.balanced_accuracy,
        drops.kappa,
        drops.accuracy,
        *drops.f1,
    )
    return [end for each in (*drop_intervals, *drops.recall) for end in (each.low, each.high)]


def test_a_class_without_texts_has_no_recall_and_spoils_nothing_else():
    truth = np.array([0, 0, 0, 1, 1, 1])
    result = intervals.quality(truth, [0, 0, 1, 1, 1, 0], 3, resamples=200)
    absent = result.recall[2]
    assert np.isnan([absent.estimate, absent.low, absent.high]).all()
    absent = result.f1[2]  # nothing was measured of it, and 0 would be a figure
    assert np.isnan([absent.estimate, absent.low, absent.high]).all()
    assert result.balanced_accuracy.estimate == pytest.approx(2 / 3)
    assert result.recall[0].low < result.recall[0].high


def test_a_class_of_one_text_that_is_right_may_still_be_wrong_next_time():
    truth = np.array([0] * 9 + [1])
    recall = intervals.quality(truth, truth, 2, resamples=20).recall[1]
    theirs = scipy.stats.binomtest(1, 1).proportion_ci(0.95, method="wilson")
    assert (recall.estimate, recall.low, recall.high) == pytest.approx((1, theirs.low, 1))


@pytest.mark.parametrize("column", [1, 2])
def test_influences_are_the_derivatives_of_the_scores(column):
    """One text more of each outcome, a millionth of it, and the scores anew."""
    truth, reference, candidate = three_models(n=80)
    cells, weights = bootstrap.table(truth, (reference, candidate), 4, 0.0)
    influences = influence.influences(cells, weights, 4, column)

    def scores_with(more):
        counts = np.zeros((4, 4))
        np.add.at(counts, (cells[0], cells[column]), weights + more)
        return metrics.scores(metrics.margins_of(counts))[[0, 1, 2, 4, 5, 6, 7]]

    for at in range(len(weights)):
        step = np.zeros(len(weights))
        step[at] = 1e-6
        expected = (scores_with(step) - scores_with(-step)) / 2e-6
        np.testing.assert_allclose(influences[at], expected, atol=1e-7)


def test_biases_are_those_of_a_simulation():
    """Of F1 from 12 texts a class, the shares of the classes fixed: 100,000 sets."""
    rng = np.random.default_rng(0)
    hit, false = 0.6, 0.05
    hits = rng.binomial(12, hit, (100_000, 1))
    wrong = rng.binomial(24, false, (100_000, 1))
    simulated = (2 * hits / (12 + hits + wrong)).mean() - 2 * 7.2 / (12 + 7.2 + 1.2)
    cells = np.array([[0, 0, 1, 1], [0, 1, 0, 1]])
    weights = np.array([7.2, 4.8, 1.2, 22.8])
    ours = influence.biases(cells, weights, 2, 1)[3]
    # Estimated from the sample a class's variance divides by n - 1; here it is known.
    assert ours == pytest.approx(simulated, abs=0.15 * abs(simulated))


@pytest.mark.parametrize("classes", [2, 6, 77, 150])
@pytest.mark.parametrize("wrong", [0.0, 0.1, 0.6])
def test_an_interval_holds_its_estimate_and_not_at_its_end(classes, wrong):
    rng = np.random.default_rng(classes)
    truth = np.repeat(np.arange(classes), rng.integers(3, 21, classes))
    n = len(truth)
    reference = np.where(rng.random(n) < wrong, rng.integers(0, classes, n), truth)
    for flipped in (0.0, 0.02, 0.4):
        candidate = np.where(rng.random(n) < flipped, rng.integers(0, classes, n), reference)
        own = intervals.quality(truth, candidate, classes, resamples=300)
        drops = intervals.paired_drops(truth, reference, candidate, classes, resamples=300)
        with_best = [(getattr(own, name), 1.0) for name in metrics.METRICS]
        with_best += [(getattr(drops, name), math.inf) for name in metrics.METRICS]
        for interval, best in with_best:
            width = interval.high - interval.low
            assert interval.low < interval.estimate - 0.05 * width
            assert interval.estimate == best or interval.high > interval.estimate + 0.05 * width


def test_where_texts_cannot_carry_an_interval_it_is_withheld():
    truth = np.concatenate([np.arange(20), np.repeat(np.arange(17), 5)])  # 3 of 20 have one text
    assert "3 of 20 labels have fewer than two texts" in intervals.withheld(truth, 20)
    drops = intervals.paired_drops(truth, truth, truth, 20, resamples=50)
    assert drops.macro_f1.estimate == 0
    assert drops.macro_f1.is_withheld
    assert drops.balanced_accuracy.is_withheld
    assert drops.kappa.low < 0 < drops.accuracy.high
    assert intervals.withheld(np.repeat(np.arange(20), 2), 20) is None


def test_a_wider_confidence_gives_a_wider_interval():
    case = three_models()
    narrow = intervals.paired_drops(*case, 4, resamples=1000, confidence=0.5)
    wide = intervals.paired_drops(*case, 4, resamples=1000, confidence=0.99)
    for name in metrics.METRICS:
        assert getattr(wide, name).low < getattr(narrow, name).low
        assert getattr(wide, name).high > getattr(narrow, name).high


@pytest.mark.parametrize(
    ("labels", "predictions", "n_classes", "problem"),
    [
        ([], [], 2, "labels is empty"),
        ([0, 1], [0], 2, "labels has 2 texts and predictions has 1"),
        ([0, 2], [0, 1], 2, "labels holds 2 at position 1"),
        ([0, 1], [-1, 1], 2, "predictions holds -1 at position 0"),
        ([0.0, 1.0], [0, 1], 2, "float64"),
        (["a", "b"], [0, 1], 2, "'a'"),
        ([[0, 1]], [0, 1], 2, r"shape \(1, 2\)"),
        ([0, 0], [0, 0], 1, "n_classes is 1"),
    ],
)
def test_what_cannot_be_counted_is_named(labels, predictions, n_classes, problem):
    for call in (metrics.confusion_matrix, intervals.quality):
        with pytest.raises(ParetextError, match=problem):
            call(labels, predictions, n_classes)


def test_settings_and_shapes_are_checked():
    with pytest.raises(ParetextError, match="candidate has 1"):
        intervals.paired_drops([0, 1], [0, 1], [0], 2)
    with pytest.raises(ParetextError, match="resamples is 0"):
        intervals.quality([0, 1], [0, 1], 2, resamples=0)
    with pytest.raises(ParetextError, match=r"confidence is 95\b"):
        intervals.quality([0, 1], [0, 1], 2, resamples=10, confidence=95)
    with pytest.raises(ParetextError, match=r"shape \(2, 3\)"):
        metrics.macro_f1(np.zeros((2, 3)))
