"""Word clouds as places on a canvas; the page draws them as SVG text.

The heaviest word goes to the middle and each next one to the first free place on a spiral around
it. A word's width is estimated from its characters (marks have none of their own, nor have those
that ZWJ joins to an emoji), and the page draws it at exactly that width (SVG's `textLength`), so
that no two words overlap in whatever font the reader has.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from paretext.report.drawing import ems

WIDTH, HEIGHT = 400.0, 240.0
_SMALLEST, _LARGEST = 11.0, 36.0
_LINE = 1.16  # in font sizes, as the widths of letters
_GAP = 3.0


@dataclass(frozen=True)
class Placed:
    """left, top, width, height: the word's box on the canvas; size: of its font."""

    word: str
    left: float
    top: float
    width: float
    height: float
    size: float

    @property
    def baseline(self) -> float:
        return self.top + 0.86 * self.size

    def meets(self, other: Placed) -> bool:
        return (
            self.left < other.left + other.width + _GAP
            and other.left < self.left + self.width + _GAP
            and self.top < other.top + other.height
            and other.top < self.top + self.height
        )


def word_cloud(words: Sequence[tuple[str, float]]) -> list[Placed]:
    """Places for words with weights above 0, heaviest first; words that find none are left out."""
    placed: list[Placed] = []
    heaviest = max((weight for _, weight in words), default=1.0)
    for word, weight in sorted(words, key=lambda each: -each[1]):
        size = _SMALLEST + (_LARGEST - _SMALLEST) * (weight / heaviest) ** 2
        size = min(size, WIDTH / max(ems(word), 0.5))
        while size >= _SMALLEST:
            free = (p for p in _places(word, size) if not any(map(p.meets, placed)))
            if place := next(free, None):
                placed.append(place)
                break
            size *= 0.8
    return placed


def _places(word: str, size: float) -> Iterator[Placed]:
    """The word on a spiral from the middle outwards, where it lies inside the canvas."""
    width, height = max(ems(word), 0.5) * size, _LINE * size
    for step in range(700):
        angle = 0.35 * step
        left = WIDTH / 2 - width / 2 + 0.75 * angle * math.cos(angle)
        top = HEIGHT / 2 - height / 2 + 0.5 * angle * math.sin(angle)
        if left >= 0 and top >= 0 and left + width <= WIDTH and top + height <= HEIGHT:
            yield Placed(word, left, top, width, height, size)
