"""Fixtures that several test files share. Nothing here, or in any test, needs the network."""

from __future__ import annotations

import functools
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

# Before the libraries are imported, and inherited by the processes that tests start.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"  # tiny matrices: more threads only wait for each other
os.environ["PYTHON_CPU_COUNT"] = "1"  # the same, where a test asks for no number of threads

Encoder = Callable[[str], Path]


class Ended(NamedTuple):
    """How a command ended: its exit status, and what it printed."""

    status: int
    out: str
    err: str


Command = Callable[..., Ended]

LONGEST = (
    *("test_kill.py", "test_jobs.py", "test_search_trials.py", "test_endings.py"),
    *("test_training.py", "test_any_data.py", "test_run_folder.py", "test_any_steps.py"),
    *("test_coverage.py", "test_run.py", "test_certify.py", "test_bad_input.py"),
)
"""The files that take longest, a quarter of a minute of CPU and more. A file goes to one process,
and one of these, begun last, would leave the other processes waiting."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))


@pytest.fixture(scope="session", autouse=True)
def _quiet_machine() -> Iterator[None]:
    """Tests run on busy machines, and their times mean nothing: none is called unsteady, and
    nothing is timed again; test_steady.py tests the guard itself."""
    with pytest.MonkeyPatch.context() as patch:
        module = importlib.import_module("paretext.measure.cost")  # not the function of that name
        patch.setattr(module, "MORE_ROUNDS", 0)
        patch.setattr(module, "STARTS", 1)
        patch.setattr(module, "MORE_STARTS", 0)
        patch.setattr("paretext.measure.rounds.MOST_SPREAD", float("inf"))
        patch.setattr("paretext.measure.rounds.disturbance", lambda *_: "")
        patch.setattr("paretext.measure.rounds.MOST_WAITING", float("inf"))
        yield


@pytest.fixture(scope="session", autouse=True)
def _warm_measurers() -> Iterator[None]:
    """What measures a version need not import its libraries each time. The runs of test_kill.py
    measure in processes begun from nothing."""
    import subprocess

    import warm

    origins: dict[str, warm.Origin] = {}

    def start(words: list[str], **given: Any) -> Any:
        if os.name == "nt":
            return subprocess.Popen(words, **given)
        kind = json.loads(words[-1])["kind"]
        if kind not in origins:
            origins[kind] = warm.Origin(kind)
        return warm.Forked(origins[kind], words[2:], given["env"], given["stderr"])

    with pytest.MonkeyPatch.context() as patch:
        module = importlib.import_module("paretext.measure.cost")
        real = SimpleNamespace(**{**vars(subprocess), "Popen": start})
        patch.setattr(module, "subprocess", real)
        yield
    for origin in origins.values():
        origin.end()


@pytest.fixture(scope="session", autouse=True)
def _printed_commands() -> Iterator[None]:
    """Whatever command we tell a user to type has a verb and options that there are."""
    import shlex

    from typer.main import get_command

    from paretext.cli import app

    verbs: Any = get_command(app)
    join = shlex.join

    @functools.cache
    def known(verb: str) -> set[str]:
        params = verbs.get_command(None, verb).params
        return {each for param in params for each in (*param.opts, *param.secondary_opts)}

    def checked(words: list[str]) -> str:
        name, verb, *rest = [*words, "", ""]
        if name == "paretext":
            options = known(verb)
            unknown = [each for each in rest if each.startswith("--") and each not in options]
            assert not unknown, f"{join(words)} cannot be typed: {unknown}"
        return join(words)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("paretext.core.verdict.shlex.join", checked)
        yield


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """command("inspect", folder) runs the command line in this process."""
    from paretext import cli

    def run(*args: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["paretext", *map(str, args)])
        capsys.readouterr()
        try:
            cli.main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        return Ended(status, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """encoder("roberta") is the folder of a tiny untrained encoder that knows the toy's words."""
    import tiny
    import toy

    root, texts = tmp_path_factory.mktemp("encoders"), toy.dataset(60).texts

    def get(architecture: str) -> Path:
        folder = root / architecture
        return folder if folder.exists() else tiny.build(architecture, folder, texts)

    return get


@pytest.fixture(scope="session")
def versions(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A random classifier for the toy's labels: its folder "pytorch", artifacts "fp32", "int8"."""
    import tiny
    import torch
    import toy

    from paretext.graphs import export
    from paretext.graphs.quantisation import DynamicQuantization
    from paretext.models.classifier import Classifier

    root = tmp_path_factory.mktemp("versions")
    classifier = Classifier.from_pretrained(str(encoder("roberta")), toy.LABELS, max_length=24)
    tiny.shake(classifier.model)
    texts = toy.dataset(20).texts
    with torch.no_grad():  # no label more likely than another, so that each is answered
        head = classifier.model.classifier.out_proj
        head.bias -= torch.from_numpy(classifier.logits(texts).mean(axis=0))
    classifier.save(root / "pytorch")
    export(classifier, root / "fp32", texts, name="fp32")
    export(classifier, root / "int8", texts, name="int8", quantization=DynamicQuantization())
    return {name: root / name for name in ("pytorch", "fp32", "int8")}
