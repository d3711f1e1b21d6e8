"""Ways in which a file on disk is not what was written."""

from __future__ import annotations

import json
from pathlib import Path


def empty(path: Path) -> None:
    """As a power cut leaves a file that was renamed before it was written through."""
    path.write_bytes(b"")


def cut(path: Path) -> None:
    """As a full disk or a broken copy leaves it."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def garble(path: Path) -> None:
    """As long as it was, and other bytes in the middle."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 16] = b"\xff\x00garbage\xfe{]\x80\n!"[: len(content) - middle]
    path.write_bytes(bytes(content))


def another_kind(path: Path) -> None:
    """JSON, and of another kind than it was: a list in place of an object."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        values = []
    path.write_text("{}" if isinstance(values, list) else "[1, 2]", encoding="utf-8")


DAMAGES = (empty, cut, garble, another_kind)
