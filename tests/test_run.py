"""The main job: all its files, nothing done twice, and the same from the single verbs."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import toy
from graphs import graph_file
from onnx import numpy_helper
from sklearn.metrics import cohen_kappa_score, f1_score

import paretext.certification.versions
import paretext.graphs
import paretext.pipeline.profiled
import paretext.pipeline.stages
import paretext.training.fit
from paretext.certification.certificate import Certificate
from paretext.certification.versions import certify_versions
from paretext.certification.wording import BADGES
from paretext.compression import MagnitudePruning, Recipe, Version, compress, preset
from paretext.core.errors import ParetextError
from paretext.core.files import files_below, folder_bytes, sha256
from paretext.data.dataset import Dataset
from paretext.measure.comparison import Comparison
from paretext.measure.ranking import by_cost
from paretext.models.classifier import Classifier
from paretext.pipeline.profiled import profiled
from paretext.pipeline.splits import Data, prepare
from paretext.pipeline.stages import candidate_names, run, train
from paretext.profile import Profile
from paretext.report.run_data import RunReport
from paretext.runtime.artifact import Artifact
from paretext.runtime.manifest import Manifest
from paretext.training.fit import TrainingSettings

FLAGS = (
    *("--epochs", 3, "--batch-size", 8, "--learning-rate", 5e-3, "--max-length", 32),
    *("--precision", "fp32", "--device", "cpu", "--seed", 3),
)
TRAINING = TrainingSettings(
    epochs=3, batch_size=8, learning_rate=5e-3, precision="fp32", device="cpu", seed=3
)
_HEAD = (
    "version,parent,macro_f1,macro_f1_low,macro_f1_high,macro_f1_drop,macro_f1_drop_low,"
    "macro_f1_drop_high,balanced_accuracy,kappa,accuracy,bytes,peak_memory_bytes,"
    "first_answer_ms,batch1_ms_p50,batch1_ms_p95,batch32_ms_per_text,bulk_texts_per_second,"
    "f1_fear,f1_joy,f1_sad,recall_fear,recall_joy,recall_sad"
)
COLUMNS = _HEAD.split(",")
COST = COLUMNS[12:18]  # differ from one measurement to the next


@dataclass(frozen=True)
class Run:
    out: Path
    files: Path
    recipe: Recipe
    data: Data


@pytest.fixture(scope="module")
def done(encoder: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A whole run through the public functions."""
    files = tmp_path_factory.mktemp("run")
    toy.write(files / "train.csv", toy.texts_and_labels(120))
    toy.write(files / "eval.csv", toy.texts_and_labels(60, seed=1))
    training = Dataset.read(files / "train.csv")
    evaluation = Dataset.read(files / "eval.csv", label_names=training.label_names)
    recipe = Recipe(
        models=(str(encoder("roberta")), "tfidf"),
        max_length=32,
        training=TRAINING,
        versions=preset("pruned"),
    )
    data = prepare(training, evaluation, recipe)
    run(data, recipe, files / "out", threads=1, rounds=1)
    return Run(files / "out", files, recipe, data)


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "comparison.csv").open(encoding="utf-8", newline="") as file:
        return {row["version"]: row for row in csv.DictReader(file)}


def state(folder: Path, *parts: str) -> dict[str, int]:
    """When each file below `parts` was written."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns
        for part in parts
        for path in files_below(folder / part)
    }


def digests(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files_below(folder)}


# --- what a run leaves


def test_a_run_holds_every_stage_and_nothing_half_written(done: Run) -> None:
    out = done.out
    assert {path.name for path in out.iterdir()} == {
        *("run.json", "parent.json", "candidates", "classifiers", "artifacts", "comparison"),
        *("certificates", "profile", "report", ".stages"),
    }
    assert {path.name for path in (out / "profile").iterdir()} == {"profile.html", "profile.json"}
    assert {path.name for path in (out / "report").iterdir()} == {"report.html", "report.json"}
    assert {path.name for path in (out / "artifacts").iterdir()} == {
        *("parent", "pruned", "int8", "pruned-int8", "tfidf"),
    }
    assert {path.name for path in (out / "classifiers").iterdir()} == {"pruned"}
    candidate = out / "candidates" / "roberta"
    assert {path.name for path in candidate.iterdir()} == {
        *("model", "history.json", "training.json", "learning-curves.svg"),
    }
    names = [path.name for path in out.rglob("*")]
    assert not [
        name for name in names if "partial" in name or "checkpoint" in name or ".new" in name
    ]
    values = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert Recipe.model_validate(values["recipe"]) == done.recipe


def test_a_run_certifies_every_compressed_version_against_the_parents_artifact(done: Run) -> None:
    table = Comparison.read(done.out / "comparison")
    text = (done.out / "comparison" / "comparison.md").read_text(encoding="utf-8")
    reference = Manifest.read(done.out / "artifacts" / "parent").identity
    assert {path.name for path in (done.out / "certificates").iterdir()} == {
        "looks.json",
        *("pruned-flips.csv", "int8-flips.csv", "pruned-int8-flips.csv"),
    }
    for name in ("pruned", "int8", "pruned-int8"):
        certificate = Certificate.of(done.out / "artifacts" / name)
        assert certificate is not None
        assert certificate.reference.digest == reference
        assert done.data.evaluation is not None
        assert certificate.data.fingerprint == done.data.evaluation.fingerprint
        badge = table.row(name).certificate
        assert badge is not None
        assert (badge.verdict, badge.reference) == (certificate.verdict, "parent")
        assert f"| {name} | {BADGES[badge.verdict]} | parent |" in text
        drop = table.row(name).drops
        assert drop is not None
        # two routes to one number
        interval = certificate.clause("macro_f1_drop").found
        assert (interval.estimate, interval.low, interval.high) == pytest.approx(
            (drop.macro_f1.estimate, drop.macro_f1.low, drop.macro_f1.high)
        )
    assert Certificate.of(done.out / "artifacts" / "parent") is None


def test_data_that_cannot_carry_a_certificate_is_said(
    done: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = Path(shutil.copytree(done.out, tmp_path / "out"))
    short = done.data.evaluation.take(range(8))  # type: ignore[union-attr]
    with caplog.at_level("INFO", logger="paretext"):
        certify_versions([out / "artifacts" / "int8"], out / "artifacts" / "parent", short, out)
    assert "no certificate for int8: " in caplog.text
    assert "has 8 texts" in caplog.text


def test_the_tables_quality_is_scikit_learns_on_the_artifacts_own_predictions(done: Run) -> None:
    table, evaluation = rows(done.out / "comparison"), done.data.evaluation
    assert evaluation is not None
    truth = np.array(evaluation.label_names)[evaluation.labels]
    assert set(table) == {"pytorch", "parent", "pruned", "int8", "pruned-int8", "tfidf"}
    for name, row in table.items():
        assert list(row) == COLUMNS
        folder = done.out / "artifacts" / name
        if name == "pytorch":
            folder = done.out / "candidates" / "roberta" / "model"
            answers = Classifier.load(folder).predict(evaluation.texts)
        else:
            answers = Artifact.load(folder).predict(evaluation.texts)
        f1 = f1_score(truth, answers, average=None, labels=evaluation.label_names, zero_division=0)
        assert float(row["macro_f1"]) == pytest.approx(f1.mean(), abs=1e-12)
        assert [float(row[f"f1_{label}"]) for label in evaluation.label_names] == pytest.approx(f1)
        assert float(row["kappa"]) == pytest.approx(cohen_kappa_score(truth, answers), abs=1e-12)
        assert int(row["bytes"]) == folder_bytes(folder)
        assert float(row["macro_f1_low"]) <= f1.mean() <= float(row["macro_f1_high"])
        if row["parent"]:
            drop = float(table[row["parent"]]["macro_f1"]) - f1.mean()
            assert float(row["macro_f1_drop"]) == pytest.approx(drop, abs=1e-12)
    assert [row["parent"] for row in table.values()] == ["", "pytorch", *["parent"] * 4]


def test_the_pruned_file_that_ships_has_exactly_35_percent_of_zeros(done: Run) -> None:
    graph = onnx.load(graph_file(done.out / "artifacts" / "pruned")).graph
    inputs = {n.input[1] for n in graph.node if n.op_type in ("MatMul", "Gemm")}
    matrices = [numpy_helper.to_array(t) for t in graph.initializer if t.name in inputs]
    linear = sum(
        module.weight.numel()
        for module in Classifier.load(done.out / "classifiers" / "pruned").model.modules()
        if type(module).__name__ == "Linear"
    )
    assert sum(matrix.size for matrix in matrices) == linear
    assert sum(int((matrix == 0).sum()) for matrix in matrices) == round(0.35 * linear)


def test_the_selection_split_is_held_out_of_training_and_evaluation_touches_neither(
    done: Run,
) -> None:
    data = done.data
    assert (len(data.train), len(data.selection)) == (102, 18)
    assert not set(data.train.texts) & set(data.selection.texts)
    assert data.evaluation is not None
    manifest = Artifact.load(done.out / "artifacts" / "pruned-int8").manifest
    assert manifest.data == {
        "train": data.train.fingerprint,
        "selection": data.selection.fingerprint,
    }
    assert manifest.seen is not None
    given = [*data.train.texts, *data.selection.texts]
    assert manifest.seen.overlap(given).known == manifest.seen.texts == 120
    assert manifest.seen.overlap(data.evaluation.texts).known == 0
    assert [each.name for each in manifest.lineage] == ["roberta", "pruned"]
    assert [step["step"] for step in manifest.recipe] == [
        "magnitude_pruning",
        "dynamic_quantization",
    ]


def test_the_profile_is_of_the_data_as_they_were_given(done: Run) -> None:
    data_profile = Profile.model_validate_json(
        (done.out / "profile" / "profile.json").read_text("utf-8")
    )
    given = Dataset.read(done.files / "train.csv")
    assert data_profile.checks.rows == 120  # the selection split is not left out
    assert data_profile.checks.fingerprint == given.fingerprint
    assert data_profile.checks.evaluation is not None
    assert data_profile.checks.evaluation.rows == 60
    assert data_profile.tokens is not None
    assert (data_profile.tokens.model, data_profile.tokens.max_length) == (
        done.recipe.models[0],
        32,
    )


def test_the_report_is_of_this_run_and_lacks_nothing(done: Run) -> None:
    page = (done.out / "report" / "report.html").read_text(encoding="utf-8")
    report = RunReport.model_validate_json((done.out / "report" / "report.json").read_text("utf-8"))
    assert report.missing == ()
    table = rows(done.out / "comparison")
    order = [row.version for row in by_cost(Comparison.read(done.out / "comparison").rows)]
    assert [row.version for row in report.versions] == order
    assert sorted(order) == sorted(table)
    for row in report.versions:
        assert row.macro_f1 is not None
        assert row.macro_f1.estimate == float(table[row.version]["macro_f1"])
        assert f"{row.macro_f1.estimate:.4f}" in page
    assert {each.version for each in report.origins} == set(table) - {"pytorch"}
    for each in report.origins:
        assert each.identity == Manifest.read(done.out / "artifacts" / each.version).identity
    history = json.loads((done.out / "candidates" / "roberta" / "history.json").read_text("utf-8"))
    assert list(report.candidates[0].history) == history


def test_texts_without_a_profile_do_not_stop_a_run(
    done: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    signs = Dataset(("!!", "...", "??"), np.array([0, 1, 0]), ("a", "b"))
    with caplog.at_level("INFO", logger="paretext"):
        profiled(signs, None, done.recipe, tmp_path)
    assert "no profile: " in caplog.text
    assert not (tmp_path / "profile").exists()


# --- again


def test_running_again_does_nothing_twice(done: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("done twice")

    for place, name in (
        (paretext.pipeline.profiled, "profile"),
        (paretext.training.fit, "fit"),
        (paretext.pipeline.stages, "compare"),
        (paretext.graphs, "export"),
    ):
        monkeypatch.setattr(place, name, never)
    monkeypatch.setattr(paretext.certification.versions, "certify", never)
    parts = ("profile", "candidates", "classifiers", "artifacts", "comparison")
    before = state(done.out, *parts)
    table = run(done.data, done.recipe, done.out, threads=1, rounds=1)
    assert state(done.out, *parts) == before
    assert [row.version for row in table.rows] == list(rows(done.out / "comparison"))


def test_a_changed_setting_redoes_only_what_depends_on_it(done: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(done.out, out)
    kept = ("candidates", "artifacts/parent", "artifacts/int8")
    redone = ("classifiers/pruned", "artifacts/pruned", "artifacts/pruned-int8")
    before, old = state(out, *kept), state(out, *redone)
    pruned = Version(name="pruned", steps=(MagnitudePruning(amount=0.5),))
    recipe = done.recipe.model_copy(update={"versions": (pruned, *done.recipe.versions[1:])})
    trained = train(recipe.models, done.data, recipe, out)
    parent = trained.folders[trained.parent]
    compress(
        *(parent, recipe, done.data.train, done.data.selection, out), parent_name=trained.parent
    )
    assert state(out, *kept) == before
    new = state(out, *redone)
    # What is made anew has no certificate: the old one was about another artifact.
    certified = {path for path in old if path.endswith("certificate.json")}
    assert len(certified) == 2
    assert new.keys() == old.keys() - certified
    assert all(new[name] > old[name] for name in new)
    share = Artifact.load(out / "artifacts" / "pruned-int8").manifest.recipe[0]["amount"]
    assert share == 0.5


# --- the single verbs


def test_the_verbs_one_after_another_make_what_run_makes(
    done: Run, encoder: Callable[[str], Path], command: Any, tmp_path: Path
) -> None:
    data, evaluation, out = done.files / "train.csv", done.files / "eval.csv", tmp_path / "out"
    model = encoder("roberta")

    models = ("--model", model, "--model", "tfidf")
    trained = command("train", "--data", data, *models, "--out", out, *FLAGS, "--json")
    assert trained.status == 0, trained.err
    assert json.loads(trained.out)["parent"] == "roberta"

    compressed = command("compress", out, "--data", data, "--preset", "pruned", "--json")
    assert compressed.status == 0, compressed.err
    manifests = json.loads(compressed.out)
    assert manifests.pop("verdict")["headline"].startswith("Nothing is measured yet")
    assert set(manifests) == {"parent", "pruned", "int8", "pruned-int8"}
    for part in ("candidates", "classifiers"):
        assert digests(out / part) == digests(done.out / part)
    for name in manifests:  # a run certifies them beside
        made, expected_one = (Manifest.read(root / "artifacts" / name) for root in (out, done.out))
        assert made.identity == expected_one.identity

    measured = command(
        *("compress", out, "--data", data, "--eval", evaluation, "--preset", "pruned"),
        *("--rounds", 1, "--threads", 1, "--json"),
    )
    assert measured.status == 0, measured.err
    assert "artifact int8: kept" in measured.err
    compared = command(
        "compare", out, "--eval", evaluation, "--rounds", 1, "--threads", 1, "--json"
    )
    assert compared.status == 0, compared.err
    table, expected = rows(out / "comparison"), rows(done.out / "comparison")
    assert table.keys() == expected.keys()
    for name, row in table.items():
        for column in COST:
            assert float(row.pop(column)) > 0
        # A run's artifacts carry a certificate, and a card that shows it.
        assert int(row.pop("bytes")) <= int(expected[name]["bytes"])
        assert row == {key: expected[name][key] for key in row}
    assert [row["version"] for row in json.loads(compared.out)["rows"]] == list(table)

    artifact, answers = out / "artifacts" / "int8", tmp_path / "answers.csv"
    predicted = command("predict", artifact, evaluation, "-o", answers)
    assert predicted.status == 0, predicted.err
    with answers.open(encoding="utf-8", newline="") as file:
        labels = [row["predicted_label"] for row in csv.DictReader(file)]
    assert done.data.evaluation is not None
    assert labels == Artifact.load(artifact).predict(done.data.evaluation.texts).tolist()

    for path, word in ((out, "run"), (artifact, "every digest verified"), (model, "classifier")):
        inspected = command("inspect", path)
        assert inspected.status == 0, inspected.err
        assert word in inspected.out


def test_compress_on_another_split_than_the_run_s_is_refused(
    done: Run, command: Any, tmp_path: Path
) -> None:
    """What was trained on must not choose the recovery's epoch."""
    data, before = done.files / "train.csv", digests(done.out)
    refused = command("compress", done.out, "--data", data, "--selection", done.files / "eval.csv")
    assert refused.status == 2
    assert "give the --data and --selection" in refused.err
    assert digests(done.out) == before


def test_a_recipe_for_compress_changes_the_versions_alone(
    done: Run, command: Any, tmp_path: Path
) -> None:
    recipe, out = tmp_path / "recipe.yaml", tmp_path / "out"
    recipe.write_text(
        "training: {seed: 99}\nversions: [{name: small, steps: [{step: dynamic_quantization}]}]\n",
        encoding="utf-8",
    )
    made = command(
        *("compress", done.out, "--data", done.files / "train.csv"),
        *("--recipe", recipe, "--out", out, "--eval", done.files / "eval.csv", "--rounds", 1),
        "--json",
    )
    assert made.status == 0, made.err
    names = [row["version"] for row in json.loads(made.out)["rows"]]
    assert names == ["pytorch", "parent", "small", "tfidf"]


def test_run_without_evaluation_data_is_refused(done: Run, tmp_path: Path) -> None:
    data = Data(done.data.train, done.data.selection, None, done.data.report)
    with pytest.raises(ParetextError, match="give --eval"):
        run(data, done.recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_candidates_get_short_names_of_their_own() -> None:
    models = ["a/roberta-base", "b/roberta-base/", "int8", "parent", "x/y z", "pytorch"]
    assert candidate_names(models, ["int8"]) == [
        *("roberta-base", "roberta-base-2", "int8-2", "parent-2", "y-z", "pytorch-2"),
    ]
