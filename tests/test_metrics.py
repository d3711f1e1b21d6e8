"""Metrics and intervals against scikit-learn, scipy and a plain loop over resampled rows."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from paretext import intervals, metrics
from paretext.errors import ParetextError


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
    scalars = np.stack([metric(counts) for metric in metrics.METRICS.values()], axis=-1)
    per_class = [metrics.f1_per_class(counts), metrics.recall_per_class(counts)]
    return np.concatenate([scalars, *per_class], axis=-1)


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
    assert np.isnan(metrics.kappa([[5, 0], [0, 0]]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isnan(sk.cohen_kappa_score([0] * 5, [0] * 5))
    # One class each but not the same one: chance agreement is 0, and so is kappa.
    assert metrics.kappa([[0, 5], [0, 0]]) == sk.cohen_kappa_score([0] * 5, [1] * 5) == 0.0


def test_leading_axes_are_independent_matrices():
    counts = np.random.default_rng(0).integers(0, 4, size=(3, 5, 4, 4))
    together = our_scores(counts)
    for index in np.ndindex(3, 5):
        np.testing.assert_array_equal(together[index], our_scores(counts[index]))


def test_resampled_outcome_counts_score_as_the_resampled_rows_do():
    truth, *models = three_models(n=60)
    outcomes, _ = intervals._outcomes((truth, *models), 4)
    rng = np.random.default_rng(5)
    for _ in range(20):
        rows = rng.integers(0, 60, 60)
        drawn_outcomes, drawn = intervals._outcomes((truth[rows], *(m[rows] for m in models)), 4)
        # A resample draws no outcome that the texts do not have.
        assert set(map(tuple, drawn_outcomes.T)) <= set(map(tuple, outcomes.T))
        for which, model in enumerate(models, start=1):
            one_hot = np.eye(4)[drawn_outcomes]
            margins = metrics.Margins(
                hits=drawn @ (one_hot[0] * one_hot[which]),
                truth=drawn @ one_hot[0],
                predicted=drawn @ one_hot[which],
            )
            expected = sklearn_scores(truth[rows], model[rows], 4)
            np.testing.assert_allclose(metrics.scores(margins), expected, rtol=0, atol=1e-12)


def test_each_bootstrap_draw_scores_as_its_rows_written_out():
    """Repeat the multinomial draws, write each out as rows, and ask scikit-learn."""
    truth, reference, candidate = three_models(n=80)
    outcomes, counts = intervals._outcomes((truth, reference, candidate), 4)
    _, draws = intervals._bootstrap(truth, (reference, candidate), 4, resamples=25, seed=3)
    drawn = np.random.default_rng(3).multinomial(80, counts / 80, size=25)
    for resample in range(25):
        rows = np.repeat(outcomes, drawn[resample], axis=1)
        assert rows.shape == (3, 80)
        for which in (0, 1):
            expected = sklearn_scores(rows[0], rows[1 + which], 4)
            np.testing.assert_allclose(draws[which, resample], expected, rtol=0, atol=1e-12)


def test_estimates_are_sklearns_and_quality_holds_the_confusion_matrix():
    truth, reference, _ = three_models()
    result = intervals.quality(truth, reference, 4, resamples=50)
    expected = sklearn_scores(truth, reference, 4)
    got = [getattr(result, name) for name in metrics.METRICS] + [*result.f1, *result.recall]
    np.testing.assert_allclose([i.estimate for i in got], expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(result.confusion, sk.confusion_matrix(truth, reference))
    assert result.n == 400
    assert not result.confusion.flags.writeable


def test_paired_intervals_match_a_plain_loop_over_resampled_rows():
    truth, reference, candidate = three_models(n=300)

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
        rows = rng.integers(0, 300, 300)
        loop.append(scores(truth[rows], reference[rows]) - scores(truth[rows], candidate[rows]))
    drops = intervals.paired_drops(truth, reference, candidate, 4)
    found = [drops.macro_f1, *drops.f1, *drops.recall]
    ends = np.quantile(loop, [0.025, 0.975], axis=0)
    spread = np.std(loop, axis=0)
    for interval, expected, deviation in zip(found, ends.T, spread, strict=True):
        # The 2.5% quantile of 1000 draws has a standard error near 0.085 standard deviations.
        np.testing.assert_allclose(
            [interval.low, interval.high], expected, rtol=0, atol=0.3 * deviation
        )
        assert interval.low < interval.high


def test_paired_interval_matches_scipys_bootstrap():
    truth, reference, candidate = three_models(n=300)

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
        [ours.low, ours.high], [interval.low, interval.high], atol=0.2 * theirs.standard_error
    )


def test_pairing_narrows_the_interval_of_the_difference():
    truth, reference, candidate = three_models(n=1000)
    alone = intervals.quality(truth, reference, 4, resamples=2000).macro_f1
    paired = intervals.paired_drops(truth, reference, candidate, 4, resamples=2000).macro_f1
    assert paired.high - paired.low < alone.high - alone.low


def test_identical_predictions_drop_exactly_nothing():
    truth, reference, _ = three_models()
    drops = intervals.paired_drops(truth, reference, reference.copy(), 4, resamples=500)
    zero = intervals.Interval(0.0, 0.0, 0.0)
    assert [getattr(drops, name) for name in metrics.METRICS] == [zero] * 4
    assert drops.f1 == drops.recall == (zero,) * 4
    # But 400 texts without a flip do not prove that flips never happen.
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
    monkeypatch.setattr(intervals, "_CHUNK_CELLS", 500)
    assert intervals.paired_drops(*case, 4, resamples=300, seed=7) == first
    shuffled = np.random.default_rng(0).permutation(400)
    assert intervals.paired_drops(*(c[shuffled] for c in case), 4, resamples=300, seed=7) == first


def test_a_class_without_texts_has_no_recall_and_spoils_nothing_else():
    truth = np.array([0, 0, 0, 1, 1, 1])
    result = intervals.quality(truth, [0, 0, 1, 1, 1, 0], 3, resamples=200)
    absent = result.recall[2]
    assert np.isnan([absent.estimate, absent.low, absent.high]).all()
    assert result.f1[2] == intervals.Interval(0.0, 0.0, 0.0)
    assert result.balanced_accuracy.estimate == pytest.approx(2 / 3)
    assert result.recall[0].low < result.recall[0].high


def test_resamples_that_miss_a_class_are_left_out_of_its_recall():
    """A class of one text, predicted right: in every resample that draws it, recall is 1."""
    truth = np.array([0] * 9 + [1])
    result = intervals.quality(truth, truth, 2, resamples=500)
    assert result.recall[1] == intervals.Interval(1.0, 1.0, 1.0)
    assert result.f1[1].low == 0.0  # a third of the resamples miss it, and F1 counts them as 0


def test_a_wider_confidence_gives_a_wider_interval():
    case = three_models()
    narrow = intervals.paired_drops(*case, 4, resamples=1000, confidence=0.5)
    wide = intervals.paired_drops(*case, 4, resamples=1000, confidence=0.99)
    for name in metrics.METRICS:
        assert getattr(wide, name).low < getattr(narrow, name).low
        assert getattr(wide, name).high > getattr(narrow, name).high


@pytest.mark.parametrize(
    ("labels", "predictions", "n_classes", "found"),
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
def test_what_cannot_be_counted_is_named(labels, predictions, n_classes, found):
    for call in (metrics.confusion_matrix, intervals.quality):
        with pytest.raises(ParetextError, match=found):
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
