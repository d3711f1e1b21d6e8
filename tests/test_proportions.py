"""Paired proportions: the score against a numerical maximum, Holm against closed testing."""

from __future__ import annotations

import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest
import scipy.optimize
import scipy.stats

from paretext.measure.proportions import (
    Pairs,
    holm_levels,
    holm_p_values,
    mcnemar,
    score_interval,
    score_z,
    upper_share,
)

CASES = [(50, 0, 0), (50, 5, 0), (50, 0, 5), (81, 3, 1), (200, 20, 12), (10, 10, 0), (40, 20, 20)]


def numerical_z(pairs: Pairs, drop: float) -> float:
    """The same score, its nuisance parameter found by maximising the likelihood numerically."""
    n, lost, won = pairs.n, pairs.lost, pairs.won

    def cost(q: float) -> float:
        shares = (q + drop, q, 1 - 2 * q - drop)
        counts = (lost, won, n - lost - won)
        return -sum(c * math.log(max(s, 1e-300)) for c, s in zip(counts, shares, strict=True) if c)

    bounds = (max(0.0, -drop), (1 - drop) / 2)
    q = scipy.optimize.minimize_scalar(
        cost, bounds=bounds, method="bounded", options={"xatol": 1e-12}
    ).x
    return (lost - won - n * drop) / math.sqrt(n * (2 * q + drop * (1 - drop)))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("drop", [-0.1, 0.02, 0.3])
def test_the_score_is_that_of_the_numerical_maximum(
    case: tuple[int, int, int], drop: float
) -> None:
    pairs = Pairs(*case)
    assert score_z(pairs, drop) == pytest.approx(numerical_z(pairs, drop), abs=2e-4)


@pytest.mark.parametrize("case", CASES)
def test_the_interval_ends_where_the_score_is_the_quantile(case: tuple[int, int, int]) -> None:
    pairs = Pairs(*case)
    interval = score_interval(pairs, 0.01, 0.05)
    assert -1 <= interval.low <= interval.estimate <= interval.high <= 1
    if interval.low > -1:
        assert score_z(pairs, interval.low) == pytest.approx(NormalDist().inv_cdf(0.99), abs=1e-4)
    if interval.high < 1:
        assert score_z(pairs, interval.high) == pytest.approx(NormalDist().inv_cdf(0.05), abs=1e-4)
    swapped = score_interval(Pairs(pairs.n, pairs.won, pairs.lost), 0.05, 0.01)
    assert (swapped.low, swapped.high) == pytest.approx((-interval.high, -interval.low), abs=1e-6)


def test_without_a_flip_the_interval_is_wilsons() -> None:
    """Tango (1998): with lost = won = 0 its end is that of Wilson's interval of 0 in n."""
    interval = score_interval(Pairs(81, 0, 0), 0.025, 0.025)
    wilson = scipy.stats.binomtest(0, 81).proportion_ci(0.95, method="wilson")
    assert interval.high == pytest.approx(wilson.high, abs=1e-9)
    assert interval.low == pytest.approx(-wilson.high, abs=1e-9)


@pytest.mark.parametrize(("n", "lost", "won"), [(81, 0.03, 0.01), (200, 0.05, 0.05), (40, 0.1, 0)])
def test_exact_coverage_of_the_score_interval(n: int, lost: float, won: float) -> None:
    """Every outcome with its probability, none drawn."""
    covered = passed = total = 0.0
    law = scipy.stats.multinomial(n, [lost, won, 1 - lost - won])
    for b, c in itertools.product(range(31), range(31)):
        chance = law.pmf([b, c, n - b - c]) if b + c <= n else 0.0
        if chance < 1e-6:
            continue
        interval = score_interval(Pairs(n, b, c), 0.025, 0.025)
        total += chance
        covered += chance * (interval.low <= lost - won <= interval.high)
        passed += chance * (interval.high <= lost - won)
    assert total > 0.999
    assert 0.93 <= covered / total <= 0.985
    assert passed <= 0.05  # a candidate exactly at the limit is passed no more often than that


def test_mcnemar_is_the_binomial_sum() -> None:
    for lost, won in ((0, 0), (5, 0), (3, 9), (7, 7), (1, 12)):
        n = lost + won
        tail = sum(math.comb(n, k) for k in range(min(lost, won) + 1)) / 2**n
        assert mcnemar(Pairs(100, lost, won)) == pytest.approx(min(1.0, 2 * tail))


def test_counting_pairs() -> None:
    reference, candidate = (np.array([1, 1, 1, 0, 0, 1], bool), np.array([1, 0, 0, 1, 0, 1], bool))
    assert Pairs.count(reference, candidate) == Pairs(6, 2, 1)


@pytest.mark.parametrize("seed", range(20))
def test_holm_rejects_what_closed_testing_rejects(seed: int) -> None:
    """Holm is the closed test whose intersections are tested by Bonferroni (Marcus et al. 1976)."""
    p = np.random.default_rng(seed).random(5) ** 4
    levels = holm_levels(p.tolist(), 0.05)
    ours = [value <= level for value, level in zip(p, levels, strict=True)]
    subsets = [s for r in range(1, 6) for s in itertools.combinations(range(5), r)]
    closed = [
        all(p[list(s)].min() <= 0.05 / len(s) for s in subsets if index in s) for index in range(5)
    ]
    assert ours == closed


@pytest.mark.parametrize("level", [0.01, 0.05, 0.2])
def test_corrected_p_values_reject_what_the_levels_do(level: float) -> None:
    for seed in range(50):
        p = (np.random.default_rng(seed).random(6) ** 4).tolist()
        by_level = [value <= own for value, own in zip(p, holm_levels(p, level), strict=True)]
        assert [value <= level for value in holm_p_values(p)] == by_level
    assert holm_p_values([0.01, 0.04, 0.03, 0.005, 0.9]) == pytest.approx(
        [0.04, 0.09, 0.09, 0.025, 0.9]
    )
    assert holm_p_values([]) == holm_levels([], level) == []


@pytest.mark.parametrize(("count", "n"), [(0, 50), (2, 52), (7, 7), (30, 400)])
def test_the_upper_share_is_scipys_exact_one(count: int, n: int) -> None:
    theirs = scipy.stats.binomtest(count, n).proportion_ci(0.9, method="exact").high
    assert upper_share(count, n, 0.05) == pytest.approx(theirs)


def test_counts_that_are_arrays_have_the_scores_of_each() -> None:
    pairs = [Pairs(*case) for case in CASES]
    together = Pairs(*np.array(CASES).T)
    expected = [float(score_z(each, 0.02)) for each in pairs]
    np.testing.assert_allclose(score_z(together, 0.02), expected)
