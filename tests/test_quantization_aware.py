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
def test_a_network_that_rounds_is_as_far_off_as_its_int8_artifact(
    encoder: Encoder, tmp_path: Path, architecture: str
) -> None:
    origin = compact(classifier(encoder, architecture))
    exact = origin.logits(TEXTS, batch_size=1)
    int8 = export(origin, tmp_path / "int8", TEXTS, quantization=DynamicQuantization())
    start_rounding(origin.model)
    rounded = origin.logits(TEXTS, batch_size=1)
    np.testing.assert_allclose(origin.logits(TEXTS), rounded, atol=0.02)  # whatever stands beside
    of_graph, of_network = (np.abs(each - exact).mean() for each in (int8.logits(TEXTS), rounded))
    assert of_graph > 0.005
    assert 0.4 < of_network / of_graph < 2.5
    stop_rounding(origin.model)
    np.testing.assert_array_equal(origin.logits(TEXTS, batch_size=1), exact)


def test_an_input_is_rounded_over_its_rows_range_and_passes_its_gradient() -> None:
    x = torch.tensor([[-1.0, 0.0, 0.3], [4.0, 2.0, 1e-4]], requires_grad=True)
    rounded = input_rounded(x)
    step = torch.tensor([[1.3], [4.0]]) / 255
    zero = (-x.amin(-1, keepdim=True).clamp(max=0) / step).round()
    expected = torch.fake_quantize_per_channel_affine(
        x.detach(), step[:, 0], zero[:, 0].int(), 0, 0, 255
    )
    torch.testing.assert_close(rounded, expected)
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
