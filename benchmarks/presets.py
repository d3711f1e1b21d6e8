"""Presets over seeds: quality, size and speed against the parent in PyTorch, and step by step.

    python benchmarks/presets.py RUN [RUN ...] --docs docs/benchmarks.md

Each RUN is a run's folder whose presets were made (`paretext compress RUN --data train.csv --preset
safe --preset small --preset tiny`) and compared (`paretext compare RUN --eval validation.csv`).
Quality is the mean over the runs; speed and size are medians over them, each against the parent in
PyTorch of its own comparison. Prints the tables, writes them between the markers `presets` of
--docs, and ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import mean, median
from typing import Any

from page import table, write_section

from paretext.measure import ranking
from paretext.measure.comparison import BASELINE, Comparison
from paretext.report import attribution


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--docs", type=Path)
    options = parser.parse_args()
    comparisons = [Comparison.read(run / "comparison") for run in options.runs]
    names = with_last_stages(comparisons[0])
    rows = [figures(name, comparisons) for name in names]
    text = "\n\n".join([overview(rows, comparisons), *step_tables(comparisons[0])])
    print(text)
    if options.docs:
        write_section(options.docs, "presets", text, "Presets")
    print(json.dumps({"presets": rows}))


def with_last_stages(comparison: Comparison) -> list[str]:
    """Versions, each after its last stage: what it is before it was quantised."""
    names = []
    for row in ranking.versions(comparison.rows):
        names += [stage.version for stage in ranking.stages(comparison, row.version)[-2:]]
    return names


def figures(name: str, comparisons: list[Comparison]) -> dict[str, Any]:
    """One version's figures over those comparisons that have it."""
    having = [each for each in comparisons if name in {row.version for row in each.rows}]
    rows = [each.row(name) for each in having]
    first = [each.row(BASELINE) for each in having]
    pairs = list(zip(first, rows, strict=True))
    return {
        "version": name,
        "runs": len(rows),
        "macro_f1": mean(row.quality.macro_f1.estimate for row in rows),
        "drop": mean(
            base.quality.macro_f1.estimate - row.quality.macro_f1.estimate for base, row in pairs
        ),
        "drops": [
            base.quality.macro_f1.estimate - row.quality.macro_f1.estimate for base, row in pairs
        ],
        "megabytes": median(row.cost.bytes / 1e6 for row in rows),
        "smaller": median(base.cost.bytes / row.cost.bytes for base, row in pairs),
        "batch1_ms": median(row.cost.batch1_ms_p50 for row in rows),
        "faster_batch1": median(b.cost.batch1_ms_p50 / row.cost.batch1_ms_p50 for b, row in pairs),
        "batch32_ms": median(row.cost.batch32_ms_per_text for row in rows),
        "faster_batch32": median(
            b.cost.batch32_ms_per_text / row.cost.batch32_ms_per_text for b, row in pairs
        ),
        "texts_per_second": median(row.cost.bulk_texts_per_second for row in rows),
    }


def overview(rows: list[dict[str, Any]], comparisons: list[Comparison]) -> str:
    head = "version|runs|macro-F1|drop (each run)|MB|smaller|ms at 1|faster|ms at 32|faster|texts/s"
    lines = [head.split("|")]
    for row in rows:
        drops = ", ".join(f"{drop:+.4f}" for drop in row["drops"])
        lines.append(
            [
                row["version"],
                str(row["runs"]),
                f"{row['macro_f1']:.4f}",
                f"{row['drop']:+.4f} ({drops})",
                f"{row['megabytes']:.2f}",
                f"{row['smaller']:.1f}x",
                f"{row['batch1_ms']:.2f}",
                f"{row['faster_batch1']:.1f}x",
                f"{row['batch32_ms']:.3f}",
                f"{row['faster_batch32']:.1f}x",
                f"{row['texts_per_second']:,.0f}",
            ]
        )
    machine, texts = comparisons[0].machine, comparisons[0].data["texts"]
    return (
        f"{texts:,} validation texts; {machine['cpu']}, {machine['threads']} cores. Against the "
        "parent in PyTorch fp32, in one interleaved run, tokenisation included.\n\n" + table(lines)
    )


def step_tables(comparison: Comparison) -> list[str]:
    made = []
    for row in ranking.versions(comparison.rows):
        if cells := attribution.cells(comparison, row.version):
            lines = [list(attribution.COLUMNS), *map(list, cells)]
            made.append(f"`{row.version}`, each step against the one before:\n\n{table(lines)}")
    return made


if __name__ == "__main__":
    main()
