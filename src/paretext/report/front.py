"""A search's Pareto front as table and picture, with the parent and the limits of the budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from paretext.report.trade_off import TradeOffPoint, trade_off

if TYPE_CHECKING:
    from paretext.tuning.result import Point, SearchResult

COLUMNS = ("recipe", "macro-F1", "drop", "MB", "p95 ms", "ms a text at 32", "holds", "settings")


def cells(outcome: SearchResult) -> list[list[str]]:
    """The parent, and then the front, the smallest first, in COLUMNS."""
    rows = []
    for each in (outcome.parent, *outcome.front):
        verdict = "" if not outcome.limits or each is outcome.parent else "yes"
        if each is not outcome.parent and outcome.limits.broken(each):
            verdict = "no"
        if outcome.winner is not None and each.name == outcome.winner.name:
            verdict = "winner"
        rows.append(
            [
                each.name,
                f"{each.macro_f1:.4f}",
                "" if each is outcome.parent else f"{each.drops['macro_f1_drop']:.4f}",
                f"{each.bytes / 1e6:.2f}",
                f"{each.p95_ms:.3g}",
                f"{each.ms_per_text:.3g}",
                verdict,
                ", ".join(f"{name.split('.')[1]} {value}" for name, value in each.values.items()),
            ]
        )
    return rows


def draw_front(
    points: Sequence[Point], limits: Mapping[str, float], path: Path, title: str
) -> None:
    """Write macro-F1 against p95 latency and size, with the budget's limits as dashed lines.

    Args:
        points: the front, and the parent.
        limits: by clause; "p95_latency" in milliseconds and "size" in bytes are drawn where they
            fall into the panels.
        path: the SVG file to write.
        title: shown above the panels.
    """
    latency = "p95 milliseconds per text at batch 1, log scale"
    marks = [
        TradeOffPoint(
            name=f"{each.name} (winner)" if is_winner else each.name,
            macro_f1=score.estimate,
            macro_f1_low=score.low,
            macro_f1_high=score.high,
            ms_per_text=each.p95_ms,
            megabytes=each.bytes / 1e6,
            is_baseline=is_parent,
        )
        for each, score, is_parent, is_winner in points
    ]
    trade_off(marks, path, title, latency=latency, limits=limits)
