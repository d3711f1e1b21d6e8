"""Several seeds of the comparison with other tools as one table.

    python benchmarks/peers/seeds.py FOLDER [FOLDER ...] [--docs docs/benchmarks.md]

Each FOLDER is the --out of `run.py` for one fine-tuned parent. macro-F1 is the mean over the seeds,
bytes and times are medians over them. The best peer is the artifact of another tool with the
highest mean macro-F1, the parent itself (`--reference` of the runs) left out; every artifact of
ours with at least that macro-F1 is put beside it. Writes the section `peer-seeds` of --docs; ends
with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import mean, median
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))  # for page

from page import table, write_section

OURS = "paretext-"
COSTS = ("batch1_ms_p50", "batch32_ms_per_text", "bulk_sorted_texts_per_second")
HEAD = ["version", "macro-F1", "each seed", "MB", "ms at 1", "ms at 32", "texts/s, bulk sorted"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--docs", type=Path)
    options = parser.parse_args()
    runs = [
        json.loads((folder / "results.json").read_text(encoding="utf-8"))
        for folder in options.folders
    ]
    rows = [row for name in _names(runs[0]) if (row := _over_seeds(name, runs)) is not None]
    text = page(rows, runs)
    print(text)
    if options.docs:
        write_section(options.docs, "peer-seeds", text, "Other tools over the seeds")
    print(json.dumps({"versions": rows}))


def page(rows: list[dict[str, Any]], runs: list[dict[str, Any]]) -> str:
    peers = [row for row in rows if not row["name"].startswith(OURS) and not row["reference"]]
    best = max(peers, key=lambda row: row["macro_f1"])
    lines = [HEAD, *(_cells(row) for row in rows)]
    said = [
        _beside(own, best)
        for own in rows
        if own["name"].startswith(OURS) and own["macro_f1"] >= best["macro_f1"]
    ]
    none = f"No artifact of ours has the macro-F1 of the best peer, {best['title']}."
    machine = runs[0]["machine"]
    return (
        f"{len(runs)} seeds, {runs[0]['data']['texts']:,} validation texts, {machine['threads']} "
        f"threads on {machine['cpu']}. Bulk is sorted by length for everybody.\n\n"
        f"{table(lines)}\n\n" + "\n".join(said or [none])
    )


def _names(results: dict[str, Any]) -> list[str]:
    return [each["name"] for each in results["versions"]]


def _over_seeds(name: str, runs: list[dict[str, Any]]) -> dict[str, Any] | None:
    """One version's figures over all runs; None where one of them lacks it."""
    rows = [
        next((each for each in run["versions"] if each["name"] == name and "error" not in each), {})
        for run in runs
    ]
    if not all(rows):
        return None
    scores = [each["macro_f1"]["estimate"] for each in rows]
    return {
        "name": name,
        "title": rows[0]["title"],
        "reference": name == runs[0]["reference"],
        "macro_f1": mean(scores),
        "scores": scores,
        "bytes": median(each["bytes"] for each in rows),
        **{cost: median(each["cost"][cost] for each in rows) for cost in COSTS},
    }


def _cells(row: dict[str, Any]) -> list[str]:
    return [
        row["title"],
        f"{row['macro_f1']:.4f}",
        ", ".join(f"{score:.4f}" for score in row["scores"]),
        f"{row['bytes'] / 1e6:.1f}",
        f"{row['batch1_ms_p50']:.2f}",
        f"{row['batch32_ms_per_text']:.2f}",
        f"{row['bulk_sorted_texts_per_second']:,.0f}",
    ]


def _beside(own: dict[str, Any], best: dict[str, Any]) -> str:
    bulk = own["bulk_sorted_texts_per_second"] / best["bulk_sorted_texts_per_second"]
    return (
        f"- {own['title']} beside {best['title']}: macro-F1 {own['macro_f1']:.4f} against "
        f"{best['macro_f1']:.4f}, {best['batch1_ms_p50'] / own['batch1_ms_p50']:.1f}x its speed at "
        f"batch 1, {best['batch32_ms_per_text'] / own['batch32_ms_per_text']:.1f}x at batch 32 and "
        f"{bulk:.1f}x in bulk, 1/{best['bytes'] / own['bytes']:.1f} of its bytes."
    )


if __name__ == "__main__":
    main()
