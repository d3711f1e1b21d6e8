"""One process at a time changes a folder, and what a killed one left is cleared away.

Whoever writes into a run's folder (or a search's, an ablation's) holds its lock meanwhile, and
whoever comes second ends at once, in a sentence that says who holds it. The lock is the operating
system's (flock), so it is gone with the process that held it, however that ended; who holds it
stands in its file, only to be said. A thread that holds a folder may enter it again, so `run` calls
`compress`, and that is no second one. Who only reads takes no lock. A service holds the file of its
counts in the same way.

On a file system that knows no locks this is said, and work goes on without.

A temporary folder is locked too while it is in use. So one that is not was left by a process that
was killed, and is deleted by the next that makes one there, or that locks the run it lies in.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import inspect
import json
import os
import re
import shlex
import shutil
import socket
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.run_folder import RECORDS

if TYPE_CHECKING:
    from filelock import FileLock

P = ParamSpec("P")
R = TypeVar("R")

JOB = "unfinished.json"
"""In RECORDS while a job works in the folder, and after it if that did not end."""
_LOCK = "lock"
_DEEPEST = 3
"""A run's artifacts are two folders below it, a search's winner three."""
_LONGEST_COMMAND = 200
_REMEDY = "wait until it has ended, or stop it"
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)

_held: set[tuple[Path, int]] = set()
"""What is locked by which thread of this process."""


@contextlib.contextmanager
def work_in(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Nobody else works in `folder` while the block runs; it is made if it is not there.

    ParetextError, at once, if another process does; or wait until it has ended.
    """
    key = (folder.resolve(), threading.get_ident())
    if key in _held:
        yield
        return
    require_folder(folder)
    was_there, records = folder.exists(), folder / RECORDS
    path = records / _LOCK
    while True:
        records.mkdir(parents=True, exist_ok=True)
        try:
            lock = _locked(path, wait=wait, said=folder)
            break
        except FileNotFoundError:  # another process has just left, and nothing came of it
            continue
    _held.add(key)
    try:
        _clear(folder)
        yield
    finally:
        _held.discard(key)
        with contextlib.suppress(OSError):
            path.write_text("", encoding="utf-8")
            if [each.name for each in records.iterdir()] == [_LOCK]:  # nothing came of it
                path.unlink()
                records.rmdir()
                if not was_there:
                    folder.rmdir()
        if lock is not None:
            lock.release()


@contextlib.contextmanager
def change(result: Path) -> Iterator[None]:
    """Nobody else changes the folder `result`, nor the run that it lies in, while the block runs.

    ParetextError, at once, if another process does.
    """
    require_folder(result)
    whole = Path(os.path.abspath(result))
    above = list(whole.parents)[:_DEEPEST]
    run = next((each for each in above if (each / RECORDS).is_dir()), None)
    if run is not None:
        with work_in(run):
            yield
        return
    key = (whole.resolve(), threading.get_ident())
    if key in _held:
        yield
        return
    with _beside(whole, said=result):
        _held.add(key)
        try:
            yield
        finally:
            _held.discard(key)


def keep(file: Path) -> contextlib.AbstractContextManager[None]:
    """Nobody else keeps counts in `file` while the block runs, whatever link leads there.

    ParetextError, at once, if another process does, or another thread of this one, or where there
    can be no such file.
    """
    whole = file.resolve()
    require_folder(whole.parent, "counts", "--log")
    return _beside(whole, said=file, remedy="give another file, or stop it")


@contextlib.contextmanager
def _beside(whole: Path, *, said: Path, remedy: str = _REMEDY) -> Iterator[None]:
    """The lock of a file's or a folder's own, which lies beside it while the block runs."""
    whole.parent.mkdir(parents=True, exist_ok=True)
    path = whole.with_name(f".{whole.name}.lock")
    lock = _locked(path, wait=False, said=said, remedy=remedy)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # whoever opened it meanwhile finds that it has no name
        if lock is not None:
            lock.release()


def require_folder(place: Path, what: str = "results", option: str = "--out") -> None:
    """ParetextError if `place`, where a folder is or is to be made, or one above it, is a file, or
    if none can be made there."""
    there = next((each for each in (place, *place.parents) if each.exists()), Path())
    if not there.is_dir():
        raise ParetextError(
            f"{there} is a file, and {what} go into a folder; give another {option}."
        )
    if there == place:
        return
    try:
        Path(tempfile.mkdtemp(prefix=".", dir=there)).rmdir()
    except OSError as problem:
        raise ParetextError(
            f"{place} cannot be made ({problem.strerror}); give another {option}."
        ) from None


def works_in(parameter: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A job that works in the folder that is given as its `parameter`; where it is interrupted,
    the folder knows the command that continues it."""
    return _holding(_job_in, parameter)


@contextlib.contextmanager
def _job_in(folder: Path) -> Iterator[None]:
    inside = (folder.resolve(), threading.get_ident()) in _held
    with work_in(folder):
        if inside:
            yield
            return
        with _on_record(folder):
            yield


@contextlib.contextmanager
def _on_record(folder: Path) -> Iterator[None]:
    """The command line is kept until the job has ended; one that is refused leaves what was on
    record before it."""
    path = folder / RECORDS / JOB
    before = path.read_bytes() if path.is_file() else None
    given = _typed() if Path(sys.argv[0]).stem == "paretext" else None  # else it is called
    record = {"command": given, "in": str(Path.cwd()), "folder": str(folder.resolve())}
    path.write_text(json.dumps(record), encoding="utf-8")
    try:
        yield
    except ParetextError:
        if before is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(before)
        raise
    path.unlink(missing_ok=True)


def changes(parameter: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A function that changes the folder that is given as its `parameter`."""
    return _holding(change, parameter)


def _holding(
    lock: Callable[[Path], contextlib.AbstractContextManager[None]], parameter: str
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def alone(*args: P.args, **kwargs: P.kwargs) -> R:
            folder = signature.bind(*args, **kwargs).arguments[parameter]
            with lock(Path(folder)):
                return function(*args, **kwargs)

        return alone

    return decorate


@contextlib.contextmanager
def temporary_folder(target: Path | None = None) -> Iterator[Path]:
    """An empty folder while the block runs: beside `target`, on one file system with it, or where
    temporary files go. A process that is killed does not leave it for ever."""
    place = Path(tempfile.gettempdir()) if target is None else target.parent
    begin, end = ("paretext-", ".tmp") if target is None else (f".{target.name}.", ".new")
    _clear_away(place.glob(f"{begin}*{end}"))
    while True:
        folder = Path(tempfile.mkdtemp(prefix=begin, suffix=end, dir=place))
        try:
            lock = _locked(folder / _LOCK, wait=False, said=folder)
            break
        except (ParetextError, FileNotFoundError):  # taken for a killed one's, before it was ours
            continue
    try:
        inside = folder / "new"
        inside.mkdir()
        yield inside
    finally:
        _delete(folder)
        if lock is not None:
            lock.release()
            shutil.rmtree(folder, ignore_errors=True)  # Windows keeps a locked file


def _locked(path: Path, *, wait: bool, said: Path, remedy: str = _REMEDY) -> FileLock | None:
    """The lock, ours; None where the file system has none. ParetextError names its holder."""
    from filelock import FileLock, Timeout

    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(blocking=wait)
    except Timeout:
        raise ParetextError(
            f"{said} is in use by {_holder(path)}; {remedy}, and start again."
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        progress.say(
            f"{said} lies on a file system without locks ({error.strerror}), so nothing keeps "
            "a second process out: start none"
        )
        return None
    with contextlib.suppress(OSError):  # Windows lets nobody write where it is locked
        path.write_text(json.dumps(_this_process()), encoding="utf-8")
    return lock


def _this_process() -> dict[str, str | int]:
    command = _typed()
    if len(command) > _LONGEST_COMMAND:
        command = f"{command[:_LONGEST_COMMAND]} ..."
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "command": command,
    }


def _typed() -> str:
    """This process's command line, as a shell takes it, without a database's password."""
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return re.sub(r"(://)[^/@\s]*@", r"\1", command)


def at_work(folder: Path) -> str | None:
    """Who works in `folder` now, this process included; None where nobody does. Its lock is tried,
    and left at once."""
    path = folder / RECORDS / _LOCK
    if not path.is_file():
        return None
    try:
        from filelock import FileLock, Timeout
    except ModuleNotFoundError:  # of the runtime alone, which works in no folder
        return None
    try:
        with FileLock(path, fallback_to_soft=False).acquire(blocking=False):
            return None
    except Timeout:
        return _holder(path)
    except OSError:  # no locks here, or nothing may be written
        return None


def _holder(path: Path) -> str:
    """Who holds a lock, as far as that is known."""
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
        return (
            f"process {owner['pid']} on {owner['host']} since {owner['since']}: {owner['command']}"
        )
    except (OSError, ValueError, KeyError, TypeError):  # it holds it, and has not said so yet
        return "another process"


def _clear(folder: Path) -> None:
    """Clear what killed processes left in a folder that is locked, and where temporary files go."""
    for place in (folder, *folder.glob("*/")):
        _clear_away(place.glob(".*.new"))
        for part in place.glob(".*.part"):  # rows of a table that was never finished
            part.unlink(missing_ok=True)
    _clear_away(Path(tempfile.gettempdir()).glob("paretext-*.tmp"))


def _clear_away(folders: Iterable[Path]) -> None:
    """Delete temporary folders of ours whose process has ended."""
    from filelock import FileLock, Timeout

    for folder in folders:
        with contextlib.suppress(OSError, Timeout):
            status = folder.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != _user():
                continue
            if not (folder / _LOCK).exists():
                folder.rmdir()  # which it is not, if anything is in it
                continue
            with FileLock(folder / _LOCK, fallback_to_soft=False).acquire(blocking=False):
                _delete(folder)


def _delete(folder: Path) -> None:
    """The lock goes last: without it, nobody could tell half of a folder from one in use."""
    for path in folder.iterdir():
        if path.name != _LOCK:
            shutil.rmtree(path, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0  # which is what Windows says of all files
