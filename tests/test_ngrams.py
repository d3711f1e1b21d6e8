"""N-grams: scikit-learn, plain Python and the graph give the same numbers."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer

from paretext.core.errors import ParetextError
from paretext.data.dataset import Dataset
from paretext.data.words import words_of
from paretext.graphs import export
from paretext.measure.metrics import confusion_matrix, macro_f1
from paretext.measure.temperature import temperature
from paretext.models.classifier import Classifier
from paretext.training.baselines import Tfidf
from paretext.training.baselines.tfidf import PENALTIES
from paretext.training.fit import TrainingSettings

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
    stream = f"▁{'▁'.join(words_of(text))}▁"
    sizes = sorted(set(map(len, known)))
    windows = [stream[i : i + n] for n in sizes for i in range(len(stream) - n + 1)]
    return [gram for gram in windows if gram in known]


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
    config = json.loads((artifact.folder / "config.json").read_text("utf-8"))
    assert config["model_type"] == "paretext-ngrams"  # it reads characters: clients refuse it
    assert artifact.logits(texts) == pytest.approx(fitted.logits(texts), abs=1e-5)
    one_by_one = np.concatenate([artifact.logits([text]) for text in texts])
    assert artifact.logits(texts) == pytest.approx(one_by_one, abs=1e-5)  # padding counts nothing


def test_two_labels_and_a_label_that_no_text_has() -> None:
    data = toy.dataset(120)
    keep = np.flatnonzero(data.labels != 0)
    two = Dataset(
        tuple(data.texts[i] for i in keep), data.labels[keep], data.label_names, "two of three"
    )
    trained = Tfidf().fit(two, two, TrainingSettings(), max_length=32)
    assert trained.best["selection_macro_f1"] == pytest.approx(2 / 3)  # two of three are right
    assert trained.classifier.predict_proba(two.texts)[:, 0].max() < 0.01


def test_a_text_longer_than_the_input_is_counted_and_cut(fitted: Classifier) -> None:
    long = "happy and glad " * 100
    assert fitted.longer([long, "sad"]) == 1
    assert max(map(len, fitted.tokenize([long])["input_ids"])) == 1_000


@pytest.mark.parametrize(
    "texts",
    [
        ("ab", "cd", "ef", "gh"),
        ("wordab", "wordcd", "wordef", "wordgh"),  # pieces of fewer than 5 texts
        ("!", ".", ",", "-"),
    ],
)
def test_texts_without_a_common_word_are_refused(texts: tuple[str, ...]) -> None:
    data = Dataset(texts, np.array([0, 1, 0, 1]), ("a", "b"), "nothing shared")
    for refused in (
        lambda: Tfidf().fit(data, data, TrainingSettings(), max_length=32),
        lambda: Tfidf().check(data, None),
    ):
        with pytest.raises(ParetextError, match=r"stands in 2 of the 4 training texts"):
            refused()


def test_pieces_of_five_texts_are_enough() -> None:
    data = Dataset(tuple(f"word{i}" for i in range(8)), np.array([0, 1] * 4), ("a", "b"))
    Tfidf().check(data, None)
    assert Tfidf().fit(data, data, TrainingSettings(), max_length=32).classifier.model.ngrams()


# --- what a baseline may see


def emoji_rows(n: int, seed: int) -> list[tuple[str, str]]:
    """Tweets whose emoji carries the class, alone, repeated, or at the end of common words."""
    chance, words = (
        random.Random(seed),
        ["home", "bus", "episode", "today", "got", "late", "saw", "the", "with", "on"],
    )
    kinds = {"joy": "😍🎉", "sad": "💔😢", "anger": "😡🤬"}
    rows = []
    for _ in range(n):
        label = chance.choice(list(kinds))
        emoji = chance.choice(kinds[label]) * chance.choice((1, 1, 3))
        rows.append((" ".join([*chance.choices(words, k=chance.randint(0, 6)), emoji]), label))
    return rows


def labelled(rows: list[tuple[str, str]], names: tuple[str, ...]) -> Dataset:
    labels = np.array([names.index(label) for _, label in rows])
    return Dataset(tuple(text for text, _ in rows), labels, names)


def score(train: Dataset, selection: Dataset, held: Dataset) -> float:
    classifier = Tfidf().fit(train, selection, TrainingSettings(), max_length=32).classifier
    answers = classifier.logits(held.texts).argmax(1)
    return float(macro_f1(confusion_matrix(held.labels, answers, len(held.label_names))))


def test_an_emoji_that_carries_the_class_is_seen() -> None:
    names = ("anger", "joy", "sad")
    parts = [labelled(emoji_rows(n, seed), names) for seed, n in enumerate((200, 60, 200))]
    assert score(*parts) == 1.0


def test_emojis_of_the_case() -> None:
    path = Path(__file__).parents[2] / "shared" / "cases" / "emojis.csv"
    if not path.exists():
        pytest.skip("the case is not here")
    train = Dataset.read(path)
    held = Dataset.read(path.with_name("emojis-held-out.csv"), label_names=train.label_names)
    assert score(*train.split(0.15, 0), held) > 0.99


@pytest.mark.parametrize(
    "texts",
    [
        {"a": "वह बहुत दुखी है", "b": "वह बहुत खुश है"},
        {"a": "הוא עצוב מאוד", "b": "הוא שמח מאוד"},
        {"a": "他很难过", "b": "他很高兴"},
        {"a": "เขาเสียใจมาก", "b": "เขาดีใจมาก"},
    ],
)
def test_words_of_other_scripts_are_learned(texts: dict[str, str]) -> None:
    rows = [(f"{text} {i}", label) for i in range(40) for label, text in texts.items()]
    data = labelled(rows, ("a", "b"))
    assert score(data, data, data) == 1.0


# --- what is said where nothing is known


@pytest.mark.parametrize("seed", range(3))
def test_a_text_of_nothing_known_is_no_certainty(seed: int) -> None:
    """Where every selection text is right, the least loss would be that of certainty."""
    train, selection = toy.dataset(120, seed), toy.dataset(60, 7)
    trained = Tfidf().fit(train, selection, TrainingSettings(), max_length=32)
    assert trained.best["selection_macro_f1"] == 1.0
    known = trained.classifier.predict_proba(selection.texts).max(axis=1)
    assert 0.9 < known.mean() < 0.999
    unknown = trained.classifier.predict_proba(["", "  ", "zzz", "☃"])
    assert unknown == pytest.approx(1 / 3, abs=0.1)  # class weights make the labels equal


def test_the_temperature_aims_at_laplaces_rule() -> None:
    """n answers, all right and equally sure: the probability is (n + 1) / (n + 2)."""
    for n in (3, 30, 300):
        logits, labels = np.tile([[0.0, 2.0, 0.0]], (n, 1)), np.ones(n, np.int64)
        heat = temperature(logits, labels)
        assert softmax(logits[0] / heat)[1] == pytest.approx((n + 1) / (n + 2), rel=1e-3)


def test_the_penalty_that_is_best_on_the_selection_split_is_kept() -> None:
    """Of many classes with few texts each, one that keeps more n-grams than L1 does."""
    words = [f"{a}{b}" for a in ("kor", "mel", "ti", "zan") for b in ("dor", "vel", "ra", "sun")]
    rng = np.random.default_rng(0)
    texts = [" ".join([w, *rng.choice(words, 3)]) for w in words for _ in range(12)]
    labels = np.repeat(np.arange(len(words)), 12)
    data = Dataset(texts, labels, tuple(f"class {w}" for w in words))
    train, selection = data.split(0.3, 0)

    def best(**settings: Any) -> float:
        fitted = Tfidf(**settings).fit(train, selection, TrainingSettings(), max_length=32)
        return float(fitted.history[0]["selection_macro_f1"])

    alone = [best(penalties=(each,)) for each in PENALTIES]
    assert len(set(alone)) > 1
    assert best() == max(alone)
