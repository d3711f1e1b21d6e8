"""How a table finds room on a terminal: which columns stay, how wide each is, where texts fold.

A number is never cut and never folded. Columns have a rank; where not all fit, the most important
ones that do are shown. Names fold behind blanks, hyphens, underscores, slashes and dots, and
between wide characters, which have no blanks (Unicode Standard Annex 14, in its simplest form).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.cells import cell_len, chop_cells

_COMFORT, _LONGEST_PIECE = 16, 24
"""Cells that a name gets before it folds, and that a piece of it gets before it is cut."""
_WIDE = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff01-\uff60"
_INSIDE = re.compile(rf"(?<=[-_/\\.:,;])(?=[^\W\d_])|(?<=[{_WIDE}])(?=[{_WIDE}])")
_FIGURE = re.compile(r"(about )?[-+<>≥≤~[(]*\d")


def wrap(text: str, width: int) -> list[str]:
    """The sentence in lines of at most `width` cells; a path that is longer stays whole."""
    lines = [""]
    for word in re.split(r"(?<=\s)(?=\S)", text):
        long = cell_len(word.rstrip()) > width and "/" not in word
        for part in _INSIDE.split(word) if long else [word]:
            if lines[-1] and cell_len(lines[-1] + part.rstrip()) > width:
                lines.append("")
            lines[-1] += part
    return [line.rstrip() for line in lines]


def fold(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` cells."""
    lines = [""]
    for word in re.findall(r"\s*\S+", text):
        if cell_len(lines[-1] + word) <= width:
            lines[-1] += word
            continue
        lines.append("")
        for piece in _INSIDE.split(word.lstrip()):
            for part in chop_cells(piece, width):
                if cell_len(lines[-1] + part) > width:
                    lines.append("")
                lines[-1] += part
    return [line for line in lines if line] or [""]


def layout(
    head: Sequence[str], rows: Sequence[Sequence[str]], left: int, ranks: Sequence[int], room: int
) -> dict[int, int]:
    """The places of the columns that are shown, each with its width, in `room` cells.

    left: how many columns are names; of the others those that begin with a digit are numbers.
    ranks: of each column, the lowest the most important, which always stays.
    """
    columns = [[row[place] for row in rows] for place in range(len(head))]
    figures = [
        place >= left and any(map(_FIGURE.match, each)) for place, each in enumerate(columns)
    ]
    least = [_least(*column) for column in zip(head, columns, figures, strict=True)]
    full = [max(map(cell_len, (name, *cells))) for name, cells in zip(head, columns, strict=True)]
    room -= 1  # every column has a line and two blanks, and the last a line more
    widths: dict[int, int] = {}
    for place in sorted(range(len(head)), key=lambda place: ranks[place]):
        if not widths or least[place] + 3 <= room:
            widths[place] = least[place]
            room -= least[place] + 3
    for kind in (False, True):  # names grow first, then the numbers' headings
        room -= _grow(widths, full, [place for place in widths if figures[place] is kind], room)
    return {place: widths[place] for place in sorted(widths)}


def _least(name: str, cells: Sequence[str], is_figures: bool) -> int:
    heading = max(map(cell_len, name.split()), default=0)
    if is_figures:
        return max(heading, *map(cell_len, cells))
    pieces = [cell_len(p) for cell in cells for word in cell.split() for p in _INSIDE.split(word)]
    widest = max(map(cell_len, cells), default=0)
    return max(heading, min(widest, _COMFORT), min(max(pieces, default=0), _LONGEST_PIECE))


def _grow(widths: dict[int, int], full: Sequence[int], places: list[int], room: int) -> int:
    """Widen columns towards what they hold, those first that lack least; returns what it took."""
    taken = 0
    places.sort(key=lambda place: full[place] - widths[place])
    for done, place in enumerate(places):
        share = max(room - taken, 0) // (len(places) - done)
        more = min(full[place] - widths[place], share)
        widths[place] += max(more, 0)
        taken += max(more, 0)
    return taken
