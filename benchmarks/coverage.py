"""Do the intervals cover, and do the verdicts decide, rightly? Certificates of simulated models.

    python benchmarks/coverage.py --docs docs/certificates.md

A pair is a reference and a candidate that answers from the same evidence with noise added, so that
answers flip where the reference was unsure, as quantisation makes them; `hurt` pushes classes down.
What is true of a pair is measured on many texts; then held-out sets are drawn again and again, the
rules of `former_rules` beside the present ones:

- coverage: how often the nominal 95% interval holds the truth, how often it lies above or below;
- verdicts, at the default budget: how often a certificate holds, where nothing changed, where 0.3%
  of the answers flip at random, exactly at the limit of a clause, and where a candidate is broken;
- several versions on one set of texts: how often a wrong one is chosen.

Prints Markdown tables, writes them between the markers `coverage` of --docs, and ends with one JSON
line. A share of s sets has a standard error of at most 0.5 / sqrt(s); it is said beside the tables.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import former_rules
import numpy as np
from certified import CASES, choice_table, choices, decide, verdict_table
from page import table, write_section
from simulated import EMOTION, TEXTS, Setting, draw, uneven

from paretext.certification.calibration import rises
from paretext.core.records import Interval
from paretext.measure.intervals import paired_drops, quality
from paretext.measure.proportions import Pairs, score_interval

SETTINGS = (
    Setting("2,000 texts, 6 classes, few flips", EMOTION, 0.1),
    Setting("2,000 texts, 6 classes", EMOTION, 0.3),
    Setting("the same, drawn at random", EMOTION, 0.3, drawn=True),
    Setting("the same, last class hurt", EMOTION, 0.3, hurt=1.5, drawn=True),
    Setting("the same, 1.5 times as sure", EMOTION, 0.3, sharpness=1.5),
    Setting("1,000 texts, 95 to 5", (950, 50), 0.5, drawn=True),
    Setting("500 texts, 3 classes, few flips", (300, 150, 50), 0.1),
    Setting("200 texts, 3 classes", (120, 60, 20), 0.5, separation=2.5),
    Setting("77 classes of 3 to 20 texts", uneven(77, 3, 20), 0.3),
    Setting("the same, half of them hurt", uneven(77, 3, 20), 0.3, 1.0, 38),
    Setting("the same, bad models", uneven(77, 3, 20), 0.7, separation=2.2),
    Setting("150 classes of 3 to 20 texts", uneven(150, 3, 20), 0.3),
    Setting("the same, half of them hurt", uneven(150, 3, 20), 0.3, 1.0, 75),
    Setting("the same, bad models", uneven(150, 3, 20), 0.7, separation=2.2),
)
CLAUSES = (
    *("macro_f1", "balanced_accuracy", "kappa", "accuracy", "recall", "brier", "calibration"),
    *("own macro_f1", "former macro_f1", "former accuracy", "former own macro_f1"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--docs", type=Path)
    parser.add_argument("--sets", type=int, default=300, help="of each setting and case")
    parser.add_argument("--resamples", type=int, default=500)
    options = parser.parse_args()
    covered = []
    for setting in SETTINGS:
        covered.append(study(setting, options.sets, options.resamples))
        print(json.dumps(covered[-1]), file=sys.stderr, flush=True)
    decided = []
    for case in CASES:
        decided.append(decide(case, options.sets, options.resamples))
        print(json.dumps(decided[-1]), file=sys.stderr, flush=True)
    chosen = choices()
    text = "\n\n".join([coverage_table(covered), verdict_table(decided), choice_table(chosen)])
    print(text)
    if options.docs:
        write_section(options.docs, "coverage", text, "What the simulation found")
    print(json.dumps({"coverage": covered, "verdicts": decided, "choices": chosen}))


# --- coverage


def study(
    setting: Setting,
    sets: int,
    resamples: int,
    seed: int = 0,
    clauses: tuple[str, ...] = CLAUSES,
) -> dict[str, Any]:
    """By clause: how often the interval covers, and where a limit at the truth, or 0.01 to either
    side of it, is said to hold."""
    rng, begin = np.random.default_rng(seed), time.monotonic()
    true = truth(setting, rng, clauses)
    outcomes: dict[str, list[tuple[bool, ...]]] = {name: [] for name in clauses}
    flips, outside = [], 0
    for index in range(sets):
        labels, before, after = draw(setting, rng)
        flips.append(float((before.argmax(1) != after.argmax(1)).mean()))
        for name, interval in judged(labels, before, after, resamples, index, clauses):
            value = true[name.removeprefix("former ")]
            # the verdict "holds" where the limit is the truth, or 0.01 to either side of it
            holds = (interval.high <= value + margin for margin in (0.0, 0.01, -0.01))
            low, high = value < interval.low, value > interval.high
            outcomes[name].append((not low and not high, low, high, *holds))
            if not name.startswith("former") and interval.estimate != 1:
                outside += not interval.low < interval.estimate < interval.high
    names = ("covers", "truth_below", "truth_above", "holds_at", "holds_inside", "holds_outside")
    return {
        "name": setting.name,
        "sets": len(flips),
        "flips": float(np.mean(flips)),
        "true": true,
        "estimates_outside": outside,
        "seconds": round(time.monotonic() - begin, 1),
        **{
            name: dict(zip(names, np.mean(rows, axis=0).tolist(), strict=True))
            for name, rows in outcomes.items()
        },
    }


def judged(
    labels: Any, before: Any, after: Any, resamples: int, seed: int, clauses: tuple[str, ...]
) -> Iterator[tuple[str, Interval]]:
    """These clauses' intervals. Recall is that of the last class, alone, at 95%."""
    classes = before.shape[1]
    answers = (before.argmax(axis=1), after.argmax(axis=1))
    intervals: dict[str, Interval] = {}
    if {*CLAUSES[:4]} & {*clauses}:
        drops = paired_drops(labels, *answers, classes, resamples=resamples, seed=seed)
        intervals |= {name: getattr(drops, name) for name in CLAUSES[:4]}
    last = labels == classes - 1
    pairs = Pairs.count(*(each[last] == classes - 1 for each in answers))
    intervals["recall"] = score_interval(pairs, 0.025, 0.025)
    if {"brier", "calibration"} & {*clauses}:
        rise = rises(labels, before, after, resamples=resamples, seed=seed)
        intervals |= {"brier": rise.brier, "calibration": rise.calibration_error}
    if "own macro_f1" in clauses:
        own = quality(labels, answers[0], classes, resamples=resamples, seed=seed)
        intervals["own macro_f1"] = own.macro_f1
    if {"former macro_f1", "former accuracy"} & {*clauses}:
        former = former_rules.drops(labels, answers, classes, resamples, seed)
        intervals |= {f"former {name}": former[name] for name in ("macro_f1", "accuracy")}
    if "former own macro_f1" in clauses:
        former = former_rules.drops(labels, answers[:1], classes, resamples, seed)
        intervals["former own macro_f1"] = former["macro_f1"]
    yield from ((name, intervals[name]) for name in clauses)


def truth(setting: Setting, rng: np.random.Generator, clauses: tuple[str, ...]) -> dict[str, float]:
    """Each clause's value on many texts with the set's shares of classes."""
    times = max(1, TEXTS // sum(setting.counts))
    parts = [draw(setting, rng, fixed=True) for _ in range(times)]
    labels, before, after = (np.concatenate(each) for each in zip(*parts, strict=True))
    wanted = tuple({name.removeprefix("former "): None for name in clauses})
    return {
        name: interval.estimate for name, interval in judged(labels, before, after, 1, 0, wanted)
    }


def coverage_table(rows: list[dict[str, Any]]) -> str:
    shown = [name for name in CLAUSES if name != "balanced_accuracy"]
    lines = [["pair and texts", "sets", "flips", *shown]]
    for row in rows:
        cells = [
            f"{row[name]['covers']:.1%} ({row[name]['truth_below']:.1%} / "
            f"{row[name]['truth_above']:.1%})"
            for name in shown
        ]
        lines.append([row["name"], str(row["sets"]), f"{row['flips']:.1%}", *cells])
    return (
        "How often the nominal 95% interval holds the truth (and how often the truth lies below / "
        "above it); of 200 sets the standard error is 1.5%. "
        f"Estimates outside their interval, or at its end: "
        f"{sum(row['estimates_outside'] for row in rows)}.\n\n" + table(lines)
    )


if __name__ == "__main__":
    main()
