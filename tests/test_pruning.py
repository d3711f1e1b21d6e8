"""Magnitude pruning drops what torch's pruning drops, and the zeros stay; recipes say how."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import toy
import yaml
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils import prune

from paretext.compression import DynamicQuantization, MagnitudePruning, Material, Recipe, Version
from paretext.compression.recipe import preset, validated
from paretext.compression.steps.magnitude import hold_zeros, keep_masks, linears
from paretext.core.errors import ParetextError
from paretext.models.classifier import Classifier
from paretext.training.fit import TrainingSettings

STUDY = Path(__file__).resolve().parents[1] / "recipes" / "study.yaml"


@pytest.fixture(scope="module")
def classifier(encoder: Callable[[str], Path]) -> Classifier:
    return Classifier.from_pretrained(str(encoder("roberta")), toy.LABELS, max_length=32)


def matrices(model: nn.Module) -> list[nn.Linear]:
    """All Linear layers of these models; none of them shares a weight."""
    return [module for module in model.modules() if isinstance(module, nn.Linear)]


# --- which weights


@pytest.mark.parametrize("amount", [0.0, 0.001, 0.35, 0.5, 0.999])
def test_the_mask_is_that_of_torchs_global_pruning(amount: float, classifier: Classifier) -> None:
    keep = keep_masks(classifier.model, amount)
    other = classifier.copy().model
    names = [name for name, module in other.named_modules() if isinstance(module, nn.Linear)]
    layers = matrices(other)
    prune.global_unstructured(
        [(layer, "weight") for layer in layers],
        pruning_method=prune.L1Unstructured,
        amount=amount,
    )
    assert list(keep) == names
    size = sum(mask.numel() for mask in keep.values())
    assert sum(int((~mask).sum()) for mask in keep.values()) == round(amount * size)
    dropped = [
        layer.weight_orig[~mask].abs() for layer, mask in zip(layers, keep.values(), strict=True)
    ]
    threshold = torch.cat(dropped).max() if amount else torch.tensor(0.0)
    for layer, mask in zip(layers, keep.values(), strict=True):
        untied = layer.weight_orig.abs() != threshold
        assert torch.equal(mask[untied], layer.weight_mask[untied].bool())


def test_among_equal_magnitudes_exactly_as_many_go_as_were_asked_for() -> None:
    model = nn.Sequential(nn.Linear(10, 10), nn.Linear(10, 7))
    with torch.no_grad():
        for layer in matrices(model):
            layer.weight.copy_(torch.where(torch.rand_like(layer.weight) < 0.5, 0.5, -0.5))
    keep = keep_masks(model, 0.35)
    assert sum(int((~mask).sum()) for mask in keep.values()) == round(0.35 * 170)


def test_a_layer_of_small_weights_loses_more_of_them() -> None:
    model = nn.Sequential(nn.Linear(10, 10), nn.Linear(10, 10))
    with torch.no_grad():
        model[1].weight.fill_(-1.0)  # beyond the 0.32 of a new Linear layer with 10 inputs
    keep = keep_masks(model, 0.5)
    assert not keep["0"].any()
    assert keep["1"].all()


def test_a_shared_weight_is_counted_once() -> None:
    first = nn.Linear(10, 10)
    second = nn.Linear(10, 10)
    second.weight = first.weight
    model = nn.Sequential(first, second)
    assert [name for name, _ in linears(model)] == ["0"]
    hold_zeros(model, keep_masks(model, 0.3))
    assert int((second.weight == 0).sum()) == 30


def test_biases_embeddings_and_norms_stay_as_they_were(classifier: Classifier) -> None:
    pruned, done = MagnitudePruning(amount=0.4, recovery_epochs=0).apply(
        classifier, Material(toy.dataset(12), toy.dataset(12, 1), TrainingSettings())
    )
    linear = {f"{name}.weight" for name, _ in linears(classifier.model)}
    after = pruned.model.state_dict()
    for name, before in classifier.model.state_dict().items():
        if name in linear:
            kept = after[name] != 0
            assert torch.equal(after[name][kept], before[kept]), name
        else:
            assert torch.equal(after[name], before), name
    size = sum(layer.weight.numel() for layer in matrices(classifier.model))
    zeros = sum(int((layer.weight == 0).sum()) for layer in matrices(pruned.model))
    assert zeros == round(0.4 * size)
    assert all(bool((layer.weight != 0).all()) for layer in matrices(classifier.model))
    count = len(matrices(pruned.model))
    assert done == [
        f"pruned {zeros:,} of {size:,} weights ({zeros / size:.3%}) in {count} Linear layers "
        "to zero"
    ]


def test_after_recovery_the_same_weights_are_zero_in_the_file_and_the_others_have_learned(
    classifier: Classifier, tmp_path: Path
) -> None:
    step = MagnitudePruning(amount=0.35, recovery_epochs=2, recovery_learning_rate=1e-3)
    training = TrainingSettings(batch_size=8, precision="fp32", device="cpu")
    pruned, _ = step.apply(classifier, Material(toy.dataset(48), toy.dataset(24, 1), training))
    pruned.save(tmp_path)
    shipped = load_file(tmp_path / "model.safetensors")
    before = classifier.model.state_dict()
    for name, mask in keep_masks(classifier.model, 0.35).items():
        weight = shipped[f"{name}.weight"]
        assert torch.equal(weight == 0, ~mask), name
        if not name.startswith("classifier"):  # the head's gradients may be tiny for a class
            moved = (weight != before[f"{name}.weight"])[mask]
            assert moved.float().mean() > 0.9, name


# --- recipes


def test_the_presets_versions_chain() -> None:
    recipe = Recipe(versions=preset("pruned"))
    assert [(v.name, v.source) for v in recipe.versions] == [
        ("pruned", "parent"),
        ("int8", "parent"),
        ("pruned-int8", "pruned"),
    ]
    assert recipe.version("pruned").classifier_steps == (MagnitudePruning(amount=0.35),)
    assert recipe.version("pruned").quantization is None
    assert recipe.version("pruned-int8").classifier_steps == ()
    assert recipe.version("pruned-int8").quantization == DynamicQuantization()


def test_a_recipe_is_the_same_after_a_round_through_yaml(tmp_path: Path) -> None:
    recipe = Recipe(
        models=("a/b", "c"),
        max_length=64,
        training=TrainingSettings(supersample=(1, 2, 3), seed=7, precision="bf16"),
        versions=(
            Version(name="half", steps=(MagnitudePruning(amount=0.5), DynamicQuantization())),
            Version(name="more", source="parent", steps=(MagnitudePruning(amount=0.7),)),
            Version(name="more-8", source="more", steps=(DynamicQuantization(),)),
        ),
    )
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json", by_alias=True)), "utf-8")
    assert Recipe.read(path) == recipe


def test_the_studys_recipe_has_its_models_and_settings() -> None:
    recipe = Recipe.read(STUDY)
    assert recipe.models == (
        "roberta-base",
        "bert-base-uncased",
        "google/electra-base-discriminator",
        "cardiffnlp/twitter-roberta-base",
        "distilroberta-base",
    )
    assert (recipe.max_length, recipe.selection_share) == (128, 0.15)
    assert recipe.training.supersample == (1, 1, 4, 2, 3, 8)
    assert recipe.training.class_weights
    assert recipe.training.batch_size == 16
    assert recipe.versions == preset("pruned")
    assert recipe.version("pruned").classifier_steps[0].amount == 0.35


def _version(**values: Any) -> dict[str, Any]:
    return {"versions": [{"name": "small", "steps": [{"step": "magnitude_pruning"}], **values}]}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"trainning": {}}, "unknown setting 'trainning'; did you mean 'training'?"),
        ({"epochs": 3}, "the setting 'epochs' does not belong at epochs; write training.epochs."),
        (
            {"training": {"max_length": 3}},
            "the setting 'max_length' does not belong at training.max_length; write max_length.",
        ),
        ({"training": {"lr": 1}}, "unknown setting 'training.lr'; known are batch_size, class_w"),
        ({"models": "bert"}, "models is 'bert'; give a list."),
        ({"model": ["bert"]}, "model is called 'models' in a recipe; write that in its place."),
        ({"preset": "int8"}, "preset is called 'versions' in a recipe; write that in its place."),
        (
            _version(steps=[{"step": "dynamic_quantization", "embeddings": True}]),
            "versions.0.steps.0.dynamic_quantization.embeddings is called 'embedding_bits' in a "
            "recipe; write that in its place.",
        ),
        (
            {"training": {"learning_rat": 1}},
            "unknown setting 'training.learning_rat'; did you mean 'learning_rate'?",
        ),
        (
            _version(steps=[{"step": "magnitude_prunning"}]),
            "unknown step 'magnitude_prunning' at versions.0.steps.0; "
            "did you mean 'magnitude_pruning'?",
        ),
        (
            _version(steps=[{"step": "magnitude_pruning", "amuont": 0.3}]),
            "unknown setting 'versions.0.steps.0.magnitude_pruning.amuont'; did you mean 'amount'?",
        ),
        (
            _version(steps=[{"step": "dynamic_quantization"}, {"step": "magnitude_pruning"}]),
            "version 'small' has dynamic_quantization before another step; it changes the "
            "exported graph, so put it last.",
        ),
        (
            {"versions": [*_version()["versions"], *_version()["versions"]]},
            "two versions are named 'small'; rename one.",
        ),
        (
            _version(**{"from": "pruend"}),
            "version 'small' comes from 'pruend'; the versions before it are parent.",
        ),
        (
            {
                "versions": [
                    {"name": "int8", "steps": [{"step": "dynamic_quantization"}]},
                    {"name": "small", "from": "int8", "steps": [{"step": "magnitude_pruning"}]},
                ]
            },
            "version 'small' comes from 'int8', which is quantised; "
            "start it from a version that is not.",
        ),
        (
            {"training": {"supersample": "a,b"}},
            "supersample is 'a,b'; give 'auto' or one whole number per class: 1,1,4.",
        ),
        ({"max_length": "long"}, "max_length is 'long'; give a whole number."),
        (
            _version(steps=[{"step": "magnitude_pruning", "amount": 1}]),
            "versions.0.steps.0.magnitude_pruning.amount is 1; give less than 1.",
        ),
    ],
)
def test_a_wrong_recipe_is_refused_in_one_sentence(
    values: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    with pytest.raises(ParetextError) as caught:
        Recipe.read(path)
    assert str(caught.value).startswith(f"{path}: {sentence}")
    assert "\n" not in str(caught.value)
    with pytest.raises(ParetextError, match=r"^here: "):
        validated(Recipe, values, "here")


@pytest.mark.parametrize(
    ("content", "part"),
    [(b"", "holds no settings"), (b"- a", "holds no settings"), (b"a: [", "cannot be read")],
)
def test_a_file_that_is_no_recipe_is_refused(content: bytes, part: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content)
    with pytest.raises(ParetextError, match=part) as caught:
        Recipe.read(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(ParetextError, match="there is no recipe"):
        Recipe.read(tmp_path / "missing.yaml")


def test_settings_out_of_range_are_refused() -> None:
    for values in ({"amount": -0.1}, {"amount": 1.0}, {"recovery_epochs": -1}):
        with pytest.raises(ParetextError):
            MagnitudePruning(**values)
    with pytest.raises(ValidationError, match="frozen"):
        MagnitudePruning().amount = 0.5  # type: ignore[misc]
