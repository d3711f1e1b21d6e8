"""Figures of a run as PNG files: how training went, what is confused, what compression buys.

Each figure is drawn by a `draw_...` function that returns a matplotlib `Figure`, and written by the
function of the same name that takes a path. Figures are made without pyplot, on their own Agg
canvas, so nothing global is touched and nothing needs a display; matplotlib is imported on use.

Line colours are of Okabe & Ito's palette (2008, *Color Universal Design*), which readers with the
common colour-vision deficiencies can tell apart, and no colour carries meaning alone: shape or text
says it too.
Names and titles are shown as written; a `$` in them does not start a formula.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from paretext.errors import ParetextError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 150
_BLUE, _ORANGE, _GREEN = "#0072B2", "#D55E00", "#009E73"
_INK, _MUTED, _GRID = "#1f2328", "#5b6470", "#e3e6ea"
_LONGEST_NAME = 36  # characters; longer names lose their middle


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


# Learning curves ------------------------------------------------------------------------------


def learning_curves(history: Sequence[Mapping[str, float]], path: Path, title: str) -> None:
    """Write the curves of one training run: loss on the left, macro-F1 on the right.

    Args:
        history: one row per epoch with `epoch`, `train_loss`, `selection_loss` and
            `selection_macro_f1`. The epoch of the highest macro-F1 (the first, if several) is
            marked.
        path: the PNG file to write.
        title: shown above the panels.

    Raises:
        ParetextError: an empty history.
    """
    _write(draw_learning_curves(history, title), path)


def draw_learning_curves(history: Sequence[Mapping[str, float]], title: str) -> Figure:
    """The figure of `learning_curves`."""
    from matplotlib.ticker import MaxNLocator

    if not history:
        raise ParetextError("the training history has no rows; train for at least one epoch.")
    column = {key: [float(row[key]) for row in history] for key in _HISTORY_KEYS}
    epochs, macro_f1 = column["epoch"], column["selection_macro_f1"]
    best = int(np.argmax(np.nan_to_num(macro_f1, nan=-np.inf)))

    figure = _figure(9.0, 3.7, title)
    loss, score = figure.subplots(1, 2)
    loss.plot(epochs, column["train_loss"], color=_BLUE, marker="o", label="training")
    loss.plot(epochs, column["selection_loss"], color=_ORANGE, marker="s", label="selection")
    loss.set_ylabel("loss")
    score.plot(epochs, macro_f1, color=_ORANGE, marker="s", label="selection")
    score.plot(
        epochs[best],
        macro_f1[best],
        color=_GREEN,
        marker="*",
        markersize=15,
        linestyle="none",
        label=f"best: epoch {epochs[best]:g}, macro-F1 {macro_f1[best]:.3f}",
    )
    score.set_ylabel("macro-F1")
    for axes in (loss, score):
        axes.axvline(epochs[best], color=_GREEN, linestyle=":", linewidth=1.2, zorder=1)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.margins(x=0.06, y=0.12)
        if len(epochs) == 1:  # or else the axis shows thousandths of an epoch
            axes.set_xlim(epochs[0] - 1, epochs[0] + 1)
        _tidy(axes)
        # Below the panel, where no curve can run through it.
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, frameon=False, fontsize=9
        )
    return figure


_HISTORY_KEYS = ("epoch", "train_loss", "selection_loss", "selection_macro_f1")


# Confusion matrix -----------------------------------------------------------------------------


def confusion(counts: npt.ArrayLike, label_names: Sequence[str], path: Path, title: str) -> None:
    """Write a confusion matrix: each cell its count and its share of the true class.

    Colour shows the share and not the count, so that rare classes are as legible as common ones.

    Args:
        counts: (K, K) counts, rows = truth, columns = prediction.
        label_names: the K names in the order of the class ids.
        path: the PNG file to write.
        title: shown above the matrix.

    Raises:
        ParetextError: counts that are not (K, K) for K names.
    """
    _write(draw_confusion(counts, label_names, title), path)


def draw_confusion(counts: npt.ArrayLike, label_names: Sequence[str], title: str) -> Figure:
    """The figure of `confusion`."""
    from matplotlib import colormaps

    matrix = np.asarray(counts)
    k = len(label_names)
    if matrix.shape != (k, k) or k == 0:
        raise ParetextError(
            f"the confusion matrix has shape {matrix.shape} and there are {k} label names; "
            "give one row, one column and one name per class."
        )
    support = matrix.sum(axis=1, keepdims=True)
    share = 100 * matrix / np.maximum(support, 1)

    cell = float(np.interp(k, [2, 6, 12, 20], [1.2, 0.85, 0.62, 0.52]))  # inches
    font = float(np.interp(k, [2, 6, 12, 20], [12, 10, 8, 6.8]))
    names_font = min(max(font, 8.0), 10.0)
    fits = int(cell * 72 / (0.62 * names_font))  # characters side by side over one cell
    names = [_shorten(name) for name in label_names]
    wrapped = [textwrap.wrap(name, max(fits, 10), break_long_words=False) for name in names]
    level = all(len(lines) <= 3 and max(map(len, lines), default=0) <= fits for lines in wrapped)
    if level:
        names = ["\n".join(lines) for lines in wrapped]
    beside = 0.08 * max(map(len, "\n".join(names).split("\n")))  # inches that names take
    below = 0.7 if level else 0.3 + 0.64 * beside  # 0.64 = sin 40 degrees
    figure = _figure(cell * k + beside + 1.4, cell * k + below + 0.9, title, layout="compressed")
    axes = figure.subplots()
    blues = colormaps["Blues"]
    image = axes.imshow(share, cmap=blues, vmin=0, vmax=100)
    for row in range(k):
        for column in range(k):
            count = int(matrix[row, column])
            on = _ink_on(blues(share[row, column] / 100))
            axes.text(
                column,
                row,
                f"{count:,}\n{_percent(count, int(support[row, 0]))}",
                ha="center",
                va="center",
                fontsize=font,
                linespacing=1.25,
                color=on if count else _MUTED,  # a cell of 0 is always the palest
            )
    axes.set_xticks(
        range(k),
        names,
        fontsize=names_font,
        parse_math=False,
        rotation=0 if level else 40,
        ha="center" if level else "right",
        rotation_mode="default" if level else "anchor",
    )
    axes.set_yticks(range(k), names, fontsize=names_font, parse_math=False)
    axes.set_xlabel("prediction", color=_INK)
    axes.set_ylabel("truth", color=_INK)
    # White lines between the cells keep empty neighbours apart.
    axes.set_xticks(np.arange(k + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(k + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    # An inset is exactly as high as the matrix, whatever the layout makes of the page.
    bar = figure.colorbar(
        image, cax=axes.inset_axes((1 + 0.12 / (cell * k), 0, 0.2 / (cell * k), 1))
    )
    bar.set_label("share of the true class (row), %", fontsize=9, color=_INK)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    return figure


def _percent(count: int, total: int) -> str:
    """Whole percent, without rounding something to nothing or nearly all to all."""
    if total == 0:
        return "n/a"
    if 0 < count < 0.005 * total:
        return "<1%"
    if 0.995 * total < count < total:
        return ">99%"
    return f"{100 * count / total:.0f}%"


def _ink_on(rgba: tuple[float, float, float, float]) -> str:
    """Black or white, whichever contrasts more with the colour (WCAG 2.2, relative luminance)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgba[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    # (1 + 0.05) / (l + 0.05) = (l + 0.05) / 0.05 at l = 0.179: there both contrast 4.6 to 1.
    return "white" if luminance < 0.179 else "black"


# Trade-off ------------------------------------------------------------------------------------


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
    _write(draw_trade_off(points, title), path)


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
    figure = _figure(9.2, panel + row * (len(points) + 2.7), title)
    grid = figure.add_gridspec(2, 2, height_ratios=[panel, row * (len(points) + 2.7)])
    latency = figure.add_subplot(grid[0, 0])
    size = figure.add_subplot(grid[0, 1], sharey=latency)
    _panel(latency, points, [p.ms_per_text for p in points], "milliseconds per text (log scale)")
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
    placed, left, right = _side_by_side(costs, [q / (1.16 * height) for q in quality])
    axes.set_xscale("log")
    axes.set_xlim(left, right)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(label)
    _tidy(axes)

    front = pareto_front(list(zip(costs, quality, strict=True)))
    # Between two points of the front, what a budget buys is the cheaper one's quality.
    axes.step(
        [placed[i] for i in front] + [right],
        [quality[i] for i in front] + [quality[front[-1]]],
        where="post",
        color=_BLUE,
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
    return _ORANGE if point.is_baseline else _BLUE


_DISC = 0.056  # the least distance between discs' centres, as a share of the panel's width
_BAR = 0.02  # and between error bars, so that each can be told from its neighbour
_ASPECT = 0.85  # the panel's height over its width, roughly


def _side_by_side(
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
        axes.text(x, 0, head, ha=_side(x), va="center", fontsize=8.5, color=_MUTED)
    axes.axhline(0.5, color=_GRID, linewidth=1)
    for row, point in enumerate(points, start=1):
        _disc(axes, columns[0], point, row, size=11, filled=True, y=row)
        cells = (
            _shorten(point.name) + ("  (baseline)" if point.is_baseline else ""),
            f"{point.macro_f1:.3f} ({point.macro_f1_low:.3f} to {point.macro_f1_high:.3f})",
            f"{point.ms_per_text:.3g}",
            f"{point.megabytes:.3g}",
        )
        for x, cell in zip(columns[1:], cells, strict=True):
            axes.text(
                x, row, cell, ha=_side(x), va="center", fontsize=9, color=_INK, parse_math=False
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
        color=_MUTED,
    )


def _side(x: float) -> str:
    return "left" if x < 0.5 else "right"


# Shared ---------------------------------------------------------------------------------------


def _figure(
    width: float,
    height: float,
    title: str,
    layout: Literal["constrained", "compressed"] = "constrained",
) -> Figure:
    """An empty figure, inches, on its own Agg canvas."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=12, fontweight="bold", color=_INK, parse_math=False)
    return figure


def _tidy(axes: Axes) -> None:
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_MUTED)
    axes.tick_params(colors=_MUTED, labelcolor=_INK, labelsize=9)


def _shorten(name: str) -> str:
    """The name, or its two ends: names of one family often differ only at the end."""
    if len(name) <= _LONGEST_NAME:
        return name
    keep = _LONGEST_NAME - 1
    return name[: (keep + 1) // 2] + "…" + name[len(name) - keep // 2 :]


def _write(figure: Figure, path: Path) -> None:
    # "tight" grows the page to whatever sticks out, so that no label is ever cut.
    figure.savefig(path, dpi=_DPI, format="png", bbox_inches="tight", pad_inches=0.12)
