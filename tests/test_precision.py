"""A network trains in bfloat16 where it can, and computes in float32 before and after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import architectures
import numpy as np
import pytest
import tiny
import torch
import toy

from paretext.core.errors import ParetextError
from paretext.models.classifier import Classifier
from paretext.training import precision
from paretext.training.fit import fit
from paretext.training.settings import TrainingSettings

DATA = toy.dataset(12)
SETTINGS = TrainingSettings(batch_size=6, epochs=1, device="cpu", precision="bf16")


@pytest.fixture
def bert(encoder: Callable[[str], Path]) -> Classifier:
    return Classifier.from_pretrained(str(encoder("bert")), toy.LABELS, max_length=16)


@pytest.fixture(scope="module")
def deberta() -> Classifier:
    """Its mask is the least number of float32, which bfloat16 has not."""
    tokenizer = tiny._word_piece([*tiny.TEXTS, *DATA.texts])
    model = architectures.model(architectures.config("deberta", vocab_size=len(tokenizer)))
    return Classifier(model, tokenizer, toy.LABELS, 16)


def test_what_was_trained_in_bfloat16_answers_in_float32(bert: Classifier, tmp_path: Path) -> None:
    trained = fit(bert, DATA, DATA, SETTINGS).classifier
    trained.save(tmp_path)
    again = Classifier.load(tmp_path)
    np.testing.assert_array_equal(trained.logits(DATA.texts), again.logits(DATA.texts))
    assert trained.copy().model.forward.__self__ is not trained.model


def test_where_bfloat16_cannot_be_float32_is(
    deberta: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(precision.progress, "say", said.append)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    before = {name: each.clone() for name, each in deberta.model.state_dict().items()}
    chosen = precision.possible(
        deberta, DATA, SETTINGS.model_copy(update={"precision": "auto"}), "training"
    )
    assert chosen.precision == "fp32"
    assert said[0].startswith("training: DebertaForSequenceClassification cannot compute in bf")
    assert not any(each.grad is not None for each in deberta.model.parameters())
    for name, each in deberta.model.state_dict().items():
        assert torch.equal(each, before[name])
    with pytest.raises(ParetextError, match=r"cannot compute in bfloat16 .*--precision fp32\."):
        precision.possible(deberta, DATA, SETTINGS, "training")


def test_a_network_that_cannot_be_trained_is_one_sentence(bert: Classifier) -> None:
    def broken(**_: Any) -> None:
        raise RuntimeError("sizes must match\nat dimension 3")

    bert.model.forward = broken
    exact = SETTINGS.model_copy(update={"precision": "fp32"})
    with pytest.raises(ParetextError, match=r"cannot be trained \(sizes must match\); use"):
        fit(replace(bert), DATA, DATA, exact)
