"""The baselines as candidates: trained, exported, compared, resumed; and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import toy

import paretext.pipeline.candidates
from paretext.compression import Recipe
from paretext.graphs import export
from paretext.measure.comparison import Comparison
from paretext.models.classifier import Classifier
from paretext.pipeline.asked import asked_recipe
from paretext.pipeline.candidates import removed_language
from paretext.pipeline.options import Trains
from paretext.runtime.artifact import Artifact
from paretext.runtime.manifest import Manifest
from paretext.training.baselines import BASELINES, Recurrent
from paretext.training.fit import TrainingSettings

_QUICK = {"embedding_size": 16, "hidden_size": 16, "epochs": 5, "batch_size": 8}
_EASY = {"learning_rate": 2e-2, "dropout": 0.2, "spread": 1.0}
SMALL = {
    "bigru": Recurrent.model_validate({"cell": "gru", **_QUICK, **_EASY}),
    "bilstm": Recurrent.model_validate({"cell": "lstm", **_QUICK, **_EASY}),
}
SHORT = (
    *("--epochs", 1, "--batch-size", 16, "--max-length", 32, "--precision", "fp32"),
    *("--device", "cpu"),
)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, settings in SMALL.items():
        monkeypatch.setitem(BASELINES, name, settings)


@pytest.fixture
def train(tmp_path: Path) -> Path:
    return toy.write(tmp_path / "train.csv", toy.texts_and_labels(120))


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    return toy.write(tmp_path / "eval.csv", toy.texts_and_labels(60, seed=1))


@pytest.mark.parametrize("name", ["bigru", "bilstm"])
def test_a_recurrent_baseline_learns_and_its_graph_agrees(name: str, tmp_path: Path) -> None:
    data, selection = toy.dataset(120), toy.dataset(30, 1)
    settings = TrainingSettings(device="cpu", seed=3)
    trained, again = (
        SMALL[name].fit(data, selection, settings, max_length=32, language="en") for _ in range(2)
    )
    assert trained.best["selection_macro_f1"] > 0.8
    assert trained.history == again.history
    texts = [*selection.texts, "the and of", "", "☃ unknown words, and don't!"]
    trained.classifier.save(tmp_path / "model")
    loaded = Classifier.load(tmp_path / "model")
    artifact = export(loaded, tmp_path / "artifact", texts)
    assert artifact.logits(texts) == pytest.approx(trained.classifier.logits(texts), abs=1e-4)
    with_stop_words = loaded.tokenizer.tokenize("I am the HAPPY and don't glad")
    assert with_stop_words == ["happy", "glad"]


def test_word_dropout_is_of_training_alone() -> None:
    data = toy.dataset(30)
    classifier = Recurrent(word_dropout=0.9).classifier(data, 32, seed=0)
    ids = classifier.tokenizer(list(data.texts), padding=True, return_tensors="pt").input_ids
    unknown = classifier.tokenizer.unk_token_id
    network = classifier.model
    assert (network._some_unknown(ids) == ids).all()
    network.train()
    changed = network._some_unknown(ids)
    assert ((changed == ids) | (changed == unknown)).all()
    assert 0.8 < (changed == unknown).float().mean() < 1


def test_who_removes_stop_words() -> None:
    recipes = {mode: Recipe(stop_words=mode, language="de") for mode in ("auto", "keep", "remove")}
    languages = {
        (model, mode): removed_language(model, recipe)
        for model in ("bigru", "tfidf", "roberta-base")
        for mode, recipe in recipes.items()
    }
    removing = {key for key, language in languages.items() if language == "de"}
    assert removing == {
        *(("bigru", "auto"), ("bigru", "remove")),
        *(("tfidf", "remove"), ("roberta-base", "remove")),
    }


def test_flags_for_stop_words_stand_over_the_recipe_file(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("{stop_words: remove, language: de}", encoding="utf-8")

    def chosen(**given: Any) -> tuple[str, str]:
        recipe = asked_recipe(Trains(recipe=path, **given))
        return recipe.stop_words, recipe.language

    assert chosen() == ("remove", "de")
    assert chosen(remove_stop_words=False) == ("keep", "de")
    assert chosen(remove_stop_words=True, language="fr") == ("remove", "fr")


@pytest.mark.slow
def test_baselines_stand_in_one_table_with_an_encoder(
    encoder: Callable[[str], Path],
    command: Any,
    train: Path,
    evaluation: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    (tmp_path / "recipe.yaml").write_text(
        "versions: [{name: int8, steps: [{step: dynamic_quantization}]}]", encoding="utf-8"
    )
    models = ("--model", "tfidf", "--model", "bigru", "--model", encoder("roberta"))
    arguments = (
        *("run", "--data", train, "--eval", evaluation, *models, "--out", out, *SHORT),
        *("--recipe", tmp_path / "recipe.yaml", "--rounds", 1, "--threads", 1),
    )
    ended = command(*arguments)
    assert ended.status == 0, ended.err
    # one epoch teaches the encoder little: both baselines beat it, and it stays the parent
    assert "the baseline tfidf is better on the selection split" in ended.err
    assert json.loads((out / "parent.json").read_text("utf-8"))["parent"] == "roberta"
    assert "stop words of the language 'en' are removed" in ended.err
    table = Comparison.read(out / "comparison")
    names = {"pytorch", "parent", "int8", "tfidf", "bigru"}
    assert {row.version for row in table.rows} == names
    assert table.row("tfidf").quality.macro_f1.estimate > 0.9
    manifests = {name: Manifest.read(out / "artifacts" / name) for name in ("parent", "tfidf")}
    assert manifests["tfidf"].data == manifests["parent"].data  # trained on the same texts
    assert manifests["tfidf"].seen == manifests["parent"].seen
    assert not (out / "candidates" / "tfidf" / "learning-curves.svg").exists()
    assert (out / "candidates" / "bigru" / "learning-curves.svg").exists()

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("done twice")

    monkeypatch.setattr(paretext.pipeline.candidates, "_train_one", never)
    assert command(*arguments).status == 0


@pytest.mark.slow
def test_with_baselines_alone_nothing_is_compressed(
    command: Any, train: Path, evaluation: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ended = command(
        *("run", "--data", train, "--eval", evaluation, "--model", "tfidf", "--model", "bigru"),
        *("--out", out, *SHORT, "--rounds", 1, "--threads", 1, "--json"),
    )
    assert ended.status == 0, ended.err
    assert "there is nothing to compress" in ended.err
    parent = json.loads((out / "parent.json").read_text("utf-8"))["parent"]
    other = {"tfidf": "bigru", "bigru": "tfidf"}[parent]
    versions = [row["version"] for row in json.loads(ended.out)["rows"]]
    assert versions == ["pytorch", "parent", other]
    assert Artifact.load(out / "artifacts" / other).predict(["happy and glad"]).tolist() == ["joy"]

    for verb in (("compress", out, "--data", train), ("search", out, "--data", train)):
        refused = command(*verb)
        assert refused.status == 2, refused
        assert "baselines are not compressed" in refused.err
        assert "--model roberta-base" in refused.err


def test_a_folder_with_the_name_of_a_baseline_is_given_by_its_path(
    encoder: Callable[[str], Path],
    command: Any,
    train: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "tfidf").symlink_to(encoder("roberta"))
    monkeypatch.chdir(tmp_path)
    ended = command("train", "--data", train, "--model", "./tfidf", "--out", "out", *SHORT)
    assert ended.status == 0, ended.err
    config = json.loads((tmp_path / "out/candidates/tfidf/model/config.json").read_text("utf-8"))
    assert config["model_type"] == "roberta"


@pytest.mark.parametrize(
    ("rows", "arguments", "parts"),
    [
        (toy.texts_and_labels(60), ("--language", "tlh"), ("'tlh'", "no list", "da, de, en")),
        (
            [("I am", "joy"), ("you were", "joy"), ("not the", "sad"), ("of it", "sad")] * 5,
            (),
            ("none of the", "179 stop words", "--keep-stop-words"),
        ),
        ([("so happy", "joy"), ("so glad", "joy")], (), ("have the label 'joy'",)),
    ],
)
def test_bad_input_is_refused_before_training(
    rows: list[tuple[str, str]],
    arguments: tuple[str, ...],
    parts: tuple[str, ...],
    command: Any,
    tmp_path: Path,
) -> None:
    data = toy.write(tmp_path / "data.csv", rows)
    ended = command(
        "train", "--data", data, "--model", "bigru", "--out", tmp_path / "out", *arguments
    )
    assert ended.status == 2, ended
    last = ended.err.splitlines()[-1]
    assert last.startswith("paretext: ")
    for part in parts:
        assert part in last, last
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("texts", "epochs"),
    [(16_000, 12), (6_400, 12), (1_275, 60), (3_200, 24), (100, 60)],
)
def test_of_few_texts_a_recurrent_network_trains_for_more_epochs(texts: int, epochs: int) -> None:
    assert Recurrent()._epochs(texts) == epochs
