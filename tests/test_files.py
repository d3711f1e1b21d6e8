"""Files: written whole or not at all, stages done once, whenever the process is killed."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paretext.core.errors import ParetextError
from paretext.core.files import (
    SCRATCH,
    Stages,
    digest_of,
    folder_bytes,
    folder_digest,
    new_folder,
    sha256,
    write_json,
    write_text,
)


class Killed(BaseException):
    """The process is gone: nothing that it would still do reaches the disk."""


class Machine:
    """Counts what changes the disk; from change number `dies_at` on, nothing does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.changes, self.dies_at = 0, -1
        for name in ("rename", "replace", "unlink", "rmdir", "mkdir"):
            monkeypatch.setattr(os, name, self._counted(getattr(os, name)))

    def _counted(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.change()
            return change(*args, **kwargs)

        return counted

    def change(self) -> None:
        if 0 <= self.dies_at <= self.changes:
            raise Killed
        self.changes += 1

    def runs(self, do: Callable[[], object], dies_at: int) -> bool:
        """Whether `do` ended before the machine died."""
        self.changes, self.dies_at = 0, dies_at
        try:
            do()
            return True
        except Killed:
            return False
        finally:
            self.dies_at = -1


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(os, "fsync", lambda file: None)  # no power fails here, and it takes time
    return Machine(monkeypatch)


PARTS = ("first", "second")


class Job:
    """Work in two parts, which goes on from the parts that it finds."""

    def __init__(self, root: Path, machine: Machine | None = None) -> None:
        self.stages, self.root, self.machine = Stages(root), root, machine
        self.calls: list[str] = []
        self.parts: list[str] = []

    def __call__(self, inputs: str, name: str = "stage") -> bool:
        def work(folder: Path) -> None:
            self.calls.append(inputs)
            present = [part for part in PARTS if (folder / part).exists()]
            assert present == list(PARTS[: len(present)])  # never what a half-done deletion left
            assert all((folder / part).read_text() == inputs for part in present)
            (folder / SCRATCH).mkdir(exist_ok=True)
            (folder / SCRATCH / "checkpoint").write_text(inputs)
            for part in PARTS[len(present) :]:
                if self.machine:
                    self.machine.change()
                (folder / part).write_text(inputs)
                self.parts.append(part)

        return self.stages.finished(name, {"inputs": inputs}, work)

    def content(self) -> dict[str, str]:
        folder = self.root / "stage"
        return {path.name: path.read_text() for path in folder.iterdir()}


def whole(inputs: str) -> dict[str, str]:
    return dict.fromkeys(PARTS, inputs)


def test_a_stage_is_done_once_for_the_same_inputs(tmp_path: Path) -> None:
    job = Job(tmp_path)
    assert job("a")
    assert not job("a")
    assert not Job(tmp_path)("a")
    assert job.calls == ["a"]
    assert job.content() == whole("a")
    assert job("b")
    assert job.content() == whole("b")
    assert job("a")  # the folder holds b's now
    assert job.calls == ["a", "b", "a"]
    assert job.content() == whole("a")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".stages", "stage"]


def test_a_folder_that_somebody_deleted_is_made_again(tmp_path: Path) -> None:
    job = Job(tmp_path)
    job("a")
    for path in (tmp_path / "stage").iterdir():
        path.unlink()
    (tmp_path / "stage").rmdir()
    assert job("a")
    assert job.content() == whole("a")


def test_stages_are_independent(tmp_path: Path) -> None:
    job = Job(tmp_path)
    job("a", "artifacts/one")
    job("b", "artifacts/two")
    assert not job("a", "artifacts/one")
    assert (tmp_path / "artifacts" / "two" / "first").read_text() == "b"


def test_what_was_begun_goes_on_for_the_same_inputs_only(tmp_path: Path) -> None:
    job = Job(tmp_path)

    def breaks(folder: Path) -> None:
        (folder / "first").write_text("a")
        raise OSError("the network is gone")

    for _ in range(2):
        with pytest.raises(OSError, match="network"):
            job.stages.finished("stage", {"inputs": "a"}, breaks)
    assert not (tmp_path / "stage").exists()
    assert job("a")
    assert job.parts == ["second"]
    with pytest.raises(OSError, match="network"):
        job.stages.finished("other", {"inputs": "a"}, breaks)
    assert job("b", "other")
    assert job.parts[1:] == list(PARTS)


def test_what_cannot_be_done_leaves_nothing(tmp_path: Path) -> None:
    job = Job(tmp_path)

    def refuses(folder: Path) -> None:
        (folder / "first").write_text("a")
        raise ParetextError("no.")

    with pytest.raises(ParetextError):
        job.stages.finished("stage", {"inputs": "a"}, refuses)
    assert [path.name for path in tmp_path.rglob("*")] == [".stages"]
    assert job("a")
    assert job.parts == list(PARTS)


@pytest.mark.parametrize("order", ["aaa", "baba", "babb"])
def test_killed_twice_at_any_moment_and_started_again(
    tmp_path: Path, machine: Machine, order: str
) -> None:
    """The last three letters: inputs killed, killed again, and left to run; the folder is theirs.

    Every pair of moments to be killed at is tried. Before, the stage may hold something else.
    """
    *before, first, second, third = order
    kills = itertools.count()
    record = Path(".stages") / "stage.done"

    def begun(dies_at: int) -> tuple[Job, bool]:
        job = Job(tmp_path / str(next(kills)), machine)
        for inputs in before:
            job(inputs)
        return job, machine.runs(lambda: job(first), dies_at)

    def again(job: Job, inputs: str, previous: str, dies_at: int) -> bool:
        """Run the job; what the previous run put on record as done must not be done again."""
        done = job.root / record
        key = digest_of({"inputs": inputs})
        recorded = done.exists() and done.read_text().split("\n")[0] == key
        calls = len(job.calls)
        ended = machine.runs(lambda: job(inputs), dies_at)
        assert not (inputs == previous and recorded and len(job.calls) > calls)
        return ended

    first_ended = second_ended = False
    for kill_first in itertools.count():
        for kill_second in itertools.count():
            job, first_ended = begun(kill_first)
            second_ended = again(job, second, first, kill_second)
            assert again(job, third, second, -1)
            assert job.content() == whole(third)
            assert sorted(path.name for path in job.root.iterdir()) == [".stages", "stage"]
            assert not job(third)
            shutil.rmtree(job.root)
            if second_ended:
                break
        if first_ended:
            break
    assert next(kills) > 50


# Folders and files ----------------------------------------------------------------------------


def test_a_new_folder_replaces_the_old_one_when_the_block_ends(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "folder"
    for text in ("one", "two"):
        with new_folder(folder) as partial:
            assert list(partial.iterdir()) == []
            (partial / text).write_text(text)
            assert partial != folder
        assert [path.name for path in folder.iterdir()] == [text]
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_folder_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    def fill(text: str, fail: bool) -> None:
        with new_folder(tmp_path / "folder") as partial:
            (partial / text).write_text(text)
            if fail:
                raise error

    with pytest.raises(error):
        fill("one", fail=True)
    assert list(tmp_path.iterdir()) == []
    fill("two", fail=False)
    with pytest.raises(error):
        fill("three", fail=True)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == [
        "folder",
        "folder/two",
    ]


def test_what_a_killed_process_left_is_no_hindrance(tmp_path: Path, machine: Machine) -> None:
    """A reader finds the old folder, the new one or, for one rename, none: never half of one."""

    def fill(text: str) -> None:
        with new_folder(folder) as partial:
            for name in PARTS:
                (partial / name).write_text(text)

    for dies_at in range(100):
        folder = tmp_path / str(dies_at) / "folder"
        fill("old")
        ended = machine.runs(lambda: fill("new"), dies_at)
        if folder.exists():
            contents = {path.name: path.read_text() for path in folder.iterdir()}
            assert contents in (whole("old"), whole("new"))
        fill("newer")
        assert {path.name: path.read_text() for path in folder.iterdir()} == whole("newer")
        assert [path.name for path in folder.parent.iterdir()] == ["folder"]
        if ended:
            break
    assert ended


def test_text_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"caf\u00e9": 1})
    assert path.read_text(encoding="utf-8") == '{\n  "caf\u00e9": 1\n}\n'

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(UnicodeEncodeError):
        write_text(path, "half \ud800")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_text(path, "new text")
    assert path.read_text(encoding="utf-8") == '{\n  "caf\u00e9": 1\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_digests_tell_folders_apart(tmp_path: Path) -> None:
    def folder(name: str, **files: str) -> Path:
        for path, text in files.items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_text(text)
        return tmp_path / name

    one = folder("one", **{"a": "x", "deep/b": "yz"})
    same = folder("same", **{"deep/b": "yz", "a": "x"})
    others = [
        folder("renamed", **{"a": "x", "deep/c": "yz"}),
        folder("moved", **{"a": "x", "b": "yz"}),
        folder("changed", **{"a": "x", "deep/b": "yw"}),
        folder("swapped", **{"a": "yz", "deep/b": "x"}),
    ]
    assert folder_digest(one) == folder_digest(same)
    assert len({folder_digest(each) for each in (one, *others)}) == 5
    assert folder_bytes(one) == 3
    assert sha256(one / "a") == hashlib.sha256(b"x").hexdigest()


def test_equal_values_have_one_digest() -> None:
    assert digest_of({"a": 1, "b": [1, 2]}) == digest_of({"b": (1, 2), "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": "1"})
