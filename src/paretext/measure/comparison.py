"""Many versions measured on the same texts: one record, with a row for each.

Quality comes from each version's own predictions, with bootstrap intervals; the difference from
the reference version comes with a paired one (`metrics`). Cost comes from `cost`. The model that
the others are measured against is judged by itself too (`standing`), and where PyTorch answers
beside the artifact that was exported from it, the two have to agree (`agreement`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass as record

from paretext.core import progress
from paretext.core.cores import available_cores
from paretext.core.errors import ParetextError
from paretext.core.files import read_json
from paretext.core.records import Interval, Verdict
from paretext.data.checks import say_cut
from paretext.data.dataset import Dataset
from paretext.data.reading import GENERIC
from paretext.measure.agreement import is_export_of, require_agreement
from paretext.measure.cost import Cost, Measurement, Target, benchmark, machine
from paretext.measure.intervals import Drops, Quality, paired_drops, quality
from paretext.measure.seen import overlap, say_seen
from paretext.measure.standing import Beside, Standing, stand
from paretext.runtime.artifact import Artifact
from paretext.runtime.manifest import Manifest

BASELINE = "pytorch"
FORMAT: Literal[4] = 4
"""Of comparison.json: 1 did not judge the parent, 2 was no dump of the record, 3 knew neither what
disturbed a round nor how long a first answer takes."""
AGAIN = "make one with: paretext compare RUN --eval EVAL.csv"
DATA = "comparison.json"


@dataclass(frozen=True)
class Version:
    """A row: what to measure, and the version that its differences are taken against."""

    target: Target
    parent: str | None


@record(frozen=True)
class Badge:
    """What the certificate in a version's artifact says, and the clauses that do not hold; there is
    none for a certificate that proves nothing (`held_out.doubts`)."""

    verdict: Verdict
    reference: str
    broken: tuple[str, ...]
    undecided: tuple[str, ...]


@record(frozen=True)
class Row:
    """Everything measured of one version. `drops` is None where there is no parent."""

    version: str
    parent: str | None
    quality: Quality
    drops: Drops | None
    cost: Cost
    recipe: tuple[dict[str, Any], ...]
    certificate: Badge | None = None


@record(frozen=True)
class Comparison:
    """The rows, the label names, and what the figures depend on."""

    machine: dict[str, Any]
    data: dict[str, Any]
    labels: tuple[str, ...]
    rows: Annotated[tuple[Row, ...], Field(min_length=1)]
    standing: Standing | None = None
    """What the first artifact is worth by itself; None where a model's answers are the labels."""
    format: Literal[4] = FORMAT

    @model_validator(mode="after")
    def _fits_together(self) -> Comparison:
        classes = len(self.labels)
        for row in self.rows:
            figures = [row.quality.f1, row.quality.recall, row.quality.confusion]
            figures += list(row.quality.confusion) + (
                [row.drops.f1, row.drops.recall] if row.drops else []
            )
            if any(len(each) != classes for each in figures):
                raise ValueError(f"{row.version} has not one figure for each of {classes} labels")
        return self

    def __repr__(self) -> str:
        """One line; the rows are those of the record."""
        names = ", ".join(row.version for row in self.rows)
        return f"Comparison({names}: {self.data['texts']:,} texts of {self.data['name']})"

    def __str__(self) -> str:
        """A line for each version."""
        return "\n".join(
            f"{row.version}: macro-F1 {row.quality.macro_f1.estimate:.4f}, "
            f"{row.cost.bytes / 1e6:.2f} MB, {row.cost.batch1_ms_p50:.2f} ms a text at batch 1"
            for row in self.rows
        )

    def row(self, version: str) -> Row:
        return next(row for row in self.rows if row.version == version)

    @classmethod
    def read(cls, folder: str | Path) -> Comparison:
        """The comparison that was written to `folder`."""
        path = Path(folder) / DATA

        def read(values: Any) -> Comparison:
            known = values.get("format", 0) if isinstance(values, dict) else FORMAT
            if known != FORMAT:
                older = "a newer" if isinstance(known, int) and known > FORMAT else "an older"
                raise ParetextError(f"{path} is of {older} version of paretext; {AGAIN}.")
            return TypeAdapter(cls).validate_python(values)

        return read_json(path, AGAIN, read)

    def record(self) -> dict[str, Any]:
        """What comparison.json holds: the fields, null where a number is undefined."""
        fields: dict[str, Any] = TypeAdapter(Comparison).dump_python(self, mode="json")
        return fields

    def flat(self) -> list[dict[str, Any]]:
        """One flat row a version, as in comparison.csv."""
        return [_flat(row, self.labels) for row in self.rows]


def measured(
    versions: Sequence[Version],
    data: Dataset,
    *,
    threads: int | None = None,
    rounds: int = 5,
    seed: int = 0,
    badges: Mapping[str, Badge] = MappingProxyType({}),
) -> Comparison:
    """Measure all versions on `data`; badges: what the certificates of those that have one say.

    Raises ParetextError if two versions share a name, a parent is not among them, an artifact's
    labels are not the data's, or an artifact answers otherwise than the PyTorch model beside it
    that it was exported from.
    """
    threads = threads or available_cores()
    targets = [version.target for version in versions]
    for target in [target for target in targets if target.kind == "artifact"][:1]:
        artifact = Artifact.load(target.folder, threads)
        longer, longest = artifact.longer(data.texts), artifact.manifest.max_length
        say_cut("evaluation", longer, len(data), longest)
    manifests = [Manifest.read(each.folder) for each in targets if each.kind == "artifact"]
    if (seen := overlap(data, manifests)) is not None:
        say_seen(seen, data)
    measurements = benchmark(targets, data.texts, threads=threads, rounds=rounds)
    _require_agreement(versions, measurements)
    rows = []
    with progress.task("intervals of all versions", len(versions)) as advance:
        for version in versions:
            rows.append(_row(version, measurements, data, seed, badges.get(version.target.name)))
            advance()
    return Comparison(
        rows=tuple(rows),
        labels=data.label_names,
        data={
            "name": Path(data.name).name,
            "texts": len(data),
            "fingerprint": data.fingerprint,
            "seed": seed,
            "rounds": rounds,
            **({} if data.answered_by is None else {"answered_by": data.answered_by}),
        },
        machine=machine(threads),
        standing=_standing(versions, rows, measurements, data)
        if data.answered_by is None
        else None,
    )


def check(versions: Sequence[Version], data: Dataset) -> None:
    """ParetextError for versions that cannot be measured together on `data`."""
    names = [version.target.name for version in versions]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ParetextError(f"two versions are named {twice!r}; give each its own name.")
    for version in versions:
        if version.parent is not None and version.parent not in names:
            raise ParetextError(
                f"{version.target.name} is to be compared with {version.parent!r}; "
                f"there are {', '.join(names)}."
            )
        if version.target.kind == "artifact":
            labels = Manifest.read(version.target.folder).labels
            named = len(labels) == len(data.label_names) and all(map(GENERIC.fullmatch, labels))
            if labels != data.label_names and not named:
                raise ParetextError(
                    f"{version.target.folder} has the labels {', '.join(labels)}, and {data.name} "
                    f"has {', '.join(data.label_names)}; read the data with the artifact's names."
                )


def _require_agreement(versions: Sequence[Version], measured: dict[str, Measurement]) -> None:
    """ParetextError where an artifact does not answer as PyTorch does before it was compressed."""
    targets = {version.target.name: version.target for version in versions}
    for version in versions:
        own, against = version.target, targets.get(version.parent or "")
        if against is None or (own.kind, against.kind) != ("artifact", "pytorch"):
            continue
        if is_export_of(own.folder, against.folder):
            expected, logits = (measured[each.name].logits for each in (against, own))
            require_agreement(own.folder, expected, logits)


def _standing(
    versions: Sequence[Version],
    rows: Sequence[Row],
    measured: dict[str, Measurement],
    data: Dataset,
) -> Standing:
    """Of the first artifact, which the others are measured against, beside the baselines."""
    artifacts = [each.target for each in versions if each.target.kind == "artifact"]
    judged = (artifacts or [versions[0].target])[0].name
    manifests = {each.name: Manifest.read(each.folder) for each in artifacts}
    return stand(
        judged,
        data.labels,
        measured[judged].logits.argmax(axis=1).astype(np.int64),
        data.label_names,
        next(row.quality for row in rows if row.version == judged),
        beside=[
            Beside(
                name=row.version,
                macro_f1=row.quality.macro_f1.estimate,
                low=row.quality.macro_f1.low,
                drop=row.drops.macro_f1,
            )
            for row in rows
            if row.drops is not None
            and row.parent == judged
            and _is_baseline(manifests[row.version], manifests[judged])
        ],
        seen=overlap(data, list(manifests.values())),
    )


def _is_baseline(manifest: Manifest, judged: Manifest) -> bool:
    """Whether it is a model without a transformer, and not a student of the judged one."""
    return not manifest.is_encoder and not manifest.shares_root(judged)


def _row(
    version: Version,
    measured: dict[str, Measurement],
    data: Dataset,
    seed: int,
    badge: Badge | None,
) -> Row:
    classes = len(data.label_names)
    answers = {name: each.logits.argmax(axis=1) for name, each in measured.items()}
    name = version.target.name
    drops = None
    if version.parent is not None:
        drops = paired_drops(
            data.labels, answers[version.parent], answers[name], classes, seed=seed
        )
    artifact = version.target.kind == "artifact"
    return Row(
        version=name,
        parent=version.parent,
        quality=quality(data.labels, answers[name], classes, seed=seed),
        drops=drops,
        cost=measured[name].cost,
        recipe=Manifest.read(version.target.folder).recipe if artifact else (),
        certificate=badge,
    )


def _flat(row: Row, labels: Sequence[str]) -> dict[str, Any]:
    drop = row.drops.macro_f1 if row.drops else Interval(math.nan, math.nan, math.nan)
    metrics, cost = row.quality, row.cost
    return {
        "version": row.version,
        "parent": row.parent or "",
        "macro_f1": metrics.macro_f1.estimate,
        "macro_f1_low": metrics.macro_f1.low,
        "macro_f1_high": metrics.macro_f1.high,
        "macro_f1_drop": drop.estimate,
        "macro_f1_drop_low": drop.low,
        "macro_f1_drop_high": drop.high,
        "balanced_accuracy": metrics.balanced_accuracy.estimate,
        "kappa": metrics.kappa.estimate,
        "accuracy": metrics.accuracy.estimate,
        "bytes": cost.bytes,
        "peak_memory_bytes": cost.peak_memory_bytes,
        "first_answer_ms": cost.first_answer_ms,
        "batch1_ms_p50": cost.batch1_ms_p50,
        "batch1_ms_p95": cost.batch1_ms_p95,
        "batch32_ms_per_text": cost.batch32_ms_per_text,
        "bulk_texts_per_second": cost.bulk_texts_per_second,
        **{f"f1_{label}": metrics.f1[i].estimate for i, label in enumerate(labels)},
        **{f"recall_{label}": metrics.recall[i].estimate for i, label in enumerate(labels)},
    }


def is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
