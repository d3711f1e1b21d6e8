"""Do the intervals cover, and are the verdicts right? Certificates of simulated pairs of models.

    python benchmarks/coverage.py --docs docs/certificates.md --minutes 5

A pair is a reference and a candidate that answers from the same evidence with noise added, so that
answers flip where the reference was unsure, as quantisation makes them; `hurt` pushes one class
down. What is true of a pair is measured on a million texts. Then held-out sets of n texts are drawn
again and again, and for each is asked whether the 95% interval covers the truth, and what the
verdict is when the limit is

- at: the true drop itself, so that "holds" is wrong, and should come in at most 2.5% of sets;
- inside: a candidate that is 0.01 better than the limit;
- outside: one that is 0.01 worse; "holds" is wrong, and the worst thing a certificate can do.

Prints a Markdown table, writes it between the markers `coverage` of --docs, and ends with one JSON
line. Settings differ in texts, classes, imbalance and share of flips.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from page import write_section

from paretext.certification.calibration import rises
from paretext.certification.proportions import Pairs, score_interval
from paretext.core.records import Interval
from paretext.measure.intervals import paired_drops

CLAUSES = ("macro_f1", "balanced_accuracy", "kappa", "accuracy", "recall", "brier", "calibration")
_MILLION = 1_000_000


@dataclass(frozen=True)
class Setting:
    """One pair of models and one kind of held-out set."""

    name: str
    counts: tuple[int, ...]
    """Texts of each class in a set."""
    noise: float
    """Of the candidate's evidence; the reference's own has a standard deviation of 1."""
    hurt: float = 0.0
    """How much the candidate's evidence for the last class is pushed down."""
    separation: float = 3.5
    sharpness: float = 1.0
    """Of the candidate's probabilities beside the reference's: above 1 it is surer."""


SETTINGS = (
    Setting("2,000 texts, 6 classes, few flips", (550, 704, 178, 275, 212, 81), 0.1),
    Setting("2,000 texts, 6 classes", (550, 704, 178, 275, 212, 81), 0.3),
    Setting("the same, last class hurt", (550, 704, 178, 275, 212, 81), 0.3, hurt=0.5),
    Setting("the same, 1.5 times as sure", (550, 704, 178, 275, 212, 81), 0.3, sharpness=1.5),
    Setting("2,000 texts, 2 classes", (1000, 1000), 0.5),
    Setting("1,000 texts, 95 to 5", (950, 50), 0.5),
    Setting("1,000 texts, 20 classes", (50,) * 20, 0.3, separation=4.0),
    Setting("500 texts, 3 classes", (300, 150, 50), 0.5),
    Setting("500 texts, 3 classes, few flips", (300, 150, 50), 0.1),
    Setting("200 texts, 3 classes", (120, 60, 20), 0.5, separation=2.5),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--docs", type=Path)
    parser.add_argument("--minutes", type=float, default=5, help="for all settings together")
    parser.add_argument("--sets", type=int, default=1000, help="at most, of each setting")
    parser.add_argument("--resamples", type=int, default=1000)
    options = parser.parse_args()
    rows = []
    for setting in SETTINGS:
        seconds = options.minutes * 60 / len(SETTINGS)
        rows.append(study(setting, options.sets, options.resamples, seconds))
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    text = table(rows)
    print(text)
    if options.docs:
        write_section(options.docs, "coverage", text, "What the simulation found")
    print(json.dumps({"coverage": rows}))


def study(
    setting: Setting, sets: int, resamples: int, seconds: float = float("inf"), seed: int = 0
) -> dict[str, Any]:
    """Coverage and rates of "holds" by clause, over `sets` held-out sets, or until time is up."""
    begin = time.monotonic()
    rng = np.random.default_rng(seed)
    true = truth(setting, rng)
    found: dict[str, list[tuple[bool, ...]]] = {name: [] for name in CLAUSES}
    flips = []
    for index in range(sets):
        labels, before, after = draw(setting, rng)
        flips.append(float((before.argmax(1) != after.argmax(1)).mean()))
        for name, interval in judged(labels, before, after, resamples, index):
            value = true[name]
            # the verdict "holds" where the limit is the truth, or 0.01 to either side of it
            holds = (interval.high <= value + margin for margin in (0.0, 0.01, -0.01))
            found[name].append((interval.low <= value <= interval.high, *holds))
        if time.monotonic() - begin > seconds:
            break
    return {
        **asdict(setting),
        "sets": len(flips),
        "flips": float(np.mean(flips)),
        "true": true,
        **{
            name: dict(
                zip(
                    ("covers", "holds_at", "holds_inside", "holds_outside"),
                    np.mean(rows, axis=0).tolist(),
                    strict=True,
                )
            )
            for name, rows in found.items()
        },
    }


def judged(
    labels: Any, before: Any, after: Any, resamples: int, seed: int
) -> Iterator[tuple[str, Interval]]:
    """Every clause's interval. Recall is that of the last class, alone, at 95%."""
    classes = before.shape[1]
    answers = (before.argmax(axis=1), after.argmax(axis=1))
    drops = paired_drops(labels, *answers, classes, resamples=resamples, seed=seed)
    for name in CLAUSES[:4]:
        yield name, getattr(drops, name)
    last = labels == classes - 1
    pairs = Pairs.count(*(each[last] == classes - 1 for each in answers))
    yield "recall", score_interval(pairs, 0.025, 0.025)
    rise = rises(labels, before, after, resamples=resamples, seed=seed)
    yield "brier", rise.brier
    yield "calibration", rise.calibration_error


def truth(setting: Setting, rng: np.random.Generator) -> dict[str, float]:
    """Each clause's value on a million texts with the set's shares of classes."""
    times = _MILLION // sum(setting.counts)
    labels, before, after = draw(setting, rng, times)
    found = judged(labels, before, after, 1, 0)
    return {name: interval.estimate for name, interval in found}


def draw(setting: Setting, rng: np.random.Generator, times: int = 1) -> tuple[Any, Any, Any]:
    """Labels (n,) and both models' probabilities (n, K) of a new set of texts."""
    classes = len(setting.counts)
    labels = np.repeat(np.arange(classes), np.array(setting.counts) * times)
    evidence = rng.standard_normal((len(labels), classes))
    evidence[np.arange(len(labels)), labels] += setting.separation
    seen = evidence + setting.noise * rng.standard_normal(evidence.shape)
    seen[:, -1] -= setting.hurt
    # Evidence of normal noise around `separation` is calibrated at this scale (Bayes' rule), but
    # for the classes' shares.
    prior = np.log(np.array(setting.counts) / sum(setting.counts))
    before = softmax(evidence * setting.separation + prior)
    after = softmax((seen * setting.separation + prior) * setting.sharpness)
    return labels, before, after


def softmax(logits: Any) -> Any:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def table(rows: list[dict[str, Any]]) -> str:
    head = ["pair and texts", "sets", "flips", *CLAUSES]
    lines = [head]
    for row in rows:
        cells = [
            f"{row[name]['covers']:.1%} / {row[name]['holds_at']:.1%} / "
            f"{row[name]['holds_outside']:.1%}"
            for name in CLAUSES
        ]
        lines.append([row["name"], str(row["sets"]), f"{row['flips']:.1%}", *cells])
    markdown = ["| " + " | ".join(line) + " |" for line in lines]
    return (
        "In each cell: how often the nominal 95% interval covers the truth / how often a candidate "
        "exactly at the limit holds (2.5% at best) / one that is 0.01 beyond it.\n\n"
        + "\n".join([markdown[0], "|" + "---|" * len(head), *markdown[1:]])
    )


if __name__ == "__main__":
    main()
