"""Labels only where answers differ: do the intervals cover, and do few labels say what all say?

    python benchmarks/labels.py --docs docs/certificates.md
    python benchmarks/labels.py RUN --unlabelled traffic.csv --truth truth.csv --eval labelled.csv \
        --version int8 --version safe --docs docs/certificates.md

The first simulates pairs of models (`simulated`), draws texts without labels, a few labelled ones
beside them and labels of a random part of the flips, again and again, and counts how often the true
drop lies beyond the ends of the interval; above its upper end is what may pass wrongly.

The second certifies versions of RUN on texts whose labels are known and hidden: truth.csv has those
of traffic.csv, row for row. No label, then 100, then all of the flips' are filled in; beside them
stands the certificate by all labels of all texts. Nothing of RUN is changed.

Prints Markdown tables, writes them between the markers `labels` and `few-labels` of --docs, and
ends with one JSON line.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from page import table, write_section
from simulated import EMOTION, TEXTS, Setting, draw, uneven

import paretext
from paretext.certification.certificate import Certificate
from paretext.certification.flipped_classes import (
    Beside,
    Flips,
    macro_f1_drop,
    recall_clause,
)
from paretext.core.records import Interval
from paretext.measure.flipped import Flipped, flipped_interval, flipped_z
from paretext.measure.metrics import confusion_matrix, macro_f1

SETTINGS = (
    Setting("6 classes, few flips", EMOTION, 0.1),
    Setting("6 classes", EMOTION, 0.3),
    Setting("the same, last class hurt", EMOTION, 0.3, hurt=1.0),
    Setting("77 classes", uneven(77, 3, 20), 0.3),
)
SIZES = ((10_000, 500, 30), (10_000, 500, 100), (10_000, 500, 10**6), (3_000, 1_500, 50))
"""Texts without labels, labelled ones beside them, labels of flips (at most all)."""
TAIL = 0.025


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, nargs="?")
    for name in ("unlabelled", "truth", "eval", "docs"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--version", action="append")
    parser.add_argument("--sets", type=int, default=300)
    parser.add_argument("--resamples", type=int, default=400)
    options = parser.parse_args()
    if options.run:
        rows: Any = [few_labels(name, options) for name in options.version]
        name, text = "few-labels", few_table(rows)
    else:
        rows = []
        for setting in SETTINGS:
            many = answers(setting, TEXTS, np.random.default_rng(1))
            true = drops(*many, len(setting.counts))
            for sizes in SIZES if len(setting.counts) < 20 else SIZES[1:2]:
                rows.append(study(setting, true, sizes, options))
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
        name, text = "labels", coverage_table(rows)
    print(text)
    if options.docs:
        write_section(options.docs, name, text, "Labels only where answers differ: measured")
    print(json.dumps(rows))


# --- coverage


def study(
    setting: Setting,
    true: dict[str, float],
    sizes: tuple[int, int, int],
    options: argparse.Namespace,
) -> dict[str, Any]:
    """true: the drops on many texts."""
    rng, classes = np.random.default_rng(0), len(setting.counts)
    missed: dict[str, list[tuple[bool, bool, float]]] = {}
    flips, counted = [], []
    for index in range(options.sets):
        texts, beside, labels = sizes
        truth, before, after = answers(setting, texts, rng)
        flipped = rng.permutation(np.flatnonzero(before != after))
        flips.append(len(flipped))
        told = truth[flipped[:labels]]
        counts = [np.bincount(each, minlength=classes) for each in (before, after)]
        both = Flips(texts, before[flipped], after[flipped], told, (counts[0], counts[1]))
        lost, won = ((told == each[flipped[:labels]]).sum() for each in (before, after))
        counted.append((texts, len(flipped), len(told), int(lost), int(won)))
        intervals = {}
        near = Beside(*answers(setting, beside, rng))
        intervals["macro_f1"] = macro_f1_drop(both, near, classes, TAIL, options.resamples, index)
        names = tuple(map(str, range(classes)))
        parts = recall_clause(both, near, names, 0.05, TAIL).parts
        intervals |= {f"recall {part.label}": part.drop for part in parts}
        for name, interval in intervals.items():
            missed.setdefault(name.split()[0], []).append(beyond(true[name], interval))
    shares = {name: np.mean(rows, axis=0).tolist() for name, rows in missed.items()}
    # Of accuracy the test that the interval inverts: a truth is outside where it is rejected.
    z = flipped_z(Flipped(*np.array(counted).T), true["accuracy"])
    usual = flipped_interval(Flipped(*np.median(counted, axis=0)), TAIL, TAIL)
    width = usual.high - usual.low
    shares["accuracy"] = [float((z < -1.96).mean()), float((z > 1.96).mean()), width]
    return {
        "name": setting.name,
        "sizes": sizes,
        "flips": float(np.mean(flips)),
        "true": {name: true[name] for name in ("accuracy", "macro_f1")},
        "above": {name: share[0] for name, share in shares.items()},
        "below": {name: share[1] for name, share in shares.items()},
        "width": {name: share[2] for name, share in shares.items()},
        "sets": options.sets,
    }


def beyond(true: float, interval: Interval) -> tuple[bool, bool, float]:
    return true > interval.high, true < interval.low, interval.high - interval.low


def answers(setting: Setting, texts: int, rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Truth and both models' answers to so many texts drawn at random."""
    shares = np.array(setting.counts) / sum(setting.counts)
    counts = tuple(np.maximum(np.round(shares * texts).astype(int), 1).tolist())
    labels, before, after = draw(replace(setting, counts=counts, drawn=True), rng)
    return labels, before.argmax(axis=1), after.argmax(axis=1)


def drops(truth: Any, before: Any, after: Any, classes: int) -> dict[str, float]:
    scores = [float(macro_f1(confusion_matrix(truth, each, classes))) for each in (before, after)]
    by_metric = {"macro_f1": scores[0] - scores[1]}
    by_metric["accuracy"] = float((before == truth).mean() - (after == truth).mean())
    for k in range(classes):
        own = truth == k
        by_metric[f"recall {k}"] = float((before == k)[own].mean() - (after == k)[own].mean())
    return by_metric


def coverage_table(rows: list[dict[str, Any]]) -> str:
    head = ["pair", "texts", "labelled beside", "flips", "with a label"]
    lines = [[*head, "accuracy", "macro-F1", "every recall", "width of accuracy, macro-F1"]]
    told_alike = {
        (r["name"], *r["sizes"][:2], min(r["sizes"][2], round(r["flips"]))): r for r in rows
    }
    for row in told_alike.values():
        texts, beside, labels = row["sizes"]
        told = min(labels, round(row["flips"]))
        cells = [row["name"], f"{texts:,}", f"{beside:,}", f"{row['flips']:.0f}", f"{told:,}"]
        names = ("accuracy", "macro_f1", "recall")
        cells += [f"{row['above'][name]:.1%} / {row['below'][name]:.1%}" for name in names]
        widths = [f"{row['width'][name]:.4f}" for name in names[:2]]
        lines.append([*cells, ", ".join(widths)])
    return (
        f"How often the true drop lies above / below the 95% interval, of {rows[0]['sets']} sets "
        f"(2.5% each is what it promises, with a standard error of "
        f"{(0.025 * 0.975 / rows[0]['sets']) ** 0.5:.1%}). Above is what may pass wrongly."
        "\n\n" + table(lines)
    )


# --- a run


def few_labels(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Certificates of one version by no label of a flip, by 100, by all, and by all texts'."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "run"
        for each in (name, "parent"):
            shutil.copytree(options.run / "artifacts" / each, root / "artifacts" / each)
        kept = options.run / "certificates" / f"{name}-answers.npz"
        if kept.is_file():  # they are of these models and texts, or made anew
            (root / "certificates").mkdir()
            shutil.copy(kept, root / "certificates")
        own, parent = (root / "artifacts" / each for each in (name, "parent"))
        given = {"unlabelled": options.unlabelled, "eval": options.eval}
        certificates = {"0": paretext.certify(own, parent, **given)}
        flips = certificates["0"].flips.flipped
        if flips:
            to_label = root / "certificates" / f"{name}-to_label.csv"
            for count in (100, flips):
                path = fill(to_label, options.truth, root / f"{count}.csv", count)
                said = str(min(count, flips)) if count < flips else "all"
                certificates[said] = paretext.certify(own, parent, labels_for=path, **given)
        with np.load(root / "certificates" / f"{name}-answers.npz") as stored:
            old, new = stored["reference"].astype(float), stored["candidate"].astype(float)
        labels = paretext.Artifact.load(parent).manifest.labels
        everything = paretext.certify(
            predictions=new, against=old, eval=options.truth, labels=labels
        )
    return {
        "version": name,
        "flips": flips,
        "few": {count: judged(each) for count, each in certificates.items()},
        "all": judged(everything),
    }


def fill(asked: Path, truth: Path, target: Path, count: int) -> Path:
    """The first labels of the file, from the truth."""
    with truth.open(encoding="utf-8", newline="") as file:
        known = [row["label"] for row in csv.DictReader(file)]
    with asked.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows[:count]:
        row["label"] = known[int(row["row"]) - 1]
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return target


def judged(certificate: Certificate) -> dict[str, Any]:
    names = ("accuracy_drop", "macro_f1_drop", "recall_drop")
    return {
        each.name: {"verdict": each.verdict, "found": each.found.estimate, "high": each.found.high}
        | {"low": each.found.low}
        for each in certificate.clauses
        if each.name in names
    }


def few_table(rows: list[dict[str, Any]]) -> str:
    lines = [["version", "flips", "labels", "accuracy drop", "macro-F1 drop", "every recall"]]
    for row in rows:
        by = {**{f"{count} of flips": each for count, each in row["few"].items()}}
        for count, clauses in {**by, "**all texts**": row["all"]}.items():
            cells = [shown(clauses[name]) for name in ("accuracy_drop", "macro_f1_drop")]
            recall = clauses["recall_drop"]["verdict"]
            lines.append([row["version"], f"{row['flips']:,}", count, *cells, recall])
    return table(lines)


def shown(clause: dict[str, Any]) -> str:
    estimate = "" if np.isnan(clause["found"]) else f"{clause['found']:+.4f} "
    return f"{estimate}[{clause['low']:+.4f}, {clause['high']:+.4f}] {clause['verdict']}"


if __name__ == "__main__":
    main()
