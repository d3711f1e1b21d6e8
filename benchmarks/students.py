"""Students on the front of quality against time, on several tasks, in one picture.

    python benchmarks/students.py DATA... --parents FOLDER --out FOLDER [--texts 2000] [--seed 0]
        [--student nano ...] [--unlabelled] [--rows docs/students.jsonl]
        [--docs docs/compression.md]

Each DATA holds train.csv, validation.csv and, where labels are numbers, labels.txt; a parent of the
same cut of its texts, a classifier's folder, is FOLDER/TASK-TEXTS-SEED/model or /parent (as
tasks.py leaves it). What the other presets have made of it is measured beside the students if it
lies in OUT/TASK-TEXTS-SEED/artifacts. A student is a line of OUT/students.jsonl (--rows names
another file) and is not made a second time; with --unlabelled it is also taught by the training
texts that were cut off, without their labels. Validation texts are only measured on.

Times are one core's own (process CPU time: other work on the machine adds little to it), medians of
interleaved rounds; tokenisation, which is part of them, is also given apart. Ends with a JSON line.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from page import table, write_section
from rows import add, cut, cut_off, rows
from tokenizers import Tokenizer

from paretext.compression.build import compress
from paretext.compression.recipe import Recipe, Version, preset
from paretext.core.files import folder_bytes
from paretext.core.records import Interval
from paretext.data.dataset import Dataset
from paretext.graphs import export
from paretext.measure.cost import machine
from paretext.measure.intervals import paired_drops
from paretext.measure.metrics import confusion_matrix, macro_f1
from paretext.report import drawing, pictures
from paretext.runtime.artifact import Artifact
from paretext.training.baselines import BASELINES
from paretext.training.settings import TrainingSettings

TFIDF = "tfidf"
CHANGES: dict[str, dict[str, int]] = {
    "words": {"window": 1},
    "nano": {},
    "wide": {"embedding_size": 128, "channels": 256},
}
"""Students, by what they change of the preset nano."""
KEY = ("task", "texts", "seed", "student", "unlabelled")
ROUNDS, ALONE, TOGETHER = 5, 100, 300
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--parents", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--student", action="append", choices=(*CHANGES, TFIDF))
    parser.add_argument("--unlabelled", action="store_true")
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--docs", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.rows or options.out / "students.jsonl"
    for data in options.data:
        folder, key = place(data, options)
        parent = found_parent(options.parents / folder.name)
        for student in options.student or (*CHANGES, TFIDF):
            for unlabelled in (False, True)[: 1 + (options.unlabelled and student != TFIDF)]:
                if not known(path, key | {"student": student, "unlabelled": unlabelled}):
                    make(student, unlabelled, data, parent, folder, options)
    for data in options.data:
        folder, key = place(data, options)
        missing = [
            artifact
            for artifact in sorted((folder / "artifacts").iterdir())
            if "." not in artifact.name
            and not known(path, key | dict(zip(KEY[3:], named(artifact.name), strict=True)))
        ]
        if missing:
            validation = cut(data, options.texts, options.seed)[2]
            reference = folder / "artifacts" / "parent"
            for row in measured(list(dict.fromkeys([reference, *missing])), validation):
                if not known(path, key | row):
                    add(path, key | row)
    text = markdown(rows(path))
    print(text)
    if options.docs:
        write_section(options.docs, "students", text, "The front of students")
        picture(rows(path), options.docs.with_name("students.svg"))
    print(json.dumps({"rows": len(rows(path))}))


def place(data: Path, options: Any) -> tuple[Path, Row]:
    """Where a task's artifacts are, and what its rows begin with."""
    key = {"task": data.name, "texts": options.texts, "seed": options.seed}
    return options.out / f"{data.name}-{options.texts}-{options.seed}", key


def known(path: Path, key: Row) -> bool:
    wanted = {name: key[name] for name in KEY}
    return any(wanted.items() <= row.items() for row in rows(path))


def named(artifact: str) -> tuple[str, bool]:
    """The student that an artifact's name says, and whether it had unlabelled texts."""
    return artifact.removesuffix("-unlabelled"), artifact.endswith("-unlabelled")


def found_parent(folder: Path) -> Path:
    return next(each for each in (folder / "model", folder / "parent") if each.is_dir())


def make(
    student: str, unlabelled: bool, data: Path, parent: Path, folder: Path, options: Any
) -> None:
    """The artifact of a student, under its name."""
    print(f"students: {folder.name}, {student}, {unlabelled=}", file=sys.stderr, flush=True)
    train, selection, _ = cut(data, options.texts, options.seed)
    settings = TrainingSettings(seed=options.seed)
    if student == TFIDF:
        made = BASELINES[TFIDF].fit(train, selection, settings, max_length=128).classifier
        export(made, folder / "artifacts" / TFIDF, selection.texts, name=TFIDF)
        return
    (version,) = preset("nano")
    first, *others = version.steps
    name = f"{student}-unlabelled" if unlabelled else student
    changed = Version(name=name, steps=(first.model_copy(update=CHANGES[student]), *others))
    more = cut_off(data, options.texts, options.seed) if unlabelled else ()
    recipe = Recipe(training=settings, versions=(changed,))
    compress(parent, recipe, train, selection, folder, unlabelled=more)


def measured(artifacts: list[Path], validation: Dataset) -> list[Row]:
    """Quality and cost of each artifact beside the first, in one interleaved run."""
    loaded = {folder.name: Artifact.load(folder, 1) for folder in artifacts}
    answers = {name: each.logits(validation.texts) for name, each in loaded.items()}
    reference = answers["parent"]
    times = {name: timed(each, validation.texts) for name, each in loaded.items()}
    for _ in range(ROUNDS - 1):
        for name, each in loaded.items():
            for kind, value in timed(each, validation.texts).items():
                times[name][kind] += value
    classes = len(validation.label_names)
    made = []
    for folder in artifacts:
        own = answers[folder.name]
        drop = paired_drops(validation.labels, reference.argmax(1), own.argmax(1), classes).macro_f1
        student, unlabelled = named(folder.name)
        counts = confusion_matrix(validation.labels, own.argmax(1), classes)
        made.append(
            {
                "student": student,
                "unlabelled": unlabelled,
                "macro_f1": round(float(macro_f1(counts)), 4),
                "drop": [round(float(v), 4) for v in (drop.estimate, drop.low, drop.high)],
                "flips": round(float((reference.argmax(1) != own.argmax(1)).mean()), 4),
                "bytes": folder_bytes(folder),
                "us": {k: round(median(v), 1) for k, v in times[folder.name].items()},
                "cpu": machine(1)["cpu"],
            }
        )
    return made


def timed(artifact: Artifact, texts: tuple[str, ...]) -> dict[str, list[float]]:
    """CPU microseconds a text, one after the other and in bulk, and of that tokenisation."""
    tokenizer = Tokenizer.from_file(str(artifact.folder / "tokenizer.json"))
    some, many = texts[:ALONE], list(texts[:TOGETHER])

    def each(ask: Callable[[str], Any]) -> list[float]:
        return [_cpu(lambda: [ask(text) for text in some]) / len(some)]

    return {
        "alone": each(lambda text: artifact.logits([text])),
        "bulk": [_cpu(lambda: artifact.logits(many)) / len(many)],
        "tokens_alone": each(tokenizer.encode),
        "tokens_bulk": [_cpu(lambda: tokenizer.encode_batch_fast(many)) / len(many)],
    }


def _cpu(work: Callable[[], Any]) -> float:
    begin = time.process_time()
    work()
    return 1e6 * (time.process_time() - begin)


def tasks(stored_rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(row["task"] for row in stored_rows))


def students(stored_rows: list[Row]) -> list[str]:
    """Those without unlabelled texts, the slowest first."""
    cost: dict[str, list[float]] = {}
    for row in stored_rows:
        if not row["unlabelled"]:
            cost.setdefault(row["student"], []).append(row["us"]["alone"])
    return sorted(cost, key=lambda name: -float(np.mean(cost[name])))


def markdown(stored_rows: list[Row]) -> str:
    """A row for each student: what it loses on each task, and what it takes on all of them."""
    by = {(row["task"], row["student"], row["unlabelled"]): row for row in stored_rows}
    names = tasks(stored_rows)
    lines = [
        [
            "student",
            *names,
            "MB",
            "us a text alone",
            "of it tokenisation",
            "us in bulk",
            "of it tokenisation",
            "texts a second",
        ]
    ]
    for student in students(stored_rows):
        own = [by[task, student, False] for task in names if (task, student, False) in by]
        cost = {k: float(np.mean([row["us"][k] for row in own])) for k in own[0]["us"]}
        lines.append(
            [
                f"`{student}`",
                *(_lost(by, task, student) for task in names),
                f"{own[0]['bytes'] / 1e6:.1f}",
                f"{cost['alone']:.0f}",
                f"{cost['tokens_alone']:.0f}",
                f"{cost['bulk']:.0f}",
                f"{cost['tokens_bulk']:.0f}",
                f"{1e6 / cost['bulk']:,.0f}",
            ]
        )
    return table(lines)


def _lost(by: dict[tuple[str, str, bool], Row], task: str, student: str) -> str:
    """Drop and flips; after a semicolon with unlabelled texts."""
    known = [by[task, student, u] for u in (False, True) if (task, student, u) in by]
    if student == "parent" and known:
        return f"macro-F1 {known[0]['macro_f1']:.3f}"
    return "; ".join(f"{row['drop'][0]:.3f}, {row['flips']:.1%}" for row in known)


def picture(stored_rows: list[Row], path: Path) -> None:
    """A panel for each task, and which number is which student."""
    order = {name: number for number, name in enumerate(students(stored_rows), 1)}
    panels = []
    for task in tasks(stored_rows):
        own = [row for row in stored_rows if row["task"] == task and not row["unlabelled"]]
        top = next(row["macro_f1"] for row in own if row["student"] == "parent")
        marks = []
        for row in own:
            estimate, low, high = row["drop"]
            score = Interval(estimate=top - estimate, low=top - high, high=top - low)
            base = "base" if row["student"] == "parent" else ""
            name, cost = row["student"], row["us"]["alone"]
            marks.append(pictures.Mark(name, order[name], cost, score, base))
        axis = f"{task}: microseconds of one core a text, log scale"
        panels.append({**pictures.against_cost(marks), "axis": axis, "unit": "us"})
    by = {(row["task"], row["student"]): row for row in stored_rows if not row["unlabelled"]}
    columns = [(44, "student", "start")]
    columns += [
        (320 + 130 * n, f"drop, {task}", "end") for n, task in enumerate(tasks(stored_rows))
    ]
    under = drawing.TOP + pictures.HEIGHT + 30
    lines = [
        {
            "number": number,
            "shape": "base" if name == "parent" else "",
            "cells": [name, *(_drop(by.get((task, name))) for task in tasks(stored_rows))],
        }
        for name, number in order.items()
    ]
    drawing.write(
        "trade_off.svg",
        path,
        "Students of a fine-tuned encoder: quality against time",
        len(panels) * pictures.WIDTH,
        height=under + 23 * len(lines) + 75,
        panels=panels,
        under=under,
        columns=columns,
        rows=lines,
        notes=(
            "Line and filled marks: Pareto front. Square: parent.",
            "Bars: paired intervals of the drop.",
        ),
    )


def _drop(row: Row | None) -> str:
    return "" if row is None else f"{row['drop'][0]:+.3f}"


if __name__ == "__main__":
    main()
