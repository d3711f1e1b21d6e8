"""Quality against cost: what each version buys, and the Pareto front, as a PNG file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paretext.errors import ParetextError
from paretext.report.drawing import BLUE, GRID, INK, MUTED, ORANGE, new_figure, shorten, tidy, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class TradeOffPoint:
    """One version of the model in the trade-off figure.

    `macro_f1_low` and `macro_f1_high` are the ends of its interval; `ms_per_text` is latency,
    `megabytes` the size of the folder that is deployed, both above 0.
    """

    name: str
    macro_f1: float
    macro_f1_low: float
    macro_f1_high: float
    ms_per_text: float
    megabytes: float
    is_baseline: bool


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


def trade_off(points: Sequence[TradeOffPoint], path: Path, title: str) -> None:
    """Write macro-F1 against latency and against deployed size, with each one's Pareto front.

    Every version is a numbered disc with the interval of its macro-F1; the table below the panels
    says which number is which. Discs that would cover each other are moved apart sideways; the
    table has the exact costs.

    Args:
        points: the versions, in the order in which the table lists them.
        path: the PNG file to write.
        title: shown above the panels.

    Raises:
        ParetextError: no points, or a latency or size that is not above 0.
    """
    write(draw_trade_off(points, title), path)


def draw_trade_off(points: Sequence[TradeOffPoint], title: str) -> Figure:
    """The figure of `trade_off`."""
    if not points:
        raise ParetextError("there are no versions to compare; measure at least one.")
    for point in points:
        for what, value in (("ms_per_text", point.ms_per_text), ("megabytes", point.megabytes)):
            if not (value > 0 and math.isfinite(value)):
                raise ParetextError(
                    f"{point.name} has {what} = {value}; a cost on a log axis must be above 0."
                )
    panel, row = 4.1, 0.24
    figure = new_figure(9.2, panel + row * (len(points) + 2.7), title)
    grid = figure.add_gridspec(2, 2, height_ratios=[panel, row * (len(points) + 2.7)])
    latency = figure.add_subplot(grid[0, 0])
    size = figure.add_subplot(grid[0, 1], sharey=latency)
    _panel(
        latency,
        points,
        [p.ms_per_text for p in points],
        "milliseconds per text at batch 1 (log scale)",
    )
    _panel(size, points, [p.megabytes for p in points], "deployed size, megabytes (log scale)")
    latency.set_ylabel("macro-F1")
    size.tick_params(labelleft=False)
    _table(figure.add_subplot(grid[1, :]), points)
    return figure


def _panel(axes: Axes, points: Sequence[TradeOffPoint], costs: list[float], label: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    quality = [p.macro_f1 for p in points]
    bottom = min([*quality, *(p.macro_f1_low for p in points)])
    top = max([*quality, *(p.macro_f1_high for p in points)])
    height = max(top - bottom, 0.005)
    axes.set_ylim(bottom - 0.08 * height, top + 0.08 * height)
    placed, left, right = side_by_side(costs, [q / (1.16 * height) for q in quality])
    axes.set_xscale("log")
    axes.set_xlim(left, right)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(label)
    tidy(axes)

    front = pareto_front(list(zip(costs, quality, strict=True)))
    # Between two points of the front, what a budget buys is the cheaper one's quality.
    axes.step(
        [placed[i] for i in front] + [right],
        [quality[i] for i in front] + [quality[front[-1]]],
        where="post",
        color=BLUE,
        linewidth=1.6,
        alpha=0.55,
        zorder=1.5,
        gid="pareto front",
    )
    for index, (point, x) in enumerate(zip(points, placed, strict=True)):
        below = max(0.0, point.macro_f1 - point.macro_f1_low)
        above = max(0.0, point.macro_f1_high - point.macro_f1)
        axes.errorbar(
            x,
            point.macro_f1,
            yerr=[[below], [above]],
            fmt="none",
            ecolor=_colour(point),
            elinewidth=1.2,
            capsize=3,
            zorder=2,
        )
        _disc(axes, x, point, index + 1, size=14, filled=index in front)


def _disc(
    axes: Axes,
    x: float,
    point: TradeOffPoint,
    number: int,
    *,
    size: float,
    filled: bool,
    y: float | None = None,
) -> None:
    """A version's numbered mark, `size` points across; the baseline's is square."""
    y = point.macro_f1 if y is None else y
    colour = _colour(point)
    axes.plot(
        x,
        y,
        marker="s" if point.is_baseline else "o",
        markersize=size,
        color=colour,
        markerfacecolor=colour if filled else "white",
        markeredgewidth=1.5,
        zorder=3,
    )
    axes.annotate(
        str(number),
        (x, y),
        ha="center",
        va="center_baseline",
        fontsize=0.6 * size,
        fontweight="bold",
        color="white" if filled else colour,
        zorder=4,
    )


def _colour(point: TradeOffPoint) -> str:
    return ORANGE if point.is_baseline else BLUE


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


def _table(axes: Axes, points: Sequence[TradeOffPoint]) -> None:
    """The key to the numbers, with the numbers themselves."""
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(len(points) + 2.2, -0.5)
    columns = (0.035, 0.07, 0.62, 0.80, 0.96)
    heads = ("", "version", "macro-F1 (interval)", "ms per text", "MB")
    for x, head in zip(columns, heads, strict=True):
        axes.text(x, 0, head, ha=_side(x), va="center", fontsize=8.5, color=MUTED)
    axes.axhline(0.5, color=GRID, linewidth=1)
    for row, point in enumerate(points, start=1):
        _disc(axes, columns[0], point, row, size=11, filled=True, y=row)
        cells = (
            shorten(point.name) + ("  (baseline)" if point.is_baseline else ""),
            f"{point.macro_f1:.3f} ({point.macro_f1_low:.3f} to {point.macro_f1_high:.3f})",
            f"{point.ms_per_text:.3g}",
            f"{point.megabytes:.3g}",
        )
        for x, cell in zip(columns[1:], cells, strict=True):
            axes.text(
                x, row, cell, ha=_side(x), va="center", fontsize=9, color=INK, parse_math=False
            )
    axes.text(
        0.02,
        len(points) + 1.45,
        "Line and filled marks: Pareto front (what is cheaper is worse, what costs the same is no "
        "better). Square: baseline.\nBars: intervals of macro-F1. Marks that "
        "would cover each other are moved apart sideways; the table has the exact costs.",
        linespacing=1.4,
        va="center",
        fontsize=8,
        color=MUTED,
    )


def _side(x: float) -> str:
    return "left" if x < 0.5 else "right"
