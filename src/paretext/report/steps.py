"""What each step of a version bought: every step's artifact beside the one before it.

Size and speed are credited to the step that changed them, quality to the one that won it back; so
nobody can credit pruning with what distillation did.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from paretext.measure.cost import times_faster
from paretext.report.numbers import megabytes, times

if TYPE_CHECKING:
    from paretext.measure.comparison import Comparison, Row
    from paretext.measure.cost import Cost

STAGE = re.compile(r"^(?P<version>.+)\.(?P<number>\d+)-(?P<step>\w+)$")
BUSY = "busy"
"""In place of a speed where one of the two times is unsteady."""
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
_PYTORCH = "pytorch"  # comparison.BASELINE; comparison imports this module


def is_stage(name: str, names: Sequence[str]) -> bool:
    """Whether `name` is a step on the way to a version among `names`."""
    found = STAGE.match(name)
    return found is not None and found["version"] in names


def versions(rows: Sequence[Row]) -> list[Row]:
    """The rows in the order of cost, without the steps on the way to another one."""
    names = [row.version for row in rows]
    return [row for row in by_cost(rows) if not is_stage(row.version, names)]


def by_cost(rows: Sequence[Row]) -> list[Row]:
    """What the others are compared with first (PyTorch, the parent), then from the slowest at batch
    1 to the fastest, the larger first of two that are equal; by size where a time is unsteady."""
    first = 2 if rows[0].version == _PYTORCH else 1
    timed = _are_timed(rows)

    def cost(row: Row) -> tuple[float, int]:
        return row.cost.batch1_ms_p50 if timed else 0.0, row.cost.bytes

    return [*rows[:first], *sorted(rows[first:], key=cost, reverse=True)]


def order(rows: Sequence[Row]) -> str:
    """The order of `by_cost` in words, the end of a sentence."""
    if _are_timed(rows):
        return "the references, then from the slowest at batch 1 to the fastest"
    return "the references, then from the largest to the smallest"


def _are_timed(rows: Sequence[Row]) -> bool:
    return not any(row.cost.unsteady for row in rows)


def stages(comparison: Comparison, version: str) -> list[Row]:
    """The rows of the steps to `version`, in their order, and its own last."""
    found = [
        (int(match["number"]), row)
        for row in comparison.rows
        if (match := STAGE.match(row.version)) and match["version"] == version
    ]
    return [row for _, row in sorted(found, key=lambda pair: pair[0])] + [comparison.row(version)]


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
    ratio = times_faster(past, cost, time)
    return BUSY if ratio is None else f"{ratio:.2f}x"
