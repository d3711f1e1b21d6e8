"""Training on rounded numbers: it rounds as the INT8 graph does, and leaves the weights whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from test_compact import TEXTS, TRAINING, classifier, material
from torch import nn

from paretext.compression import Distillation, DynamicQuantization, Material, RecurrentStudent
from paretext.compression.methods.quantization_aware import (
    input_rounded,
    start_rounding,
    stop_rounding,
)
from paretext.compression.methods.teacher import ParentTeacher
from paretext.compression.recipe import Version
from paretext.compression.step import Outline, compact
from paretext.core.errors import ParetextError
from paretext.graphs import export

Encoder = Callable[[str], Path]


@pytest.mark.parametrize("architecture", ["roberta", "bert"])
def test_a_network_that_rounds_answers_as_its_int8_artifact(
    encoder: Encoder, tmp_path: Path, architecture: str
) -> None:
    origin = compact(classifier(encoder, architecture))
    exact = origin.logits(TEXTS, batch_size=1)
    int8 = export(origin, tmp_path / "int8", TEXTS, quantization=DynamicQuantization())
    expected = np.concatenate([int8.logits([text]) for text in TEXTS])
    start_rounding(origin.model)
    rounded = origin.logits(TEXTS, batch_size=1)
    # Not everywhere: where a number lies between two steps, another order of a sum decides.
    assert np.median(np.abs(exact - expected)) > 0.005
    assert np.median(np.abs(rounded - expected)) < 1e-5
    assert np.abs(rounded - expected).max() < 0.02
    stop_rounding(origin.model)
    np.testing.assert_array_equal(origin.logits(TEXTS, batch_size=1), exact)


def test_an_input_is_rounded_over_its_range_and_passes_its_gradient() -> None:
    x = torch.tensor([[-1.0, 0.0, 0.3], [4.0, 2.0, 1e-4]], requires_grad=True)
    rounded = input_rounded(x)
    step = 5 / 255
    assert ((rounded - x).abs() <= step / 2 + 1e-6).all()
    assert rounded[0, 1] == 0
    rounded.sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert (x.grad == 1).all()
    assert torch.equal(input_rounded(torch.zeros(2, 2)), torch.zeros(2, 2))


def test_distillation_on_rounded_numbers_keeps_whole_weights(
    encoder: Encoder, tmp_path: Path
) -> None:
    origin, data = classifier(encoder), material()
    origin.save(tmp_path / "parent")
    artifact = export(origin, tmp_path / "artifact", TEXTS)
    teacher = ParentTeacher(artifact, tmp_path / "parent", tmp_path / "cache")
    taught = Material(data.train, data.selection, TRAINING, teacher)
    step = Distillation(epochs=2, copies=1, batch_size=8, quantization_aware=True)
    made, _ = step.apply(origin, taught)
    kinds = {type(module) for module in made.model.modules()}
    assert {nn.Linear, nn.Embedding} <= kinds
    assert not [kind for kind in kinds if kind.__name__.startswith("_Rounded")]
    weight = made.model.layers[0].query.weight
    assert len(weight.unique()) > weight.numel() / 2


def test_a_recurrent_student_has_no_products_to_round(encoder: Encoder) -> None:
    steps = (
        RecurrentStudent(embedding_size=8, hidden_size=8),
        Distillation(quantization_aware=True),
    )
    outline = Outline.of(classifier(encoder).model.config)
    with pytest.raises(ParetextError, match="leaves no encoder to change"):
        Version(name="x", steps=steps).plan(outline)
