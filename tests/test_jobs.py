"""The two whole jobs: from any model, or any table, to a run that says what to deploy."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from test_bad_input import refused

import paretext
from paretext.certification.certificate import Certificate
from paretext.compression.recipe import preset
from paretext.graphs import export
from paretext.graphs.quantisation import DynamicQuantization
from paretext.measure.comparison import Comparison
from paretext.models.classifier import Classifier
from paretext.models.pretrained import name_outputs
from paretext.pipeline.splits import CHECK_TEXTS
from paretext.report.run_gather import gather
from paretext.runtime.artifact import Artifact
from paretext.runtime.manifest import Manifest
from paretext.training.fit import TrainingSettings, fit

SHORT = ("--rounds", 1, "--threads", 1)
INT8 = ("--preset", "int8")
LABELS = toy.LABELS


@pytest.fixture(scope="module")
def folder(encoder: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's classifier of the toy texts, well trained, as transformers saves it."""
    data = toy.dataset(180)
    train, selection = data.split(0.15, 0)
    settings = TrainingSettings(
        epochs=4, batch_size=8, learning_rate=5e-3, precision="fp32", device="cpu"
    )
    new = Classifier.from_pretrained(str(encoder("roberta")), LABELS, 32)
    path = tmp_path_factory.mktemp("somebody") / "mine"
    fit(new, train, selection, settings).classifier.save(path)
    return path


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.csv, eval.csv and unlabelled.jsonl."""
    path = tmp_path_factory.mktemp("texts")
    toy.write(path / "train.csv", toy.texts_and_labels(180))
    toy.write(path / "eval.csv", toy.texts_and_labels(120, seed=1))
    rows = [json.dumps({"text": text}) for text, _ in toy.texts_and_labels(150, seed=2)]
    (path / "unlabelled.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first that asks for `compressed` leaves it for the others."""
    return tmp_path_factory.mktemp("compressed") / "out"


@pytest.fixture
def compressed(folder: Path, texts: Path, command: Any, here: Path, once: Path) -> Path:
    """What `compress folder --eval eval.csv --out out` leaves, in `here`."""
    if once.exists():
        return Path(shutil.copytree(once, here / "out"))
    ended = command("compress", folder, "--eval", texts / "eval.csv", "--out", "out", *SHORT)
    assert ended.status == 0, ended.err
    shutil.copytree("out", once)
    return here / "out"


def versions(run: Path) -> set[str]:
    return {row.version for row in Comparison.read(run / "comparison").rows}


# --- a model


def test_held_out_texts_alone_give_int8_measured_on_what_the_export_never_saw(
    folder: Path, texts: Path, command: Any, here: Path
) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    ended = command("compress", folder, "--eval", texts / "eval.csv", *SHORT)
    assert ended.status == 0, ended.err
    run = here / "runs" / "mine"
    assert versions(run) == {"pytorch", "parent", "int8"}
    assert "safe, small, tiny and nano are left out: version 'safe' learns from texts" in ended.err
    assert "--unlabelled" in ended.err
    certificate, manifest = (
        read(run / "artifacts" / "int8") for read in (Certificate.of, Manifest.read)
    )
    assert certificate is not None
    assert manifest is not None
    assert certificate.data.texts == 120 - min(CHECK_TEXTS, 120 // 5)
    assert certificate.seen is None or not certificate.seen.mostly
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    own = Classifier.load(folder).predict(["i feel so awful", "what a day"])
    assert (
        Artifact.load(run / "artifacts" / "parent")
        .predict(["i feel so awful", "what a day"])
        .tolist()
        == own.tolist()
    )


@pytest.mark.usefixtures("compressed")
def test_every_verb_opens_what_compress_left(
    folder: Path, texts: Path, command: Any, here: Path
) -> None:
    held = texts / "eval.csv"
    again = command("compress", folder, "--eval", held, "--out", "out", *SHORT)
    assert again.status == 0
    assert "comparison: kept" in again.err
    measured = Comparison.read(here / "out" / "comparison").data["texts"]
    assert command("compare", "out", "--eval", held, *SHORT).status == 0
    int8, parent = "out/artifacts/int8", "out/artifacts/parent"
    more = toy.write(here / "more.csv", toy.texts_and_labels(120, seed=7))
    assert command("certify", int8, "--against", parent, "--eval", more).status in (0, 1, 3)
    assert [path.name for path in (here / "out" / "artifacts").iterdir() if path.is_file()] == []
    assert (here / "out" / "certificates" / "int8-flips.csv").is_file()
    again = command("compare", "out", *SHORT)  # on what compress measured on, and no more
    assert again.status == 0, again.err
    assert Comparison.read(here / "out" / "comparison").data["texts"] == measured
    assert "have seen" not in again.err
    assert "have seen" in command("compare", "out", "--eval", held, *SHORT).err
    elsewhere = command("compare", "out", "--eval", held, "--out", "beside", *SHORT)
    assert elsewhere.status == 0
    assert str(Path("out", "artifacts")) in elsewhere.out
    assert command("report", "out").status == 0
    assert command("inspect", "out").status == 0
    shutil.move("out", "elsewhere")
    assert command("compare", "elsewhere", "--eval", held, *SHORT).status == 0


def test_a_page_that_cannot_be_written_costs_no_certificate(
    compressed: Path, texts: Path, command: Any, here: Path
) -> None:
    held = texts / "eval.csv"
    page = compressed / "report" / "report.html"
    page.write_text("mine", encoding="utf-8")
    more = toy.write(here / "more.csv", toy.texts_and_labels(120, seed=7))
    for asked in (
        ("certify", "out/artifacts/int8", "--against", "out/artifacts/parent", "--eval", more),
        ("compare", "out", "--eval", held, *SHORT),
    ):
        ended = command(*asked)
        assert ended.status in (0, 1, 3), ended.err
        assert "is not written anew: " in ended.err
    assert page.read_text(encoding="utf-8") == "mine"


def test_the_list_of_flips_is_the_one_that_the_certificate_names(compressed: Path) -> None:
    """A run of an older version has it beside the artifact; another may lie in certificates/."""
    now = compressed / "certificates" / "int8-flips.csv"
    old = compressed / "artifacts" / "int8-flips.csv"
    shutil.copy(now, old)
    now.write_text(now.read_text(encoding="utf-8").splitlines()[0] + "\n9,stale\n", "utf-8")
    (flipped,) = gather(compressed).flipped
    assert flipped.file == "artifacts/int8-flips.csv"


def test_labelled_texts_alone_are_held_out_in_part(
    folder: Path, texts: Path, command: Any, here: Path
) -> None:
    ended = command("compress", folder, "--data", texts / "train.csv", *INT8, *SHORT)
    assert ended.status == 0, ended.err
    assert "held out 36 of the texts to measure on" in ended.err
    assert "by heart" in ended.err  # the model may have been trained on them
    run = here / "runs" / "mine"
    assert versions(run) == {"pytorch", "parent", "int8", "tfidf"}
    with (run / "held-out.csv").open(encoding="utf-8", newline="") as file:
        held = {row["text"] for row in csv.DictReader(file)}
    seen = Manifest.read(run / "artifacts" / "int8").seen
    assert len(held) == 36
    assert seen is not None
    assert seen.overlap(held).known == 0


def test_texts_without_labels_teach_and_certify_by_agreement(
    folder: Path, texts: Path, command: Any, here: Path
) -> None:
    recipe = here / "recipe.yaml"
    recipe.write_text(
        "versions:\n- name: student\n  steps:\n  - {step: layers, keep: [0]}\n"
        "  - {step: distillation, epochs: 1}\n  - {step: dynamic_quantization}\n",
        encoding="utf-8",
    )
    unlabelled = texts / "unlabelled.jsonl"
    ended = command("compress", folder, "--unlabelled", unlabelled, "--recipe", recipe, *SHORT)
    assert ended.status == 0, ended.err
    run = here / "runs" / "mine"
    certificate = Certificate.of(run / "artifacts" / "student")
    assert certificate is not None
    assert certificate.data.answered_by is not None
    assert [clause.name for clause in certificate.clauses] == ["flips", "independence"]
    assert certificate.standing is None
    table = Comparison.read(run / "comparison")
    assert table.standing is None
    assert table.row("pytorch").quality.macro_f1.estimate == 1.0  # with itself
    assert "learnt" not in ended.out


def test_more_versions_of_a_run_without_texts_to_measure_on(
    folder: Path, texts: Path, command: Any, here: Path
) -> None:
    train, held = texts / "train.csv", texts / "eval.csv"
    both = ("--data", train, "--eval", held)
    assert command("compress", folder, *both, *INT8, "--out", "out", *SHORT).status == 0
    refused(command("compress", "out", "--preset", "int8"), "--eval", "--unlabelled")
    ended = command("compress", "out", "--data", train, "--preset", "pruned")
    assert ended.status == 0, ended.err
    assert "not certified" in ended.err
    assert (here / "out" / "artifacts" / "pruned").is_dir()
    ended = command("compress", "out", *both, "--preset", "pruned", *SHORT)
    assert ended.status == 0, ended.err
    assert versions(here / "out") == {
        *("pytorch", "parent", "int8", "pruned", "pruned-int8", "tfidf")
    }


# --- names of outputs


def nameless(folder: Path, to: Path, order: tuple[int, ...] = (0, 1, 2)) -> Path:
    """The same model with its outputs in another order, called LABEL_0, LABEL_1, ..."""
    classifier = Classifier.load(folder)
    head = classifier.model.classifier.out_proj
    head.weight.data, head.bias.data = head.weight.data[list(order)], head.bias.data[list(order)]
    name_outputs(classifier.model.config, [f"LABEL_{k}" for k in range(len(order))])
    classifier.save(to)
    return to


def test_names_are_written_into_the_artifacts(
    folder: Path, texts: Path, command: Any, here: Path
) -> None:
    model = nameless(folder, here / "nameless")
    names = here / "names.txt"
    names.write_text("\n".join(LABELS) + "\n", encoding="utf-8")
    refused(command("compress", model, "--eval", texts / "eval.csv"), "LABEL_0", "--labels")
    ended = command("compress", model, "--eval", texts / "eval.csv", "--labels", names, *SHORT)
    assert ended.status == 0, ended.err
    made = Artifact.load(here / "runs" / "nameless" / "artifacts" / "int8")
    assert made.manifest.labels == LABELS
    words = ["i feel so awful", "what a lovely day"]
    assert made.predict(words).tolist() == Classifier.load(folder).predict(words).tolist()


def test_names_that_the_labels_contradict_are_refused(
    folder: Path, texts: Path, command: Any, here: Path
) -> None:
    model = nameless(folder, here / "nameless", (2, 0, 1))
    names, few = here / "names.txt", here / "few.txt"
    names.write_text("\n".join(LABELS) + "\n", encoding="utf-8")
    few.write_text("\n".join(LABELS[:2]) + "\n", encoding="utf-8")
    wanted = ", ".join(LABELS[k] for k in (2, 0, 1))
    held = ("--eval", texts / "eval.csv")
    refused(command("compress", model, *held, "--labels", names), f"its outputs are {wanted}")
    refused(command("compress", model, *held, "--labels", few), "3 outputs", "--labels names 2")
    turned = here / "turned.txt"
    turned.write_text("\n".join(LABELS[::-1]) + "\n", encoding="utf-8")
    refused(command("compress", folder, *held, "--labels", turned), "leave --labels out")


def test_names_fit_a_reference_that_has_none(
    folder: Path, texts: Path, command: Any, here: Path
) -> None:
    """certify, verify and compare: the reference calls its outputs LABEL_0, the artifact not."""
    model, held = nameless(folder, here / "nameless"), texts / "eval.csv"
    names, turned = here / "names.txt", here / "turned.txt"
    names.write_text("\n".join(LABELS) + "\n", encoding="utf-8")
    turned.write_text("\n".join(LABELS[::-1]) + "\n", encoding="utf-8")
    sample = toy.dataset(20).texts
    export(Classifier.load(folder), here / "fp32", sample, name="fp32")
    export(Classifier.load(model), here / "old", sample, name="old")  # LABEL_n, too
    asked = ("certify", "fp32", "--against", model, "--eval", held, "--resamples", 200)
    refused(command(*asked), "LABEL_0", "--labels")
    refused(command(*asked, "--labels", turned), "leave --labels out")  # the artifact has names
    ended = command(*asked, "--labels", names)
    assert ended.status in (0, 3), ended.err
    checked = ("verify", "fp32", "--eval", held, "--against", model)
    assert command(*checked, "--labels", names, "--rerun").status == ended.status
    measured = ("compare", "old", "fp32", "--eval", held, "--out", "both", *SHORT)
    refused(command(*measured), "LABEL_0", "--labels")
    refused(command(*measured, "--labels", turned), "put the names in the order")
    assert command(*measured, "--labels", names).status == 0
    assert Comparison.read(here / "both").labels == LABELS


def test_a_search_of_a_model_without_names_says_where_they_are_given(
    folder: Path, texts: Path, command: Any, here: Path
) -> None:
    model, names = nameless(folder, here / "nameless"), here / "names.txt"
    names.write_text("\n".join(LABELS) + "\n", encoding="utf-8")
    ended = command("search", model, "--data", texts / "train.csv", "--labels", names)
    refused(ended, "calls its outputs LABEL_0", "paretext compress MODEL --labels")


def test_python_certifies_what_it_is_given(folder: Path, texts: Path, here: Path) -> None:
    pandas = pytest.importorskip("pandas")
    sample = toy.dataset(20).texts
    paretext.export(
        Classifier.load(folder), here / "int8", sample, quantization=DynamicQuantization()
    )
    held = pandas.read_csv(texts / "eval.csv")
    certificate = paretext.certify("int8", str(folder), held, "flips<=5%, size<=1GB", resamples=200)
    assert certificate.clause("flips").limit == 0.05
    assert certificate.data.texts == len(held)
    assert Certificate.of(here / "int8") == certificate


# --- what is no classifier


def test_an_adapter_says_how_to_merge_it(texts: Path, command: Any, here: Path) -> None:
    adapter = here / "lora"
    adapter.mkdir()
    values = {"base_model_name_or_path": "roberta-base", "peft_type": "LORA"}
    (adapter / "adapter_config.json").write_text(json.dumps(values), encoding="utf-8")
    refused(
        command("compress", adapter, "--eval", texts / "eval.csv"),
        *("adapter of roberta-base", "merge_and_unload"),
    )


def test_nothing_to_measure_on(folder: Path, command: Any, here: Path) -> None:
    refused(command("compress", folder), "--eval", "--unlabelled")
    assert not (here / "runs").exists()


@pytest.mark.usefixtures("compressed")
def test_another_models_folder_is_left_alone(
    folder: Path, texts: Path, command: Any, here: Path
) -> None:
    held = ("--eval", texts / "eval.csv")
    other = nameless(folder, here / "other")
    names = here / "names.txt"
    names.write_text("\n".join(LABELS) + "\n", encoding="utf-8")
    ended = command("compress", other, *held, "--labels", names, "--out", "out")
    refused(ended, "out holds", str(folder), str(other))


# --- a table


def test_a_table_alone_is_the_whole_job(
    encoder: Callable[[str], Path], texts: Path, command: Any, here: Path
) -> None:
    ended = command(
        *("run", "--data", texts / "train.csv", "--model", encoder("roberta"), *INT8),
        *("--epochs", 1, "--batch-size", 16, "--max-length", 32, *SHORT),
    )
    assert ended.status == 0, ended.err
    run = here / "runs" / "train"
    assert versions(run) == {"pytorch", "parent", "int8", "tfidf"}
    with (run / "held-out.csv").open(encoding="utf-8", newline="") as file:
        held = list(csv.DictReader(file))
    assert len(held) == 36
    given = dict(toy.texts_and_labels(180))
    assert all(given[row["text"]] == row["label"] for row in held)
    page = run / "report" / "report.html"
    before = page.stat().st_mtime_ns
    compared = command("compare", run, *SHORT)
    assert compared.status == 0, compared.err
    assert "held-out.csv" in compared.err
    assert page.stat().st_mtime_ns > before
    more = command("compress", run, "--data", texts / "train.csv", "--preset", "pruned", *SHORT)
    assert more.status == 0, more.err
    assert versions(run) >= {"pruned-int8", "int8", "tfidf"}


def test_the_default_versions_are_a_ladder() -> None:
    from paretext.compression.recipe import RUNGS, Recipe
    from paretext.compression.step import Outline

    outline = Outline("bert", 6, 384, 384)
    made = Recipe().within(outline)
    assert made.versions == tuple(version for name in RUNGS for version in preset(name))
    assert made.ladder
    assert not Recipe(versions=preset("int8")).within(outline).ladder
    assert Recipe(versions=preset("int8"), ladder=True).within(outline).ladder


def test_default_versions_that_an_architecture_cannot_have_are_left_out() -> None:
    from paretext.compression.recipe import Recipe
    from paretext.compression.step import Outline
    from paretext.core.errors import ParetextError

    unknown = Outline("longformer", 4, 64, 64)
    assert [each.name for each in Recipe().within(unknown).versions] == ["int8", "nano"]
    with pytest.raises(ParetextError, match="does not know the architecture 'longformer'"):
        Recipe(versions=preset("safe")).within(unknown)


def test_a_label_with_too_few_texts_to_split_is_named(command: Any, here: Path) -> None:
    rows = [*toy.texts_and_labels(60), ("the only one", "rare"), ("and another", "rare")]
    data = toy.write(here / "data.csv", rows)
    refused(command("run", "--data", data, "--model", "tfidf"), "2 of 'rare'", "--eval")


def test_answers_are_the_models_own(folder: Path, texts: Path, here: Path) -> None:
    from paretext.core.files import Stages
    from paretext.pipeline.job import _answers

    words = tuple(text for text, _ in toy.texts_and_labels(50, seed=3))
    answers = _answers(folder, "mine", words, Stages(here))
    np.testing.assert_array_equal(answers, Classifier.load(folder).logits(words).argmax(axis=1))


def test_too_few_texts_to_hold_any_out_are_refused_before_anything_is_trained(
    command: Any, here: Path, encoder: Callable[[str], Path]
) -> None:
    toy.write(here / "twenty.csv", toy.texts_and_labels(20))
    asked = ("run", "--model", encoder("roberta"), "--data")
    refused(command(*asked, "twenty.csv"), "twenty.csv has 20 texts", "--eval")
    assert not list(here.glob("runs/*/*"))
