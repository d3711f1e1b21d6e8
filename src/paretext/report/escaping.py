"""Texts from data, made fit to be shown: a page and a terminal must survive what they hold."""

from __future__ import annotations

import unicodedata

_PICTURES = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\t\n\r"}
_PICTURES |= {0x7F: "\u2421"}


def visible(text: str) -> str:
    """The text with control and format characters made visible, on one line.

    A terminal would obey escape sequences; direction overrides would turn the rest of a line round.
    The joiner and the variation selectors that emoji and some scripts need stay as they are.
    """
    if text.isascii() and text.isprintable():
        return text
    return " ".join("".join(map(_shown, text)).split())


def _shown(character: str) -> str:
    if ord(character) in _PICTURES:
        return _PICTURES[ord(character)]
    if character in "\u200c\u200d\t\n\r":
        return character
    if unicodedata.category(character) in ("Cc", "Cf", "Cs"):
        return f"<U+{ord(character):04X}>"
    return character
