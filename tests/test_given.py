"""What a Python caller may hold in the place of a file, and what the objects say of themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy

from paretext.core.errors import ParetextError
from paretext.data.dataset import Dataset
from paretext.data.reading import read_texts
from paretext.models.classifier import Classifier
from paretext.runtime.artifact import Artifact

ROWS = toy.texts_and_labels(40)
TEXTS, LABELS = [text for text, _ in ROWS], [label for _, label in ROWS]
COLUMNS = {"text": TEXTS, "label": LABELS}


@pytest.fixture(scope="module")
def classifier(encoder: Any) -> Classifier:
    return Classifier.from_pretrained(str(encoder("roberta")), toy.LABELS, 32)


def given(kind: str) -> Any:
    """The same table, held in many ways."""
    if kind == "pandas":
        return pytest.importorskip("pandas").DataFrame(COLUMNS)
    if kind == "pandas categories":
        frame = pytest.importorskip("pandas").DataFrame(COLUMNS)
        return frame.astype({"label": "category"})
    if kind == "polars":
        return pytest.importorskip("polars").DataFrame(COLUMNS)
    if kind == "arrow":
        return pytest.importorskip("pyarrow").table(COLUMNS)
    if kind == "datasets":
        return pytest.importorskip("datasets").Dataset.from_dict(COLUMNS)
    if kind == "datasets splits":
        datasets = pytest.importorskip("datasets")
        return datasets.DatasetDict({"train": datasets.Dataset.from_dict(COLUMNS)})
    return {
        "dict": COLUMNS,
        "rows": [{"text": text, "label": label} for text, label in ROWS],
        "pair": (TEXTS, LABELS),
        "arrays": (np.array(TEXTS), np.array(LABELS)),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        *("pandas", "pandas categories", "polars", "arrow", "datasets", "datasets splits"),
        *("dict", "rows", "pair", "arrays"),
    ],
)
def test_a_table_in_memory_is_read_as_its_file_is(kind: str, tmp_path: Path) -> None:
    from_file = Dataset.read(toy.write(tmp_path / "data.csv", ROWS))
    in_memory = Dataset.read(given(kind))
    assert in_memory.fingerprint == from_file.fingerprint
    assert Dataset.read(in_memory) is in_memory


@pytest.mark.parametrize("kind", ["pandas", "polars", "datasets", "dict"])
def test_texts_without_labels(kind: str) -> None:
    whole = given(kind)
    assert read_texts(whole, None, "fail") == TEXTS
    assert read_texts(whole["text"], None, "fail") == TEXTS
    assert read_texts(TEXTS, None, "fail") == TEXTS


def test_labels_are_looked_up_by_the_training_datas_names() -> None:
    train = Dataset.read(given("pair"))
    fewer = Dataset.read((TEXTS[:2], ["joy", "sad"]))
    named = Dataset.read(fewer, label_names=train.label_names)
    assert named.label_names == train.label_names
    assert [named.label_names[k] for k in named.labels] == ["joy", "sad"]
    with pytest.raises(ParetextError, match="has the label 'glad', which is none of"):
        Dataset.read(Dataset.read((TEXTS[:2], ["joy", "glad"])), label_names=train.label_names)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ((TEXTS, LABELS[:-1]), "40 texts and 39 labels"),
        ({"text": TEXTS, "label": LABELS[:3]}, "not equally long"),
        (([], []), "no rows"),
        (7, "data of type int cannot be read"),
        ({"text": "one text", "label": LABELS}, "is one string"),
        ({"text": [None, *TEXTS[1:]], "label": LABELS}, r"1 with no text \(row 1\)"),
        ({"text": [float("nan"), *TEXTS[1:]], "label": LABELS}, r"1 with no text \(row 1\)"),
    ],
)
def test_what_is_no_table_is_one_sentence(bad: Any, said: str) -> None:
    with pytest.raises(ParetextError, match=said):
        Dataset.read(bad)


def test_a_split_that_is_not_there() -> None:
    splits = given("datasets splits")
    with pytest.raises(ParetextError, match="no split 'test'; give one of 'train'"):
        Dataset.read(splits, split="test")


# --- what objects say of themselves


def test_each_object_is_one_short_line(versions: dict[str, Path], classifier: Classifier) -> None:
    for each in (Dataset.read(given("pair")), classifier, Artifact.load(versions["int8"])):
        shown = repr(each)
        assert "\n" not in shown
        assert len(shown) < 200 + len(str(versions["int8"]))
        assert shown.startswith(f"{type(each).__name__}(")


# --- an artifact where scikit-learn expects a fitted classifier


def turned(classifier: Classifier, to: Path) -> Artifact:
    """An artifact whose labels are not in sorted order, as somebody's model may have them."""
    from paretext.graphs import export

    order = [2, 0, 1]
    head = classifier.copy().model
    head.classifier.out_proj.weight.data = head.classifier.out_proj.weight.data[order]
    head.classifier.out_proj.bias.data = head.classifier.out_proj.bias.data[order]
    names = tuple(classifier.label_names[k] for k in order)
    export(Classifier(head, classifier.tokenizer, names, classifier.max_length), to, TEXTS[:10])
    return Artifact.load(to)


def test_it_passes_for_a_fitted_classifier(versions: dict[str, Path]) -> None:
    from sklearn.base import clone, is_classifier
    from sklearn.metrics import accuracy_score, f1_score, get_scorer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer
    from sklearn.utils.validation import check_is_fitted

    artifact = Artifact.load(versions["fp32"])
    assert is_classifier(artifact)
    check_is_fitted(artifact)
    assert clone(artifact) is artifact
    assert artifact.get_params() == {}
    with pytest.raises(ParetextError, match="no parameter 'C'"):
        artifact.set_params(C=1)
    answers = artifact.predict(TEXTS)
    assert get_scorer("f1_macro")(artifact, TEXTS, LABELS) == f1_score(
        LABELS, answers, average="macro"
    )
    assert artifact.score(TEXTS, LABELS) == accuracy_score(LABELS, answers)
    upper = make_pipeline(FunctionTransformer(lambda texts: [t.upper() for t in texts]), artifact)
    expected = artifact.predict([text.upper() for text in TEXTS]).tolist()
    assert upper.predict(TEXTS).tolist() == expected
    assert upper.fit(TEXTS, LABELS).predict(TEXTS).tolist() == expected


def test_probability_scorers_agree_whatever_the_order_of_the_labels(
    classifier: Classifier, tmp_path: Path
) -> None:
    """scikit-learn takes columns to be in the sorted order of the labels."""
    from sklearn.metrics import get_scorer, log_loss

    artifact = turned(classifier, tmp_path / "turned")
    assert list(artifact.manifest.labels) != sorted(artifact.manifest.labels)
    own = artifact.probabilities(TEXTS)
    places = [artifact.manifest.labels.index(label) for label in LABELS]
    expected = -np.log(own[np.arange(len(TEXTS)), places].astype(np.float64)).mean()
    assert log_loss(LABELS, artifact.predict_proba(TEXTS)) == pytest.approx(expected, rel=1e-5)
    score = get_scorer("neg_log_loss")(artifact, TEXTS, LABELS)
    assert -score == pytest.approx(expected, rel=1e-5)
    np.testing.assert_array_equal(artifact.predict(TEXTS), np.array(classifier.predict(TEXTS)))
