"""Bad input: one sentence with the value and the remedy, exit status 2, nothing half-written."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import toy

from paretext.runtime.manifest import QUANTIZED_MODEL

ROWS = toy.texts_and_labels(60)
SHORT = (
    *("--epochs", 1, "--batch-size", 16, "--max-length", 32, "--precision", "fp32"),
    *("--device", "cpu"),
)


def refused(ended: Any, *parts: str) -> str:
    """The one sentence that a command ended with."""
    assert ended.status == 2, ended
    *_, last = ended.err.splitlines()
    assert last.startswith("paretext: "), ended.err
    assert ended.err.count("paretext: ") == 1
    assert last.rstrip()[-1] in ".?"
    assert "Traceback" not in ended.err
    for part in parts:
        assert part in last, last
    return last


def assert_nothing_half_written(out: Path) -> None:
    """The settings, the profile, whose folder it is and empty folders may be there; no other
    stage, begun or finished."""
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    profile = {"profile/profile.html", "profile/profile.json", ".stages/profile.done"}
    assert files <= {"run.json", ".stages/lock", ".stages/made-of.json", *profile}
    assert not [path for path in out.rglob("*") if "partial" in path.name or ".new" in path.name]


class Job:
    """A run's files; `run` starts it with changes."""

    def __init__(self, folder: Path, model: Path, command: Callable[..., Any]) -> None:
        self.folder, self.model, self.command = folder, model, command
        self.out = folder / "out"
        self.train = toy.write(folder / "train.csv", ROWS)
        self.eval = toy.write(folder / "eval.csv", toy.texts_and_labels(30, seed=1))

    def run(self, *more: object, **changed: object) -> Any:
        """`paretext run`, with --data, --eval or --model changed and more arguments."""
        arguments = {"data": self.train, "eval": self.eval, "model": self.model, **changed}
        given = [part for name, value in arguments.items() for part in (f"--{name}", value)]
        return self.command("run", *given, "--out", self.out, *SHORT, *more)

    def write(self, name: str, rows: list[tuple[str, str]]) -> Path:
        return toy.write(self.folder / name, rows)


@pytest.fixture
def job(tmp_path: Path, encoder: Callable[[str], Path], command: Any) -> Job:
    return Job(tmp_path, encoder("roberta"), command)


# --- data


def test_a_missing_file(job: Job) -> None:
    refused(job.run(data="nowhere/trian.csv"), "'nowhere/trian.csv' does not exist", "check")
    refused(job.run(eval="nowhere/eval.csv"), "'nowhere/eval.csv' does not exist")
    assert not job.out.exists()


def test_a_wrong_column_lists_those_there_are(job: Job) -> None:
    sentence = refused(job.run("--text-column", "texte"), "no column 'texte'")
    assert "'text', 'label'" in sentence
    assert not job.out.exists()


def test_an_empty_file(job: Job) -> None:
    empty = job.folder / "empty.csv"
    empty.touch()
    refused(job.run(data=empty), "empty.csv' is empty", "give a file with rows")
    empty.write_text("text,label\n", encoding="utf-8")
    refused(job.run(data=empty), "empty.csv")
    assert not job.out.exists()


def test_bytes_that_are_not_utf_8_name_the_row(job: Job) -> None:
    path = job.folder / "latin.csv"
    path.write_bytes(b"text,label\nfine,joy\ncaf\xe9,joy\n")
    refused(job.run(data=path), "row 2", "0xe9", "not UTF-8")
    assert not job.out.exists()


def test_rows_without_text_or_label_are_counted_and_can_be_skipped(job: Job) -> None:
    bad = [("", "joy"), ("  ", "sad"), ("no label", "")]
    path = job.write("gaps.csv", [*bad, *ROWS])
    refused(
        *(job.run(data=path), "3 of 63 rows cannot be used", "2 with no text (rows 1, 2)"),
        *("1 with no label (row 3)", "--on-bad-row skip"),
    )
    assert not job.out.exists()
    ended = job.command(
        *("train", "--data", path, "--model", job.model, "--out", job.out, *SHORT),
        *("--on-bad-row", "skip"),
    )
    assert ended.status == 0, ended.err
    assert "left out 3 of 63 rows" in ended.err
    assert json.loads((job.out / "run.json").read_text("utf-8"))["data"]["rows"] == len(ROWS)


def test_a_label_with_one_example(job: Job) -> None:
    path = job.write("rare.csv", [*ROWS, ("who would have thought", "surprise")])
    refused(job.run(data=path), "there is 1 of 'surprise'", "add texts")
    assert not job.out.exists()


def test_evaluation_labels_that_training_lacks(job: Job) -> None:
    path = job.write("other.csv", [("fine", "joy"), ("what a day", "joyy")])
    refused(job.run(eval=path), "'joyy' (row 2", "did you mean 'joy'?", "'fear', 'joy', 'sad'")
    assert not job.out.exists()


def test_one_class_only(job: Job) -> None:
    path = job.write("joy.csv", [row for row in ROWS if row[1] == "joy"])
    refused(job.run(data=path), "all 30 texts have the label 'joy'", "two or more labels")
    assert not job.out.exists()


def test_a_text_of_1_mb_is_cut_and_it_is_said(job: Job, versions: dict[str, Path]) -> None:
    huge = "happy and glad " * 70_000
    assert len(huge) > 1_000_000
    training = job.write("huge.csv", [(huge, "joy"), *ROWS])
    evaluation = job.write("huge-eval.csv", [("sad and lonely", "sad"), (huge, "joy")])

    trained = job.command(
        *("train", "--data", training, "--selection", job.eval),
        *("--model", job.model, "--out", job.out, *SHORT),
    )
    assert trained.status == 0, trained.err
    said = [line for line in trained.err.splitlines() if "longer than" in line]
    assert said == ["1 of 61 training texts are longer than 32 tokens; their ends are cut"]

    compared = job.command(
        *("compare", versions["fp32"], "--eval", evaluation, "--rounds", 1),
        *("--out", job.folder / "comparison"),
    )
    assert compared.status == 0, compared.err
    said = [line for line in compared.err.splitlines() if "longer than" in line]
    assert said == ["1 of 2 evaluation texts are longer than 24 tokens; their ends are cut"]

    predicted = job.command(
        "predict", versions["fp32"], evaluation, "-o", job.folder / "answers.csv"
    )
    assert predicted.status == 0, predicted.err
    assert "texts longer than 24 tokens, their ends cut: 1" in predicted.err


# --- models


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def _broken_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "rob', encoding="utf-8")


def _config_of_nothing(folder: Path) -> None:
    (folder / "config.json").write_text("[]", encoding="utf-8")


def _unknown_kind(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "robertissima"}', encoding="utf-8")


def _cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def _no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _no_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()


def _broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "part"),
    [
        (_empty, "(it has no config.json)"),
        (_broken_config, "config"),
        (_config_of_nothing, "config"),
        (_unknown_kind, "robertissima"),
        (_cut_weights, ""),
        (_no_weights, "model.safetensors"),
        (_no_tokenizer, "tokenizer"),
        (_broken_tokenizer, "tokenizer"),
    ],
)
def test_a_model_folder_that_is_not_one(
    damage: Callable[[Path], None], part: str, job: Job
) -> None:
    model = job.folder / "damaged"
    shutil.copytree(job.model, model)
    damage(model)
    refused(job.run(model=model), f"{model} is not a Hugging Face model folder", part, "give a")
    assert_nothing_half_written(job.out)


def test_a_model_that_is_not_there(job: Job) -> None:
    refused(job.run(model="./modles/roberta"), "no model folder ./modles/roberta", "check the path")
    assert not job.out.exists()


def test_the_hub_out_of_reach(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def unreachable(*args: Any, **kwargs: Any) -> Any:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", unreachable)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", unreachable)
    refused(
        *(job.run(model="nobody/no-such-model"), "'nobody/no-such-model'", "hub", "network"),
    )
    refused(job.run(data="nobody/no-such-data"), "'nobody/no-such-data'", "cannot be reached")
    assert not job.out.exists()


# --- settings


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--supersample", "1,2"), ("2 factors", "3 labels", "fear, joy, sad")),
        (("--supersample", "1,b,2"), ("'1,b,2'", "one whole number per class")),
        (("--supersample", "1,0,2"), ("(1, 0, 2)", "at least 1")),
        (("--max-length", 600), ("600", "at most 512", "--max-length 512")),
        (("--max-length", 0), ("--max-length is '0'; give 4 or more",)),
        (("--precision", "fp64"), ("'fp64'", "'auto', 'fp32' or 'bf16'")),
        (("--learning-rate", 0), ("--learning-rate is '0'; give greater than 0",)),
        (("--learning-rate", "nan"), ("--learning-rate is 'nan'",)),
        (("--epochs", 0), ("--epochs is '0'; give 1 or more",)),
        (("--device", "tpu"), ("'tpu'", "'auto', 'cpu' or 'cuda'")),
        (("--recipe", "nowhere.yaml"), ("no recipe nowhere.yaml", "check the path")),
    ],
)
def test_settings_that_cannot_be(arguments: Any, parts: tuple[str, ...], job: Job) -> None:
    refused(job.run(*arguments), *parts)
    assert not job.out.exists()


def test_cuda_without_a_gpu(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    refused(job.run("--device", "cuda"), "device is cuda", "no GPU", "--device auto or cpu")
    assert not job.out.exists()


def test_a_file_where_the_runs_folder_should_be(job: Job) -> None:
    job.out.write_text("mine", encoding="utf-8")
    refused(job.run(), str(job.out), "is a file", "give another --out")
    assert job.out.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--out", "out"),
        ("run", "--frobnicate"),
        ("train", "--epochs", "many"),
        ("compare", "out", "--eval", "eval.csv", "--rounds", "0"),
        ("predict", "out", "--threads", "0"),
        ("predicate",),
    ],
)
def test_usage_errors_exit_with_2(arguments: tuple[str, ...], command: Any) -> None:
    ended = command(*arguments)
    assert ended.status == 2
    assert ended.err.startswith("paretext: ")
    assert len(ended.err.splitlines()) == 1
    assert "Traceback" not in ended.err


# --- artifacts


@pytest.fixture
def artifact(tmp_path: Path, versions: dict[str, Path]) -> Path:
    return Path(shutil.copytree(versions["int8"], tmp_path / "artifact"))


@pytest.mark.parametrize(
    "name",
    [QUANTIZED_MODEL, "tokenizer.json", "tokenizer_config.json", "config.json", "README.md"],
)
def test_an_artifact_with_one_flipped_byte(name: str, artifact: Path, command: Any) -> None:
    path = artifact / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    refused(command("predict", artifact, "--text", "hi"), str(path), "differs", "export anew")
    refused(command("inspect", artifact), str(path), "differs")


@pytest.mark.parametrize("name", [QUANTIZED_MODEL, "tokenizer.json", "manifest.json"])
def test_an_artifact_without_one_of_its_files(name: str, artifact: Path, command: Any) -> None:
    (artifact / name).unlink()
    refused(command("predict", artifact, "--text", "hi"), str(artifact), Path(name).name)


@pytest.mark.parametrize("version", [3, "2", None])
def test_an_artifact_of_an_unknown_format(version: Any, artifact: Path, command: Any) -> None:
    values = json.loads((artifact / "manifest.json").read_text("utf-8"))
    values["format_version"] = version
    (artifact / "manifest.json").write_text(json.dumps(values), encoding="utf-8")
    refused(
        command("predict", artifact, "--text", "hi"), f"artifact format {version!r}", "export it"
    )


def test_a_folder_that_is_no_artifact_run_or_classifier(tmp_path: Path, command: Any) -> None:
    data = toy.write(tmp_path / "train.csv", ROWS)
    refused(command("predict", tmp_path, "--text", "hi"), "not an artifact")
    refused(command("inspect", tmp_path), "no artifact", "config.json")
    refused(command("inspect", tmp_path / "nothing"), "not a folder")
    refused(command("compress", tmp_path, "--data", data), "no config.json", "or a hub id")
    refused(command("compare", tmp_path, "--eval", data, "--out", tmp_path / "c"), "no manifest")
    assert [path.name for path in tmp_path.iterdir()] == ["train.csv"]


def test_predict_refuses_what_it_cannot_write(
    tmp_path: Path, versions: dict[str, Path], command: Any
) -> None:
    texts = toy.write(tmp_path / "texts.csv", ROWS)
    artifact = versions["fp32"]
    refused(command("predict", artifact, texts), "-o output.csv")
    refused(command("predict", artifact), "either a file of texts or --text")
    refused(command("predict", artifact, texts, "-o", tmp_path / "a.xls"), "'.xls'", ".csv")
    refused(command("predict", artifact, texts, "-o", tmp_path / "no" / "a.csv"), "no folder")
    refused(command("predict", artifact, tmp_path / "b.csv", "-o", tmp_path / "a.csv"), "b.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["texts.csv"]


# --- the end of a command


def _fails_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    from paretext.pipeline import inspection

    def describe(path: Path) -> Any:
        raise error

    monkeypatch.setattr(inspection, "describe", describe)


def test_ctrl_c_exits_with_130(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _fails_with(KeyboardInterrupt(), monkeypatch)
    ended = command("inspect", ".")
    assert ended.status == 130
    assert "Traceback" not in ended.err


def test_a_library_that_is_not_installed(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _fails_with(ModuleNotFoundError("No module named 'torch'", name="torch"), monkeypatch)
    refused(command("inspect", "."), "torch is not installed", 'pip install "paretext[train]"')


def test_a_folder_without_permission(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _fails_with(PermissionError(errno.EACCES, "Permission denied", "run"), monkeypatch)
    refused(command("inspect", "."), "run cannot be used (Permission denied)", "check the path")


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("ours"),
        OSError(errno.EIO, "Input/output error"),
        RuntimeError("ours"),
        ModuleNotFoundError("No module named 'paretext.x'", name="paretext.x"),
    ],
)
def test_a_fault_of_ours_keeps_its_traceback(
    error: Exception, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fails_with(error, monkeypatch)
    ended = command("inspect", ".")
    assert ended.status == 1
    assert ended.err.startswith("Traceback")
    *_, fault, last = ended.err.splitlines()
    assert fault == f"{type(error).__name__}: {error}"
    assert last.startswith("paretext: this is a fault of paretext")


def test_the_installed_command_says_one_sentence_and_exits_with_2(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "paretext", "predict", "nothing-here", "--text", "hi"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "paretext: nothing-here is not a folder; give the folder of an artifact.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("certify", "a", "--against", "b", "--data", "c.csv"),
            "--data of certify is called --eval",
        ),
        (("certify", "a", "--limit=size<=5MB"), "--limit of certify is called --budget"),
        (("verify", "a", "--data", "c.csv"), "--data of verify is called --eval"),
        (("predict", "a", "b.csv", "--output", "c.csv"), "--output of predict is called --out"),
    ],
)
def test_an_old_name_ends_in_the_new_one(
    arguments: tuple[str, ...], said: str, command: Any
) -> None:
    refused(command(*arguments), said, "in its place")


def test_a_column_of_texts_is_no_column_of_labels(command: Any, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("text,id\n" + "".join(f"a text,{row}\n" for row in range(30)), "utf-8")
    ended = command("run", "--data", table, "--label-column", "id", "--model", "tfidf")
    assert ended.status == 2
    assert "30 labels in 30 rows, most of them with hardly a text" in " ".join(ended.err.split())
