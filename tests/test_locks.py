"""One process at a time changes a folder; what a killed one left is cleared away."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import filelock
import pytest

from paretext.core.errors import ParetextError
from paretext.core.files import new_folder
from paretext.core.locks import change, changes, keep, temporary_folder, work_in, works_in

HOLDER = """
import sys, time
from pathlib import Path
from paretext.core import locks
from paretext.core.files import new_folder
with getattr(locks, sys.argv[1])(Path(sys.argv[2])), locks.temporary_folder() as temporary:
    with new_folder(Path(sys.argv[2]) / "part" / "made"):
        print(temporary, flush=True)
        time.sleep(60)
"""
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def holder(tmp_path: Path) -> Any:
    """holder("work_in", folder) is another process that holds the folder, until it is killed."""
    started = []

    def start(how: str, folder: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, how, str(folder), "sqlite://me:secret@host/db"],
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        process.temporary = Path(process.stdout.readline().strip())  # type: ignore[attr-defined]
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_the_second_ends_at_once_and_says_who_holds_the_folder(
    holder: Start, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    first = holder("work_in", run)
    for second in (work_in(run), change(run / "comparison"), change(run / "artifacts" / "int8")):
        with pytest.raises(ParetextError) as refused, second:
            raise AssertionError("not refused")
        said = str(refused.value)
        assert f"{run} is in use by process {first.pid} on " in said
        assert "-c work_in" in said
        assert "secret" not in said
        assert "wait until it has ended" in said
    with work_in(tmp_path / "another"), change(tmp_path / "elsewhere" / "comparison"):
        pass


def test_a_killed_holder_leaves_no_lock_and_no_temporary_folder(
    holder: Start, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    first: Any = holder("work_in", run)
    assert first.temporary.is_dir()
    assert len(list((run / "part").iterdir())) == 1
    first.send_signal(signal.SIGKILL)
    first.wait()
    with work_in(run):
        assert list((run / "part").iterdir()) == []
        assert not first.temporary.exists()


def test_what_is_in_use_is_not_cleared_away(holder: Start, tmp_path: Path) -> None:
    one: Any = holder("change", tmp_path / "one")
    with temporary_folder(), new_folder(tmp_path / "one" / "part" / "made") as mine:
        (mine / "file").write_text("mine", encoding="utf-8")
        assert one.temporary.is_dir()
    assert one.temporary.is_dir()
    assert (tmp_path / "one" / "part" / "made" / "file").read_text(encoding="utf-8") == "mine"


def test_a_result_outside_any_run_is_locked_by_itself(holder: Start, tmp_path: Path) -> None:
    result = tmp_path / "artifact"
    first = holder("change", result)
    with pytest.raises(ParetextError, match=f"in use by process {first.pid} "), change(result):
        pass
    first.kill()
    first.wait()
    with change(result):
        assert (tmp_path / ".artifact.lock").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["artifact"]


def test_a_file_that_is_kept_is_kept_by_one(holder: Start, tmp_path: Path) -> None:
    file, link = tmp_path / "counts.csv", tmp_path / "linked.csv"
    link.symlink_to(file)
    first = holder("keep", file)
    for name in (file, link):
        said = f"{name} is in use by process {first.pid} .*; give another file, or stop it, and"
        with pytest.raises(ParetextError, match=said), keep(name):
            pass
    with keep(tmp_path / "other.csv"):
        pass
    first.kill()
    first.wait()
    with keep(file), pytest.raises(ParetextError, match="in use"), keep(file):
        pass


def test_a_file_in_no_folder_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    said = "plain is a file, and counts go into a folder; give another --log"
    with pytest.raises(ParetextError, match=said), keep(tmp_path / "plain" / "counts.csv"):
        pass


def test_a_thread_may_enter_again_and_another_may_not(tmp_path: Path) -> None:
    refused = []

    def enter() -> None:
        try:
            with work_in(tmp_path / "run"):
                pass
        except ParetextError as error:
            refused.append(str(error))

    with work_in(tmp_path / "run"):
        with work_in(tmp_path / "run"), change(tmp_path / "run" / "artifacts" / "one"):
            pass
        enter()
        assert refused == []
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
    assert f"process {os.getpid()}" in refused[0]
    enter()
    assert len(refused) == 1


def test_functions_hold_the_folder_that_they_are_given(holder: Start, tmp_path: Path) -> None:
    @works_in("out")
    def work(data: str, out: str | Path) -> str:
        assert (Path(out) / ".stages" / "lock").exists()
        return data

    @changes("artifact")
    def certify(artifact: str | Path, *, seed: int = 0) -> int:
        return seed

    assert work("a", str(tmp_path / "run")) == work("a", out=tmp_path / "run") == "a"
    assert certify(tmp_path / "run", seed=3) == 3
    holder("work_in", tmp_path / "run")
    with pytest.raises(ParetextError, match="in use"):
        work("a", out=tmp_path / "run")
    with pytest.raises(ParetextError, match="in use"):
        certify(tmp_path / "run" / "artifacts" / "int8")


def test_who_comes_to_nothing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ParetextError), work_in(tmp_path / "run"):
        raise ParetextError("the data are no data.")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    with work_in(tmp_path / "mine"):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]


def test_a_file_system_without_locks_is_said_and_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_locks(self: Any, **_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", no_locks)
    with caplog.at_level("INFO", logger="paretext"), work_in(tmp_path / "run"):
        (tmp_path / "run" / "made").mkdir()
    assert "file system without locks (No locks available)" in caplog.text
    with new_folder(tmp_path / "folder"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"run", "folder"}


def test_other_peoples_temporary_folders_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    theirs = [tmp_path / "paretext-runs", tmp_path / "paretext-work.tmp", tmp_path / "other.tmp"]
    for folder in theirs:
        folder.mkdir()
        (folder / "file").write_text("theirs", encoding="utf-8")
    (tmp_path / "paretext-link.tmp").symlink_to(theirs[0])
    with temporary_folder() as own:
        assert own.is_dir()
    assert all((folder / "file").exists() for folder in theirs)
    assert not own.exists()


def test_two_who_write_one_folder_leave_the_last_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process puts its own in place between our two renames."""
    target, renames = tmp_path / "folder", []
    target.mkdir()
    real = Path.rename

    def rename(self: Path, to: Path) -> Path:
        renamed = real(self, to)
        if self == target and not renames:
            renames.append(1)
            target.mkdir()
            (target / "theirs").write_text("", encoding="utf-8")
        return renamed

    monkeypatch.setattr(Path, "rename", rename)
    with new_folder(target) as partial:
        (partial / "ours").write_text("", encoding="utf-8")
    assert [path.name for path in target.iterdir()] == ["ours"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
