"""An interrupted job's folder gives back the command that continues it, as it was given."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import toy
from reporting import make_run

from paretext.core.errors import ParetextError
from paretext.core.locks import JOB, works_in
from paretext.core.run_folder import RECORDS
from paretext.core.unfinished import unfinished
from paretext.report.conclusion import FROM_BEFORE, UNFINISHED


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """job(folder, error) works in the folder, as a command line with an odd path, until then."""

    def start(out: Path, ends: BaseException | None = None, program: str = "paretext") -> None:
        argv = [f"/bin/{program}", "run", "--data", "my table.csv", "--eval", "s3://k:pw@b/e.csv"]
        monkeypatch.setattr("sys.argv", argv)

        @works_in("out")
        def outer(out: Path) -> None:
            inner(out)
            assert unfinished(out) is None  # at work, and not interrupted
            if ends is not None:
                raise ends

        @works_in("out")
        def inner(out: Path) -> None:
            """A stage that is finished is not the job."""

        outer(out)

    return start


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


COMMAND = "paretext run --data 'my table.csv' --eval s3://b/e.csv"


def test_the_command_is_kept_until_the_job_has_ended(
    job: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    job(out)
    assert unfinished(out) is None
    for stopped in (KeyboardInterrupt(), ZeroDivisionError()):
        with pytest.raises(type(stopped)):
            job(out, stopped)
        begun = unfinished(out)
        assert begun is not None
        assert begun.command == COMMAND
    with pytest.raises(ParetextError):  # refused: what was interrupted before is still so
        job(out, ParetextError("no"), program="another")
    assert unfinished(out) == begun
    (elsewhere := tmp_path / "else where").mkdir()
    monkeypatch.chdir(elsewhere)
    moved = unfinished(out)
    assert moved is not None
    assert moved.command == f"cd {shlex.quote(str(tmp_path))} && {COMMAND}"
    copy = unfinished(Path(shutil.copytree(out, tmp_path / "copy")))
    assert copy is not None
    assert copy.command is None  # which would go on in the other folder
    job(out)
    assert unfinished(out) is None
    assert not (out / RECORDS / JOB).exists()


def test_a_refused_job_leaves_nothing_and_a_call_leaves_no_command(
    job: Any, tmp_path: Path
) -> None:
    with pytest.raises(ParetextError):
        job(tmp_path / "new", ParetextError("no"))
    assert not (tmp_path / "new").exists()
    (out := tmp_path / "out").mkdir()
    with pytest.raises(KeyboardInterrupt):
        job(out, KeyboardInterrupt(), program="ipykernel_launcher.py")
    begun = unfinished(out)
    assert begun is not None
    assert begun.command is None
    (out / RECORDS / JOB).write_text("[", encoding="utf-8")
    assert unfinished(out) == begun


def test_verbs_on_an_interrupted_run_end_in_the_command_that_continues_it(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy.write(tmp_path / "train.csv", toy.texts_and_labels(90))
    asked = ("run", "--data", "train.csv", "--model", "tfidf", "--out", "my run", "--rounds", 1)
    given = shlex.join(["paretext", *map(str, asked)])

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for stage in ("profiled.profile", "stages.train_candidate"):
        with monkeypatch.context() as patch:
            patch.setattr(f"paretext.pipeline.{stage}", stop)
            assert command(*asked).status == 130
        for verb in ("inspect", "report"):
            ended = command(verb, "my run")
            assert ended.status == 0, ended.err
            *_, said, _, last = ended.out.rstrip("\n").split("\n")
            assert said == UNFINISHED
            assert last == f"  {given}"
        refused = command("predict", "my run", "--text", "fine")
        assert refused.status == 2
        assert refused.err == (
            "paretext: the run my run was interrupted and recommends no artifact yet; "
            f"go on with: {given}\n"
        )
        refused = command("compress", "my run", "--eval", "train.csv")
        assert refused.err.endswith(f"has no parent yet; go on with: {given}\n")


def test_what_a_later_command_left_is_shown_as_from_before(
    job: Any, command: Any, tmp_path: Path
) -> None:
    make_run(tmp_path / "run")
    before = json.loads(command("report", "run", "--json").out)["conclusion"]
    with pytest.raises(KeyboardInterrupt):
        job(tmp_path / "run", KeyboardInterrupt())
    after = json.loads(command("report", "run", "--json").out)["conclusion"]
    assert after["headline"] == before["headline"]
    assert after["sentences"][:-1] == before["sentences"]
    assert after["sentences"][-1].startswith(FROM_BEFORE)
    assert after["command"] == COMMAND


def test_a_run_without_an_artifact_says_how_to_make_some(command: Any, tmp_path: Path) -> None:
    toy.write(tmp_path / "train.csv", toy.texts_and_labels(90))
    asked = ("--data", "train.csv", "--model", "tfidf", "--out", "trained")
    assert command("train", *asked).status == 0
    refused = command("predict", "trained", "--text", "fine")
    assert refused.status == 2
    assert "has no artifact yet; make some with: paretext run --data TRAIN.csv" in refused.err
