"""Datasets: the same from every source, refused in one sentence, split, checked, fingerprinted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.data.checks import check, drop_leaks
from paretext.data.dataset import Dataset, read_label_names, require_trainable
from paretext.data.tables import RowWriter
from paretext.data.values import is_blank

EMOTION = Path(__file__).resolve().parents[2] / "shared" / "data" / "emotion"
needs_emotion = pytest.mark.skipif(not EMOTION.is_dir(), reason="the emotion data is not here")

NAMES = ("sad", "joy", "fear")


class Heard:
    """A progress sink that remembers what was said."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def say(self, message: str) -> None:
        self.messages.append(message)

    def task(self, label: str, total: int) -> AbstractContextManager[progress.Advance]:
        @contextmanager
        def silent() -> Iterator[progress.Advance]:
            yield lambda n=1, note="": None

        return silent()


@pytest.fixture
def heard() -> Iterator[Heard]:
    sink = Heard()
    with progress.using(sink):
        yield sink


def table(path: Path, columns: dict[str, list[Any]]) -> Path:
    with RowWriter(path, list(columns)) as writer:
        for values in zip(*columns.values(), strict=True):
            writer.write(dict(zip(columns, values, strict=True)))
    return path


def error_of(*args: Any, **settings: Any) -> str:
    with pytest.raises(ParetextError) as caught:
        Dataset.read(*args, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def dataset(labels: list[int], names: tuple[str, ...] = NAMES) -> Dataset:
    return Dataset(tuple(f"text {i}" for i in range(len(labels))), np.array(labels), names)


# --- making one


@pytest.mark.parametrize(
    ("texts", "labels", "names", "part"),
    [
        ((), [], NAMES, "no texts"),
        (("a",), [0, 1], NAMES, "(2,) for 1 texts"),
        (("a", "b"), [0, 3], NAMES, "label 3 is outside 0..2"),
        (("a", "b"), [0, -1], NAMES, "label -1 is outside"),
        (("a", "b"), [0.0, 1.0], NAMES, "float64"),
        (("a", " \n"), [0, 1], NAMES, "text 1"),
        (("a", 3), [0, 1], NAMES, "text 1"),
        (("a", "\ud800"), [0, 1], NAMES, "text 1"),
        (("a",), [0], (), "no label names"),
        (("a",), [0], ("x", " "), "label 1"),
        (("a",), [0], ("x", "y", "x"), "labels 0 and 2 are both named 'x'"),
        ("ab", [0, 1], NAMES, "one string"),
    ],
)
def test_parts_that_do_not_fit_are_refused(texts: Any, labels: Any, names: Any, part: str) -> None:
    with pytest.raises(ParetextError) as caught:
        Dataset(texts, np.array(labels), names)
    assert part in str(caught.value)


def test_labels_are_a_read_only_copy() -> None:
    mine = np.array([0, 1])
    data = Dataset(("a", "b"), mine, NAMES)
    mine[0] = 2
    assert data.labels.tolist() == [0, 1]
    with pytest.raises(ValueError, match="read-only"):
        data.labels[0] = 1


def test_take_and_counts() -> None:
    data = dataset([0, 1, 1, 0])
    assert data.counts().tolist() == [2, 2, 0]
    assert data.take([3, 0]).texts == ("text 3", "text 0")
    assert data.take(data.labels == 1).texts == ("text 1", "text 2")
    assert data.take([1]).label_names == NAMES
    with pytest.raises(ParetextError, match="no texts are left"):
        data.take([])


# --- fingerprints


def test_the_fingerprint_is_the_same_from_every_format_and_unlike_after_any_change(
    tmp_path: Path,
) -> None:
    texts = ['one, "two"\nthree', "caf\u00e9 \U0001f600", " padded ", "plain"]
    prints = set()
    for suffix in (".csv", ".tsv", ".jsonl", ".parquet"):
        for labels in ([0, 2, 1, 0], ["sad", "fear", "joy", "sad"]):
            path = table(tmp_path / f"a{suffix}", {"text": texts, "label": labels})
            prints.add(Dataset.read(path, label_names=NAMES).fingerprint)
    same = Dataset(tuple(texts), np.array([0, 2, 1, 0]), NAMES, name="another name")
    assert prints == {same.fingerprint}
    other = [
        Dataset((*texts[:3], "plain "), same.labels, NAMES),
        Dataset(tuple(texts), np.array([0, 2, 1, 1]), NAMES),
        Dataset(tuple(texts), same.labels, ("sad", "joy", "anger")),
        same.take([1, 0, 2, 3]),
    ]
    assert len({same.fingerprint, *(data.fingerprint for data in other)}) == 5


@given(st.lists(st.text("ab\0", min_size=1), min_size=2, max_size=4))
def test_moving_a_border_between_texts_changes_the_fingerprint(texts: list[str]) -> None:
    zeros = np.zeros(len(texts), dtype=int)
    moved = [texts[0] + texts[1][0], texts[1][1:] + "a", *texts[2:]]
    if not any(map(is_blank, texts + moved)):
        before = Dataset(tuple(texts), zeros, ("x", "y")).fingerprint
        after = Dataset(tuple(moved), zeros, ("x", "y")).fingerprint
        assert (before == after) == (texts == moved)


# --- splitting


@settings(deadline=None, max_examples=60)
@given(
    counts=st.lists(st.integers(2, 60), min_size=2, max_size=6),
    share=st.floats(0.05, 0.95),
    seed=st.integers(0, 2**31),
)
def test_a_split_holds_out_what_scikit_learn_would(
    counts: list[int], share: float, seed: int
) -> None:
    from sklearn.model_selection import train_test_split

    labels = np.repeat(np.arange(len(counts)), counts)
    data = dataset(
        np.random.default_rng(seed).permutation(labels).tolist(),
        tuple(f"label {k}" for k in range(len(counts))),
    )
    rest, held = data.split(share, seed)
    assert sorted(rest.texts + held.texts) == sorted(data.texts)
    assert rest.counts().min() >= 1
    assert held.counts().min() >= 1
    label_of = dict(zip(data.texts, data.labels.tolist(), strict=True))
    for part in (rest, held):
        assert [label_of[text] for text in part.texts] == part.labels.tolist()
        order = [data.texts.index(text) for text in part.texts]
        assert order == sorted(order)
    try:
        _, theirs = train_test_split(
            data.labels, test_size=share, stratify=data.labels, random_state=0
        )
    except ValueError:  # fewer held-out texts than classes: scikit-learn refuses, we keep one each
        return
    reference = np.bincount(theirs, minlength=len(counts))
    assert np.abs(held.counts() - reference).max() <= 1


def test_a_split_follows_its_seed_only() -> None:
    data = dataset([0, 1, 2] * 20)
    assert data.split(0.3, 7)[1].texts == data.split(0.3, 7)[1].texts
    assert data.split(0.3, 7)[1].texts != data.split(0.3, 8)[1].texts


def test_labels_with_a_single_text_are_named_up_to_five_and_counted() -> None:
    names = tuple(f"class {i}" for i in range(12))
    data = Dataset(tuple(f"text {i}" for i in range(15)), np.array([*range(12), 0, 1, 2]), names)
    with pytest.raises(ParetextError) as caught:
        data.split(0.2, 0)
    said = str(caught.value)
    assert "1 of 'class 3', 'class 4', 'class 5', 'class 6', 'class 7' and 4 more (9 of" in said
    assert "9 of 12 labels" in said
    assert "class 8" not in said
    assert said.endswith("with --selection.")


def test_splits_that_cannot_be() -> None:
    with pytest.raises(ParetextError, match=r"2 texts of every label.* 1 of 'fear'"):
        dataset([0, 0, 1, 1, 2]).split(0.5, 0)
    for share in (0.0, 1.0, 15.0, float("nan")):
        with pytest.raises(ParetextError, match="between 0 and 1"):
            dataset([0, 0, 1, 1]).split(share, 0)
    rest, held = dataset([0, 0, 1, 1]).split(0.5, 0)  # 'fear' has no text, which is no obstacle
    assert rest.counts().tolist() == held.counts().tolist() == [1, 1, 0]


def test_one_class_is_not_trainable() -> None:
    require_trainable(dataset([0, 1]))
    with pytest.raises(ParetextError, match="all 2 texts have the label 'joy'"):
        require_trainable(dataset([1, 1]))


# --- checks


def test_repeats_conflicts_and_leaks_are_told_apart(heard: Heard) -> None:
    texts = ("a", "b", " a", "a", "cafe\u0301", "caf\u00e9", "c")
    train = Dataset(texts, np.array([0, 1, 0, 1, 2, 2, 0]), NAMES, "train")
    evaluation = Dataset(("B", "b", "b ", "new"), np.array([0, 1, 1, 0]), NAMES, "evaluation")
    report = check(train, evaluation)
    assert report.rows == 7
    assert report.class_counts == {"sad": 3, "joy": 2, "fear": 2}
    assert report.duplicate_texts == 3
    assert report.conflicting_texts == 1
    assert report.conflict_examples == ("a",)
    assert report.evaluation is not None
    assert report.evaluation.duplicate_texts == 1
    assert report.evaluation.conflicting_texts == 0
    assert report.leaked_texts == 2
    assert report.leak_examples == ("b",)
    assert report.sentences() == [
        "train: 7 texts with 3 labels (sad 3, joy 2, fear 2).",
        "train: 3 rows repeat the text of an earlier row.",
        "train: 1 text stands with two or more labels, such as 'a'.",
        "evaluation: 4 texts with 3 labels (sad 2, joy 2, fear 0).",
        "evaluation: no text has the label 'fear'.",
        "evaluation: 1 row repeats the text of an earlier row.",
        "evaluation: 2 of 4 rows (50.00%) have a text that also stands in train, such as 'b'.",
    ]
    assert drop_leaks(train, evaluation).texts == ("B", "new")
    assert heard.messages == ["evaluation: left out 2 of 4 rows whose text also stands in train."]
    with pytest.raises(ParetextError, match="all 7 texts also stand"):
        drop_leaks(train, train)


def test_clean_data_says_so() -> None:
    data = dataset([0, 1, 2])
    report = check(data)
    assert report.evaluation is None
    assert report.sentences()[-1] == "dataset: every text stands once."
    other = Dataset(("new",), np.array([0]), NAMES, "other")
    assert check(data, other).sentences()[-1] == "other: no text stands in dataset."
    assert drop_leaks(data, other) is other


@needs_emotion
def test_the_emotion_data_has_the_figures_that_were_found(heard: Heard) -> None:
    names = read_label_names(EMOTION / "labels.txt")
    train = Dataset.read(EMOTION / "train.csv", label_names=names)
    evaluation = Dataset.read(EMOTION / "validation.csv", label_names=names)
    report = check(train, evaluation)
    assert (report.duplicate_texts, report.conflicting_texts, report.leaked_texts) == (31, 30, 5)
    assert report.rows == 16_000
    assert report.class_counts == {
        "sadness": 4666,
        "joy": 5362,
        "love": 1304,
        "anger": 2159,
        "fear": 1937,
        "surprise": 572,
    }
    assert report.evaluation is not None
    assert report.evaluation.class_counts == {
        "sadness": 550,
        "joy": 704,
        "love": 178,
        "anger": 275,
        "fear": 212,
        "surprise": 81,
    }
    assert len(drop_leaks(train, evaluation)) == 1995
    rest, held = train.split(0.15, 42)
    assert (len(rest), len(held)) == (13_600, 2_400)
    assert np.abs(held.counts() - train.counts() * 0.15).max() < 1


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    bad=st.lists(st.booleans(), min_size=12, max_size=40),
    suffix=st.sampled_from([".csv", ".tsv", ".jsonl", ".parquet"]),
    seed=st.integers(0, 5),
)
def test_every_text_keeps_its_row_whatever_is_skipped_dropped_and_split(
    tmp_path: Path, bad: list[bool], suffix: str, seed: int
) -> None:
    """Each text says in which row it stands; rows without a text are skipped."""
    good = [n for n, is_bad in enumerate(bad, 1) if not is_bad]
    assume(len(good) >= 8)
    path = tmp_path / f"rows{suffix}"
    path.unlink(missing_ok=True)
    with RowWriter(path, ["text", "label"]) as writer:
        for n, is_bad in enumerate(bad, 1):
            writer.write({"text": None if is_bad else f"text {n}", "label": "ab"[n % 2]})
    data = Dataset.read(path, on_bad_row="skip")
    parts = [data]
    if data.counts().min() > 1:
        parts += data.split(0.3, seed)
    parts += [parts[-1].take([0]), data.take(np.arange(len(data))[::-2]), data.aligned(("b", "a"))]
    for part in parts:
        rows = part.rows_at(np.arange(len(part))).tolist()
        assert [f"text {row}" for row in rows] == list(part.texts)
