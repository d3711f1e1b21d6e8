"""How library code tells what it is doing, without printing.

Library functions call `say` and `task`; both go to the sink that is current. By default that is
the logger `paretext`; the command line puts a sink there that draws progress bars, and so do whole
jobs that are called from Python, unless the logger has a handler.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Protocol

from paretext.core.escaping import visible

logger = logging.getLogger("paretext")

Advance = Callable[..., None]
"""`advance(n=1, note="")`: n more units are done; the note is shown beside the bar."""


class Sink(Protocol):
    def say(self, message: str) -> None: ...

    def task(self, label: str, total: int) -> contextlib.AbstractContextManager[Advance]: ...


class LogSink:
    """Messages and the begin and end of tasks as log records at level INFO, each of one line."""

    def say(self, message: str) -> None:
        logger.info("%s", visible(message))

    @contextlib.contextmanager
    def task(self, label: str, total: int) -> Iterator[Advance]:
        logger.info("%s: begins (%d)", visible(label), total)
        yield lambda n=1, note="": None
        logger.info("%s: done", visible(label))


class NotebookSink:
    """Messages and bars on standard error, or in a notebook: for whole jobs that a Python caller
    starts, where nothing else listens."""

    def say(self, message: str) -> None:
        from tqdm.auto import tqdm

        tqdm.write(visible(message), file=sys.stderr)

    @contextlib.contextmanager
    def task(self, label: str, total: int) -> Iterator[Advance]:
        from tqdm.auto import tqdm

        with tqdm(total=total or None, desc=visible(label), leave=False) as bar:

            def advance(n: int = 1, note: str = "") -> None:
                bar.update(n)
                if note:
                    bar.set_postfix_str(visible(note))

            yield advance


def shown() -> contextlib.AbstractContextManager[None]:
    """Inside, a job's progress can be seen, unless somebody listens already: a sink, or a handler
    of the logger."""
    listens = not isinstance(_sink.get(), LogSink) or logger.hasHandlers()
    return contextlib.nullcontext() if listens else using(NotebookSink())


class Silent:
    """For work that is done only to see whether it can be: nothing is told."""

    def say(self, message: str) -> None:
        pass

    @contextlib.contextmanager
    def task(self, label: str, total: int) -> Iterator[Advance]:
        yield lambda n=1, note="": None


_sink: ContextVar[Sink] = ContextVar("paretext_progress", default=LogSink())


def say(message: str) -> None:
    """Tell the user one thing, in one line."""
    _sink.get().say(message)


def task(label: str, total: int) -> contextlib.AbstractContextManager[Advance]:
    """A piece of work of `total` units (0: unknown); yields `advance(n=1, note="")`."""
    return _sink.get().task(label, total)


@contextlib.contextmanager
def using(sink: Sink) -> Iterator[None]:
    """Send what is said inside the block to `sink`."""
    token = _sink.set(sink)
    try:
        yield
    finally:
        _sink.reset(token)
