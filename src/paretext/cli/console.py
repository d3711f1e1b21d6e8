"""What the command line shows: messages, tables, verdicts. Only `cli` prints.

Whatever is printed goes through the two consoles below, for which every string is text: control
characters from data are shown and not obeyed, what looks like markup stays as it is, and what the
terminal's encoding does not have stands as a number. So give them strings, and no `Text`.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich.cells import cell_len
from rich.console import Console, Group, JustifyMethod
from rich.table import Table
from rich.text import Text

from paretext.cli.layout import fold, layout, wrap
from paretext.core.escaping import as_json, encodable, visible
from paretext.core.files import read_json

if TYPE_CHECKING:
    from paretext.certification.certificate import Certificate
    from paretext.core.verdict import Verdict
    from paretext.measure.comparison import Comparison


_PIPED = 80
"""Columns of a pipe and of a file, where the environment does not set COLUMNS."""


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
    """Characters in a line: COLUMNS where it is set, else `_PIPED` where it is no terminal; None
    where rich asks the terminal, and again when it changes."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal():
        return int(columns) or _PIPED  # rich would print nothing into 0
    return None if stream is not None and stream.isatty() else _PIPED


# rich would highlight halves of numbers: the 12. of 12.5x, the 1 and the 234 of 1,234
out = _Plain(width=_width(sys.stdout), highlight=False)
err = _Plain(width=_width(sys.stderr), stderr=True, highlight=False)

_NARROWEST = 40
"""Columns that a table fits itself into; a narrower terminal breaks its lines."""
_MOST_CLASSES = 10
"""Of a certificate's table of classes."""
_PART_RANKS = (9, 0, 8, 4, 5, 6, 3, 2, 1, 7)
"""The label, the verdict and by how much it is worse, before the rest."""


def tell(console: Console, text: str) -> None:
    """One line where it is piped; a terminal gets it broken at words.

    What begins with a blank is a command to copy, and a path may be longer than the line:
    both are left to the terminal, which gives them back whole.
    """
    whole = not console.is_terminal or text.startswith(" ")
    shown = encodable(visible(text), console.encoding)
    for each in [text] if whole else wrap(shown, console.width):
        console.print(each, soft_wrap=True)


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    title: str = "",
    left: int = 1,
    *,
    ranks: Sequence[int] = (),
    elsewhere: str = "a wider terminal shows them",
) -> None:
    """A table on standard output, within its width; numbers are neither cut nor folded.

    left: how many columns are words; the others are numbers, and stand to the right.
    ranks: of each column, the least important the highest; by default the first are the most
        important. Those that have no room are left out, and a line below names them.
    elsewhere: where what was left out can be seen, the end of that line.
    """
    width = max(out.width, _NARROWEST)
    cells = [[encodable(visible(cell), out.encoding) for cell in row] for row in (head, *rows)]
    shown = layout(cells[0], cells[1:], left, ranks or range(len(head)), width)
    grid = Table(width=sum(shown.values()) + 3 * len(shown) + 1)
    for place, own in shown.items():
        justify: JustifyMethod = "left" if place < left else "right"
        grid.add_column(_folded(cells[0][place], own), justify=justify, width=own)
    for row in cells[1:]:
        grid.add_row(*(_folded(row[place], own) for place, own in shown.items()))
    if title:
        line(title)
    out.print(grid, crop=False)
    if len(shown) < len(head):
        absent = ", ".join(name for place, name in enumerate(head) if place not in shown)
        line(f"Left out for want of room: {absent}; {elsewhere}.")


def pairs(values: Mapping[str, Any], title: str = "") -> None:
    """Names and values, one pair a line; of lists and mappings, one entry a line."""
    width = max(out.width, _NARROWEST)
    names = {name: encodable(visible(name), out.encoding) for name in values}
    own = min(max(map(cell_len, names.values()), default=0), width // 2)
    rest = width - own - 4
    grid = Table(show_header=False, box=None, width=own + rest + 4)
    grid.add_column(style="bold", width=own)
    grid.add_column(width=rest)
    for name, value in values.items():
        entries = [encodable(visible(entry), out.encoding) for entry in _entries(value)]
        lines = [each for entry in entries for each in fold(entry, rest)]
        grid.add_row(_folded(names[name], own), Group(*lines))
    if title:
        line(title)
    out.print(grid, crop=False)


def _folded(text: str, width: int) -> Group:
    return Group(*fold(text, width))


def _entries(value: Any) -> list[str]:
    if isinstance(value, list | tuple):
        return list(map(str, value))
    if isinstance(value, Mapping):
        return [f"{name}: {each}" for name, each in value.items()]
    return [str(value)]


def line(text: str = "") -> None:
    """A sentence on standard output (`tell` says how it is broken)."""
    tell(out, text)


def complain(sentence: str) -> None:
    """What went wrong, on standard error."""
    tell(err, f"paretext: {sentence}")


def show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """A library's warning, which may quote data; in place of Python's own way."""
    tell(err, f"{category.__name__}: {message}")


def dump(value: Any, indent: int | None = 2) -> None:
    """JSON for machines on standard output; indent None: on one line."""
    try:
        out.file.write(as_json(value, out.encoding, indent) + "\n")
        out.file.flush()
    except BrokenPipeError:
        out.on_broken_pipe()


def show_verdict(verdict: Verdict) -> None:
    """What a verb ends with, and the next step ready to copy."""
    line()
    for sentence in (verdict.headline, " ".join(verdict.sentences)):
        if sentence:
            line(sentence)
    for step in (verdict.command, verdict.python):
        if step is not None:
            line(f"  {step}")


def dump_with(verdict: Verdict, values: Mapping[str, Any]) -> None:
    """JSON for machines, the verdict under its own key."""
    dump({**values, "verdict": verdict.model_dump(mode="json")})


def show_comparison(folder: Path, verdict: Verdict, as_json: bool) -> None:
    """The table, what to know of it, where the files are, and the verdict."""
    from paretext.measure import ranking
    from paretext.measure.comparison import AGAIN, Comparison
    from paretext.report import attribution
    from paretext.report.run_page import page_of
    from paretext.report.table import BRIEF, brief_cells, notes

    if as_json:
        dump_with(verdict, read_json(folder / "comparison.json", AGAIN, dict))
        return
    comparison = Comparison.read(folder)
    title = f"{comparison.data['texts']:,} texts; {ranking.in_words(comparison.rows)}"
    table(BRIEF, brief_cells(comparison), title, elsewhere="comparison.md has all")
    for row in ranking.versions(comparison.rows):
        if steps := attribution.cells(comparison, row.version):
            table(
                attribution.COLUMNS,
                steps,
                title=f"{row.version}, each step against the one before",
                elsewhere="comparison.md has all",
            )
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
    from paretext.certification.wording import BADGES
    from paretext.measure.ranking import versions

    badges = [(row.version, row.certificate) for row in versions(comparison.rows)]
    rows = [(name, BADGES[badge.verdict], badge.reference) for name, badge in badges if badge]
    if rows:
        table(("version", "certificate", "against"), rows, left=3)


def show_certificate(
    certificate: Certificate, artifact: Path | None = None, folder: Path | None = None
) -> None:
    """The clauses, the classes that are not held, and where what was written."""
    from paretext.certification import wording as report
    from paretext.certification.certify import flips_folder
    from paretext.certification.notes import notes
    from paretext.certification.operating import RULE
    from paretext.runtime.manifest import CARD, CERTIFICATE

    clauses = report.clause_rows(certificate)
    table(report.CLAUSE_COLUMNS, clauses, title="Certificate", ranks=(0, 3, 2, 4, 1, 5))
    parts = [row for row in report.part_rows(certificate) if row[8] != report.BADGES["holds"]]
    parts.sort(key=lambda row: row[8] != report.BADGES["broken"])
    if parts:
        title = "Classes of which it is not shown that they hold"
        shown = parts[:_MOST_CLASSES]
        table(report.PART_COLUMNS, shown, title=title, left=2, ranks=_PART_RANKS)
    if len(parts) > _MOST_CLASSES:
        line(f"And {len(parts) - _MOST_CLASSES:,} classes more; {CERTIFICATE} has all.")
    points = [row for row in report.point_rows(certificate) if row[1] == RULE]
    if points:
        table(report.POINT_COLUMNS, points[:_MOST_CLASSES], title=report.AT_THRESHOLDS, left=2)
    for each in notes(certificate):
        line(each)
    if artifact is not None:
        place = folder or flips_folder(artifact)
        line()
        line(
            f"Wrote {artifact / CERTIFICATE}, a section in {artifact / CARD}, and "
            f"{place / str(certificate.flips.file)}."
        )


def show_unlabelled(certificate: Certificate, path: Path) -> None:
    """What is known without labels, and which texts to label."""
    from paretext.core.records import proportion

    record, flips = certificate.unlabelled, certificate.flips
    assert record is not None
    texts = certificate.data.texts
    share = proportion(flips.flipped, texts, certificate.budget.confidence)
    line()
    line(
        f"{flips.flipped:,} of {texts:,} answers differ: {share.estimate:.2%} ({share.low:.2%} to "
        f"{share.high:.2%}). If each of these were a loss, accuracy would drop by at most "
        f"{record.largest_drop:.2%}."
    )
    rows = [
        (each.label, f"{each.reference / texts:.2%}", f"{each.candidate / texts:.2%}")
        for each in sorted(record.rates, key=lambda each: -abs(each.candidate - each.reference))
    ]
    names = (certificate.reference.name, certificate.candidate.name)
    line()
    table(("label", *names), rows[:_MOST_CLASSES], title="How often each label is answered")
    if len(rows) > _MOST_CLASSES:
        line(f"Those that differ most; certificate.json has the other {len(rows) - _MOST_CLASSES}.")
    if record.left_out:
        line(
            f"Left out, since these texts say nothing of it: {', '.join(record.left_out)}"
            + ("." if record.beside else "; labelled texts (--eval) tell of recall and macro-F1.")
        )
    if record.labelled < flips.flipped:
        line(
            f"To label, from the top: {path} ({flips.flipped:,} flipped texts in random order, "
            f"{record.labelled:,} with a label). A label is one of the models' names, or ? where "
            "nobody can tell."
        )


def open_page(page: Path) -> None:
    """Say where a page is, and open it where there is a browser."""
    import webbrowser

    if not page.is_file():
        return
    line(f"To label on, in a browser: {page}")
    with contextlib.suppress(webbrowser.Error):
        webbrowser.open(page.resolve().as_uri())
