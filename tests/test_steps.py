"""Each step does what it says: two routes to the same network, and errors before any training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import toy
import yaml
from graphs import graph_file
from test_compact import TEXTS, TRAINING, classifier, material
from torch import nn

from paretext.compression import (
    ConvolutionalStudent,
    Distillation,
    DynamicQuantization,
    Layers,
    LowRankEmbeddings,
    Material,
    Recipe,
    StructuredPruning,
    Version,
    Vocabulary,
    Width,
    compress,
    preset,
)
from paretext.compression.step import Outline, compact
from paretext.compression.steps.low_rank import token_counts, weighted_svd
from paretext.core.errors import ParetextError
from paretext.graphs import export
from paretext.graphs.quantisation import StaticQuantization
from paretext.models.classifier import Classifier
from paretext.runtime.artifact import Artifact
from paretext.training.fit import TrainingSettings

Encoder = Callable[[str], Path]


# --- shapes


@pytest.mark.parametrize("keep", [(0,), (1,), (0, 1), 1])
def test_kept_layers_are_those_of_the_parent(encoder: Encoder, keep: int | tuple[int, ...]) -> None:
    origin = classifier(encoder)
    made, said = Layers(keep=keep).apply(origin, material())
    own = [layer.query.weight for layer in made.model.layers]
    parents = [layer.attention.self.query.weight for layer in origin.model.roberta.encoder.layer]
    count = keep if isinstance(keep, int) else len(keep)
    chosen = keep if isinstance(keep, tuple) else None
    assert len(own) == made.model.config.num_hidden_layers == count
    for index, weight in enumerate(own):
        source = (
            chosen[index]
            if chosen
            else next(i for i, each in enumerate(parents) if torch.equal(each, weight))
        )
        assert torch.equal(weight, parents[source])
    assert said[0].startswith(f"kept {count} of 2 layers")


def test_cut_dimensions_that_were_zero_change_nothing(encoder: Encoder) -> None:
    """Dead hidden dimensions are found and cut; what is left computes the same but for the norms,
    whose mean and variance run over fewer dimensions: so the norms' statistics are made equal."""
    origin = compact(classifier(encoder))
    model = origin.model
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.LayerNorm):
                module.weight[20:] = 0
                module.bias[20:] = 0
    made, said = Width(hidden_size=20).apply(origin, material())
    for name, parameter in made.model.named_parameters():
        whole = dict(model.named_parameters())[name]
        part = whole[tuple(slice(size) for size in parameter.shape)]
        assert torch.equal(parameter, part), name
    assert made.model.config.hidden_size == made.model.config.embedding_size == 20
    assert "100.0% of the activations" in said[0]
    assert made.logits(TEXTS).shape == (len(TEXTS), 3)


@pytest.mark.parametrize("width", [24, 16, 8])
def test_width_and_rank_together_export(encoder: Encoder, tmp_path: Path, width: int) -> None:
    made = classifier(encoder, "electra")  # its embeddings are 16 wide, its layers 32
    for step in (Width(hidden_size=width), LowRankEmbeddings(rank=8)):
        made, _ = step.apply(made, material())
    made.save(tmp_path / "model")
    loaded = Classifier.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.logits(TEXTS), made.logits(TEXTS))
    artifact = export(made, tmp_path / "artifact", TEXTS)
    np.testing.assert_allclose(artifact.logits(TEXTS), made.logits(TEXTS), atol=1e-5)


def test_the_vocabulary_step_keeps_every_texts_answer(encoder: Encoder) -> None:
    """All tokens that the training texts use are kept, so their logits are the same."""
    origin = classifier(encoder)
    data = material()
    made, said = Vocabulary(minimum_count=1).apply(origin, data)
    assert made.model.config.vocab_size == len(made.tokenizer) < len(origin.tokenizer)
    texts = data.train.texts
    np.testing.assert_allclose(made.logits(texts), origin.logits(texts), atol=2e-5)
    assert f"kept {len(made.tokenizer):,} of {len(origin.tokenizer):,} tokens" in said[0]
    unseen = ["zzz \U0001f600 漢字 \x07", ""]
    assert made.logits(unseen).shape == (2, 3)


def test_unlabelled_texts_count_for_the_vocabulary(encoder: Encoder) -> None:
    origin = classifier(encoder)
    data = Material(toy.dataset(6), toy.dataset(6, 1), TRAINING)
    more = Material(toy.dataset(6), toy.dataset(6, 1), TRAINING, unlabelled=toy.dataset(48).texts)
    step = Vocabulary(minimum_count=1)
    few, many = (step.apply(origin, each)[0] for each in (data, more))
    assert len(few.tokenizer) < len(many.tokenizer)


def test_the_weighted_factorisation_is_the_best_of_its_rank() -> None:
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(40, 12, generator=generator)
    counts = torch.randint(0, 50, (40,), generator=generator).float()
    scale = (counts + 1).sqrt().unsqueeze(1)

    def error(approximation: torch.Tensor) -> float:
        return float(((approximation - table) * scale).square().sum())

    small, factor, kept = weighted_svd(table, counts, 5)
    singular = torch.linalg.svdvals(table * scale)
    assert error(small @ factor.T) == pytest.approx(float(singular[5:].square().sum()), rel=1e-4)
    assert kept == pytest.approx(float(singular[:5].square().sum() / singular.square().sum()))
    u, s, v = torch.linalg.svd(table, full_matrices=False)
    assert error(u[:, :5] * s[:5] @ v[:5]) > error(small @ factor.T)


def test_low_rank_twice_is_low_rank_once(encoder: Encoder) -> None:
    origin = classifier(encoder)
    once, _ = LowRankEmbeddings(rank=6).apply(origin, material())
    first, _ = LowRankEmbeddings(rank=20).apply(origin, material())
    twice, _ = LowRankEmbeddings(rank=6).apply(first, material())
    assert twice.model.words.weight.shape == (len(origin.tokenizer), 6)
    table = origin.model.roberta.embeddings.word_embeddings.weight.detach()
    counts = token_counts(origin, material().train, len(table)) + 1
    errors = [
        float(
            (
                (m.words.weight.detach() @ m.word_factor.weight.detach().T - table).square().sum(1)
                * counts
            ).sum()
        )
        for m in (once.model, twice.model)
    ]
    assert errors[0] <= errors[1] * 1.0001
    assert errors[1] < errors[0] * 1.2


# --- recipes


def test_presets_are_recipes_and_an_unknown_one_gets_the_nearest() -> None:
    for name in ("safe", "small", "tiny", "nano"):
        (version,) = preset(name)
        assert version.name == name
        assert version.quantization is not None
        version.plan(Outline("roberta", 6, 384, 384))
    with pytest.raises(ParetextError, match="no preset 'tinny'; did you mean 'tiny'"):
        preset("tinny")
    with pytest.raises(ParetextError, match="the preset gru is gone: nano is faster"):
        preset("gru")


def parse(steps: list[dict[str, object]]) -> Recipe:
    text = yaml.safe_dump({"versions": [{"name": "mine", "steps": steps}]})
    return Recipe.parse(text, "recipe.yaml")


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([{"step": "layer", "keep": 2}], r"unknown step 'layer' at .*; did you mean 'layers'"),
        ([{"step": "layers", "kept": 2}], r"unknown setting '.*kept'; did you mean 'keep'"),
        ([{"step": "distillation", "epoch": 2}], r"unknown setting .*; did you mean 'epochs'"),
        (
            [{"step": "recurrent_student", "cell": "lstm"}],
            r"the step recurrent_student at .* is gone: write convolutional_student in its place",
        ),
        ([{"step": "layers", "keep": 0}], r"keep"),
        ([], r"at least 1 item"),
        (
            [{"step": "dynamic_quantization"}, {"step": "layers", "keep": 1}],
            r"dynamic_quantization before another step",
        ),
        ([{"step": "convolutional_student"}], r"convolutional_student without distillation"),
        (
            [{"step": "magnitude_pruning"}, {"step": "distillation"}],
            r"distillation after magnitude_pruning",
        ),
    ],
)
def test_a_bad_recipe_is_one_sentence(steps: list[dict[str, object]], message: str) -> None:
    with pytest.raises(ParetextError, match=message) as caught:
        parse(steps)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([Layers(keep=7)], r"keeps 7, and the classifier has 6 layers there"),
        ([Layers(keep=2), Layers(keep=(0, 4))], r"has the layers 0 to 1 there"),
        ([Layers(keep=(3, 1))], r"in rising order"),
        ([Width(hidden_size=384)], r"has 384 there; keep fewer"),
        ([LowRankEmbeddings(rank=64), LowRankEmbeddings(rank=64)], r"are 64 wide there"),
        (
            [ConvolutionalStudent(), Layers(keep=1), Distillation()],
            r"layers comes after convolutional_student",
        ),
        ([ConvolutionalStudent(embedding_size=999), Distillation()], r"are 384 wide there"),
        (
            [ConvolutionalStudent(), Distillation(dropout=0)],
            r"distillation with dropout comes after convolutional_student",
        ),
        (
            [Vocabulary(), Distillation(states_weight=1)],
            r"distillation with states_weight compares token by token",
        ),
    ],
)
def test_an_impossible_step_is_refused_by_the_plan(steps: list[object], message: str) -> None:
    version = Version.model_validate({"name": "mine", "steps": steps})
    with pytest.raises(ParetextError, match=message) as caught:
        version.plan(Outline("roberta", 6, 384, 384))
    assert str(caught.value).startswith("version 'mine': the step ")


def test_an_architecture_that_nobody_read_keeps_its_shapes() -> None:
    outline = Outline("longformer", 6, 384, 384)
    for step in (Layers(keep=2), Width(hidden_size=64), StructuredPruning(heads=0.5)):
        with pytest.raises(
            ParetextError, match="does not know the architecture 'longformer'; it knows albert"
        ):
            step.plan(outline)
    words = Version(name="words", steps=(Vocabulary(), LowRankEmbeddings(rank=64)))
    assert words.plan(outline).word_width == 64
    student = Version(name="nano", steps=(Vocabulary(), ConvolutionalStudent(), Distillation()))
    assert student.plan(outline).model_type == "paretext-convolutional"


def test_compress_makes_every_step_and_repeats_none(encoder: Encoder, tmp_path: Path) -> None:
    origin = classifier(encoder)
    origin.save(tmp_path / "parent")
    steps = (
        Layers(keep=1),
        Vocabulary(minimum_count=1),
        Distillation(epochs=1, copies=1, batch_size=8),
        StaticQuantization(),
    )
    recipe = Recipe(versions=(Version(name="mine", steps=steps),), training=TRAINING)
    data = material()

    def made() -> dict[str, tuple[str | None, float]]:
        versions = compress(
            tmp_path / "parent", recipe, data.train, data.selection, tmp_path / "run"
        )
        return {
            each.name: (each.source, graph_file(each.folder).stat().st_mtime) for each in versions
        }

    first = made()
    assert [(name, source) for name, (source, _) in first.items()] == [
        ("parent", None),
        ("mine.1-layers", "parent"),
        ("mine.2-vocabulary", "mine.1-layers"),
        ("mine.3-distillation", "mine.2-vocabulary"),
        ("mine", "mine.3-distillation"),
    ]
    assert made() == first
    last = Artifact.load(tmp_path / "run" / "artifacts" / "mine")
    assert [step["step"] for step in last.manifest.recipe] == [step.step for step in steps]
    trained = Classifier.load(tmp_path / "run" / "classifiers" / "mine.3-distillation")
    assert np.abs(last.predict_proba(TEXTS) - trained.predict_proba(TEXTS)).max() < 0.2


def test_compress_refuses_before_it_makes_anything(encoder: Encoder, tmp_path: Path) -> None:
    classifier(encoder).save(tmp_path / "parent")
    steps = (Distillation(), Layers(keep=3), DynamicQuantization())
    recipe = Recipe(versions=(Version(name="mine", steps=steps),), training=TrainingSettings())
    data = material()
    with pytest.raises(ParetextError, match="keeps 3, and the classifier has 2 layers"):
        compress(tmp_path / "parent", recipe, data.train, data.selection, tmp_path / "run")
    assert not (tmp_path / "run").exists()
