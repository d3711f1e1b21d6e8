"""Files and folders written whole or not at all, read back with mistrust, and their digests.

A folder is built beside its place under another name and renamed when it is complete, so that a
process that dies at any moment leaves the old folder or the new one (between two renames, none),
never half of one. What is renamed was written through to the disk before, since a file system may
keep a rename and lose the contents when the power fails.

What is read back may have been damaged meanwhile: `read_json` says so in one sentence, and a
finished stage is compared with the digests that were taken when it was made.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.locks import temporary_folder
from paretext.core.run_folder import RECORDS

T = TypeVar("T")

SCRATCH = "scratch"
"""Folder in a stage's partial one for what only helps to go on (checkpoints); not in the result."""
_NOT_WHOLE = "not whole"
"""In place of the inputs: the folder is ours, and was not made by the stage as it stands."""


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
    """Write a text file whole or not at all, through to the disk."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """A JSON-able value as it stands in a file."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def read_json(path: Path, remedy: str, of: Callable[[Any], T]) -> T:
    """What `of` makes of the values in a JSON file.

    ParetextError, with the remedy, where there is no such file, it is not JSON, or `of` fails:
    what it takes for granted is not there.
    """
    try:
        return of(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ParetextError(f"there is no {path}; {remedy}.") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ParetextError(f"{path} is damaged ({reason}); {remedy}.") from None


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A temporary sibling to write into; it takes `folder`'s name when the block ends well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(folder) as partial:
        yield partial
        _write_through(partial)
        old = partial.with_name("old")
        while True:
            shutil.rmtree(old, ignore_errors=True)
            with contextlib.suppress(FileNotFoundError):
                folder.rename(old)
            try:
                partial.rename(folder)
                return
            except OSError:
                if not folder.exists():
                    raise
                # Another process has just put its own there: the last one stays.


def _write_through(folder: Path) -> None:
    """The files below `folder`, from the system's memory to the disk."""
    mode = "rb+" if os.name == "nt" else "rb"  # Windows wants to be able to write
    for path in files_below(folder):
        with path.open(mode) as file:
            os.fsync(file.fileno())


class Stages:
    """Which pieces of a run are finished, so that none is done twice.

    A stage is a folder and the digest of everything that it was made from. `finished` makes the
    folder unless it is there already and was made from the same inputs. The work happens in
    `NAME.partial`, which survives a kill: work that was begun from the same inputs finds what it
    left there and may go on from it. The record of the finished stage is written before the
    rename, so a kill between the two costs nothing: the next call does the rename. What stands in
    its folder SCRATCH is deleted in between, when nothing can need it any more.

    The record also lists the digests of the stage's files. A finished stage that has changed since
    was damaged or edited; it is neither trusted nor overwritten, since it may have cost hours. An
    artifact lists its files itself, and may be given a certificate later: `whole` says whether it
    is as it was made, and it is made again if it is not. A folder that no stage has made is never
    deleted.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._records = root / RECORDS

    def finished(
        self,
        name: str,
        inputs: Any,
        work: Callable[[Path], None],
        whole: Callable[[Path], object] | None = None,
    ) -> bool:
        """Make `root/name` with `work(partial folder)`; False if it was finished before.

        whole: called with the folder of a finished stage; ParetextError if it is damaged.
        ParetextError if a file of a finished stage is not as it was made, or if a folder of this
        name is there that no stage has made.
        """
        key = digest_of(inputs)
        folder = self.root / name
        partial = folder.with_name(f"{folder.name}.partial")
        done, begun = self._record(name, "done"), self._record(name, "begun")
        if folder.exists():
            self._check_ours(name, done, begun)
        made_of, *digests = _read(done)
        if made_of == key:
            if not folder.exists() and partial.exists() and _read(begun) == [key]:
                self._settle(name)
            if folder.exists() and self._is_whole(name, digests[:-1], whole):
                _forget(begun, partial)  # begun for inputs since given up
                return False
            if not folder.exists():
                done.unlink()  # somebody removed it
        if _read(begun) != [key]:
            if partial.exists():
                progress.say(f"{name} was begun from something else; it is begun anew")
            _forget(begun, partial)
        partial.mkdir(parents=True, exist_ok=True)
        write_text(begun, key)
        try:
            with progress.task(f"making {name}", 0):
                work(partial)
        except ParetextError:  # what was asked for cannot be done: there is nothing to go on from
            _forget(begun, partial)
            raise
        _write_through(partial)
        if folder.exists():
            write_text(done, _NOT_WHOLE)  # from here on
            shutil.rmtree(folder)
        write_text(done, _record(key, _digests(partial)))
        self._settle(name)
        return True

    def forget(self, name: str) -> None:
        """`root/name` is about to be made by other means; whoever asks next makes it anew."""
        if self._records.is_dir():
            write_text(self._record(name, "done"), _NOT_WHOLE)

    def _is_whole(
        self, name: str, digests: list[str], whole: Callable[[Path], object] | None
    ) -> bool:
        """Whether a finished stage is as it was made. ParetextError if that is not for us to
        mend."""
        folder = self.root / name
        if whole is not None:
            try:
                whole(folder)
            except ParetextError as error:
                progress.say(f"{name} is made again: {error}")
                return False
            return True
        for line in digests:
            expected, file = line.split("  ", 1)
            path = folder / file
            if not path.is_file() or sha256(path) != expected:
                raise ParetextError(
                    f"{path} is not as it was made (it was damaged, changed or removed); put it "
                    f"back, or delete {folder} to have it made again."
                )
        return True

    def _check_ours(self, name: str, done: Path, begun: Path) -> None:
        """ParetextError if nothing says that a stage has made its folder, or how."""
        folder = self.root / name
        if done.exists():
            if not _is_record(_read(done)):
                raise ParetextError(
                    f"{done} is damaged, so nobody knows what {folder} was made of; delete "
                    f"{folder} to have it made again."
                )
        elif not begun.exists() and any(folder.iterdir()):
            raise ParetextError(
                f"{folder} is there, and nothing says that it was made here; move it away, or give "
                "another --out."
            )

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


def _digests(folder: Path) -> list[str]:
    """A line for each file of a stage; those of an artifact are listed in its manifest."""
    own = {path.parent for path in folder.rglob("manifest.json")}
    return [
        f"{sha256(path)}  {path.relative_to(folder).as_posix()}"
        for path in files_below(folder)
        if not own & {*path.parents} and path.relative_to(folder).parts[0] != SCRATCH
    ]


def _record(key: str, digests: list[str]) -> str:
    """A finished stage's: its inputs, and its files with a digest of all of them."""
    lines = [key, *digests]
    return "\n".join([*lines, digest_of(lines)] if digests else lines)


def _is_record(lines: list[str]) -> bool:
    if len(lines) == 1:
        return lines == [_NOT_WHOLE] or re.fullmatch(r"[0-9a-f]{64}", lines[0]) is not None
    return lines[-1] == digest_of(lines[:-1])


def _read(record: Path) -> list[str]:
    """The lines of a stage's record, [""] if there is none."""
    try:
        text = record.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return [""]
    return text.split("\n")


def nearest_path(missing: Path, *, folders: bool = False) -> str:
    """The end of a sentence that names the path that was meant, where beside its first missing part
    something (a folder) has a near name; "" where nothing has."""
    parts = [missing, *missing.parents]
    first = next((each for each in parts[::-1] if not each.exists()), missing)
    beside: list[str] = []
    with contextlib.suppress(OSError):
        beside = [each.name for each in first.parent.iterdir() if each.is_dir() or not folders]
    near = difflib.get_close_matches(first.name, beside, n=1)
    if not near:
        return ""
    meant = first.with_name(near[0])
    whole = meant / missing.relative_to(first)
    return f"; did you mean '{whole if whole.exists() else meant}'?"
