"""The run as one self-contained page: `report.html`, and the same data beside it, `report.json`.

`run_gather` reads the run's folder, `conclusion` says what to make of it, `pictures` works out
where marks stand, and `templates/run.html` lays it out. What keeps the page self-contained and
safe: `page`. Its one script sorts the table of versions; without it the page reads the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from paretext.certification import wording as certificates
from paretext.certification.notes import notes
from paretext.certification.wording import BADGES
from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.escaping import visible
from paretext.core.files import new_folder, write_text
from paretext.core.locks import change
from paretext.core.ownership import require_own_file
from paretext.core.records import Interval
from paretext.core.run_folder import RunFolder
from paretext.core.wording import sentence
from paretext.measure.rounds import Ratio
from paretext.report import attribution, page, pictures
from paretext.report.drawing import shorten
from paretext.report.figures import MOST_MATRIX, confusions, percent
from paretext.report.numbers import faster, megabytes, seconds, signed, times
from paretext.report.run_data import ClassMeasured, RunReport, VersionRow
from paretext.report.run_gather import gather
from paretext.report.table import timed

PAGE, DATA = "report.html", "report.json"
DATA_MARK = '"made_by": "'
MOST_CLASSES = 30
"""Classes whose differences are all drawn; of more, those whose change is shown, and then those
that changed most, FEW_CLASSES of them; report.json has all."""
FEW_CLASSES = 10
MOST_PARTS = 120
"""Rows of a certificate's table of classes; certificate.json has all."""
_CONFUSIONS = 20
_LEVELS = 10  # shades of a confusion matrix
_COSTS = (
    ("batch1_ms_p50", "Latency, one text at a time", "milliseconds, log scale", "ms"),
    ("batch32_ms_per_text", "Latency in batches of 32", "milliseconds a text, log scale", "ms"),
    ("bytes", "Size of what is deployed", "megabytes, log scale", "MB"),
)


def write_report(run: str | Path, out: str | Path | None = None) -> tuple[Path, RunReport]:
    """Write report.html and report.json for a run's folder, finished or not.

    run: what `paretext run --out` was given.
    out: folder to write (default: report/ in the run). Only the two files in it are replaced.

    Returns the page's path and its data. Raises ParetextError for a folder that holds no run, where
    the two files are somebody else's, and where Jinja2 is not installed.
    """
    run = Path(run)
    folder = Path(out) if out else RunFolder(run).report
    report = gather(run)
    html = render(report, links_from(folder, run))
    data = report.model_dump_json(indent=2) + "\n"
    with change(folder):
        require_own_file(folder / PAGE, page.GENERATOR)
        require_own_file(folder / DATA, DATA_MARK)
        if not folder.exists():
            with new_folder(folder) as partial:
                write_text(partial / PAGE, html)
                write_text(partial / DATA, data)
        else:
            write_text(folder / DATA, data)
            write_text(folder / PAGE, html)
    return folder / PAGE, report


def renew_report(run: Path) -> None:
    """The page of a run that something else has changed; where it cannot be written, it is said,
    since what was asked for is done."""
    try:
        write_report(run)
    except ParetextError as error:
        progress.say(f"the page of {run} is not written anew: {error}")


def page_of(run: Path) -> Path | None:
    """Where a run's page is, if it was written."""
    page = RunFolder(run).report / PAGE
    return page if page.is_file() else None


def links_from(folder: Path, run: Path) -> str:
    """The way from a page in `folder` to the run's folder, as a link begins."""
    return quote(Path(os.path.relpath(run.resolve(), folder.resolve())).as_posix()) + "/"


def render(report: RunReport, base: str = "../") -> str:
    """The page as HTML; `base` leads from it to the run's folder."""
    return page.render("run.html", _values(report, base), script="sort.js")


def _values(report: RunReport, base: str) -> dict[str, Any]:
    rows = report.versions
    numbers = {row.version: number for number, row in enumerate(rows, 1)}
    drawn = [row for row in rows if row.macro_f1 and min(row.batch1_ms_p50, row.bytes) > 0]
    # A time that nobody may quote has no place on an axis either.
    timed = [row for row in drawn if not row.unsteady]
    return {
        "report": report,
        "base": base,
        "badges": BADGES,
        "numbers": numbers,
        "shorten": shorten,
        "chosen": next((row for row in rows if row.version == report.conclusion.version), None),
        "lacking": [each.part for each in report.missing],
        "columns": COLUMNS,
        "table_rows": [_cells(row, numbers[row.version]) for row in rows],
        "drawn": drawn,
        "panels": [
            {
                **pictures.scatter(shown, [numbers[row.version] for row in shown], cost),
                **{"title": title, "axis": axis, "unit": unit},
            }
            for cost, title, axis, unit in _COSTS
            if (shown := drawn if cost == "bytes" else timed)
        ],
        "size": pictures,
        "differences": _differences(rows),
        "unchanged": [row for row in rows if row.macro_f1_drop and not _most_changed(row.classes)],
        "matrices": _matrices(rows),
        "certified": [
            {
                "version": each.version,
                "certificate": each.certificate,
                "headline": sentence(certificates.headline(each.certificate)),
                "clauses": list(map(_verdict_first, certificates.clause_rows(each.certificate))),
                "parts": certificates.part_rows(each.certificate),
                "notes": notes(each.certificate),
                "points": certificates.point_rows(each.certificate),
                "slices": certificates.slice_rows(each.certificate),
            }
            for each in report.certificates
        ],
        "clause_columns": _numbers(_verdict_first(certificates.CLAUSE_COLUMNS), 2, 5),
        "part_columns": _numbers(certificates.PART_COLUMNS, 3, 8),
        "at_thresholds": certificates.AT_THRESHOLDS,
        "point_columns": _numbers(certificates.POINT_COLUMNS, 2, 6),
        "slice_columns": _numbers(certificates.SLICE_COLUMNS, 2, 5),
        "most_parts": MOST_PARTS,
        "most_classes": MOST_CLASSES,
        "class_columns": ["class", *(f"#{visible(row.version)}" for row in rows)],
        "step_columns": _numbers(attribution.COLUMNS, 1, len(attribution.COLUMNS)),
        "curves": [
            (each, pictures.by_epoch(each.history))
            for each in report.candidates
            if len(each.history) > 1
        ],
        "trained": any(each.history for each in report.candidates),
        "settings": list(_flat(report.settings or {})),
    }


COLUMNS = (
    ("#", "ascending"),
    ("version", "ascending"),
    ("macro-F1", "descending"),
    ("drop from parent", "ascending"),
    ("certificate", "ascending"),
    ("MB", "ascending"),
    ("ms at 1", "ascending"),
    ("ms at 32", "ascending"),
    ("texts/s", "descending"),
    ("faster at 1", "descending"),
    ("faster at 32", "descending"),
    ("smaller", "descending"),
    ("peak MB", "ascending"),
    ("first answer, s", "ascending"),
)
"""Of the table of versions: a name, and which way the first click sorts."""


def _cells(row: VersionRow, number: int) -> list[dict[str, Any]]:
    """Text, a second line, and the value to sort by, under COLUMNS."""
    return [
        _cell(str(number), number),
        _cell(row.version, row.version, f"against {row.parent}" if row.parent else ""),
        _scored(row.macro_f1, "{:.4f}".format),
        _scored(row.macro_f1_drop, signed),
        _cell("", row.verdict or ""),
        _cell(megabytes(row.bytes), row.bytes),
        _cell(timed(f"{row.batch1_ms_p50:.2f}", row.unsteady), row.batch1_ms_p50),
        _cell(timed(f"{row.batch32_ms_per_text:.2f}", row.unsteady), row.batch32_ms_per_text),
        _cell(timed(f"{row.bulk_texts_per_second:,.0f}", row.unsteady), row.bulk_texts_per_second),
        _cell(faster(row.faster_batch1), _by(row.faster_batch1)),
        _cell(faster(row.faster_batch32), _by(row.faster_batch32)),
        _cell(times(row.smaller, "", "larger", 1), row.smaller),
        _cell(f"{row.peak_memory_bytes / 1e6:.0f}", row.peak_memory_bytes),
        _cell(timed(seconds(row.first_answer_ms), row.start_unsteady), row.first_answer_ms),
    ]


def _by(ratio: Ratio | None) -> float | str:
    """What a speed is sorted by."""
    return "" if ratio is None else ratio.estimate


def _verdict_first(row: Sequence[str]) -> tuple[str, ...]:
    """A row of clauses with its verdict beside the name, where a narrow screen shows it."""
    name, *figures, verdict, needed = row
    return name, verdict, *figures, needed


def _numbers(columns: Sequence[str], first: int, end: int) -> list[str]:
    """The names of columns, with the sign of numbers before those from `first` up to `end`."""
    return [f"#{name}" if first <= i < end else name for i, name in enumerate(columns)]


def _cell(text: str, value: str | float, note: str = "") -> dict[str, Any]:
    return {"text": text, "value": value, "note": note}


def _scored(span: Interval | None, written: Callable[[float], str]) -> dict[str, Any]:
    if span is None:
        return _cell("", "")
    interval = "withheld" if span.is_withheld else f"[{written(span.low)}, {written(span.high)}]"
    return _cell(written(span.estimate), span.estimate, interval)


def _differences(rows: Sequence[VersionRow]) -> list[dict[str, Any]]:
    """Each version's classes with their drops in F1, those left out that did not change.
    Versions made from the parent share a scale; other candidates, which may differ far more, have
    their own."""
    shown = [(row, _most_changed(row.classes)) for row in rows if row.macro_f1_drop]
    shown = [(row, classes) for row, classes in shown if classes]  # a card of zeros says nothing
    own = [each for each in shown if each[0].derived]
    others = [[each] for each in shown if not each[0].derived]
    cards = []
    for group in (own, *others):
        flat = [each.f1_drop for _, classes in group for each in classes]
        scale = pictures.strips(flat)
        strips = iter(scale["strips"])
        for row, classes in group:
            cards.append(
                {
                    "row": row,
                    "most": scale["most"],
                    "unchanged": sum(map(_is_unchanged, row.classes)),
                    "classes": [
                        {"of": each, "strip": next(strips), "said": _said(each.f1_drop)}
                        for each in classes
                    ],
                }
            )
    return cards


def _most_changed(classes: Sequence[ClassMeasured]) -> list[ClassMeasured]:
    changed = [each for each in classes if not _is_unchanged(each)]
    if len(classes) <= MOST_CLASSES:
        return changed
    ordered = sorted(
        changed,
        key=lambda c: (not _said(c.f1_drop), -abs(c.f1_drop.estimate) if c.f1_drop else 0),
    )
    return ordered[:FEW_CLASSES]


def _is_unchanged(each: ClassMeasured) -> bool:
    """Whether its F1 is the same to four digits, or undefined: such a row says nothing."""
    return each.f1_drop is None or round(each.f1_drop.estimate, 4) == 0


def _said(drop: Interval | None) -> str:
    """Colour and shape of the mark, in a word."""
    if drop is None:
        return ""
    return "worse" if drop.low > 0 else "better" if drop.high < 0 else ""


def _matrices(rows: Sequence[VersionRow]) -> list[dict[str, Any]]:
    """One for each way to answer: versions whose matrix is the same share it."""
    alike: dict[str, list[VersionRow]] = {}
    for row in rows:
        alike.setdefault(str(row.confusion), []).append(row)
    return [
        {**_matrix(group[0]), "version": ", ".join(row.version for row in group)}
        for group in alike.values()
    ]


def _matrix(row: VersionRow) -> dict[str, Any]:
    """The confusion matrix, a shade for each cell by its share of the row; or its largest cells."""
    labels = [each.label for each in row.classes]
    off = [
        (count, labels[truth], labels[answer], count / sum(row.confusion[truth]))
        for truth, answer, count in confusions(row.confusion)
    ]
    fits = len(labels) <= MOST_MATRIX
    return {
        "version": row.version,
        "labels": labels,
        "errors": sum(cell[0] for cell in off),
        "texts": sum(map(sum, row.confusion)),
        "largest": off[:_CONFUSIONS],
        "rows": [
            (
                label,
                [
                    (count, percent(count, sum(counts)), _shade(count, sum(counts)))
                    for count in counts
                ],
            )
            for label, counts in zip(labels, row.confusion, strict=True)
        ]
        if fits
        else [],
    }


def _shade(count: int, total: int) -> int:
    """0 for nothing, else 1 to 10: something is never shown as nothing."""
    return max(1, round(_LEVELS * count / total)) if count else 0


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Settings one a line; the versions have a section of their own."""
    rows = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{name}.")
        elif name != "versions":
            listed = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            rows.append((f"{prefix}{name}", "none" if value is None else listed))
    return rows
