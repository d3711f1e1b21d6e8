"""Quality against cost: what each version buys, and the Pareto front, as an SVG file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from paretext.core.errors import ParetextError
from paretext.core.records import Interval
from paretext.report.drawing import TOP, fit, write
from paretext.report.pictures import HEIGHT, WIDTH, Mark, against_cost


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


_COLUMNS = (
    (44, "version", "start"),
    (515, "macro-F1 (interval)", "end"),
    (620, "ms per text", "end"),
    (700, "MB", "end"),
)
_NAME_EMS = 22
_NOTES = (
    "Line and filled marks: Pareto front (what is cheaper is worse, what costs the same is no "
    "better). Square: baseline.",
    "Bars: intervals of macro-F1. Marks that would cover each other are moved apart sideways; the "
    "table has the exact costs.",
)


def trade_off(
    points: Sequence[TradeOffPoint],
    path: Path,
    title: str,
    *,
    latency: str = "milliseconds per text at batch 1, log scale",
    limits: Mapping[str, float] | None = None,
) -> None:
    """Write macro-F1 against latency and against deployed size, with each one's Pareto front.

    Every version is a numbered disc with the interval of its macro-F1; the table below the panels
    says which number is which. Discs that would cover each other are moved apart sideways; the
    table has the exact costs.

    Args:
        points: the versions, in the order in which the table lists them. One whose macro-F1 is
            undefined stands in the table alone.
        path: the SVG file to write.
        title: shown above the panels.
        latency: what `ms_per_text` is, below its axis.
        limits: "p95_latency" in milliseconds and "size" in bytes are drawn where they fall into
            the panels.

    Raises:
        ParetextError: no points, or a latency or size that is not above 0.
    """
    if not points:
        raise ParetextError("there are no versions to compare; measure at least one.")
    for point in points:
        for what, value in (("ms_per_text", point.ms_per_text), ("megabytes", point.megabytes)):
            if not (value > 0 and math.isfinite(value)):
                raise ParetextError(
                    f"{point.name} has {what} = {value}; a cost on a log axis must be above 0."
                )
    limits = limits or {}
    drawn = [(n, p) for n, p in enumerate(points, 1) if math.isfinite(p.macro_f1)]
    panels = [
        {**against_cost([_mark(n, p, cost) for n, p in drawn], limit), "axis": axis, "unit": unit}
        for cost, limit, axis, unit in (
            ("ms_per_text", limits.get("p95_latency"), latency, "ms"),
            ("megabytes", limits.get("size", 0) / 1e6, "deployed size, megabytes, log scale", "MB"),
        )
        if drawn
    ]
    under = TOP + HEIGHT + 30 if drawn else TOP + 10
    write(
        "trade_off.svg",
        path,
        title,
        2 * WIDTH,
        height=under + 23 * len(points) + 75,
        panels=panels,
        under=under,
        columns=_COLUMNS,
        rows=[_row(number, point) for number, point in enumerate(points, 1)],
        notes=_NOTES,
    )


def _mark(number: int, point: TradeOffPoint, cost: str) -> Mark:
    score = Interval(estimate=point.macro_f1, low=point.macro_f1_low, high=point.macro_f1_high)
    return Mark(point.name, number, getattr(point, cost), score, _shape(point))


def _shape(point: TradeOffPoint) -> str:
    return "base" if point.is_baseline else ""


def _row(number: int, point: TradeOffPoint) -> dict[str, object]:
    interval = f"({point.macro_f1_low:.3f} to {point.macro_f1_high:.3f})"
    return {
        "number": number,
        "shape": _shape(point),
        "cells": (
            fit(point.name, _NAME_EMS) + ("  (baseline)" if point.is_baseline else ""),
            f"{point.macro_f1:.3f} {interval}" if math.isfinite(point.macro_f1) else "undefined",
            f"{point.ms_per_text:.3g}",
            f"{point.megabytes:.3g}",
        ),
    }
