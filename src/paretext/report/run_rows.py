"""Rows of the page's data, each from what one stage wrote."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

from paretext.core.files import read_json
from paretext.core.records import Interval
from paretext.data.checks import DataReport
from paretext.data.tables import read_rows
from paretext.measure.comparison import BASELINE, Comparison, Row
from paretext.measure.cost import times_faster
from paretext.profile.schema import Profile, shown
from paretext.report import attribution
from paretext.report import run_data as parts
from paretext.runtime.manifest import Manifest

MOST_FLIPS = 20
"""Flipped texts of each version; the file that holds all is named beside them."""


def measured(row: Row, comparison: Comparison, **known: Any) -> parts.VersionRow:
    first, cost, quality, drops = comparison.rows[0].cost, row.cost, row.quality, row.drops
    support = [sum(counts) for counts in quality.confusion]
    scores = ("macro_f1", "balanced_accuracy", "kappa", "accuracy")
    costs = (
        *("bytes", "peak_memory_bytes", "first_answer_ms", "batch1_ms_p50", "batch1_ms_p95"),
        *("batch32_ms_per_text", "bulk_texts_per_second"),
    )
    return parts.VersionRow(
        version=row.version,
        parent=row.parent,
        macro_f1_drop=drops and _span(drops.macro_f1),
        flips=drops and _span(drops.flips),
        unsteady=cost.unsteady,
        start_unsteady=cost.start_unsteady,
        faster_batch1=times_faster(first, cost, "batch1_ms_p50"),
        faster_batch32=times_faster(first, cost, "batch32_ms_per_text"),
        smaller=first.bytes / cost.bytes,
        classes=tuple(
            parts.ClassMeasured(
                label=label,
                texts=support[k],
                f1=_span(quality.f1[k]),
                recall=_span(quality.recall[k]),
                f1_drop=drops and _span(drops.f1[k]),
                recall_drop=drops and _span(drops.recall[k]),
            )
            for k, label in enumerate(comparison.labels)
        ),
        confusion=quality.confusion,
        steps=tuple(attribution.cells(comparison, row.version)) if row.version != BASELINE else (),
        **{name: _span(getattr(quality, name)) for name in scores},
        **{name: getattr(cost, name) for name in costs},
        **known,
    )


def origin(name: str, manifest: Manifest) -> parts.Origin:
    return parts.Origin(
        version=name,
        architecture=manifest.architecture,
        max_length=manifest.max_length,
        ancestors=manifest.lineage,
        recipe=manifest.recipe,
        done=manifest.done,
        weights=manifest.matrices.weights,
        zeros=manifest.matrices.zeros,
        agreement=manifest.agreement,
        identity=manifest.identity,
        versions=manifest.versions,
    )


def is_derived(manifest: Manifest, manifests: dict[str, Manifest]) -> bool:
    """Whether an artifact was made from the parent: they have the same oldest ancestor."""
    parent = manifests.get("parent")
    return parent is None or manifest.shares_root(parent)


def flipped_texts(path: Path) -> tuple[parts.FlippedText, ...]:
    texts: list[parts.FlippedText] = []
    for row in itertools.islice(read_rows(path), MOST_FLIPS):
        values = {name: row.get(name) for name in parts.FlippedText.model_fields}
        if values["text"] is not None:
            values["text"] = shown(str(values["text"]))
        texts.append(parts.FlippedText.model_validate(values))
    return tuple(texts)


def history(path: Path) -> tuple[dict[str, float | None], ...]:
    """A training's epochs."""

    def read(rows: Any) -> tuple[dict[str, float | None], ...]:
        return tuple({name: _finite(value) for name, value in row.items()} for row in rows)

    return read_json(path, "train again", read)


def named(checks: DataReport) -> DataReport:
    """With the names of files, and not the folders they lay in: a page may be sent to others."""
    held = checks.evaluation
    if held is not None:
        held = held.model_copy(update={"name": Path(held.name).name})
    return checks.model_copy(update={"name": Path(checks.name).name, "evaluation": held})


def profile_shown(path: Path) -> parts.ProfileShown:
    """What is to mend, then what is to look at."""
    findings = Profile.model_validate_json(path.read_text(encoding="utf-8")).findings
    levels = [each.level for each in findings]
    return parts.ProfileShown(
        counts={level: levels.count(level) for level in ("mend", "look", "fine")},
        findings=tuple(
            each for level in ("mend", "look") for each in findings if each.level == level
        ),
    )


def _span(interval: Interval) -> Interval | None:
    return None if math.isnan(interval.estimate) else interval


def _finite(value: Any) -> float | None:
    number = float(value) if value is not None else math.nan
    return number if math.isfinite(number) else None
