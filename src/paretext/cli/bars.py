"""Progress on standard error: bars on a terminal, lines in a pipe, and never silent for long."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from paretext.cli import console
from paretext.core.escaping import visible
from paretext.core.progress import Advance

_FIRST_SECONDS, _EVERY_SECONDS = (2, 8), 30
_NOTE_SECONDS = 10
"""A note that comes sooner after the one before waits; a later one takes its place."""
_SPINNING = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
"""Of work whose length nobody knows."""
_BAR, _TIMES = 40, 16
"""The longest bar, and what the times behind it take."""


class ConsoleSink:
    """Messages and bars on standard error; without a terminal, a line now and then."""

    def say(self, message: str) -> None:
        console.tell(console.err, message)

    @contextlib.contextmanager
    def task(self, label: str, total: int) -> Iterator[Advance]:
        if console.err.is_terminal and not total:
            with Progress(*_SPINNING, console=console.err, transient=True) as spinner:
                bar = spinner.add_task(label, total=None)

                def counted(n: int = 1, note: str | None = None) -> None:
                    spinner.update(bar, advance=n)
                    done = f"{spinner.tasks[0].completed:,.0f}"
                    spinner.update(bar, description=f"{label}: {done}")

                yield counted
        elif console.err.is_terminal:
            with _Bars(label, total) as bars:
                bar = bars.add_task(label, total=total, note="")
                yield lambda n=1, note=None: bars.update(
                    bar, advance=n, **({} if note is None else {"note": note})
                )
        else:
            lines = _Lines(label, total)
            try:
                yield lines
            finally:
                lines.end()


class _Lines:
    """Progress as lines, for logs: a note now and then and the last one, and the state of things,
    also while one unit takes long: what is at work after two seconds, what is left after ten, and
    then twice a minute."""

    def __init__(self, label: str, total: int) -> None:
        self.label, self.total, self.done = label, total, 0
        self.begin = time.monotonic()
        self.at_begin: int | None = None
        self.noted, self.waiting = float("-inf"), ""
        self.ended = threading.Event()
        self.teller = threading.Thread(target=self._tell, daemon=True)
        self.teller.start()

    def __call__(self, n: int = 1, note: str | None = None) -> None:
        if self.at_begin is None:
            self.at_begin = n if n > 1 else 0  # what an earlier process had done
        self.done += n
        self.waiting = note or self.waiting
        if time.monotonic() >= self.noted + _NOTE_SECONDS:
            self._note()

    def end(self) -> None:
        self.ended.set()
        self.teller.join()
        self._note()

    def _note(self) -> None:
        if self.waiting:
            console.err.print(f"{self.label}: {self.waiting}", soft_wrap=True)
            self.noted, self.waiting = time.monotonic(), ""

    def _tell(self) -> None:
        for seconds in itertools.chain(_FIRST_SECONDS, itertools.repeat(_EVERY_SECONDS)):
            if self.ended.wait(seconds):
                return
            console.err.print(f"{self.label}: {self._state()}", soft_wrap=True)

    def _state(self) -> str:
        done, before = self.done, self.at_begin or 0
        if not self.total:
            return f"{done:,} done"
        if done == before:
            return f"{done:,} of {self.total:,}"
        left = (time.monotonic() - self.begin) / (done - before) * (self.total - done)
        return f"{done:,} of {self.total:,}, about {_duration(left)} left"


class _Bars(Progress):
    """A bar within the terminal's width; its note, and a label too long for it, on own lines."""

    def __init__(self, label: str, total: int) -> None:
        counts = 2 * len(str(total or 10**6)) + 1
        room = console.err.width - counts - _TIMES - 2
        beside = cell_len(visible(label)) + 1
        self.label = "" if beside + _BAR // 4 <= room else label
        super().__init__(
            *(() if self.label else ("{task.description}",)),
            BarColumn(max(min(_BAR, room - (0 if self.label else beside)), 4)),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console.err,
        )

    def get_renderables(self) -> Iterator[RenderableType]:
        if self.label:
            yield self.label
        yield from super().get_renderables()
        yield from (note for task in self.tasks if (note := task.fields["note"]))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
