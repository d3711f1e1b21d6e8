"""What a text is and what a label is: the one place that decides, whatever the format or the use.

**A text** is a string of valid Unicode with something to read in it: white space, control and
format characters alone (a NUL, a zero-width space, a byte order mark) are none. It is never
changed. Numbers are not made into texts: where they stand, another column was meant.

**A label** is one string or one integer. As a string it loses the blanks around it and is in
Unicode NFC, so that a letter and its accent, stored as one character or as two, are one label.
Labels count as integers when every one of them is an integer, or is written as one ("3"; also
"3.0", which is how pandas writes an integer column with gaps; not "03", which is a code). Labels
that differ in case or in inner blanks are different labels; `alike` finds them, so that it can be
said.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence

from paretext.data.formats.base import is_unicode

NO_TEXT = "no text"
NO_LABEL = "no label"
SEVERAL_LABELS = "several labels"

# 40 digits at most: Python refuses to read integers of thousands of digits.
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,39})(?:\.0+)?")
_UNSEEN = {"Cc", "Cf", "Zs", "Zl", "Zp"}


def is_blank(text: str) -> bool:
    """Whether white space, control and format characters are all there is."""
    return not text.strip() or all(unicodedata.category(each) in _UNSEEN for each in text)


def text_problem(value: object) -> str:
    """Why `value` is no text, worded to follow "with"; "" if it is one."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NO_TEXT
    if not isinstance(value, str):
        return f"a text that is no string (type {type(value).__name__})"
    if is_blank(value):
        return NO_TEXT
    return "" if is_unicode(value) else "a text that is not valid Unicode"


def label_problem(value: object, class_names: Sequence[str] | None = None) -> str:
    """Why `value` is no label, worded to follow "with"; "" if it is one.

    class_names: what the source calls classes 0, 1, ..., if it does; -1 is then the hub's sign for
    a row without a label.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NO_LABEL
    if isinstance(value, str):
        if is_blank(value):
            return NO_LABEL
        return "" if is_unicode(value) else "a label that is not valid Unicode"
    if isinstance(value, int):
        return NO_LABEL if class_names is not None and value == -1 else ""
    if isinstance(value, float) and value.is_integer():
        return ""
    if isinstance(value, (list, tuple)):
        return SEVERAL_LABELS
    return f"a label that is no string or integer (type {type(value).__name__})"


def label_value(value: object, class_names: Sequence[str] | None = None) -> str:
    """The label that `value` stands for, given that `label_problem` finds nothing wrong with it."""
    names = class_names or ()
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return label_name(names[value])
    return label_name(str(value))


def label_name(name: str) -> str:
    """`name` as labels are compared: in Unicode NFC, without blanks around it."""
    return unicodedata.normalize("NFC", name.strip())


def all_integers(labels: Iterable[str]) -> bool:
    """Whether every label is an integer, or is written as one."""
    return all(map(is_integer, labels))


def is_integer(label: str) -> bool:
    return _INTEGER.fullmatch(label) is not None


def integer(label: str) -> str:
    """An integer in its shortest form: "3" for "3.0", "0" for "-0"."""
    return str(int(label.split(".")[0]))


def repeated(names: Sequence[str]) -> tuple[int, int] | None:
    """The positions of the first two names that are one label."""
    first: dict[str, int] = {}
    for i, name in enumerate(names):
        earlier = first.setdefault(label_name(name), i)
        if earlier != i:
            return earlier, i
    return None


def alike(names: Iterable[str]) -> list[list[str]]:
    """Groups of names that are different labels and differ only in case, blanks or unseen
    characters."""
    groups: dict[str, list[str]] = {}
    for name in names:
        seen = (
            c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) not in _UNSEEN
        )
        groups.setdefault("".join(seen).casefold(), []).append(name)
    return [group for group in groups.values() if len(group) > 1]
