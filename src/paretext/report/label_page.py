"""A page to label flipped texts on: one key a label, no answer of a model in sight.

It is one file that needs no network. Labels are kept in the browser (localStorage) and leave it as
the CSV file that they came in, filled in. Texts go into it as data, which no browser runs (HTML
Standard, 4.12.1: a script element with the type of a data block), and into the document as text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paretext.core.escaping import visible
from paretext.core.files import digest_of, write_text
from paretext.core.ownership import require_own_file
from paretext.core.version import __version__
from paretext.data.tables import read_rows
from paretext.report import page

KEYS = "123456789abcdefghijklmnopqrstuvwxyz"
"""Of the labels, in their order; those beyond are found by the search box."""


def write_label_page(
    path: Path, labels: Sequence[str], needed: int | None, command: str | None = None
) -> Path:
    """Write the page of a file of flips beside it, and say where.

    path: the CSV file with row, text and label; labels that it has are on the page, too.
    needed: about how many labels decide; command: what takes the file when it is filled in.
    """
    target = path.with_suffix(".html")
    require_own_file(target, page.GENERATOR)
    rows = [_cells(each) for each in read_rows(path)]
    texts = [(row, text, *_shown(text)) for row, text, _ in rows]
    values = {
        "count": len(rows),
        "needed": needed,
        "command": command,
        "search": len(labels) > 9,
        "version": __version__,
        "asked": {
            "key": f"paretext {digest_of([texts, list(labels)])}",
            "file": path.name,
            "labels": list(labels),
            "keys": KEYS,
            "needed": needed or len(rows),
            "texts": texts,
            "given": [label.strip() for _, _, label in rows],
        },
    }
    write_text(target, page.render("label.html", values, script="label.js"))
    return target


def _cells(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(row["row"]), str(row["text"]), str(row["label"] or "")


def _shown(text: str) -> list[str]:
    """The text as it is to be seen, where that is another: what turns a line round, or hides."""
    shown = "\n".join(map(visible, text.split("\n")))
    return [] if shown == text else [shown]
