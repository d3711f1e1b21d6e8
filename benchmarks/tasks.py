"""What each preset loses on several tasks, whole and cut to few training texts.

    python benchmarks/tasks.py ENCODER DATA... --out FOLDER [--texts 2000 --texts 0] [--seed 0]
        [--version small ...] [--rows docs/tasks.jsonl] [--docs docs/results.md]

Each DATA holds train.csv, validation.csv and, where labels are numbers, labels.txt. A seed draws
its own cut of the training texts (0: all of them) and holds 15% of it out to choose on; the parent
is trained by the plan, the versions are made of it, and the validation texts are only measured on.
Each row is a line of FOLDER/tasks.jsonl (--rows names another file), and is not made a second time;
what was begun goes on. At the end the versions of the first task that lies in FOLDER are timed in
one interleaved run, unless --no-times. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from page import table, write_section
from rows import add, cut, rows

from paretext.compression.build import compress
from paretext.compression.recipe import Recipe, preset
from paretext.core.files import folder_bytes, read_json, write_json
from paretext.data.dataset import Dataset
from paretext.measure.cost import Target, benchmark, machine
from paretext.measure.intervals import paired_drops
from paretext.measure.metrics import confusion_matrix, macro_f1
from paretext.models.classifier import Classifier
from paretext.runtime.artifact import Artifact
from paretext.training.fit import fit
from paretext.training.settings import TrainingSettings

MAX_LENGTH = 128
VERSIONS = ("int8", "safe", "small", "tiny", "nano")
KEY = ("task", "texts", "seed", "version")
TIMED_TEXTS, ROUNDS = 500, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("encoder", type=Path)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--texts", type=int, action="append")
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--version", action="append", choices=VERSIONS)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--docs", type=Path)
    parser.add_argument("--no-times", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.rows or options.out / "tasks.jsonl"
    for version in options.version or VERSIONS:
        for texts in options.texts or (2000,):
            for data in options.data:
                for seed in options.seed or (0,):
                    key = dict(zip(KEY, (data.name, texts, seed, version), strict=True))
                    if any(key.items() <= row.items() for row in rows(path)):
                        continue
                    print(f"tasks: {key}", file=sys.stderr, flush=True)
                    row = key | measured(options.encoder, data, options.out, texts, seed, version)
                    add(path, row)
    times = {} if options.no_times else timed(options.out, options.data[0], options.texts)
    text = markdown(rows(path), times)
    print(text)
    if options.docs:
        write_section(options.docs, "tasks", text, "What the presets lose, task by task")
    print(json.dumps({"rows": len(rows(path)), "timed": len(times)}))


def measured(
    encoder: Path, data: Path, out: Path, texts: int, seed: int, version: str
) -> dict[str, Any]:
    """One version made, and what it answers to the validation texts beside its parent."""
    train, selection, validation = cut(data, texts, seed)
    folder = out / f"{data.name}-{texts}-{seed}"
    settings = TrainingSettings(seed=seed)
    parent = folder / "parent"
    if not (parent / "config.json").is_file():
        classifier = Classifier.from_pretrained(
            str(encoder), train.label_names, MAX_LENGTH, seed=seed
        )
        fit(classifier, train, selection, settings, work=folder / "work").classifier.save(parent)
    begin = time.perf_counter()
    recipe = Recipe(training=settings, versions=preset(version))
    made = compress(parent, recipe, train, selection, folder)
    seconds = time.perf_counter() - begin
    artifacts = {each.name: each.folder for each in made}
    reference, answers = (
        Artifact.load(artifacts[name]).logits(validation.texts).argmax(axis=1)
        for name in ("parent", version)
    )
    classes = len(train.label_names)
    drop = paired_drops(validation.labels, reference, answers, classes).macro_f1
    return {
        "classes": classes,
        "parent_macro_f1": score(validation, reference),
        "macro_f1": score(validation, answers),
        "drop": [round(float(v), 4) for v in (drop.estimate, drop.low, drop.high)],
        "flips": round(float(np.mean(reference != answers)), 4),
        "bytes": folder_bytes(artifacts[version]),
        "parent_bytes": folder_bytes(artifacts["parent"]),
        "seconds": round(seconds),
    }


def score(data: Dataset, answers: Any) -> float:
    return round(float(macro_f1(confusion_matrix(data.labels, answers, len(data.label_names)))), 4)


def timed(out: Path, data: Path, texts: list[int] | None) -> dict[str, Any]:
    """Milliseconds of the first task's parent and versions, in one interleaved run."""
    folder = out / f"{data.name}-{(texts or [2000])[0]}-0"
    artifacts = folder / "artifacts"
    names = [name for name in ("parent", *VERSIONS) if (artifacts / name).is_dir()]
    targets = [Target("pytorch", folder / "parent", "pytorch")]
    targets += [Target(name, artifacts / name) for name in names]
    path = folder / "times.json"
    known: dict[str, Any] = read_json(path, f"delete {path}", dict) if path.is_file() else {}
    if list(known.get("ms", {})) == [each.name for each in targets]:
        return known
    asked = Dataset.read(data / "validation.csv").texts[:TIMED_TEXTS]
    found = benchmark(targets, asked, rounds=ROUNDS)
    values = {
        "machine": machine(2),
        "task": data.name,
        "ms": {
            name: [each.cost.batch1_ms_p50, each.cost.batch32_ms_per_text, bool(each.cost.unsteady)]
            for name, each in found.items()
        },
    }
    write_json(path, values)
    return values


def markdown(found: list[dict[str, Any]], times: dict[str, Any]) -> str:
    """A row for each task, cut and version; seeds side by side."""
    lines = [["task", "training texts", "version", "parent", "macro-F1", "drop", "flips", "MB"]]
    order = {name: place for place, name in enumerate(VERSIONS)}
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in sorted(found, key=lambda row: (row["task"], row["texts"], order[row["version"]])):
        groups.setdefault((row["task"], row["texts"], row["version"]), []).append(row)
    for (task, texts, version), group in groups.items():
        group.sort(key=lambda row: row["seed"])
        drops = ", ".join("{:+.3f} [{:+.3f}, {:+.3f}]".format(*row["drop"]) for row in group)
        lines.append(
            [
                f"{task}, {group[0]['classes']} classes",
                f"{texts:,}" if texts else "all",
                version,
                ", ".join(f"{row['parent_macro_f1']:.3f}" for row in group),
                ", ".join(f"{row['macro_f1']:.3f}" for row in group),
                drops,
                f"{mean(row['flips'] for row in group):.1%}",
                f"{group[0]['bytes'] / 1e6:.1f}",
            ]
        )
    if not times:
        return table(lines)
    first = times["ms"]["pytorch"]
    speeds = [["version", "ms, batch 1", "faster", "ms a text, batch 32", "faster"]]
    for name, (one, many, busy) in times["ms"].items():
        mark = " (busy)" if busy else ""
        speeds.append(
            [
                name,
                f"{one:.2f}{mark}",
                f"{first[0] / one:.1f}x",
                f"{many:.3f}",
                f"{first[1] / many:.1f}x",
            ]
        )
    where = f"{times['task']}, {times['machine']['cpu']}, {times['machine']['cores']} cores"
    return f"{table(lines)}\n\nTimes ({where}):\n\n{table(speeds)}"


if __name__ == "__main__":
    main()
