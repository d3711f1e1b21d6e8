"""Files and folders written whole or not at all, and their digests.

A folder is built beside its place under another name and renamed when it is complete, so that a
process that dies at any moment leaves the old folder or the new one (between two renames, none),
never half of one.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from paretext.errors import ParetextError

SCRATCH = "scratch"
"""Folder in a stage's partial one for what only helps to go on (checkpoints); not in the result."""


def sha256(path: Path) -> str:
    """The file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(folder: Path) -> str:
    """One SHA-256 over the names and contents of all files below `folder`, in sorted order."""
    lines = [f"{sha256(p)}  {p.relative_to(folder).as_posix()}\n" for p in files_below(folder)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def folder_bytes(folder: Path) -> int:
    """The bytes of all files below `folder`: what is copied when it is deployed."""
    return sum(path.stat().st_size for path in files_below(folder))


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON-able value in one canonical spelling."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A temporary sibling to write into; it takes `folder`'s name when the block ends well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        replace_folder(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def replace_folder(source: Path, target: Path) -> None:
    """Rename `source` to `target`, in the place of a folder that may be there."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    source.rename(target)
    shutil.rmtree(old, ignore_errors=True)


class Stages:
    """Which pieces of a run are finished, so that none is done twice.

    A stage is a folder and the digest of everything that it was made from. `finished` makes the
    folder unless it is there already and was made from the same inputs. The work happens in
    `NAME.partial`, which survives a kill: work that was begun from the same inputs finds what it
    left there and may go on from it. The record of the finished stage is written before the
    rename, so a kill between the two costs nothing: the next call does the rename. What stands in
    its folder SCRATCH is deleted in between, when nothing can need it any more.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._records = root / ".stages"

    def finished(self, name: str, inputs: Any, work: Callable[[Path], None]) -> bool:
        """Make `root/name` with `work(partial folder)`; False if it was finished before."""
        key = digest_of(inputs)
        folder = self.root / name
        partial = folder.with_name(f"{folder.name}.partial")
        done, begun = self._record(name, "done"), self._record(name, "begun")
        if _read(done) == key:
            if not folder.exists() and partial.exists() and _read(begun) == key:
                self._settle(name)
            if folder.exists():
                _forget(begun, partial)  # begun for inputs since given up
                return False
            done.unlink()  # somebody removed the folder
        if _read(begun) != key:
            _forget(begun, partial)
        partial.mkdir(parents=True, exist_ok=True)
        write_text(begun, key)
        try:
            work(partial)
        except ParetextError:  # what was asked for cannot be done: there is nothing to go on from
            _forget(begun, partial)
            raise
        if folder.exists():
            done.unlink(missing_ok=True)  # from here on it is no longer whole
            shutil.rmtree(folder)
        write_text(done, key)
        self._settle(name)
        return True

    def forget(self, name: str) -> None:
        """`root/name` is about to be made by other means; whoever asks next makes it anew."""
        if self._records.is_dir():
            self._record(name, "done").unlink(missing_ok=True)

    def _settle(self, name: str) -> None:
        """A finished stage's folder takes its name."""
        folder = self.root / name
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial / SCRATCH, ignore_errors=True)
        partial.rename(folder)
        self._record(name, "begun").unlink()

    def _record(self, name: str, kind: str) -> Path:
        self._records.mkdir(parents=True, exist_ok=True)
        return self._records / f"{name.replace('/', '--')}.{kind}"


def is_full_disk(error: BaseException) -> bool:
    """Whether an error stands for a full disk: safetensors and torch.save raise no OSError."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    # torch.save: "PytorchStreamWriter failed writing file", "inline_container.cc: unexpected pos"
    signs = ("No space left on device", "PytorchStreamWriter failed", "unexpected pos")
    return any(sign in str(error) for sign in signs)


def _forget(begun: Path, partial: Path) -> None:
    """Delete what was begun; the record goes first, so that nobody goes on from half of it."""
    begun.unlink(missing_ok=True)
    shutil.rmtree(partial, ignore_errors=True)


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
