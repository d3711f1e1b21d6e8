"""The comparison as Markdown, and the sentences that say plainly what each version bought."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from paretext.report import steps
from paretext.report.certificate import BADGES
from paretext.report.markdown import escaped, table

if TYPE_CHECKING:
    from paretext.comparison import Comparison, Row
    from paretext.intervals import Interval

COLUMNS = (
    "version",
    "macro-F1",
    "drop from parent",
    "MB",
    "peak MB",
    "ms/text, batch 1 (p50 / p95)",
    "ms/text, batch 32",
    "texts/s, bulk",
    "faster (1 / 32)",
)


def cells(comparison: Comparison) -> list[tuple[str, ...]]:
    """One tuple of texts a version, under COLUMNS. Speed is relative to the first version."""
    return [_cells(row, comparison.rows[0]) for row in steps.versions(comparison.rows)]


def _cells(row: Row, baseline: Row) -> tuple[str, ...]:
    cost, first = row.cost, baseline.cost
    return (
        row.version,
        interval(row.quality.macro_f1),
        interval(row.drops.macro_f1, sign="+") if row.drops else "",
        f"{cost.bytes / 1e6:.1f}",
        f"{cost.peak_memory_bytes / 1e6:.0f}",
        f"{cost.batch1_ms_p50:.2f} / {cost.batch1_ms_p95:.2f}",
        f"{cost.batch32_ms_per_text:.2f}",
        f"{cost.bulk_texts_per_second:,.0f}",
        f"{first.batch1_ms_p50 / cost.batch1_ms_p50:.1f}x / "
        f"{first.batch32_ms_per_text / cost.batch32_ms_per_text:.1f}x",
    )


BRIEF = (
    "version",
    "macro-F1",
    "drop [95%]",
    "MB",
    "ms at 1",
    "ms at 32",
    "texts/s",
    "faster at 1, 32",
)


def brief_cells(comparison: Comparison) -> list[tuple[str, ...]]:
    """The same for a terminal of 80 columns, under BRIEF."""
    rows: list[tuple[str, ...]] = []
    for row, full in zip(steps.versions(comparison.rows), cells(comparison), strict=True):
        drop = row.drops.macro_f1 if row.drops else None
        rows.append(
            (
                row.version,
                f"{row.quality.macro_f1.estimate:.3f}",
                f"{drop.estimate:.3f} [{drop.low:.3f}, {drop.high:.3f}]" if drop else "",
                full[3],
                f"{row.cost.batch1_ms_p50:.2f}",
                full[6],
                full[7],
                full[8].replace(" / ", ", "),
            )
        )
    return rows


def interval(found: Interval, sign: str = "") -> str:
    return f"{found.estimate:{sign}.4f} [{found.low:{sign}.4f}, {found.high:{sign}.4f}]"


CERTIFICATES = ("version", "certificate", "against", "broken", "undecided")


def certificate_cells(comparison: Comparison) -> list[tuple[str, ...]]:
    """One tuple for each version that has a certificate, under CERTIFICATES."""
    found = [(row.version, row.certificate) for row in steps.versions(comparison.rows)]
    return [
        (
            name,
            BADGES[badge.verdict],
            badge.reference,
            ", ".join(badge.broken),
            ", ".join(badge.undecided),
        )
        for name, badge in found
        if badge is not None
    ]


def sentences(comparison: Comparison) -> list[str]:
    """What each version bought and cost against its parent, zeros and noise called by name."""
    found = []
    for row in steps.versions(comparison.rows):
        if row.parent is None or row.drops is None:
            continue
        parent, drop = comparison.row(row.parent), row.drops.macro_f1
        faster = parent.cost.batch1_ms_p50 / row.cost.batch1_ms_p50
        faster32 = parent.cost.batch32_ms_per_text / row.cost.batch32_ms_per_text
        smaller = parent.cost.bytes / row.cost.bytes
        verdict = (
            "no difference that these texts can show"
            if drop.low <= 0 <= drop.high
            else ("a loss" if drop.estimate > 0 else "a gain")
        )
        found.append(
            f"{row.version} against {row.parent}: {smaller:.2f}x smaller, {faster:.2f}x faster at "
            f"batch 1 and {faster32:.2f}x at batch 32; macro-F1 drop {interval(drop, '+')}, "
            f"{verdict}; {row.drops.flips.estimate:.2%} of the predictions differ."
        )
        amount = _zeros(row.recipe)
        if amount and not _quantised(row.recipe):
            found.append(
                f"{row.version} has {amount:.1%} zeros, and they buy nothing here: a dense runtime "
                "multiplies by a zero as by any other number, and stores it in as many bytes. "
                "What speed it shows against its parent is noise."
            )
    return found


def _zeros(recipe: Sequence[dict[str, Any]]) -> float:
    """The largest share asked for: pruning again starts with the weights that are zero already."""
    amounts = [step["amount"] for step in recipe if step["step"] == "magnitude_pruning"]
    return float(max(amounts, default=0))


def _quantised(recipe: Sequence[dict[str, Any]]) -> bool:
    return any(step["step"].endswith("_quantization") for step in recipe)


def markdown(comparison: Comparison) -> str:
    """The whole comparison: table, sentences, classes, and what the figures depend on."""
    machine, data = comparison.machine, comparison.data
    first, rows = comparison.rows[0].version, steps.versions(comparison.rows)
    return "\n\n".join(
        [
            "# Comparison",
            escaped(
                f"{data['texts']:,} texts of {data['name']} (sha256 {data['fingerprint'][:12]}). "
                "Intervals are 95%, by bootstrap; the drop's is paired. Megabytes are the deployed "
                f"files. Speed is relative to {first}; medians of {data['rounds']} interleaved "
                "rounds, tokenisation included."
            ),
            table(COLUMNS, cells(comparison)),
            "\n".join(f"- {escaped(sentence)}" for sentence in sentences(comparison)),
            *_certificates(comparison),
            *_step_by_step(comparison),
            table(
                ("version", "balanced accuracy", "kappa", "accuracy"),
                [
                    (
                        row.version,
                        interval(row.quality.balanced_accuracy),
                        interval(row.quality.kappa),
                        interval(row.quality.accuracy),
                    )
                    for row in rows
                ],
            ),
            "F1 / recall per class:",
            table(
                ("version", *comparison.labels),
                [
                    (
                        row.version,
                        *(
                            f"{f1.estimate:.3f} / {recall.estimate:.3f}"
                            for f1, recall in zip(row.quality.f1, row.quality.recall, strict=True)
                        ),
                    )
                    for row in rows
                ],
            ),
            escaped(
                f"Machine: {machine['cpu']} ({', '.join(machine['instruction_sets'])}), "
                f"{machine['threads']} of {machine['cores']} cores, {machine['system']}, Python "
                f"{machine['python']}, "
                + ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
                + "."
            ),
            "",
        ]
    )


def _certificates(comparison: Comparison) -> list[str]:
    found = certificate_cells(comparison)
    said = "Certificates, each in its artifact (`certificate.json`, and a section of `README.md`):"
    return [f"{said}\n\n{table(CERTIFICATES, found)}"] if found else []


def _step_by_step(comparison: Comparison) -> list[str]:
    """A table for each version of several steps."""
    found = {
        row.version: steps.cells(comparison, row.version) for row in steps.versions(comparison.rows)
    }
    return [
        f"{escaped(name)}, step by step, each against the one before:\n\n"
        + table(steps.COLUMNS, rows)
        for name, rows in found.items()
        if rows
    ]
