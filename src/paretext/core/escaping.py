"""Texts from data, made fit to be shown: a page, a terminal and a log must survive what they hold.

A terminal obeys control characters (ECMA-48: escape sequences, and the C1 controls from U+0080),
direction overrides turn the rest of a line round (Unicode Standard Annex 9; Boucher & Anderson
2021, "Trojan Source"), a line break makes a line that nobody wrote, and half of a surrogate pair
cannot be encoded at all. `visible` shows each of them instead.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

_BREAKS = "\t\n\r\u2028\u2029"
_KEPT = {0x200C, 0x200D, *range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2}
"""Format characters that are needed or seen: joiners, and signs of Arabic and Syriac."""
_FLAG = re.compile("(\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f)")
"""A region's flag is spelt in tag characters (UTS 51, annex C); anywhere else they hide text."""
_IN_ASCII = str.maketrans({"…": "...", "█": "#", "✓": "+", "✗": "x", "→": "->"})
"""Signs of our own, where a terminal cannot show them."""


def visible(text: str) -> str:
    """The text on one line, with whatever a terminal or a page would act on made visible.

    Line breaks and tabs become blanks; other control characters become their pictures (␛), or, like
    format characters, half surrogates and noncharacters, their numbers (<U+202E>).
    """
    if text.isprintable():
        return text
    parts = _FLAG.split(text.replace("\r\n", "\n"))  # flags stand at the odd places
    return "".join(
        part if place % 2 else "".join(map(_shown, part)) for place, part in enumerate(parts)
    )


def _shown(character: str) -> str:
    code = ord(character)
    if character in _BREAKS:
        return " "
    if code < 0x20 or code == 0x7F:
        return chr(0x2421 if code == 0x7F else 0x2400 + code)
    acts = unicodedata.category(character) in ("Cc", "Cf", "Cs") and code not in _KEPT
    no_character = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    return f"<U+{code:04X}>" if acts or no_character else character


def encodable(text: str, encoding: str) -> str:
    """The text in characters that `encoding` has; others by their number, as in \\u65e5."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_IN_ASCII)
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text


def as_json(value: Any, encoding: str = "utf-8", indent: int | None = 2) -> str:
    """JSON (RFC 8259) that every reader takes and no terminal obeys.

    A number that is none (NaN or infinite), which JSON does not have, is null. What cannot be seen,
    and in another encoding than UTF-8 all but ASCII, stands as \\uXXXX, which readers turn back.
    """
    finite = json.loads(json.dumps(value), parse_constant=lambda _: None)
    text = json.dumps(finite, indent=indent, ensure_ascii=not encoding.lower().startswith("utf"))
    return re.sub(r"[^\n -~]", _json_escape, text)


def _json_escape(match: re.Match[str]) -> str:
    if match[0].isprintable():
        return match[0]
    units = match[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
