"""The geometry of the page's pictures: numbers -> places, in units of the SVG's own box.

The template draws them, so that colours are the page's own and follow its theme. Every picture's
numbers also stand in a table on the page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from paretext.certification.records import Span
from paretext.report.run_data import Candidate, Measured
from paretext.report.trade_off import pareto_front, side_by_side

WIDTH, HEIGHT = 360, 300
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 34, 44
"""Room for the axes' numbers and, above, for the line that names the mark under the pointer."""
_STRIP = 46
"""Percent of a strip's width between its middle, 0, and the farthest end of an interval."""


def scatter(rows: Sequence[Measured], numbers: Sequence[int], cost: str) -> dict[str, Any]:
    """macro-F1 with its interval against a cost on a log axis, and the Pareto front.

    rows: the versions with a macro-F1; numbers: what stands in their marks; cost: the field.
    """
    costs = [_cost(row, cost) for row in rows]
    scores = [row.macro_f1 for row in rows if row.macro_f1]
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
            "row": row,
            "number": number,
            "x": x(place),
            "y": y(score.estimate),
            "y_low": y(score.low),
            "y_high": y(score.high),
            "on_front": i in front,
            "cost": value,
            "score": score,
        }
        for i, (row, number, place, value, score) in enumerate(
            zip(rows, numbers, placed, costs, scores, strict=True)
        )
    ]
    return {
        "points": points,
        "front": _path(line),
        "x_ticks": [(x(tick), f"{tick:g}") for tick in log_ticks(left, right)],
        "y_ticks": [(y(tick), label) for tick, label in linear_ticks(low, high, 5)],
    }


def _cost(row: Measured, name: str) -> float:
    value = float(getattr(row, name))
    return value / 1e6 if name == "bytes" else value


def strips(spans: Sequence[Span | None]) -> dict[str, Any]:
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


def curves(candidate: Candidate) -> list[dict[str, Any]]:
    """Two panels, loss and macro-F1 by epoch; the best epoch is the one whose weights were kept."""
    history = candidate.history
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
    history: Sequence[dict[str, float | None]],
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
