"""What the command line shows: progress, messages, tables. Only `cli` prints."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from paretext.files import read_json
from paretext.progress import Advance

if TYPE_CHECKING:
    from paretext.certification.certificate import Certificate

out = Console(width=None if sys.stdout.isatty() else 120)
err = Console(stderr=True, highlight=False)

_EVERY_SECONDS = 30


class ConsoleSink:
    """Messages and bars on standard error; without a terminal, a line now and then."""

    def say(self, message: str) -> None:
        err.print(message, markup=False, soft_wrap=True)

    @contextlib.contextmanager
    def task(self, label: str, total: int) -> Iterator[Advance]:
        if err.is_terminal:
            with _bars() as bars:
                bar = bars.add_task(label, total=total or None, note="")
                yield lambda n=1, note=None: bars.update(
                    bar, advance=n, **({} if note is None else {"note": note})
                )
        else:
            yield _Lines(label, total)


class _Lines:
    """Progress as lines, for logs: every note, and the state of things twice a minute."""

    def __init__(self, label: str, total: int) -> None:
        self.label, self.total, self.done = label, total, 0
        self.last = self.begin = time.monotonic()
        self.at_begin: int | None = None

    def __call__(self, n: int = 1, note: str | None = None) -> None:
        if self.at_begin is None:
            self.at_begin = n if n > 1 else 0  # what an earlier process had done
        self.done += n
        now = time.monotonic()
        if note:
            err.print(f"{self.label}: {note}", markup=False, soft_wrap=True)
        elif now - self.last > _EVERY_SECONDS:
            rate = (self.done - self.at_begin) / (now - self.begin)
            state = f"{self.done:,} done"
            if self.total and rate:
                left = _duration((self.total - self.done) / rate)
                state = f"{self.done:,} of {self.total:,}, about {left} left"
            err.print(f"{self.label}: {state}", markup=False, soft_wrap=True)
            self.last = now


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=err,
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], title: str = "", left: int = 1
) -> None:
    """A table on standard output; its first `left` columns are words, the others numbers."""
    grid = Table(*head, title=title or None, title_justify="left")
    for column in grid.columns[left:]:
        column.justify = "right"
    for row in rows:
        grid.add_row(*map(Text, row))  # texts from data may hold what looks like markup
    out.print(grid)


def pairs(values: dict[str, Any], title: str = "") -> None:
    """Names and values, one pair a line."""
    grid = Table(show_header=False, title=title or None, title_justify="left", box=None)
    for name, value in values.items():
        grid.add_row(f"[bold]{name}[/bold]", _plain(str(value)))
    out.print(grid)


def line(text: str) -> None:
    out.print(text, markup=False, soft_wrap=True)


def dump(value: Any) -> None:
    """JSON for machines on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def show_comparison(folder: Path, as_json: bool) -> None:
    """The table, what it says, and where the files are."""
    from paretext.comparison import Comparison
    from paretext.report import steps
    from paretext.report.table import (
        BRIEF,
        CERTIFICATES,
        brief_cells,
        certificate_cells,
        sentences,
    )

    if as_json:
        dump(read_json(folder / "comparison.json", "make one with: paretext compare", dict))
        return
    comparison = Comparison.read(folder)
    table(BRIEF, brief_cells(comparison), title=f"{comparison.data['texts']:,} texts")
    for row in steps.versions(comparison.rows):
        if found := steps.cells(comparison, row.version):
            table(steps.COLUMNS, found, title=f"{row.version}, each step against the one before")
    if certified := certificate_cells(comparison):
        table(CERTIFICATES, certified)
    for sentence in sentences(comparison):
        line(f"- {sentence}")
    line(f"\nWrote {folder}: comparison.md, comparison.csv, comparison.json and pictures.")


def show_page(run: Path) -> None:
    """Where a run's page is."""
    from paretext.report.run_page import FOLDER, PAGE

    line(f"Everything on one page, to open in a browser: {run / FOLDER / PAGE}")


def show_certificate(
    certificate: Certificate, artifact: Path | None = None, folder: Path | None = None
) -> None:
    """The clauses, the classes that are not held, and where what was written."""
    from paretext.manifest import CARD, CERTIFICATE
    from paretext.report import certificate as report

    table(report.CLAUSE_COLUMNS, report.clause_rows(certificate), title="Certificate")
    open_parts = [row for row in report.part_rows(certificate) if row[8] != report.BADGES["holds"]]
    if open_parts:
        table(report.PART_COLUMNS, open_parts, title="Classes that do not hold")
    line(report.headline(certificate))
    if artifact is not None:
        place = folder or artifact.resolve().parent
        line(
            f"\nWrote {artifact / CERTIFICATE}, a section in {artifact / CARD}, and "
            f"{place / str(certificate.flips.file)}."
        )


def readable(value: Any) -> str:
    """Lists and mappings one entry a line, anything else as it is."""
    if isinstance(value, list | tuple):
        return "\n".join(map(str, value))
    if isinstance(value, dict):
        return "\n".join(f"{name}: {each}" for name, each in value.items())
    return str(value)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")
