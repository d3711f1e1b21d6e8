"""Each step does what it says: two routes to the same network, and errors before any training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy
import yaml
from damage import DAMAGES
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
from paretext.compression.methods.augmentation import altered
from paretext.compression.methods.neighbours import neighbours
from paretext.compression.methods.teacher import ParentTeacher
from paretext.compression.step import Outline, compact
from paretext.compression.steps.low_rank import token_counts, weighted_svd
from paretext.core.errors import ParetextError
from paretext.graphs import export
from paretext.graphs.quantisation import StaticQuantization
from paretext.models.classifier import Classifier
from paretext.runtime.artifact import Artifact
from paretext.training.batches import Padding
from paretext.training.fit import TrainingSettings
from paretext.training.targets import Distance, States, Targets, forget_maps, map_states

Encoder = Callable[[str], Path]


class Oracle:
    """A teacher that answers by a rule: how often the text has each label's letters."""

    asked = 0

    def logits(self, texts: Sequence[str]) -> np.ndarray:  # type: ignore[type-arg]
        self.asked += len(texts)
        counts = [[text.count(letter) for letter in "eas"] for text in texts]
        return np.array(counts, np.float32) - 2

    def logits_of_copies(self, rounds: Sequence[Sequence[str]]) -> list[np.ndarray]:  # type: ignore[type-arg]
        return [self.logits(each) for each in rounds]

    def states(self, texts: Sequence[str], layers: Sequence[int], place: Path) -> None:
        raise AssertionError("nobody asked for states")

    def whole(self) -> Classifier:
        raise AssertionError("nobody asked for the parent")

    def neighbours(self, texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return {}

    def seconds_a_text(self, texts: Sequence[str]) -> float:
        return 0.0


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


# --- distillation


@pytest.mark.parametrize("student", ["encoder", "convolutional"])
def test_a_student_learns_its_teachers_answers_not_the_labels(
    encoder: Encoder, student: str
) -> None:
    origin, data = classifier(encoder), material()
    if student == "convolutional":
        step = ConvolutionalStudent(embedding_size=24, channels=24, dropout=0)
        origin, _ = step.apply(origin, data)
    teacher = Oracle()
    taught = Material(data.train, data.selection, TRAINING, teacher, unlabelled=("more", "text"))
    dropout = None if student == "convolutional" else 0
    step = Distillation(
        epochs=12, learning_rate=5e-3, batch_size=8, copies=1, dropout=dropout, states_weight=0
    )
    made, said = step.apply(origin, taught)
    assert made.model.config.dropout == 0  # the student's own, or as it was asked for
    texts = data.train.texts

    def distance(answers: np.ndarray) -> float:  # type: ignore[type-arg]
        wanted = torch.from_numpy(Oracle().logits(texts)).softmax(1)
        return float((torch.from_numpy(answers).softmax(1) - wanted).abs().sum(1).mean())

    assert distance(made.logits(texts)) < 0.5 * distance(origin.logits(texts))
    # each epoch has a round of copies of its own
    assert teacher.asked == 13 * (len(texts) + 2) + len(data.selection)
    assert f"{len(texts) + 2:,} texts and {12 * (len(texts) + 2):,} altered copies" in said[0]


def test_altered_copies_are_made_of_the_same_words_and_always_the_same() -> None:
    texts = toy.dataset(30).texts
    rounds = altered(texts, 3, seed=1)
    copies = [copy for each in rounds for copy in each]
    words = {word for text in texts for word in text.split()}
    assert rounds == altered(texts, 3, seed=1) != altered(texts, 3, seed=2)
    assert rounds[:2] == altered(texts, 2, seed=1)
    assert len(copies) == 90
    assert all(copy.split() for copy in copies)
    assert {word for copy in copies for word in copy.split()} <= words
    assert sum(copy != text for copy, text in zip(copies, texts * 3, strict=True)) > 45
    assert {copy for each in altered(["one"], 4, seed=0) for copy in each} <= {"one", "one one"}


@pytest.mark.parametrize("architecture", ["roberta", "bert"])
def test_copies_have_neighbours_of_the_words(encoder: Encoder, architecture: str) -> None:
    """Those that the parent's table has nearest, in the word's own case, and no other words."""
    origin = classifier(encoder, architecture)
    texts = ["happy, and sad", "Happy today?", "zzz 12 happy-sad"]
    tokens = origin.tokenizer([" happy", " sad"], add_special_tokens=False)["input_ids"]
    (happy,), (sad,) = tokens
    table = origin.model.get_input_embeddings().weight
    with torch.no_grad():
        table.normal_(generator=torch.Generator().manual_seed(0))
        table[sad] = table[happy] + 0.1
    found = neighbours(origin, texts)
    assert found["happy"][0] == "sad"
    assert found["sad"][0] == "happy"
    assert found["Happy"][0] == "Sad"
    assert "zzz" not in found
    near = {word: each[:1] for word, each in found.items() if word.lower() in ("happy", "sad")}
    rounds = altered(texts, 60, seed=0, near=near)
    words = {word for each in rounds for copy in each for word in copy.split()}
    assert {"sad,", "Sad", "happy-sad"} <= words  # what stands around a word stays
    assert words <= {*" ".join(texts).split(), "sad,", "Sad", "happy"}


def test_the_teachers_answers_are_computed_once(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = export(classifier(encoder), tmp_path / "artifact", TEXTS)
    classifier(encoder).save(tmp_path / "parent")
    teacher = ParentTeacher(artifact, tmp_path / "parent", tmp_path / "cache")
    first = teacher.logits(TEXTS)
    np.testing.assert_array_equal(first, artifact.logits(TEXTS))

    asked = []
    answer = Artifact.logits

    def counted(self: Artifact, texts: Sequence[str]) -> Any:
        asked.append(len(texts))
        return answer(self, texts)

    with monkeypatch.context() as patch:  # its pace is measured anew each time
        patch.setattr(Artifact, "logits", counted)
        assert min(teacher.seconds_a_text(TEXTS) for _ in range(2)) > 0
    assert asked == [len(TEXTS)] * 2

    def refuse(self: Artifact, texts: Sequence[str]) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(Artifact, "logits", refuse)
    np.testing.assert_array_equal(teacher.logits(TEXTS), first)
    with pytest.raises(AssertionError):
        teacher.logits(TEXTS[1:])


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_teacher_whose_answers_are_damaged_is_asked_again(
    damage: Callable[[Path], None],
    encoder: Encoder,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    artifact = export(classifier(encoder), tmp_path / "artifact", TEXTS)
    teacher = ParentTeacher(artifact, tmp_path / "parent", tmp_path / "cache")
    first = teacher.logits(TEXTS)
    (kept,) = (tmp_path / "cache").iterdir()
    content = kept.read_bytes()
    damage(kept)
    with caplog.at_level("INFO", logger="paretext"):
        np.testing.assert_array_equal(teacher.logits(TEXTS), first)
    assert f"{kept} is damaged" in caplog.text
    assert "the teacher is asked again" in caplog.text
    assert kept.read_bytes() == content
    assert list((tmp_path / "cache").iterdir()) == [kept]


@pytest.mark.parametrize("flips", [0, 1])
def test_copies_are_answered_in_int8_unless_that_changes_too_many_answers(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flips: int
) -> None:
    origin = classifier(encoder)
    origin.save(tmp_path / "parent")
    artifact = export(origin, tmp_path / "artifact", TEXTS)
    teacher = ParentTeacher(artifact, tmp_path / "parent", tmp_path / "cache")
    exact = artifact.logits(TEXTS)
    int8 = export(origin, tmp_path / "int8", TEXTS, quantization=DynamicQuantization()).logits(
        TEXTS
    )
    assert not np.array_equal(int8, exact)
    allowed = (int8.argmax(1) != exact.argmax(1)).mean() - 0.01 * flips
    monkeypatch.setattr("paretext.compression.methods.teacher._LARGEST_FLIP_SHARE", allowed)
    rounds = [TEXTS, TEXTS[::-1]]
    first, second = teacher.logits_of_copies(rounds)
    expected = exact if flips else int8
    np.testing.assert_allclose(first, expected, atol=1e-5)
    np.testing.assert_allclose(second, expected[::-1], atol=1e-5)

    def refuse(self: Artifact, texts: Sequence[str]) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(Artifact, "logits", refuse)
    np.testing.assert_array_equal(teacher.logits_of_copies(rounds[:1])[0], first)


def test_a_student_learns_its_teachers_states(encoder: Encoder, tmp_path: Path) -> None:
    """All tokens come nearer to what Hugging Face's own network makes of them."""
    origin, data = classifier(encoder), material()
    origin.save(tmp_path / "parent")
    artifact = export(origin, tmp_path / "artifact", TEXTS)
    teacher = ParentTeacher(artifact, tmp_path / "parent", tmp_path / "cache")
    texts = data.train.texts
    with torch.no_grad():
        alone = [
            origin.model(**origin.tokenizer(text, return_tensors="pt"), output_hidden_states=True)
            for text in texts
        ]
    expected = np.concatenate([each.hidden_states[-1][0].numpy() for each in alone])
    last = origin.model.config.num_hidden_layers
    found = teacher.states(texts, [1, last], tmp_path / "states")
    assert found is not None
    np.testing.assert_allclose(found[1], expected, atol=5e-3)
    assert len(found[0]) == len(expected)

    student, _ = Layers(keep=1).apply(origin, data)
    taught = Material(data.train, data.selection, TRAINING, teacher)

    def distance(weight: float) -> float:
        step = Distillation(
            epochs=6, learning_rate=5e-3, batch_size=8, copies=0, states_weight=weight
        )
        made, _ = step.apply(student, taught)
        assert not hasattr(made.model, "state_maps")
        own = []
        with torch.no_grad():
            for text in texts:
                read = made.tokenizer(text, return_tensors="pt")
                own.append(made.model(**read, output_hidden_states=True).hidden_states[-1][0])
        return float(np.square(torch.cat(own).numpy() - expected).mean())

    assert distance(3.0) < 0.8 * distance(0.0)


def test_of_very_many_texts_some_are_taught_without_states(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as have room from the first on; nothing of them is left behind."""
    origin, data = classifier(encoder), material()
    origin.save(tmp_path / "parent")
    artifact = export(origin, tmp_path / "artifact", TEXTS)
    teacher = ParentTeacher(artifact, tmp_path / "parent", tmp_path / "cache")
    tokens = [len(each) for each in origin.tokenize(data.train.texts)["input_ids"]]
    numbers = origin.model.config.num_hidden_layers * origin.model.config.hidden_size
    room = numbers * sum(tokens[:5]) + 1
    monkeypatch.setattr("paretext.compression.steps.distillation.MOST_STATES", room)
    taught = Material(data.train, data.selection, TRAINING, teacher)
    _, (said,) = Distillation(epochs=1, copies=0).apply(origin, taught)
    assert "what 5 texts' tokens are after" in said
    assert list((tmp_path / "cache").glob("*.npy")) == []


def test_the_distance_of_states_is_what_numpy_says(encoder: Encoder) -> None:
    """Of a student of another width, texts of unequal lengths, the last of them without states."""
    origin, data = classifier(encoder), material()
    student, _ = Width(hidden_size=16).apply(origin, data)
    model: Any = student.model.eval()
    ids = student.tokenize(["a text", "another longer text of words", "no states"])["input_ids"]
    inputs = student.pad(ids)
    chance = np.random.default_rng(0)
    lengths = [len(each) for each in ids[:2]]
    tokens = chance.normal(size=(sum(lengths), 7)).astype(np.float16)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    logits = chance.normal(size=(3, len(origin.label_names))).astype(np.float32)
    states = States(layers=[1], tokens=[tokens], starts=starts)
    targets = Targets(logits, logits, [np.arange(3)], states=states, states_weight=2.0)
    map_states(model, states)
    padding = Padding(student)
    batch = padding(
        [
            {"input_ids": row, "teacher_logits": logits[i], "teacher_states": states.of(i)}
            for i, row in enumerate(ids)
        ]
    )
    taught = {name: batch[name] for name in batch if name.startswith("teacher")}
    with torch.no_grad():
        alone = Distance(replace(targets, states=None))(model, inputs, taught)
        both = Distance(targets)(model, inputs, taught)
        own = model(**inputs, output_hidden_states=True).hidden_states[1].numpy()
        matrix = model.state_maps[0].weight.numpy()
    flat = np.concatenate([own[i, :length] for i, length in enumerate(lengths)]) @ matrix.T
    wanted = tokens.astype(np.float32)
    expected = 2.0 * np.square(flat - wanted).mean() / wanted.var()
    assert float(both - alone) == pytest.approx(expected, rel=1e-4)
    forget_maps(model)
    assert "state_maps.0.weight" not in model.state_dict()


def test_states_are_compared_only_where_tokens_are_the_same(
    encoder: Encoder, tmp_path: Path
) -> None:
    """A student with another vocabulary learns the answers alone, and does not say otherwise."""
    origin, data = classifier(encoder), material()
    origin.save(tmp_path / "parent")
    artifact = export(origin, tmp_path / "artifact", TEXTS)
    teacher = ParentTeacher(artifact, tmp_path / "parent", tmp_path / "cache")
    taught = Material(data.train, data.selection, TRAINING, teacher)
    step = Distillation(epochs=1, copies=1)
    smaller, _ = Vocabulary(minimum_count=2).apply(origin, data)
    assert "tokens are after" not in step.apply(smaller, taught)[1][0]
    _, (said,) = step.apply(origin, taught)
    assert f"what {len(data.train):,} texts' tokens are after" in said


def test_distillation_without_a_teacher_is_refused(encoder: Encoder) -> None:
    with pytest.raises(ParetextError, match="needs a teacher"):
        Distillation().apply(classifier(encoder), material())


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
        found = compress(tmp_path / "parent", recipe, data.train, data.selection, tmp_path / "run")
        return {each.name: (each.source, graph_file(each.folder).stat().st_mtime) for each in found}

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
