"""What the command line shows: progress, messages, tables. Only `cli` prints.

Whatever is printed goes through the two consoles below, for which every string is text: control
characters from data are shown and not obeyed, what looks like markup stays as it is, and what the
terminal's encoding does not have stands as a number. So give them strings, and no `Text`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich.cells import cell_len
from rich.console import Console, Group
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from paretext.files import read_json
from paretext.progress import Advance
from paretext.report.escaping import as_json, encodable, visible

if TYPE_CHECKING:
    from paretext.certification.certificate import Certificate
    from paretext.comparison import Comparison
    from paretext.verdict import Verdict


class _Plain(Console):
    """A console that shows each string as one line of text, whatever it holds."""

    def render_str(self, text: str, **settings: Any) -> Text:
        shown = encodable(visible(text), self.encoding)
        return super().render_str(shown, **{**settings, "markup": False, "emoji": False})

    def on_broken_pipe(self) -> None:
        """The reader has gone (`| head`): end quietly, and leave nothing to flush at exit."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
        raise SystemExit(1)


def _width(stream: TextIO | None) -> int | None:
    """Characters in a line; None where rich asks the terminal, and again when it changes."""
    if stream is None or not stream.isatty():
        return 120
    return 80 if os.environ.get("COLUMNS") == "0" else None  # rich would print nothing


out = _Plain(width=_width(sys.stdout))
err = _Plain(width=_width(sys.stderr), stderr=True, highlight=False)

_NARROWEST = 40
"""Characters that a table folds itself into; a narrower terminal breaks its lines."""
_EVERY_SECONDS = 30


class ConsoleSink:
    """Messages and bars on standard error; without a terminal, a line now and then."""

    def say(self, message: str) -> None:
        err.print(message, soft_wrap=True)

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
            err.print(f"{self.label}: {note}", soft_wrap=True)
        elif now - self.last > _EVERY_SECONDS:
            rate = (self.done - self.at_begin) / (now - self.begin)
            state = f"{self.done:,} done"
            if self.total and rate:
                left = _duration((self.total - self.done) / rate)
                state = f"{self.done:,} of {self.total:,}, about {left} left"
            err.print(f"{self.label}: {state}", soft_wrap=True)
            self.last = now


def _bars() -> Progress:
    return Progress(
        "{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        "{task.fields[note]}",
        console=err,
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], title: str = "", left: int = 1
) -> None:
    """A table on standard output; its first `left` columns are words, the others numbers."""
    grid = _grid(title)
    for place, name in enumerate(head):
        grid.add_column(name, justify="left" if place < left else "right", overflow="fold")
    for row in rows:
        grid.add_row(*row)
    out.print(grid, crop=False)


def pairs(values: Mapping[str, Any], title: str = "") -> None:
    """Names and values, one pair a line; of lists and mappings, one entry a line."""
    grid = _grid(title, show_header=False, box=None)
    grid.add_column(style="bold", overflow="fold")
    grid.add_column(overflow="fold")
    for name, value in values.items():
        grid.add_row(name, Group(*_entries(value)))
    out.print(grid, crop=False)


def _grid(title: str, **settings: Any) -> Table:
    width = _NARROWEST if out.width < _NARROWEST else None
    return Table(title=title or None, title_justify="left", width=width, **settings)


def _entries(value: Any) -> list[str]:
    if isinstance(value, list | tuple):
        return list(map(str, value))
    if isinstance(value, Mapping):
        return [f"{name}: {each}" for name, each in value.items()]
    return [str(value)]


def line(text: str = "") -> None:
    """One line on standard output, however long."""
    out.print(text, soft_wrap=True)


def complain(sentence: str) -> None:
    """What went wrong, in one line on standard error."""
    err.print(f"paretext: {sentence}", soft_wrap=True)


def show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """A library's warning, which may quote data, in one line; in place of Python's own way."""
    err.print(f"{category.__name__}: {message}", soft_wrap=True)


def dump(value: Any) -> None:
    """JSON for machines on standard output."""
    try:
        out.file.write(as_json(value, out.encoding) + "\n")
        out.file.flush()
    except BrokenPipeError:
        out.on_broken_pipe()


def show_verdict(verdict: Verdict) -> None:
    """What a verb ends with: lines broken between words only, and the next step ready to copy."""
    line()
    for sentence in (verdict.headline, " ".join(verdict.sentences)):
        shown = encodable(visible(sentence), out.encoding)
        for each in _wrapped(shown, out.width) if sentence else ():
            out.print(each, soft_wrap=True)
    for step in (verdict.command, verdict.python):
        if step is not None:
            out.print(f"  {step}", soft_wrap=True, highlight=False)


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells, or of one word that is longer: a path stays whole."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and cell_len(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def dump_with(verdict: Verdict, values: Mapping[str, Any]) -> None:
    """JSON for machines, the verdict under its own key."""
    dump({**values, "verdict": verdict.model_dump(mode="json")})


def show_comparison(folder: Path, verdict: Verdict, as_json: bool) -> None:
    """The table, what to know of it, where the files are, and the verdict."""
    from paretext.comparison import Comparison
    from paretext.report import steps
    from paretext.report.run_page import page_of
    from paretext.report.table import BRIEF, brief_cells, notes

    if as_json:
        remedy = "make one with: paretext compare"
        dump_with(verdict, read_json(folder / "comparison.json", remedy, dict))
        return
    comparison = Comparison.read(folder)
    table(BRIEF, brief_cells(comparison), title=f"{comparison.data['texts']:,} texts")
    for row in steps.versions(comparison.rows):
        if found := steps.cells(comparison, row.version):
            table(steps.COLUMNS, found, title=f"{row.version}, each step against the one before")
    _show_certificates(comparison)
    for sentence in notes(comparison):
        line(sentence)
    line()
    line(f"Wrote {folder}: comparison.md, comparison.csv, comparison.json and pictures.")
    if page := page_of(folder.parent):
        line(f"Everything on one page, to open in a browser: {page}")
    show_verdict(verdict)


def _show_certificates(comparison: Comparison) -> None:
    """Which hold, in a word each; the page says which clauses do not."""
    from paretext.report.certificate import BADGES
    from paretext.report.steps import versions

    badges = [(row.version, row.certificate) for row in versions(comparison.rows)]
    rows = [(name, BADGES[badge.verdict], badge.reference) for name, badge in badges if badge]
    if rows:
        table(("version", "certificate", "against"), rows, left=3)


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
    if artifact is not None:
        place = folder or artifact.resolve().parent
        line()
        line(
            f"Wrote {artifact / CERTIFICATE}, a section in {artifact / CARD}, and "
            f"{place / str(certificate.flips.file)}."
        )
