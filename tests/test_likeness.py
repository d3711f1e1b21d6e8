"""How like two sets of texts are."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import roc_auc_score

from paretext.measure.likeness import _auc, likeness

KINDS = {
    "bank": "my card was not accepted when i paid the transfer fee at the bank account",
    "film": "the actors play a moving scene and the director of this film tells nothing new",
}


def texts(kind: str, count: int, seed: int) -> list[str]:
    chance = np.random.default_rng(seed)
    return [" ".join(chance.choice(KINDS[kind].split(), 8)) for _ in range(count)]


def test_texts_of_one_kind_are_alike():
    measured, alike = likeness(texts("bank", 300, 0), texts("bank", 900, 1))
    assert measured.auc is not None
    assert measured.auc < 0.56
    assert alike.all()
    assert (measured.unlike, measured.unseen) == (0, 0.0)


def test_those_of_another_kind_are_found_among_the_others():
    mixed = [*texts("bank", 300, 1), *texts("film", 300, 2)]
    measured, alike = likeness(texts("bank", 300, 0), mixed)
    assert alike[:300].mean() > 0.95
    assert alike[300:].mean() < 0.05
    assert measured.unlike == int((~alike).sum())
    assert f"{measured.auc:.2f}" in str(measured)
    assert measured.unseen > 0.4


def test_a_handful_of_texts_is_not_judged():
    measured, alike = likeness(texts("bank", 10, 0), texts("film", 10, 0))
    assert measured.auc is None
    assert alike.all()
    assert "too few" in str(measured)


def test_no_words_at_all():
    measured, alike = likeness(["..."] * 50, ["!!"] * 50)
    assert alike.all()
    assert measured.unseen == 0.0


def test_auc_is_that_of_scikit_learn():
    chance = np.random.default_rng(0)
    low, high = chance.integers(0, 9, 50).astype(float), chance.integers(3, 12, 70).astype(float)
    truth = np.r_[np.zeros(50), np.ones(70)]
    assert np.isclose(_auc(low, high), roc_auc_score(truth, np.r_[low, high]))
