"""What the planned training is worth: macro-F1 of the defaults before and after, on cuts of data.

    python benchmarks/training.py DATA ENCODER --out FOLDER [--texts 1500] [--seed 0 --seed 1]
        [--rows docs/training.jsonl] [--docs docs/results.md]

DATA holds train.csv, validation.csv and, where labels are numbers, labels.txt. Each seed draws its
own cut of the training texts and holds 15% of it out to choose on; all of them with --texts 0. Two
trainings: "after", the settings as they come, and "before", what came before them (5 epochs at
5e-5, patience 2; of the first seed only, unless --every). The validation texts are only measured
on, once a training. Each row is a line of FOLDER/training.jsonl (--rows names another file, of an
earlier machine, say), and is not made a second time; the table of all rows is printed, and written
between the markers `training` of --docs. Seconds are of this machine, and worth little where other
work ran beside it. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import mean
from typing import Any

from page import write_section
from rows import add, cut, rows

from paretext.measure.metrics import confusion_matrix, macro_f1
from paretext.models.classifier import Classifier
from paretext.training.fit import fit
from paretext.training.settings import TrainingSettings

MAX_LENGTH = 128
KEY = ("data", "encoder", "texts", "settings", "seed")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("encoder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=1500)
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--docs", type=Path)
    parser.add_argument("--every", action="store_true", help="before: every seed, too")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.rows or options.out / "training.jsonl"
    seeds = options.seed or [0]
    for number, seed in enumerate(seeds):
        for settings in ("after", "before") if options.every or not number else ("after",):
            key = dict(
                zip(
                    KEY,
                    (options.data.name, options.encoder.name, options.texts, settings, seed),
                    strict=True,
                )
            )
            if not any(key.items() <= row.items() for row in rows(path)):
                made = key | measured(options.data, options.encoder, options.texts, settings, seed)
                add(path, made)
    table = markdown(rows(path))
    print(table)
    if options.docs:
        write_section(options.docs, "training", table, "The planned training")
    print(json.dumps({"rows": len(rows(path))}))


def measured(data: Path, encoder: Path, texts: int, settings: str, seed: int) -> dict[str, Any]:
    """One training, and its macro-F1 on the validation texts."""
    train, selection, validation = cut(data, texts, seed)
    classifier = Classifier.from_pretrained(str(encoder), train.label_names, MAX_LENGTH, seed=seed)
    how = TrainingSettings(seed=seed, epochs=5 if settings == "before" else None)
    begin = time.perf_counter()
    fitted = fit(classifier, train, selection, how)
    seconds = time.perf_counter() - begin
    answers = fitted.classifier.logits(validation.texts).argmax(axis=1)
    counts = confusion_matrix(validation.labels, answers, len(train.label_names))
    record = fitted.record
    assert record is not None  # fit() leaves one
    return {
        "trained_on": len(train),
        "classes": len(train.label_names),
        "macro_f1": round(float(macro_f1(counts)), 4),
        "seconds": round(seconds),
        "steps": fitted.history[-1]["step"],
        "best_step": fitted.best["step"],
        "learning_rate": record.learning_rate,
        "tried": [each.model_dump() for each in record.tried],
        "still_rising": record.still_rising,
        "history": [(row["step"], round(row["selection_macro_f1"], 4)) for row in fitted.history],
    }


def markdown(stored_rows: list[dict[str, Any]]) -> str:
    """A row for each data set, encoder, cut and settings; seeds side by side."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in sorted(stored_rows, key=lambda row: [row[name] for name in KEY[:3]] + [row["seed"]]):
        groups.setdefault(tuple(row[name] for name in KEY[:4]), []).append(row)
    lines = [
        "| data | encoder | training texts | classes | settings | macro-F1, by seed | mean | rate "
        "kept | steps made | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (data, encoder, _, settings), group in groups.items():
        columns = [
            data,
            encoder,
            f"{group[0]['trained_on']:,}",
            str(group[0]["classes"]),
            settings,
            ", ".join(f"{row['macro_f1']:.4f}" for row in group),
            f"{mean(row['macro_f1'] for row in group):.3f}",
            ", ".join(f"{row['learning_rate']:g}" for row in group),
            ", ".join(f"{row['steps']:,}" for row in group),
            ", ".join(f"{row['seconds']:,}" for row in group),
        ]
        lines.append(f"| {' | '.join(columns)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
