"""The drop in accuracy from labels on flips alone: it covers, and is Tango's where all have one."""

from __future__ import annotations

import numpy as np
import pytest

from paretext.measure.flipped import Flipped, flipped_interval, flipped_z, labels_needed
from paretext.measure.proportions import Pairs, score_interval, score_z, upper_share

TAIL = 0.025


@pytest.mark.parametrize(
    ("texts", "flips", "lost", "won"),
    [(10_000, 200, 70, 60), (1000, 30, 0, 0), (5000, 10, 1, 9), (2000, 100, 100, 0)],
)
def test_with_every_flip_labelled_it_is_tangos(texts: int, flips: int, lost: int, won: int) -> None:
    flipped = Flipped(texts, flips, flips, lost, won)
    drops = np.array([-0.01, 0.002, 0.01, 0.03])
    np.testing.assert_allclose(
        flipped_z(flipped, drops), score_z(Pairs(texts, lost, won), drops), rtol=1e-5
    )
    ours = flipped_interval(flipped, TAIL, TAIL)
    theirs = score_interval(Pairs(texts, lost, won), TAIL, TAIL)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-7)


def test_without_labels_every_flip_may_be_a_loss() -> None:
    interval = flipped_interval(Flipped(10_000, 80), TAIL, TAIL)
    assert np.isnan(interval.estimate)
    assert interval.high == -interval.low == pytest.approx(upper_share(80, 10_000, TAIL))
    assert interval.high < 0.01  # so that 0.8% flips certify a limit of 1% without any label


def test_an_answer_that_nobody_can_tell_counts_as_the_worse_one() -> None:
    unclear = flipped_interval(Flipped(5000, 200, 60, 20, 22, unclear=6), TAIL, TAIL)
    worst = flipped_interval(Flipped(5000, 200, 60, 26, 22), TAIL, TAIL)
    best = flipped_interval(Flipped(5000, 200, 60, 20, 28), TAIL, TAIL)
    assert (unclear.low, unclear.high) == (best.low, worst.high)


@pytest.mark.parametrize("rates", [(0.4, 0.4), (0.5, 0.3), (0.3, 0.05), (0.05, 0.05)])
@pytest.mark.parametrize(("texts", "share", "labelled"), [(10_000, 0.02, 100), (2000, 0.1, 30)])
def test_it_covers(rates: tuple[float, float], texts: int, share: float, labelled: int) -> None:
    """Of 4,000 sets 2.5% is 100, give or take 10: a wrong pass is no more often than 3.5%."""
    rng = np.random.default_rng(0)
    flips = rng.binomial(texts, share, 4000)
    part = np.minimum(flips, labelled)
    lost, won, _ = rng.multinomial(part, [*rates, 1 - sum(rates)]).T
    z = flipped_z(Flipped(texts, flips, part, lost, won), share * (rates[0] - rates[1]))
    assert (z < -1.96).mean() < 0.035
    assert (z > 1.96).mean() < 0.04


def test_as_many_labels_as_are_said_decide_nine_times_in_ten() -> None:
    """With no label yet; nothing is lost, and every label makes one of the two right."""
    texts, flips, limit = 10_000, 300, 0.01
    needed = labels_needed(Flipped(texts, flips), limit, TAIL)
    assert needed is not None
    rng = np.random.default_rng(1)
    won = rng.binomial(needed, 0.5, 3000)
    z = flipped_z(Flipped(texts, flips, needed, needed - won, won), limit)
    assert (z <= -1.96).mean() == pytest.approx(0.9, abs=0.04)
    assert labels_needed(Flipped(texts, 50), limit, TAIL) == 1  # decided as it is
    assert labels_needed(Flipped(texts, flips, 100, 80, 5), limit, TAIL) is None
