"""A progress sink that keeps what is said."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from paretext.core import progress


class Said:
    def __init__(self) -> None:
        self.messages: list[str] = []

    def say(self, message: str) -> None:
        self.messages.append(message)

    @contextlib.contextmanager
    def task(self, label: str, total: int) -> Iterator[progress.Advance]:
        yield lambda n=1, note="": None


@contextlib.contextmanager
def said_to() -> Iterator[Said]:
    """What is said inside the block."""
    sink = Said()
    with progress.using(sink):
        yield sink
