"""What a command says where somebody takes a wrong turn, stops it, or meets a fault of ours."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import toy
from rich.console import ColorSystem
from said import said_to

from paretext.certification.held_out import require_held_out
from paretext.cli import console
from paretext.core.errors import ParetextError
from paretext.core.files import write_json
from paretext.data.sketch import Sketch
from paretext.runtime.artifact import Artifact
from paretext.runtime.bulk import predict_texts
from paretext.runtime.manifest import Manifest

RESUMED = ("run", "train", "compress", "search", "ablate", "demo")


# --- an --out that is a file


@pytest.mark.parametrize("below", [(), ("sub", "folder")])
def test_a_file_in_the_place_of_the_folder(
    below: tuple[str, ...], versions: dict[str, Path], tmp_path: Path, command: Any
) -> None:
    table = toy.write(tmp_path / "data.csv", toy.texts_and_labels(60))
    held = toy.write(tmp_path / "held.csv", toy.texts_and_labels(60, seed=1))
    theirs = tmp_path / "theirs"
    theirs.write_text("dear", encoding="utf-8")
    int8, fp32, model = (versions[name] for name in ("int8", "fp32", "pytorch"))
    for arguments in (
        ("run", "--data", table, "--eval", held, "--model", "tfidf"),
        ("train", "--data", table, "--model", "tfidf"),
        ("compress", model, "--eval", held),
        ("search", model, "--data", table),
        ("ablate", "--data", table, "--eval", held, "--model", "tfidf", "--remove-stop-words"),
        ("demo",),
        ("explore", table),
        ("compare", int8, fp32, "--eval", held),
        ("certify", int8, "--against", fp32, "--eval", held),
    ):
        ended = command(*arguments, "--out", theirs.joinpath(*below))
        assert ended.status == 2, arguments
        assert f"{theirs} is a file, and results go into a folder; give another --out." in ended.err
    assert theirs.read_text(encoding="utf-8") == "dear"


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no /proc, where none can be made")
def test_a_folder_that_cannot_be_made(
    versions: dict[str, Path], tmp_path: Path, command: Any
) -> None:
    table = toy.write(tmp_path / "data.csv", toy.texts_and_labels(60))
    int8, fp32 = (versions[name] for name in ("int8", "fp32"))
    for arguments in (
        ("run", "--data", table, "--model", "tfidf"),
        ("demo",),
        ("explore", table),
        ("compare", int8, fp32, "--eval", table),
        ("certify", int8, "--against", fp32, "--eval", table),
        ("predict", int8, tmp_path / "*.csv"),
    ):
        ended = command(*arguments, "--out", "/proc/none")
        assert ended.status == 2, arguments
        (said,) = (each for each in ended.err.splitlines() if each.startswith("paretext: "))
        assert "cannot be made (No such file or directory); give another --out." in said
    ended = command("page", int8, "-o", tmp_path / "page.html", "--library", "/proc/none")
    assert ended.status == 2
    assert "/proc/none cannot be made (No such file or directory); give another --library." in (
        ended.err
    )


# --- stopped, or broken


def outcome(command: Any, verb: str, error: BaseException, patch: pytest.MonkeyPatch) -> Any:
    def ends(*args: object, **settings: object) -> None:
        raise error

    patch.setattr("paretext.cli.app", ends)
    return command(verb)


def test_what_was_interrupted_says_how_it_goes_on(
    command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for verb in (*RESUMED, "predict"):
        ended = outcome(command, verb, KeyboardInterrupt(), monkeypatch)
        more = "; the same command goes on where it was." if verb in RESUMED else "."
        assert ended == (130, "", f"paretext: interrupted{more}\n")


def test_a_fault_of_ours_says_that_nothing_is_lost(
    command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for verb in (*RESUMED, "predict"):
        ended = outcome(command, verb, ZeroDivisionError("oh"), monkeypatch)
        *_, fault, last = ended.err.splitlines()
        assert ended.status == 1
        assert fault == "ZeroDivisionError: oh"
        assert last.startswith("paretext: this is a fault of paretext")
        assert ("the same command goes on where it was" in last) == (verb in RESUMED)


# --- a text with nothing in it


@pytest.mark.parametrize("text", ["", "   ", "\u200b"])
def test_an_empty_text_is_answered_and_that_is_said(
    text: str, versions: dict[str, Path], command: Any
) -> None:
    artifact = Artifact.load(versions["int8"])
    with said_to() as heard:
        answers = predict_texts(artifact, ["fine", text])
    assert heard.messages == [
        "text 2 has nothing to read in it; its answer is the one that the model gives to no text"
    ]
    assert answers[1]["label"] == artifact.predict([text])[0]
    ended = command("predict", versions["int8"], "--text", text)
    assert ended.status == 0
    assert "text 1 has nothing to read in it" in ended.err
    with said_to() as heard:
        predict_texts(artifact, ["fine"])
    assert heard.messages == []


def test_a_missing_text_is_told_what_an_empty_one_gets(versions: dict[str, Path]) -> None:
    with pytest.raises(ParetextError) as refused:
        Artifact.load(versions["int8"]).predict(["fine", None])  # type: ignore[list-item]
    assert str(refused.value) == (
        'texts[1] is missing (None): leave it out, or put "" in its place to have the answer that '
        "the model gives to no text."
    )


# --- words


def test_force_is_not_the_first_remedy(versions: dict[str, Path]) -> None:
    data = toy.dataset(60)
    manifest = Manifest.read(versions["int8"]).model_copy(update={"seen": Sketch.of(data.texts)})
    with pytest.raises(ParetextError) as refused:
        require_held_out(data, [manifest])
    said = str(refused.value)
    assert said.index("give others") < said.index("--force")
    assert "only to try things out" in said


def test_numbers_are_not_coloured_by_halves() -> None:
    """rich would colour the 1 and the 234 of 1,234, and the 12. of 12.5x."""
    text = "1,234 rows, 12.5x faster"
    written = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        for each in (console.out, console.err):
            patch.setattr(each, "_color_system", ColorSystem.STANDARD)
            patch.setattr(each, "_file", written)
            patch.setattr(each, "_force_terminal", True)
            each.print(text)
    assert written.getvalue() == f"{text}\n" * 2


def test_a_run_of_another_version_says_to_make_it_anew(command: Any, tmp_path: Path) -> None:
    """Its recipe has a setting that there is no more; whatever needs the recipe says so."""
    (tmp_path / "run" / "candidates" / "old" / "model").mkdir(parents=True)
    write_json(tmp_path / "run" / "parent.json", {"parent": "old"})
    recipe = {"training": {"warm_up": 0.1}}
    write_json(tmp_path / "run" / "run.json", {"recipe": recipe, "data": {}})
    table = toy.write(tmp_path / "data.csv", toy.texts_and_labels(60))
    for verb, *more in (("compress", "--eval"), ("search", "--data")):
        ended = command(verb, tmp_path / "run", *more, table)
        assert ended.status == 2
        said = " ".join(ended.err.split())
        assert said == (
            f"paretext: the run {tmp_path}/run is of another version of paretext ({tmp_path}/run/"
            "run.json: unknown setting 'training.warm_up'); to make it anew, start the same "
            "paretext run (or paretext train) again."
        )
