"""N-grams: scikit-learn, plain Python and the graph give the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import toy
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer

from paretext.baselines import Tfidf
from paretext.classifier import Classifier
from paretext.data import Dataset
from paretext.errors import ParetextError
from paretext.export import export
from paretext.training import TrainingSettings

HARD = (
    "Happy, HAPPY and sad!",
    "",
    "?!",
    "☃ glad ☃glad",
    "gloomy_lonely a",
    "x" * 300,
    "sad [PAD]",
)


@pytest.fixture(scope="module")
def fitted() -> Classifier:
    data = toy.dataset(120)
    return Tfidf().fit(data, toy.dataset(30, 1), TrainingSettings(), max_length=32).classifier


def grams(text: str, known: set[str]) -> list[str]:
    """Every n-gram of the stream of a text's characters that the model knows."""
    words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    stream = f"▁{'▁'.join(words)}▁" if words else "▁▁"
    sizes = sorted(set(map(len, known)))
    found = [stream[i : i + n] for n in sizes for i in range(len(stream) - n + 1)]
    return [gram for gram in found if gram in known]


def test_probabilities_are_scikit_learns(fitted: Classifier) -> None:
    model, texts = fitted.model, [*toy.dataset(60, 2).texts, *HARD[:-1]]
    names = {index: token for token, index in fitted.tokenizer.get_vocab().items()}
    known = ["".join(names[i] for i in ids) for ids in model.ngrams()]
    assert len(set(known)) == len(known)
    vectorizer = TfidfVectorizer(
        analyzer=lambda text: grams(text, set(known)), vocabulary=known, sublinear_tf=True
    )
    vectorizer.idf_ = model.weights.numpy()
    values = vectorizer.transform(texts)
    expected = values @ model.output.weight.detach().numpy().T + model.output.bias.detach().numpy()
    assert fitted.predict_proba(texts) == pytest.approx(softmax(expected, axis=1), abs=1e-5)


def test_weights_of_words_are_scikit_learns_inverse_document_frequencies(
    fitted: Classifier,
) -> None:
    texts = toy.dataset(120).texts
    reference = TfidfVectorizer(token_pattern=r"\w+").fit(texts)
    names = {index: token for token, index in fitted.tokenizer.get_vocab().items()}
    known = ["".join(names[i] for i in ids) for ids in fitted.model.ngrams()]
    words = [(gram[1:-1], i) for i, gram in enumerate(known) if gram[0] == gram[-1] == "▁"]
    single = [(word, i) for word, i in words if "▁" not in word]
    assert len(single) > 5
    for word, i in single:
        frequency = reference.idf_[reference.vocabulary_[word]]
        assert float(fitted.model.weights[i]) == pytest.approx(frequency, rel=1e-6)


def test_the_graph_saved_and_loaded_gives_the_same_answers(
    fitted: Classifier, tmp_path: Path
) -> None:
    texts = [*toy.dataset(60, 2).texts, *HARD]
    fitted.save(tmp_path / "model")
    loaded = Classifier.load(tmp_path / "model")
    assert loaded.max_length == 1_000
    assert loaded.tokenize(texts) == fitted.tokenize(texts)
    assert (loaded.logits(texts) == fitted.logits(texts)).all()
    artifact = export(loaded, tmp_path / "artifact", texts)
    assert artifact.logits(texts) == pytest.approx(fitted.logits(texts), abs=1e-5)
    one_by_one = np.concatenate([artifact.logits([text]) for text in texts])
    assert artifact.logits(texts) == pytest.approx(one_by_one, abs=1e-5)  # padding counts nothing


def test_two_labels_and_a_label_that_no_text_has() -> None:
    data = toy.dataset(120)
    keep = np.flatnonzero(data.labels != 0)
    two = Dataset(
        tuple(data.texts[i] for i in keep), data.labels[keep], data.label_names, "two of three"
    )
    found = Tfidf().fit(two, two, TrainingSettings(), max_length=32)
    assert found.best["selection_macro_f1"] == pytest.approx(2 / 3)  # two of three are right
    assert found.classifier.predict_proba(two.texts)[:, 0].max() < 0.01


def test_a_text_longer_than_the_input_is_counted_and_cut(fitted: Classifier) -> None:
    long = "happy and glad " * 100
    assert fitted.longer([long, "sad"]) == 1
    assert max(map(len, fitted.tokenize([long])["input_ids"])) == 1_000


def test_texts_without_a_common_word_are_refused() -> None:
    data = Dataset(("ab", "cd", "ef", "gh"), np.array([0, 1, 0, 1]), ("a", "b"), "nothing shared")
    with pytest.raises(ParetextError, match=r"stands in 2 of the 4 training texts"):
        Tfidf().fit(data, data, TrainingSettings(), max_length=32)
