"""Files that paretext did not write are neither overwritten nor deleted, whatever writes there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import toy
from reporting import make_run

from paretext.certification.certify import certify
from paretext.core.errors import ParetextError
from paretext.core.ownership import claim
from paretext.data.dataset import Dataset
from paretext.graphs import export
from paretext.measure.comparison import Version
from paretext.measure.cost import Target
from paretext.models.classifier import Classifier
from paretext.report.comparison import compare
from paretext.report.run_page import write_report

THEIRS = "theirs, and dear"
DATA = toy.dataset(240, seed=5)


@pytest.fixture(scope="module")
def a_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("a-run") / "run"
    make_run(folder, n=200)
    return folder


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(THEIRS, encoding="utf-8")
    return path


def refused(theirs: Path, job: Callable[[], object]) -> str:
    """The sentence that refuses; their file is as it was."""
    with pytest.raises(ParetextError) as caught:
        job()
    assert str(theirs) in str(caught.value)
    assert "move it away" in str(caught.value)
    assert theirs.read_text(encoding="utf-8") == THEIRS
    return str(caught.value)


@pytest.mark.parametrize("name", ["report.html", "report.json"])
def test_a_page_takes_nobodys_place(name: str, a_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(a_run, tmp_path / "run"))
    refused(put(run / "report" / name), lambda: write_report(run))
    refused(put(tmp_path / "other" / name), lambda: write_report(run, tmp_path / "other"))
    assert [each.name for each in (tmp_path / "other").iterdir()] == [name]


def test_a_page_takes_its_own_place_and_leaves_other_files(a_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(a_run, tmp_path / "run"))
    notes = put(run / "report" / "notes.txt")
    page, _ = write_report(run)
    first = page.read_bytes()
    write_report(run)
    assert page.read_bytes() == first
    assert notes.read_text(encoding="utf-8") == THEIRS


@pytest.mark.parametrize("name", ["profile.html", "profile.json"])
def test_explore_takes_nobodys_place(name: str, tmp_path: Path, command: Any) -> None:
    table = toy.write(tmp_path / "data.csv", toy.texts_and_labels(60))
    theirs = put(tmp_path / "own" / name)
    ended = command("explore", table, "--out", tmp_path / "own")
    assert ended.status == 2
    assert f"{theirs} is there and was not made by paretext" in ended.err
    assert theirs.read_text(encoding="utf-8") == THEIRS
    assert ended.out == ""
    for _ in range(2):  # its own it may replace
        assert command("explore", table, "--out", tmp_path / "new").status == 0


@pytest.mark.parametrize("name", ["notes.txt", "comparison.csv", "comparison.json"])
def test_a_comparison_deletes_nobodys_folder(
    name: str, versions: dict[str, Path], tmp_path: Path
) -> None:
    rows = [Version(Target(each, versions[each]), None) for each in ("fp32", "int8")]
    data = toy.dataset(40)
    theirs = put(tmp_path / "results" / name)
    refused(theirs, lambda: compare(rows, data, tmp_path / "results", threads=1, rounds=1))
    for _ in range(2):
        compare(rows, data, tmp_path / "new", threads=1, rounds=1)


def test_an_export_deletes_nobodys_folder(versions: dict[str, Path], tmp_path: Path) -> None:
    classifier, texts = Classifier.load(versions["pytorch"]), toy.dataset(20).texts
    theirs = put(tmp_path / "home" / "thesis.tex")
    refused(theirs, lambda: export(classifier, tmp_path / "home", texts))
    model = Path(shutil.copytree(versions["pytorch"], tmp_path / "model"))
    with pytest.raises(ParetextError, match="move it away"):
        export(classifier, model, texts)
    assert {each.name for each in model.iterdir()} == {
        each.name for each in versions["pytorch"].iterdir()
    }
    for _ in range(2):
        export(classifier, tmp_path / "new", texts)


def test_flips_take_nobodys_place(versions: dict[str, Path], tmp_path: Path) -> None:
    made = Path(shutil.copytree(versions["int8"], tmp_path / "int8"))

    def job(out: Path | None = None) -> None:
        certify(made, versions["fp32"], DATA, resamples=500, threads=1, out=out)

    theirs = put(tmp_path / "int8-flips.csv")
    refused(theirs, job)
    assert not (made / "certificate.json").exists()
    theirs.unlink()
    for _ in range(2):
        job()
        job(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    "theirs",
    [
        *("run.json", "held-out.csv", "profile/notes.txt", "candidates/mine.bin", "report/a.txt"),
        *("artifacts/a.txt", "classifiers/a.txt", "certificates/a.csv", "comparison/a.md"),
    ],
)
def test_a_job_looks_before_it_begins(theirs: str, tmp_path: Path, command: Any) -> None:
    table = toy.write(tmp_path / "data.csv", toy.texts_and_labels(60))
    held = toy.write(tmp_path / "held.csv", toy.texts_and_labels(60, seed=1))
    put(tmp_path / "out" / theirs)
    (tmp_path / "out" / "artifacts").mkdir(exist_ok=True)  # an empty folder is nobody's
    place = ("--data", table, "--eval", held, "--model", "tfidf", "--out", tmp_path / "out")
    ended = command("run", *place)
    assert ended.status == 2
    assert "is there and was not made by paretext run" in ended.err
    assert (tmp_path / "out" / theirs).read_text(encoding="utf-8") == THEIRS
    assert not list((tmp_path / "out").glob(".stages/*.done"))


def test_an_empty_folder_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / "artifacts" / "deep").mkdir(parents=True)
    claim(tmp_path, "run", {"models": {"0": "one"}}, writes=("artifacts",))
    assert (tmp_path / ".stages" / "made-of.json").is_file()


def test_texts_of_somebodys_held_out_file_are_kept(tmp_path: Path) -> None:
    from paretext.compression.recipe import Recipe
    from paretext.pipeline.record import write_record
    from paretext.pipeline.splits import prepare

    table = Dataset.read(toy.write(tmp_path / "d.csv", toy.texts_and_labels(90)))
    held = Dataset.read(
        toy.write(tmp_path / "e.csv", toy.texts_and_labels(60, seed=1)),
        label_names=table.label_names,
    )
    recipe = Recipe(models=("tfidf",))
    write_record(recipe, prepare(table, held, recipe), tmp_path)
    theirs = put(tmp_path / "held-out.csv")
    split = prepare(table, None, recipe, hold_out=True)
    refused(theirs, lambda: write_record(recipe, split, tmp_path))
    theirs.unlink()
    for _ in range(2):
        write_record(recipe, split, tmp_path)
