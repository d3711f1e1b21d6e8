"""What the figures share: page, colours, ink, and names that fit.

Figures are made without pyplot, on their own Agg canvas, so nothing global is touched and nothing
needs a display; matplotlib is imported on use.

Line colours are of Okabe & Ito's palette (2008, *Color Universal Design*), which readers with the
common colour-vision deficiencies can tell apart, and no colour carries meaning alone: shape or text
says it too. Names and titles are shown as written; a `$` in them does not start a formula.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
INK, MUTED, GRID = "#1f2328", "#5b6470", "#e3e6ea"
LONGEST_NAME = 36  # characters; longer names lose their middle


def new_figure(
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
    figure.suptitle(title, fontsize=12, fontweight="bold", color=INK, parse_math=False)
    return figure


def tidy(axes: Axes) -> None:
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(colors=MUTED, labelcolor=INK, labelsize=9)


def shorten(name: str) -> str:
    """The name, or its two ends: names of one family often differ only at the end."""
    if len(name) <= LONGEST_NAME:
        return name
    keep = LONGEST_NAME - 1
    return name[: (keep + 1) // 2] + "…" + name[len(name) - keep // 2 :]


def write(figure: Figure, path: Path) -> None:
    # "tight" grows the page to whatever sticks out, so that no label is ever cut.
    figure.savefig(path, dpi=DPI, format="png", bbox_inches="tight", pad_inches=0.12)
