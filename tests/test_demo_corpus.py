"""The demo's texts and untrained model: what they promise, checked against independent routes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from paretext.demo import corpus
from paretext.demo.corpus import COUNTS, LABELS, WRONG_LABELS, generate


def test_same_seed_same_texts_other_seed_other_texts() -> None:
    assert generate(300, seed=3) == generate(300, seed=3)
    texts, _ = generate(2_000, seed=3)
    others, _ = generate(2_000, seed=4)
    assert len(set(texts) & set(others)) < 0.02 * len(texts)


def test_class_shares_are_those_of_the_real_data() -> None:
    _, labels = generate(10_000, seed=0)
    counted = Counter(labels)
    for label, count in enumerate(COUNTS):
        share = counted[label] / len(labels)
        assert share == pytest.approx(count / sum(COUNTS), abs=0.005), LABELS[label]


@pytest.mark.parametrize("n", [0, 1, 5, 6, 7, 100])
def test_any_number_of_texts(n: int) -> None:
    texts, labels = generate(n, seed=1)
    assert len(texts) == len(labels) == n
    assert all(texts)
    assert all(0 <= label < len(LABELS) for label in labels)


def test_texts_are_distinct_and_without_leftover_slots() -> None:
    texts, _ = generate(10_000, seed=0)
    assert len(set(texts)) > 0.99 * len(texts)
    assert not any(set("{}|") & set(text) for text in texts)


def test_wrong_labels_are_as_many_as_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    texts, labels = generate(10_000, seed=0)
    monkeypatch.setattr(corpus, "WRONG_LABELS", 0.0)
    same_texts, truth = generate(10_000, seed=0)
    assert texts == same_texts
    share = np.mean(np.array(labels) != np.array(truth))
    assert share == pytest.approx(WRONG_LABELS, abs=0.005)


def test_n_grams_do_not_solve_it() -> None:
    """Word and character TF-IDF with a linear model stays well under the 0.97 that is possible."""
    pytest.importorskip("sklearn")
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.pipeline import make_union
    from sklearn.svm import LinearSVC

    texts, labels = generate(6_000, seed=1)
    fresh, truth = generate(1_500, seed=2)
    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2)),
        TfidfVectorizer(analyzer="char", ngram_range=(2, 5)),
    )
    seen, unseen = features.fit_transform(texts), features.transform(fresh)
    for model in (LinearSVC(), LogisticRegression(C=10, tol=0.01, max_iter=300)):
        predicted = model.fit(seen, labels).predict(unseen)
        assert 0.55 < f1_score(truth, predicted, average="macro") < 0.90


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The untrained model for a thousand texts."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from paretext.demo.model import build

    path = tmp_path_factory.mktemp("demo") / "untrained"
    build(generate(1_000, seed=0)[0], path, seed=0)
    return path


def test_tokenizer_gives_any_unicode_back(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    for text in ("I'm not sad!", " två  spaces\t\n", "怒り 😡👩‍👩‍👧 é e\u0301", "\u0000\uffff", ""):
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
        assert tokenizer.unk_token_id not in ids


def test_pairs_and_special_tokens_are_roberta_s(folder: Path) -> None:
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.is_fast
    tokens = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    assert tokenizer.convert_tokens_to_ids(list(tokens)) == [0, 1, 2, 3, 4]
    assert tokenizer.mask_token == "<mask>"
    first, second = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("a", "b"))
    assert tokenizer("a", "b")["input_ids"] == [0, *first, 2, 2, *second, 2]
    alone = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text in generate(50, seed=9)[0]:
        assert alone.encode(text).ids == tokenizer(text)["input_ids"]


def test_auto_classes_open_the_folder(folder: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from paretext.demo.model import MAX_LENGTH

    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(LABELS))
    assert [network.config.id2label[label] for label in range(len(LABELS))] == list(LABELS)
    batch = tokenizer(
        ["word " * 200, "short"],
        padding=True,
        truncation=True,
        max_length=MAX_LENGTH,
        return_tensors="pt",
    )
    assert batch["input_ids"].shape == (2, MAX_LENGTH)
    with torch.no_grad():
        assert network(**batch).logits.shape == (2, len(LABELS))


def test_weights_depend_on_the_seed_alone(folder: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification

    from paretext.demo.model import build

    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    build(generate(1_000, seed=0)[0], tmp_path / "again", seed=0)
    assert torch.equal(torch.rand(1), expected), "build changed torch's global random state"
    build(generate(1_000, seed=0)[0], tmp_path / "other", seed=1)

    def weights(path: Path) -> torch.Tensor:
        network = AutoModelForSequenceClassification.from_pretrained(path)
        return network.classifier.dense.weight.detach()

    assert torch.equal(weights(folder), weights(tmp_path / "again"))
    assert not torch.equal(weights(folder), weights(tmp_path / "other"))
