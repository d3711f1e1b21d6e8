"""A student learns its teacher's answers and states; the teacher is asked once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy
from damage import DAMAGES
from test_compact import TEXTS, TRAINING, classifier, material

from paretext.compression import (
    ConvolutionalStudent,
    Distillation,
    DynamicQuantization,
    Layers,
    Material,
    Vocabulary,
    Width,
)
from paretext.compression.methods.augmentation import altered
from paretext.compression.methods.neighbours import neighbours
from paretext.compression.methods.teacher import ParentTeacher
from paretext.core.errors import ParetextError
from paretext.graphs import export
from paretext.measure.temperature import temperature
from paretext.models.classifier import Classifier
from paretext.runtime.artifact import Artifact
from paretext.training.batches import Padding
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


@pytest.mark.parametrize("student", ["encoder", "convolutional"])
def test_a_student_learns_its_teachers_answers_not_the_labels(
    encoder: Encoder, student: str
) -> None:
    origin, data = classifier(encoder), material()
    if student == "convolutional":
        step = ConvolutionalStudent(embedding_size=24, channels=24, dropout=0)
        origin, _ = step.apply(origin, data)
    teacher, selection = Oracle(), replace(data.selection, answered_by="parent")
    taught = Material(data.train, selection, TRAINING, teacher, unlabelled=("more", "text"))
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


def test_a_convolutional_student_is_as_sure_as_it_is_right(encoder: Encoder) -> None:
    data = material()
    origin, _ = ConvolutionalStudent(embedding_size=24, channels=24, dropout=0).apply(
        classifier(encoder), data
    )
    step = Distillation(epochs=2, learning_rate=5e-3, batch_size=8, copies=1, states_weight=0)
    plain = replace(data.selection, answered_by="parent")
    untouched, silent = step.apply(
        origin, Material(data.train, plain, TRAINING, Oracle(), unlabelled=("more", "text"))
    )
    made, said = step.apply(
        origin,
        Material(data.train, data.selection, TRAINING, Oracle(), unlabelled=("more", "text")),
    )
    texts, labels = data.selection.texts, data.selection.labels
    before, after = untouched.logits(texts), made.logits(texts)
    heat = temperature(before, labels)
    assert heat != pytest.approx(1, abs=0.05)
    np.testing.assert_allclose(after, before / heat, rtol=1e-4)  # so no answer changes
    assert temperature(after, labels) == pytest.approx(1, abs=1e-3)
    assert f"its logits are divided by {heat:.2f}" in said[0]
    assert "divided" not in silent[0]  # nobody labelled them


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
    nearest = neighbours(origin, texts)
    assert nearest["happy"][0] == "sad"
    assert nearest["sad"][0] == "happy"
    assert nearest["Happy"][0] == "Sad"
    assert "zzz" not in nearest
    origin.model.resize_token_embeddings(len(origin.tokenizer) + 7, mean_resizing=False)
    assert neighbours(origin, texts) == nearest  # a table padded to a round number
    near = {word: each[:1] for word, each in nearest.items() if word.lower() in ("happy", "sad")}
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

    teacher.seconds_a_text(TEXTS)  # makes what answers copies, which is kept
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

    with monkeypatch.context() as patch:
        patch.setattr(Artifact, "logits", refuse)
        np.testing.assert_array_equal(teacher.logits_of_copies(rounds[:1])[0], first)

    (kept,) = (tmp_path / "cache").glob("int8-*")
    (graph,) = kept.glob("onnx/*.onnx")
    graph.write_bytes(b"")
    again = teacher.logits_of_copies([TEXTS[:9]])[0]  # it is damaged, and made anew
    np.testing.assert_allclose(again.argmax(1), expected[:9].argmax(1))
    assert graph.stat().st_size > 0


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
    states = teacher.states(texts, [1, last], tmp_path / "states")
    assert states is not None
    np.testing.assert_allclose(states[1], expected, atol=5e-3)
    assert len(states[0]) == len(expected)

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
