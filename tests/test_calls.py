"""The Python calls: every public name is what it says, and the notebook runs."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import toy

import paretext
from paretext.compression import DynamicQuantization, MagnitudePruning
from paretext.compression.recipe import Recipe
from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.run_folder import RunFolder
from paretext.pipeline.asked import asked_recipe
from paretext.pipeline.options import Run, Trains
from paretext.pipeline.python import _in_python
from paretext.runtime.manifest import NAME as MANIFEST
from paretext.training.settings import TrainingSettings

FUNCTIONS = {
    "benchmark",
    "certify",
    "compare",
    "compress",
    "evaluate",
    "export",
    "fit",
    "run",
    "search",
    "threshold",
}
NOTEBOOK = Path(__file__).parent.parent / "docs" / "notebook.ipynb"


def test_every_public_name_is_a_function_or_a_class_whatever_was_imported() -> None:
    for module in (
        "pipeline.job",
        "graphs.artifact_writer",
        "tuning.search",
        "measure.cost",
        "compression",
    ):
        importlib.import_module(f"paretext.{module}")
    for name in paretext.__all__:
        public = getattr(paretext, name)
        assert inspect.isfunction(public) == (name in FUNCTIONS), name
        assert inspect.isfunction(public) or inspect.isclass(public), name
        assert public.__doc__
        if inspect.isfunction(public):
            assert inspect.signature(public).parameters
    rooms = {each.name for each in Path(paretext.__file__).parent.iterdir()}
    assert not rooms & {f"{name}.py" for name in paretext.__all__} | rooms & set(paretext.__all__)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: TrainingSettings(epochs=0), "epochs is 0"),
        (lambda: TrainingSettings(epoch=3), "'epoch'; did you mean 'epochs'?"),
        (lambda: MagnitudePruning(amount=2), "amount is 2"),
        (lambda: DynamicQuantization(weight_bits=3), "weight_bits is 3"),
        (lambda: Recipe(version=()), "did you mean 'versions'?"),
        (lambda: paretext.Budget(flips="5 ms"), "flips"),
        (lambda: paretext.run("x.csv", preset="smal", model="tfidf"), "did you mean 'small'?"),
        (lambda: paretext.run("nowhere.csv", model="tfidf"), "'nowhere.csv' does not exist"),
        (lambda: paretext.compress("nowhere/model", eval="x.csv"), "nowhere/model"),
        (lambda: paretext.compare([]), "nothing to compare"),
        (lambda: paretext.compress("x", threads="two"), "threads is 'two'; give a whole number"),
        (lambda: paretext.run("x.csv", rounds=0), "rounds is 0; give 1 or more"),
        (lambda: paretext.run("x.csv", text_column=3), "text_column is 3; give a string"),
        (lambda: paretext.compress("x", preset=8), "preset is 8; give a string or a list."),
        (lambda: paretext.run("x.csv", out=3), "out is 3; give a string or a path"),
        (lambda: paretext.compress("x", presets="int8"), "no argument 'presets'; did you mean"),
        (lambda: paretext.certify("x"), "certify needs 'against'"),
        (lambda: paretext.threshold("x", aims="unsure<=5%"), "no argument 'aims'; did you mean"),
        (lambda: paretext.run("x.csv", data="y.csv"), "run has two values for 'data'"),
        (lambda: paretext.run("x.csv", "y.csv"), "run takes fewer arguments without a name"),
        (lambda: paretext.run("x.csv", epochs=0), "run: epochs is 0; give 1 or more"),
        (lambda: paretext.run("x.csv", steps=3, epochs=1), "given twice, as 3 steps and as 1"),
        (lambda: paretext.run("x.csv", recipe=TrainingSettings(), model="tfidf"), "give a Recipe"),
        (
            lambda: paretext.Dataset.read({"text": ["a"], "label": ["x"]}, on_bad_row="skp"),
            "use 'fail' or 'skip'",
        ),
    ],
)
def test_a_python_caller_meets_the_projects_own_errors(
    make: Callable[[], Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParetextError) as raised:
        make()
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_errors_name_arguments_as_a_python_caller_writes_them(tmp_path: Path) -> None:
    """Not as options; a command that is to be typed stays one."""
    data = toy.write(tmp_path / "data.csv", toy.texts_and_labels(60))
    with pytest.raises(ParetextError) as raised:
        paretext.run(data, eval=data, model="tfidf", out=tmp_path / "run")
    assert str(raised.value).startswith(f"'eval' is {data}, and so is 'data', so a score")
    known = {"eval": 0, "on_bad_row": 0}
    assert (
        _in_python("leave out with --on-bad-row skip", known) == "leave out with 'on_bad_row' skip"
    )
    typed = "with: paretext compress MODEL --eval TEXTS; then give --eval and --force."
    assert _in_python(typed, known) == typed.replace("give --eval", "give 'eval'")


def test_certify_without_a_reference_names_the_parent_of_the_run(tmp_path: Path) -> None:
    parent = RunFolder(tmp_path).artifact()
    parent.mkdir(parents=True)
    (parent / MANIFEST).touch()
    with pytest.raises(ParetextError, match=f"this run's is {re.escape(str(parent))}"):
        paretext.certify(parent.with_name("int8"))


def test_a_call_shows_every_argument_and_its_help() -> None:
    """A call, a recipe and a command have the same settings, with the same defaults."""
    known = inspect.signature(paretext.run).parameters
    for name, field in TrainingSettings.model_fields.items():
        assert known[name].default == field.default
    assert [name for name, each in known.items() if each.kind is each.POSITIONAL_OR_KEYWORD] == [
        "data"
    ]
    positional = list(inspect.signature(paretext.certify).parameters)[:4]
    assert positional == ["artifact", "against", "eval", "budget"]
    documented = paretext.run.__doc__ or ""
    for name, field in Run.model_fields.items():
        assert not field.description or f"\n{name}: {field.description[:10]}" in documented
    assert "--" not in documented


def test_a_setting_that_is_given_stands_for_the_recipes_and_none_is_as_if_it_were_not() -> None:
    recipe = Recipe(max_length=64, training=TrainingSettings(batch_size=8, epochs=3))
    asked = Trains(recipe=recipe, batch_size=32, seed=0)
    merged = asked_recipe(asked)
    assert (merged.max_length, merged.training.batch_size, merged.training.epochs) == (64, 32, 3)
    assert asked_recipe(Trains(recipe=recipe, steps=5)).training.epochs is None
    with pytest.raises(ParetextError, match="certify needs 'eval'"):
        paretext.certify("artifact", "reference", None)


def test_a_python_caller_sees_what_a_job_does(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing listens to the logger; else the logger has it."""
    with progress.shown():
        progress.say("to the log")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress.logger, "hasHandlers", lambda: False)
    with progress.shown():
        progress.say("held out 20 of them")
        with progress.task("training", 3) as advance:
            advance(3, note="macro-F1 0.9")
    said = capsys.readouterr().err
    assert "held out 20 of them" in said
    assert "macro-F1 0.9" in said


@pytest.mark.slow
def test_the_notebook_runs(
    encoder: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every code cell, one after the other, with a tiny encoder in the place of the hub's."""
    pandas = pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    for name, rows in (
        ("train", toy.texts_and_labels(120)),
        ("held_out", toy.texts_and_labels(90, seed=1)),
    ):
        pandas.DataFrame(rows, columns=["text", "label"]).to_csv(f"{name}.csv", index=False)
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    space: dict[str, Any] = {}
    for place, cell in enumerate(code):
        exec(compile(cell, f"cell {place}", "exec"), space)
        if place == 0:
            space["model"] = encoder("roberta")
            space["settings"] = {
                "epochs": 3,
                "batch_size": 8,
                "learning_rate": 5e-3,
                "max_length": 32,
                "precision": "fp32",
                "preset": "int8",
                "rounds": 1,
                "threads": 1,
            }
    finished = space["finished"]
    assert finished.report.is_file()
    assert finished.conclusion.headline in str(finished)
    assert "<table>" in finished._repr_html_()
    assert len(repr(finished).splitlines()) == 1
    assert {row["version"] for row in finished.table} == {"pytorch", "parent", "int8", "tfidf"}
    assert (tmp_path / "runs" / "mine" / "artifacts" / "int8").is_dir()
