"""How training went and what is confused, as PNG files.

Each figure is drawn by a `draw_...` function that returns a matplotlib `Figure`, and written by the
function of the same name that takes a path.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from paretext.errors import ParetextError
from paretext.report.drawing import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    new_figure,
    shorten,
    tidy,
    write,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
    write(draw_learning_curves(history, title), path)


def draw_learning_curves(history: Sequence[Mapping[str, float]], title: str) -> Figure:
    """The figure of `learning_curves`."""
    from matplotlib.ticker import MaxNLocator

    if not history:
        raise ParetextError("the training history has no rows; train for at least one epoch.")
    column = {key: [float(row[key]) for row in history] for key in _HISTORY_KEYS}
    epochs, macro_f1 = column["epoch"], column["selection_macro_f1"]
    best = int(np.argmax(np.nan_to_num(macro_f1, nan=-np.inf)))

    figure = new_figure(9.0, 3.7, title)
    loss, score = figure.subplots(1, 2)
    loss.plot(epochs, column["train_loss"], color=BLUE, marker="o", label="training")
    loss.plot(epochs, column["selection_loss"], color=ORANGE, marker="s", label="selection")
    loss.set_ylabel("loss")
    score.plot(epochs, macro_f1, color=ORANGE, marker="s", label="selection")
    score.plot(
        epochs[best],
        macro_f1[best],
        color=GREEN,
        marker="*",
        markersize=15,
        linestyle="none",
        label=f"best: epoch {epochs[best]:g}, macro-F1 {macro_f1[best]:.3f}",
    )
    score.set_ylabel("macro-F1")
    for axes in (loss, score):
        axes.axvline(epochs[best], color=GREEN, linestyle=":", linewidth=1.2, zorder=1)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.margins(x=0.06, y=0.12)
        if len(epochs) == 1:  # or else the axis shows thousandths of an epoch
            axes.set_xlim(epochs[0] - 1, epochs[0] + 1)
        tidy(axes)
        # Below the panel, where no curve can run through it.
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, frameon=False, fontsize=9
        )
    return figure


_MOST_NUMBERED, _LONGEST_SIDE = 40, 20.8
"""Labels, and inches, beyond which the cells of a confusion matrix show their colour only: with
numbers, 77 labels took 18 seconds and 1.9 GB."""
_HISTORY_KEYS = ("epoch", "train_loss", "selection_loss", "selection_macro_f1")


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
    write(draw_confusion(counts, label_names, title), path)


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
    cell = min(cell, _LONGEST_SIDE / k)
    font = float(np.interp(k, [2, 6, 12, 20], [12, 10, 8, 6.8]))
    names_font = min(max(font, 8.0), 10.0, 65 * cell)
    fits = int(cell * 72 / (0.62 * names_font))  # characters side by side over one cell
    names = [shorten(name) for name in label_names]
    wrapped = [textwrap.wrap(name, max(fits, 10), break_long_words=False) for name in names]
    level = all(len(lines) <= 3 and max(map(len, lines), default=0) <= fits for lines in wrapped)
    if level:
        names = ["\n".join(lines) for lines in wrapped]
    beside = 0.08 * max(map(len, "\n".join(names).split("\n")))  # inches that names take
    below = 0.7 if level else 0.3 + 0.64 * beside  # 0.64 = sin 40 degrees
    figure = new_figure(cell * k + beside + 1.4, cell * k + below + 0.9, title, layout="compressed")
    axes = figure.subplots()
    blues = colormaps["Blues"]
    image = axes.imshow(share, cmap=blues, vmin=0, vmax=100)
    for row in range(k if k <= _MOST_NUMBERED else 0):
        for column in range(k):
            count = int(matrix[row, column])
            on = _ink_on(blues(share[row, column] / 100))
            axes.text(
                column,
                row,
                f"{count:,}\n{percent(count, int(support[row, 0]))}",
                ha="center",
                va="center",
                fontsize=font,
                linespacing=1.25,
                color=on if count else MUTED,  # a cell of 0 is always the palest
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
    axes.set_xlabel("prediction", color=INK)
    axes.set_ylabel("truth", color=INK)
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
    bar.set_label("share of the true class (row), %", fontsize=9, color=INK)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    return figure


def percent(count: int, total: int) -> str:
    """Whole percent, without rounding something to nothing or nearly all to all."""
    if total == 0:
        return "n/a"
    whole = f"{100 * count / total:.0f}%"
    if count and whole == "0%":
        return "<1%"
    return ">99%" if count < total and whole == "100%" else whole


def _ink_on(rgba: tuple[float, float, float, float]) -> str:
    """Black or white, whichever contrasts more with the colour (WCAG 2.2, relative luminance)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgba[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    # (1 + 0.05) / (l + 0.05) = (l + 0.05) / 0.05 at l = 0.179: there both contrast 4.6 to 1.
    return "white" if luminance < 0.179 else "black"
