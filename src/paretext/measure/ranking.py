"""Which rows of a comparison are versions, in the order of cost, and which steps on the way."""

from __future__ import annotations

import re
from collections.abc import Sequence

from paretext.core.registry import STEPS
from paretext.measure.comparison import BASELINE, Comparison, Row

STAGE = re.compile(r"^(?P<version>.+)\.(?P<number>\d+)-(?P<step>\w+)$")


def is_stage(name: str, names: Sequence[str]) -> bool:
    """Whether `name` is a step on the way to a version among `names`, or to one that there was no
    time to make."""
    match = STAGE.match(name)
    return match is not None and (match["version"] in names or match["step"] in STEPS)


def versions(rows: Sequence[Row]) -> list[Row]:
    """The rows in the order of cost, without the steps on the way to another one."""
    names = [row.version for row in rows]
    return [row for row in by_cost(rows) if not is_stage(row.version, names)]


def by_cost(rows: Sequence[Row]) -> list[Row]:
    """What the others are compared with first (PyTorch, the parent), then from the slowest at batch
    1 to the fastest, the larger first of two that are equal; by size where a time is unsteady."""
    first = 2 if rows[0].version == BASELINE else 1
    timed = _are_timed(rows)

    def cost(row: Row) -> tuple[float, int]:
        return row.cost.batch1_ms_p50 if timed else 0.0, row.cost.bytes

    return [*rows[:first], *sorted(rows[first:], key=cost, reverse=True)]


def in_words(rows: Sequence[Row]) -> str:
    """The order of `by_cost` in words, the end of a sentence."""
    if _are_timed(rows):
        return "the references, then from the slowest at batch 1 to the fastest"
    return "the references, then from the largest to the smallest"


def _are_timed(rows: Sequence[Row]) -> bool:
    return not any(row.cost.unsteady for row in rows)


def stages(comparison: Comparison, version: str) -> list[Row]:
    """The rows of the steps to `version`, in their order, and its own last."""
    steps = [
        (int(match["number"]), row)
        for row in comparison.rows
        if (match := STAGE.match(row.version)) and match["version"] == version
    ]
    return [row for _, row in sorted(steps, key=lambda pair: pair[0])] + [comparison.row(version)]
