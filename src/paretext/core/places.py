"""A path on this machine, or on any file system that fsspec knows: `s3://bucket/key`, `memory://x`.

A remote one is a UPath (universal_pathlib), which has the methods of `pathlib.Path`; so whoever
reads and writes by these methods reads and writes anywhere. Two things differ: a remote name has no
lock, and an object store shows an object when it is whole, where a disk needs a rename for that.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

from paretext.core.errors import ParetextError
from paretext.core.files import sha256


def place(given: str | Path) -> Path:
    """The path that `given` names; ParetextError where a URL needs a library that is missing."""
    if not isinstance(given, str):
        return given
    if "://" not in given:
        return Path(given)
    try:
        from upath import UPath

        return cast("Path", UPath(given))
    except ImportError:
        raise ParetextError(
            f"'{given}' is no path on this machine, and others need universal_pathlib: "
            'pip install "paretext[ray]".'
        ) from None
    except ValueError as problem:
        raise ParetextError(f"'{given}' cannot be opened ({problem}): check the address.") from None


def is_remote(path: Path) -> bool:
    return not isinstance(path, Path)


def move(begun: Path, whole: Path) -> None:
    """Give a finished file its name, in place of what has it."""
    if is_remote(begun):
        cast("Any", begun).fs.mv(cast("Any", begun).path, cast("Any", whole).path)
    else:
        os.replace(begun, whole)


def fingerprint(path: Path) -> str:
    """Of a file's content: its SHA-256; remotely what its file system calls it while it is the
    same."""
    if is_remote(path):
        return str(cast("Any", path).fs.ukey(cast("Any", path).path))
    return sha256(path)


def delete(folder: Path) -> None:
    """The folder with all that is in it; nothing where it is not there."""
    import shutil

    if not is_remote(folder):
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.exists():
        cast("Any", folder).fs.rm(cast("Any", folder).path, recursive=True)
