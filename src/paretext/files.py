"""Files and folders written whole or not at all, and their digests.

A folder is built beside its place under another name and renamed when it is complete, so that a
process that dies at any moment leaves either the old folder or the new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


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
    if target.exists():
        shutil.rmtree(target)
    source.rename(target)


class Stages:
    """Which pieces of a run are finished, so that none is done twice.

    A stage is a folder and the digest of everything that it was made from. `finished` makes the
    folder unless it is there already and was made from the same inputs. The work happens in
    `NAME.partial`, which survives a kill: work that was begun from the same inputs finds what it
    left there and may go on from it. The record of the finished stage is written before the
    rename, so a kill between the two costs nothing: the next call does the rename.
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
            if not folder.exists() and partial.exists():
                partial.rename(folder)
            if folder.exists():
                return False
        if _read(begun) != key:
            shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True, exist_ok=True)
        write_text(begun, key)
        work(partial)
        if folder.exists():
            shutil.rmtree(folder)
        write_text(done, key)
        partial.rename(folder)
        begun.unlink()
        return True

    def _record(self, name: str, kind: str) -> Path:
        self._records.mkdir(parents=True, exist_ok=True)
        return self._records / f"{name.replace('/', '--')}.{kind}"


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
