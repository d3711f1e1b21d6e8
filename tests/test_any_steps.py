"""Any steps that a recipe accepts give a classifier whose graph answers as PyTorch does.

Hypothesis draws the steps and their settings. `Version` and its plan say which of them are
possible, just as they say it to a user; whatever they let through must export. (Structured pruning
by times is left to test_structured.py: it depends on the machine.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import toy
from hypothesis import HealthCheck, example, given, reject, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from test_compact import classifier

from paretext.compression import Material, Version
from paretext.compression.methods.teacher import ParentTeacher
from paretext.compression.step import Outline
from paretext.core.errors import ParetextError
from paretext.core.registry import STEPS
from paretext.graphs import export
from paretext.models.classifier import Classifier
from paretext.training.settings import TrainingSettings

TRAINING = TrainingSettings(batch_size=8, epochs=1, precision="fp32", device="cpu")
TEXTS = [*toy.dataset(6, 5).texts, "", "glad", "zzz \U0001f600 漢字", "sad " * 40]
ARCHITECTURES = ("roberta", "electra", "distilbert", *tiny.OTHERS)
QUANTISED = {
    "weight_bits": st.sampled_from([7, 8]),
    "embedding_bits": st.sampled_from([None, 4, 8]),
    "sensitivity_limit": st.sampled_from([None, None, 1e-9, 10.0]),
}
SETTINGS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "layers": {"keep": st.integers(1, 3) | st.lists(st.integers(0, 2), max_size=2)},
    "width": {"hidden_size": st.integers(1, 33)},
    "low_rank_embeddings": {"rank": st.integers(1, 33)},
    "vocabulary": {
        "minimum_count": st.integers(1, 4),
        "limit": st.sampled_from([None, None, 280, 300]),
    },
    "magnitude_pruning": {"amount": st.floats(0, 0.99), "recovery_epochs": st.sampled_from([0, 1])},
    "structured_pruning": {
        "heads": st.floats(0.05, 1),
        "neurons": st.sampled_from([None, 0.01, 0.4, 1.0]),
        "multiple": st.sampled_from([1, 8, 100]),
        "refit": st.booleans(),
    },
    "convolutional_student": {
        "embedding_size": st.integers(1, 33),
        "channels": st.integers(1, 9),
        "window": st.integers(1, 5),
    },
    "distillation": {
        "epochs": st.just(1),
        "copies": st.integers(0, 1),
        "states_weight": st.sampled_from([None, None, 0.0, 1.0]),
        "dropout": st.sampled_from([None, None, None, 0.0, 0.1]),
    },
    "dynamic_quantization": QUANTISED,
    "static_quantization": QUANTISED,
}
LAST = ("dynamic_quantization", "static_quantization")
ANY = st.sampled_from([name for name in SETTINGS if name not in LAST])
SHAPES = ("layers", "width", "low_rank_embeddings", "vocabulary", "structured_pruning")
TAUGHT = ("convolutional_student", "distillation")
ENDS = ((), ("magnitude_pruning",), ("distillation",), TAUGHT)


def test_the_steps_are_all_there_are() -> None:
    own = {name for name, step in STEPS.items() if step.__module__.startswith("paretext.")}
    assert set(SETTINGS) == own


@st.composite
def lists_of_steps(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A few steps, most of them in an order that a recipe takes."""
    names = draw(st.lists(st.sampled_from(SHAPES), max_size=2))
    names += draw(st.sampled_from(ENDS) | st.lists(ANY, max_size=2))
    names += draw(st.lists(st.sampled_from(LAST), min_size=not names, max_size=1))
    return [{"step": name, **draw(st.fixed_dictionaries(SETTINGS[name]))} for name in names]


def convolutional() -> list[dict[str, Any]]:
    student = {"step": "convolutional_student", "embedding_size": 9, "channels": 5}
    taught = {"step": "distillation", "epochs": 1, "copies": 0}
    return [student, taught, {"step": "dynamic_quantization"}]


def several(*steps: str) -> list[dict[str, Any]]:
    usual = {
        "layers": {"keep": 1},
        "width": {"hidden_size": 16},
        "low_rank_embeddings": {"rank": 8},
    }
    made = [{"step": step, **usual.get(step, {})} for step in steps]
    return [*made, {"step": "static_quantization"}]


@pytest.fixture(scope="module")
def parents(
    encoder: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Classifier, Material]]:
    """A parent of each architecture, and what its steps work with."""
    root, made = tmp_path_factory.mktemp("parents"), {}
    data = Material(toy.dataset(8), toy.dataset(6, 1), TRAINING)
    for name in ARCHITECTURES:
        parent = classifier(encoder, name)
        parent.save(root / name)
        artifact = export(parent, root / f"{name}-artifact", TEXTS)
        teacher = ParentTeacher(artifact, root / name, root / f"{name}-answers")
        made[name] = parent, replace(data, teacher=teacher)
    return made


def test_whatever_a_recipe_accepts_exports_to_pytorchs_logits(
    parents: dict[str, tuple[Classifier, Material]], tmp_path: Path
) -> None:
    exported: Counter[str] = Counter()

    @settings(
        max_examples=40,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(ARCHITECTURES), lists_of_steps())
    @example("electra", convolutional())  # drawn seldom: it needs one that teaches after it
    @example("roberta", [{"step": "layers", "keep": 1}, *convolutional()])
    @example("mpnet", [{"step": "vocabulary"}, {"step": "width", "hidden_size": 9}])
    @example("roberta", several("layers", "low_rank_embeddings", "structured_pruning"))
    @example("deberta-v3", several("width", "low_rank_embeddings", "structured_pruning"))
    @example("electra", several("magnitude_pruning"))
    @example("albert", several("magnitude_pruning"))
    @example("modernbert", [{"step": "vocabulary", "limit": 280}, *convolutional()])
    def check(architecture: str, steps: list[dict[str, Any]]) -> None:
        parent, data = parents[architecture]
        try:
            version = Version.model_validate({"name": "any", "steps": steps})
            version.plan(Outline.of(parent.model.config))
        except (ValidationError, ParetextError):
            reject()
        made = parent
        for step in version.classifier_steps:
            made, said = step.apply(made, data)
            assert said
        artifact = export(made, tmp_path / "float32", TEXTS)
        expected = made.logits(TEXTS)
        within = 1e-4 * max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(artifact.logits(TEXTS), expected, atol=within)
        if version.quantization is not None:
            integer = export(made, tmp_path / "int8", TEXTS, quantization=version.quantization)
            assert np.isfinite(integer.logits(TEXTS)).all()
        exported.update(step["step"] for step in steps)

    check()
    assert min(exported[name] for name in SETTINGS) >= 2, exported
