"""Every verb ends with one verdict and one next command, and prints nothing after them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import toy
from reporting import VERSIONS, make_run
from typer.main import get_command

from paretext.cli import app
from paretext.cli.console import out, show_verdict
from paretext.cli.endings import of_training
from paretext.cli.helping import VERBS
from paretext.core.verdict import Verdict, loading, predicting, shell
from paretext.runtime.browser.library import Library

SHORT = ("--epochs", 3, "--max-length", 24, "--learning-rate", "3e-3", "--device", "cpu")


class Run:
    def __init__(self, out: Path, data: Path, held: Path, model: Path) -> None:
        self.out, self.data, self.held, self.model = out, data, held, model


@pytest.fixture(scope="module")
def made(encoder: Any, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("endings")
    data = toy.write(folder / "train.csv", toy.texts_and_labels(240))
    held = toy.write(folder / "held out.csv", toy.texts_and_labels(240, seed=3))
    return Run(folder / "my run", data, held, encoder("roberta"))


def ending(printed: str) -> list[str]:
    """The last paragraph: headline, why, the next step."""
    return printed.rstrip("\n").split("\n\n")[-1].splitlines()


def check(printed: str, *starts: str) -> list[str]:
    """One command of paretext, indented, that a shell can read; Python may follow it."""
    lines = ending(printed)
    said = [line for line in lines if not line.startswith("  ")]
    steps = [line.strip() for line in lines if line.startswith("  ")]
    assert said[0].startswith(starts), lines
    assert lines == [*said, *(f"  {step}" for step in steps)]
    assert steps[0].startswith("paretext ")
    assert len(shlex.split(steps[0])) > 1
    assert all(step.startswith("import paretext; ") for step in steps[1:])
    assert len(steps) in (1, 2)
    return steps


def test_the_verbs_from_training_to_the_page(made: Run, command: Any) -> None:
    asked = ("--data", made.data, "--model", made.model, *SHORT, "--out", made.out)
    ended = command("run", *asked, "--eval", made.held, "--rounds", 1, "--preset", "int8")
    assert ended.status == 0, ended.err
    first = ending(ended.out)
    steps = check(ended.out, "Deploy ", "Nothing is worth deploying")
    assert len(first) <= 8
    again = command("report", made.out)
    assert ending(again.out) == first  # the run's, and in its words
    assert ending(command("inspect", made.out).out) == first
    stored = json.loads((made.out / "report" / "report.json").read_text("utf-8"))["conclusion"]
    assert stored["command"] == steps[0]

    int8, parent = made.out / "artifacts" / "int8", made.out / "artifacts" / "parent"
    ended = command("compare", made.out, "--eval", made.held, "--rounds", 1)
    check(ended.out, "Deploy ", "Nothing is worth deploying")
    ended = command(
        *("compare", parent, int8, "--eval", made.held, "--rounds", 1),
        *("--out", made.out.with_name("elsewhere")),
    )
    check(ended.out, "Deploy ", "int8 ", "Nothing is worth deploying")
    ended = command("compare", made.out, "--eval", made.held, "--rounds", 1, "--json")
    assert json.loads(ended.out)["verdict"]["headline"].startswith(("Deploy", "Nothing"))

    judged = ("Deploy int8", "Do not deploy int8", "Of int8's certificate", "Nothing is worth")
    asked = (int8, "--against", parent, "--eval", made.held)
    check(command("certify", *asked, "--resamples", 100).out, *judged)
    check(command("verify", int8).out, *judged)
    record = json.loads(command("verify", int8, "--json").out)
    assert record["verdict"] in ("holds", "broken", "undecided")
    assert record["conclusion"]["headline"].startswith(judged)
    check(command("inspect", int8).out, *judged)
    check(command("inspect", parent).out, "parent is whole, and has no certificate: ")
    candidate = made.out / "candidates" / "roberta" / "model"
    check(command("inspect", candidate).out, "A classifier in PyTorch")
    assert json.loads(command("inspect", parent, "--json").out)["verdict"]["path"] == str(parent)


def test_explore_ends_with_what_to_mend(made: Run, command: Any, tmp_path: Path) -> None:
    starts = ("Mend the data first", "Nothing in the data has to be mended")
    ended = command("explore", made.data, "--eval", made.held, "--out", tmp_path / "profile")
    steps = check(ended.out, *starts)
    words = ["paretext", "run", "--data", str(made.data), "--eval", str(made.held)]
    assert shlex.split(steps[0]) == words
    record = json.loads(command("explore", made.data, "--json").out)
    assert record["verdict"]["headline"].startswith(starts)


def test_predict_ends_with_the_answer_and_a_pipe_with_nothing_else(
    versions: dict[str, Path], command: Any, tmp_path: Path
) -> None:
    texts = toy.write(tmp_path / "texts.csv", toy.texts_and_labels(5))
    steps = check(command("predict", versions["int8"], "i am glad").out, *toy.LABELS)
    assert shlex.split(steps[0])[:3] == ["paretext", "predict", str(versions["int8"])]
    target = tmp_path / "answers.csv"
    check(command("predict", versions["int8"], texts, "-o", target).out, "The answers are in ")
    record = json.loads(command("predict", versions["int8"], texts, "-o", target, "--json").out)
    assert record["verdict"]["path"] == str(target)
    piped = command("predict", versions["int8"], texts, "-o", "-", "--format", "jsonl").out
    assert len(list(map(json.loads, piped.splitlines()))) == 5


def test_train_ends_with_the_parent(made: Run, command: Any, tmp_path: Path) -> None:
    ended = command("train", "--data", made.data, "--model", "tfidf", "--out", tmp_path / "t")
    steps = check(ended.out, f"The parent is tfidf: {tmp_path / 't' / 'candidates' / 'tfidf'}")
    assert "compress" not in shlex.split(steps[0])  # there is nothing to compress
    assert "--model tfidf" in steps[0]
    verdict = of_training("bert", {"bert": Path("m")}, {"bert": 0.5, "tfidf": 0.7}, True, Path("o"))
    assert verdict.sentences[0] == "tfidf, trained beside it, has a higher macro-F1: 0.700."


def test_a_path_is_quoted_and_never_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(out, "_width", 40)
    monkeypatch.setattr(out, "_force_terminal", True)  # a pipe gets sentences whole
    folder = "runs/" + "a long name of a run's folder/" * 3 + "int8"
    verdict = Verdict(
        headline="Deploy int8.",
        sentences=("It is five times faster than PyTorch, and nothing else changed at all.",),
        command=predicting(folder),
        python=loading(folder),
    )
    show_verdict(verdict)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].strip() == verdict.command
    assert shlex.split(lines[-2])[2] == folder
    assert lines[-1].strip() == verdict.python
    assert all(len(line) <= 40 for line in lines[:-2])
    assert " ".join(" ".join(lines[2:-2]).split()) == verdict.sentences[0]
    assert shell("compare", "a b") == "paretext compare 'a b'"


def test_eight_lines_at_eighty_columns(
    tmp_path: Path, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path / "run", versions=VERSIONS)
    monkeypatch.setattr(out, "_width", 80)
    monkeypatch.setattr(out, "_force_terminal", True)
    monkeypatch.chdir(tmp_path)
    ended = command("report", "run")
    assert len(ending(ended.out)) <= 8
    assert ending(ended.out)[0] == "Deploy int8: run/artifacts/int8"


KEYS = {
    "explore": {"checks", "verdict"},
    "run": {"data", "labels", "machine", "rows", "standing", "verdict"},
    "compare": {"data", "labels", "machine", "rows", "standing", "verdict"},
    "report": {"certificates", "conclusion", "versions", "measurement", "missing"},
    "inspect": {"kind", "verdict"},
    "page": {"bytes", "packed", "page", "verdict"},
    "certify": {"clauses", "conclusion", "flips", "verdict", "digest"},
    "verify": {"certificate", "checked", "conclusion", "verdict", "warnings"},
    "predict": {"rows", "seconds", "verdict"},
    "train": {"candidates", "parent", "verdict"},
    "compress": {"data", "labels", "machine", "rows", "standing", "verdict"},
    "demo": {"data", "labels", "machine", "rows", "standing", "verdict"},
    "ablate": {"drop", "flips", "seeds", "sentence", "verdict"},
    "threshold": {"against", "figures", "rule", "verdict"},
    "search": {"certificate", "front", "limits", "parent", "sentence", "verdict", "winner"},
}
"""Keys of each verb's --json that others may rely on; there may be more."""


def test_every_verb_with_json_has_keys_on_record() -> None:
    group: Any = get_command(app)
    verbs = [name for part in VERBS.values() for name in part]
    with_json = {
        name
        for name in verbs
        if any("--json" in each.opts for each in group.get_command(None, name).params)
    }
    assert with_json == KEYS.keys()


def test_the_keys_of_json_stay(
    made: Run, command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    int8, parent = made.out / "artifacts" / "int8", made.out / "artifacts" / "parent"
    asked: dict[str, tuple[Any, ...]] = {
        "explore": (made.data,),
        "run": (
            *("--data", made.data, "--model", made.model, *SHORT, "--out", made.out),
            *("--eval", made.held, "--rounds", 1, "--preset", "int8"),
        ),
        "compare": (made.out, "--eval", made.held, "--rounds", 1),
        "report": (made.out,),
        "inspect": (int8,),
        "page": (int8, "-o", tmp_path / "page.html"),
        "certify": (int8, "--against", parent, "--eval", made.held, "--resamples", 100),
        "verify": (int8,),
        "predict": (int8, made.held, "-o", tmp_path / "answers.csv"),
        "threshold": (int8, "--clear"),
        "train": ("--data", made.data, "--model", "tfidf", "--out", tmp_path / "t"),
        "compress": (made.out, "--data", made.data, "--preset", "int8"),
        "demo": ("--out", made.out),
        "ablate": (
            *("--data", made.data, "--eval", made.held, "--model", "tfidf"),
            *("--remove-stop-words", "--out", tmp_path / "ablation"),
        ),
    }
    # The demo takes minutes, and is a run: this one stands for it. test_search_run.py searches.
    monkeypatch.setattr("paretext.demo.job.run_demo", lambda *_, **__: None)
    monkeypatch.setattr("paretext.runtime.browser.page.load", lambda _: Library(b"", b"", b""))
    keys_by_verb = {}
    for verb, arguments in asked.items():
        ended = command(verb, *arguments, "--json")
        assert ended.status in (0, 1, 3), ended.err
        keys_by_verb[verb] = set(json.loads(ended.out))
    assert keys_by_verb.keys() == KEYS.keys() - {"search"}
    missing = {verb: KEYS[verb] - keys for verb, keys in keys_by_verb.items() if KEYS[verb] - keys}
    assert not missing, {verb: sorted(keys_by_verb[verb]) for verb in missing}
