"""Markdown in which whatever comes from data is text (CommonMark 0.31, and GitHub's tables).

A backslash before what would be markup there, and only there, so that a file reads well as it is:
intervals keep their brackets, and names the underscores inside them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from paretext.core.escaping import visible

_MARKUP = re.compile(
    r"""
      [\\`*<>|~\#$]                             # code, emphasis, HTML, cells, headings, formulas
    | (?<![^\W_])_ | _(?![^\W_])                # emphasis, but within a word
    | &(?=\#?\w+;)                              # entities
    | \](?=[(\[:])                              # links and their definitions
    | (?<=http):(?=//) | (?<=https):(?=//) | (?<=ftp):(?=//) | (?<=www)\.  # links without marks
    | ^[-+](?=\s|$) | ^-(?=[-\s]*$) | ^=(?=[=\s]*$)  # lists, rules, underlined headings
    | ^\[(?=[\sxX]\])                           # boxes to tick
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NUMBERED = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")


def escaped(text: str) -> str:
    """The text as a paragraph, an item of a list, a heading or a cell shows it, on one line."""
    text = _MARKUP.sub(r"\\\g<0>", visible(text).strip())
    return _NUMBERED.sub(r"\1\\\2", text)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of such texts, each on its row and in its column whatever it holds."""
    lines = [f"| {' | '.join(map(escaped, row))} |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])
