"""The geometry of the page's pictures: numbers -> places, in units of the SVG's own box.

The template pictures.html draws them, on the page in the colours of its theme and in files of their
own (`figures`, `trade_off`). Every picture's numbers also stand in a table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paretext.core.records import Interval
from paretext.report.run_data import VersionRow

WIDTH, HEIGHT = 360, 300
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 34, 44
"""Room for the axes' numbers and, above, for the line that names the mark under the pointer."""
_STRIP = 46
"""Percent of a strip's width between its middle, 0, and the farthest end of an interval."""


@dataclass(frozen=True)
class Mark:
    """A version in a picture: its number, its cost (above 0), macro-F1, and "base" for the first of
    all, "other" for what was not made from the parent, "" for the rest."""

    name: str
    number: int
    cost: float
    score: Interval
    shape: str = ""


def scatter(rows: Sequence[VersionRow], numbers: Sequence[int], cost: str) -> dict[str, Any]:
    """A run's versions with a macro-F1; numbers: what stands in their marks; cost: the field."""
    return against_cost(
        [
            Mark(row.version, number, _cost(row, cost), row.macro_f1, _shape(row))
            for row, number in zip(rows, numbers, strict=True)
            if row.macro_f1
        ]
    )


def _shape(row: VersionRow) -> str:
    return "base" if row.version == "pytorch" else "" if row.derived else "other"


def _cost(row: VersionRow, name: str) -> float:
    value = float(getattr(row, name))
    return value / 1e6 if name == "bytes" else value


def against_cost(marks: Sequence[Mark], limit: float | None = None) -> dict[str, Any]:
    """macro-F1 with its interval against a cost on a log axis, the Pareto front, and a limit."""
    costs, scores = [mark.cost for mark in marks], [mark.score for mark in marks]
    low, high = min(s.low for s in scores), max(s.high for s in scores)
    room = max(0.08 * (high - low), 0.002)
    low, high = low - room, high + room
    quality = [score.estimate for score in scores]
    placed, left, right = side_by_side(costs, [(q - low) / (high - low) for q in quality])
    front = pareto_front(list(zip(costs, quality, strict=True)))

    def x(value: float) -> float:
        share = math.log10(value / left) / math.log10(right / left)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    line = []
    for i, following in zip(front, [*front[1:], None], strict=True):
        # Between two points of the front, what a budget buys is the cheaper one's quality.
        end = x(right) if following is None else x(placed[following])
        line += [(x(placed[i]), y(quality[i])), (end, y(quality[i]))]
    points = [
        {
            "name": mark.name,
            "number": mark.number,
            "shape": mark.shape,
            "x": x(place),
            "y": y(mark.score.estimate),
            "y_low": y(mark.score.low),
            "y_high": y(mark.score.high),
            "on_front": i in front,
            "cost": mark.cost,
            "score": mark.score,
        }
        for i, (mark, place) in enumerate(zip(marks, placed, strict=True))
    ]
    return {
        "points": points,
        "front": _path(line),
        "limit": x(limit) if limit and left < limit < right else None,
        "x_ticks": [(x(tick), f"{tick:g}") for tick in log_ticks(left, right)],
        "y_ticks": [(y(tick), label) for tick, label in linear_ticks(low, high, 5)],
    }


def pareto_front(points: Sequence[tuple[float, float]]) -> tuple[int, ...]:
    """Which (cost, quality) points no other point beats.

    A point is beaten by one that is no dearer and no worse, and cheaper or better. Equal points
    do not beat each other, so either all or none of them are on the front.

    Args:
        points: (cost, quality) pairs; low cost and high quality are wanted.

    Returns:
        Indices into `points`, in the order of rising cost (equal points in the order given).
    """
    front: list[int] = []
    for index in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        # All that came before cost no more, so the last one kept is the best of them.
        best = points[front[-1]] if front else (-math.inf, -math.inf)
        if points[index][1] > best[1] or tuple(points[index]) == tuple(best):
            front.append(index)
    return tuple(front)


_DISC = 0.056  # the least distance between discs' centres, as a share of the panel's width
_BAR = 0.02  # and between error bars, so that each can be told from its neighbour
_ASPECT = 0.85  # the panel's height over its width, roughly


def side_by_side(
    costs: Sequence[float], heights: Sequence[float]
) -> tuple[list[float], float, float]:
    """Where to draw the discs on a log axis so that none covers another.

    In the order of cost, each disc keeps a least distance to every disc before it. Pushing discs
    only to the right, or only to the left, gives two such layouts; as the distances are linear
    constraints, the layout half-way between the two keeps them too, and moves discs both ways.

    Args:
        costs: each disc's true place, above 0.
        heights: each disc's place from below, as shares of the panel's height.

    Returns:
        Each disc's place, and the axis's two ends.
    """
    true = [math.log10(cost) for cost in costs]
    order = sorted(range(len(true)), key=lambda i: (true[i], -heights[i]))
    middle = (min(true) + max(true)) / 2
    width = max(1.2 * (max(true) - min(true)), math.log10(4))
    while True:

        def apart(one: int, other: int, width: float = width) -> float:
            rise = _ASPECT * abs(heights[one] - heights[other])
            aside = math.sqrt(max(0.0, _DISC**2 - rise**2))  # discs touch: Pythagoras
            return width * min(max(aside, _BAR), 0.8 / len(true))

        rightward, leftward = list(true), list(true)
        for n, i in enumerate(order):
            rightward[i] = max([true[i], *(rightward[j] + apart(i, j) for j in order[:n])])
        for n, i in enumerate(reversed(order)):
            after = order[len(order) - n :]
            leftward[i] = min([true[i], *(leftward[j] - apart(i, j) for j in after)])
        placed = [(a + b) / 2 for a, b in zip(rightward, leftward, strict=True)]
        left, right = middle - width / 2, middle + width / 2
        if min(placed) >= left + 0.05 * width and max(placed) <= right - 0.05 * width:
            return [10**x for x in placed], 10**left, 10**right
        width *= 1.1  # pushed over an end: the true places take less of a wider axis


def strips(spans: Sequence[Interval | None]) -> dict[str, Any]:
    """Estimates with intervals on one scale around 0, a strip each: (x, x_low, x_high) or None.

    Places are percent of the strip's width, so that marks keep their size however wide it is.
    """
    ends = [abs(end) for span in spans if span for end in (span.low, span.high)]
    most = max(ends, default=0.0) or 0.01

    def x(value: float) -> float:
        return 50 + _STRIP * value / most

    return {
        "most": most,
        "strips": [span and (x(span.estimate), x(span.low), x(span.high)) for span in spans],
    }


def by_epoch(history: Sequence[Mapping[str, float | None]]) -> list[dict[str, Any]]:
    """Two panels, loss and macro-F1 by epoch; the best epoch is the one whose weights were kept."""
    scores = [row.get("selection_macro_f1") for row in history]
    known = [-math.inf if score is None else score for score in scores]
    best = known.index(max(known))
    epochs = [float(row["epoch"] or 0) for row in history]
    panels = (
        ("loss", (("training", "train_loss"), ("selection", "selection_loss"))),
        ("macro-F1", (("selection", "selection_macro_f1"),)),
    )
    return [_panel(title, epochs, best, lines, history) for title, lines in panels]


def _panel(
    title: str,
    epochs: Sequence[float],
    best: int,
    lines: Sequence[tuple[str, str]],
    history: Sequence[Mapping[str, float | None]],
) -> dict[str, Any]:
    values = [value for _, key in lines for row in history if (value := row.get(key)) is not None]
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = 0.08 * (high - low) or 0.01
    low, high = low - room, high + room
    first, last = min(epochs) - 0.3, max(epochs) + 0.3

    def x(value: float) -> float:
        return LEFT + (value - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    drawn = []
    for name, key in lines:
        points = [
            {"x": x(epoch), "y": y(value), "epoch": epoch, "value": value, "name": name}
            for epoch, row in zip(epochs, history, strict=True)
            if (value := row.get(key)) is not None
        ]
        places = [(float(point["x"]), float(point["y"])) for point in points]  # type: ignore[arg-type]
        drawn.append({"name": name, "points": points, "path": _path(places)})
    every = max(1, math.ceil(len(epochs) / 10))
    return {
        "title": title,
        "lines": drawn,
        "best": x(epochs[best]),
        "best_epoch": epochs[best],
        "x_ticks": [(x(epoch), f"{epoch:g}") for epoch in epochs[::every]],
        "y_ticks": [(y(tick), label) for tick, label in linear_ticks(low, high, 5)],
    }


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten inside the range; thinner where there are more than 7."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) <= 7:
            break
    return inside


def linear_ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Up to `most` round numbers inside the range, each as it is written."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    digits = max(0, -math.floor(math.log10(step)))
    first = math.ceil(low / step)
    return [(n * step, f"{n * step:.{digits}f}") for n in range(first, math.floor(high / step) + 1)]


def _path(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{'L' if i else 'M'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(places))
