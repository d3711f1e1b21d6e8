"""What each step of a version bought: every step's artifact beside the one before it.

Size and speed are credited to the step that changed them, quality to the one that won it back; so
nobody can credit pruning with what distillation did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from paretext.measure.cost import times_faster
from paretext.measure.ranking import stages
from paretext.report.numbers import faster, megabytes, times

if TYPE_CHECKING:
    from paretext.measure.comparison import Comparison, Row
    from paretext.measure.cost import Cost

COLUMNS = (
    "step",
    "macro-F1",
    "MB",
    "smaller",
    "ms at 1",
    "faster at 1",
    "ms at 32",
    "faster at 32",
)
"""The most important first: a narrow terminal has no room for the last."""


def cells(comparison: Comparison, version: str) -> list[tuple[str, ...]]:
    """One tuple of texts a step, under COLUMNS, each against the step before; none for a version
    of one step."""
    steps = stages(comparison, version)
    if len(steps) == 1 or steps[-1].parent is None:
        return []
    before = comparison.row(steps[-1].parent)
    rows = [_cells(before.version, before, None)]
    for row in steps:
        rows.append(_cells(row.recipe[-1]["step"].replace("_", " "), row, before))
        before = row
    return rows


def _cells(name: str, row: Row, before: Row | None) -> tuple[str, ...]:
    cost, past = row.cost, before.cost if before else None
    return (
        name,
        f"{row.quality.macro_f1.estimate:.4f}",
        megabytes(cost.bytes),
        times(past.bytes / cost.bytes, "", "larger") if past else "",
        f"{cost.batch1_ms_p50:.2f}",
        _faster(past, cost, "batch1_ms_p50"),
        f"{cost.batch32_ms_per_text:.3f}",
        _faster(past, cost, "batch32_ms_per_text"),
    )


def _faster(past: Cost | None, cost: Cost, time: str) -> str:
    if past is None:
        return ""
    return faster(times_faster(past, cost, time), 2)
