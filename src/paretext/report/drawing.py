"""What pictures in files of their own share: SVG, and names that fit.

A reader's own fonts draw the text, so that every script can be read wherever the picture was made.
How wide a text will be is estimated from its characters, and room is left for wider fonts.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

from paretext.core.files import write_text
from paretext.report import page, pictures

LONGEST_NAME = 36  # characters; longer names lose their middle
TOP = 50  # above the drawing, for the title
_TITLE = 15  # pixels
_NARROW, _BROAD = "fijlrt'’.,:;!|", "mwMW"
_SKIN_TONES = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"


def shorten(name: str, longest: int = LONGEST_NAME) -> str:
    """The name, or its two ends: names of one family often differ only at the end."""
    if len(name) <= longest:
        return name
    keep = longest - 1
    return name[: (keep + 1) // 2] + "…" + name[len(name) - keep // 2 :]


def fit(name: str, most: float) -> str:
    """The name, shortened to so many ems at most."""
    longest = LONGEST_NAME
    while ems(shorten(name, longest)) > most and longest > 2:
        longest -= 1
    return shorten(name, longest)


def ems(text: str) -> float:
    """About how wide a text is, in sizes of its font; what ZWJ joins to an emoji adds nothing."""
    joined = zip(text, f" {text}", strict=False)
    return sum(_letter_ems(letter) for letter, before in joined if before != "\u200d")


def _letter_ems(letter: str) -> float:
    if unicodedata.category(letter) in ("Mn", "Me", "Cf") or letter in _SKIN_TONES:
        return 0.0  # drawn over the letter before
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.0
    return 0.32 if letter in _NARROW else 0.88 if letter in _BROAD else 0.58


def write(template: str, path: Path, title: str, width: float, **values: Any) -> None:
    """Draw `templates/TEMPLATE` into a file, wide enough for its title."""
    width = max(width, 1.15 * _TITLE * ems(title) + 24)
    known = {"size": pictures, "top": TOP, "title": title, "width": width, "shorten": shorten}
    write_text(path, page.picture(template, {**known, **values}))
