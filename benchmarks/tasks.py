"""What each rung of the ladder loses on several tasks, whole and cut to few training texts.

    python benchmarks/tasks.py ENCODER DATA... --out FOLDER [--texts 2000 --texts 0] [--seed 0]
        [--unlabelled] [--steps N] [--time 90m] [--times] [--rows docs/tasks.jsonl]
        [--docs docs/results.md]

Each DATA holds train.csv, validation.csv and, where labels are numbers, labels.txt. A seed draws
its own cut of the training texts (0: all of them) and holds 15% of it out to choose on; the parent
is trained by the plan, all rungs are made of it, also those below the one where the ladder would
have ended, and the validation texts are only measured on: each version is certified on them.
--unlabelled gives the texts that were cut off, without their labels, to what learns. Large encoders
are slow to teach: --steps shortens the parent's training, --time bounds its ladder, and a rung that
was left no time has no row. --times times each task's versions of its first seed in one interleaved
run, instead of making any. Each row is a line of FOLDER/tasks.jsonl (--rows names another file),
and is not made a second time; what was begun goes on. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from page import table, write_section
from rows import add, cut, cut_off, rows

from paretext.certification.budget import Budget
from paretext.certification.certificate import Certificate
from paretext.certification.versions import certify_versions
from paretext.compression.build import compress
from paretext.compression.ladder import Allowance, Judge
from paretext.compression.recipe import RUNGS, Recipe
from paretext.core.clock import Clock, in_words, seconds_in
from paretext.core.errors import ParetextError
from paretext.core.files import folder_bytes
from paretext.core.run_folder import RunFolder
from paretext.data.dataset import Dataset
from paretext.measure.cost import Target, benchmark, machine
from paretext.measure.intervals import paired_drops
from paretext.measure.metrics import confusion_matrix, macro_f1
from paretext.models.classifier import Classifier
from paretext.runtime.artifact import Artifact
from paretext.training.fit import fit
from paretext.training.settings import TrainingSettings

MAX_LENGTH = 128
KEY = ("encoder", "task", "texts", "seed", "unlabelled")
TIMED_TEXTS, ROUNDS = 500, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("encoder", type=Path)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--texts", type=int, action="append")
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--unlabelled", action="store_true")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--time", type=duration)
    parser.add_argument("--times", action="store_true")
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--docs", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.rows or options.out / "tasks.jsonl"
    seeds = (options.seed or [0])[: 1 if options.times else None]
    for texts in options.texts or (2000,):
        for data in options.data:
            for seed in seeds:
                job = Job(options.encoder, data, texts, seed, options.unlabelled, options.out)
                if any(
                    job.key.items() <= row.items() and ("ms" in row) == options.times
                    for row in rows(path)
                ):
                    continue
                print(f"tasks: {job.key}", file=sys.stderr, flush=True)
                made = job.times() if options.times else job.versions(options.steps, options.time)
                for row in made:
                    add(path, job.key | row)
    text = markdown(rows(path))
    print(text)
    if options.docs:
        write_section(options.docs, "tasks", text, "What the rungs lose, task by task")
    print(json.dumps({"rows": len(rows(path))}))


def duration(text: str) -> float:
    """Seconds, or what argparse says of them and ends."""
    try:
        return seconds_in(text)
    except ParetextError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


@dataclass(frozen=True)
class Job:
    """One parent and the rungs made of it. texts: 0 for all that there are."""

    encoder: Path
    data: Path
    texts: int
    seed: int
    unlabelled: bool
    out: Path

    @property
    def key(self) -> dict[str, Any]:
        values = (self.encoder.name, self.data.name, self.texts, self.seed, self.unlabelled)
        return dict(zip(KEY, values, strict=True))

    @property
    def parent(self) -> Path:
        name = f"{self.data.name}-{self.texts}-{self.seed}"
        return self.out / self.encoder.name / name / "parent"

    @property
    def run(self) -> RunFolder:
        folder = self.parent.parent
        return RunFolder(folder.with_name(f"{folder.name}-more") if self.unlabelled else folder)

    def versions(self, steps: int | None, time_asked: float | None) -> list[dict[str, Any]]:
        """All rungs that there is time for, and what each answers to the validation texts beside
        its parent."""
        train, selection, validation = cut(self.data, self.texts, self.seed)
        settings = TrainingSettings(seed=self.seed, steps=steps)
        if not (self.parent / "config.json").is_file():
            classifier = Classifier.from_pretrained(
                str(self.encoder), train.label_names, MAX_LENGTH, seed=self.seed
            )
            work = self.parent.with_name("work")
            fit(classifier, train, selection, settings, work=work).classifier.save(self.parent)
        more = cut_off(self.data, self.texts, self.seed) if self.unlabelled else ()
        recipe, root = Recipe(training=settings, ladder=True), self.run.root
        begin = time.perf_counter()
        allowance = None
        if time_asked is not None:
            allowance = Allowance(Clock(time_asked), lambda _: lambda _: 0.0)
        made = compress(
            *(self.parent, recipe, train, selection, root),
            unlabelled=more,
            limits={},  # none ends this ladder
            allowance=allowance,
        )
        seconds = round(time.perf_counter() - begin)
        rungs = [each.folder for each in made if each.folder.name in RUNGS]
        reference = self.run.artifact()
        certify_versions(rungs, reference, validation, self.run.certificates)
        judge = Judge(reference, selection, Budget().limits())
        return [
            beside_parent(each, reference, validation)
            | {"ends": judge(each), "seconds": seconds, "time": time_asked, "parent_steps": steps}
            for each in rungs
        ]

    def times(self) -> list[dict[str, Any]]:
        """Milliseconds a text of the parent and its versions, in one interleaved run."""
        targets = [Target("pytorch", self.parent, "pytorch")]
        made = [each for each in map(self.run.artifact, ("parent", *RUNGS)) if each.is_dir()]
        targets += [Target(each.name, each) for each in made]
        asked = Dataset.read(self.data / "validation.csv").texts[:TIMED_TEXTS]
        cost = {name: each.cost for name, each in benchmark(targets, asked, rounds=ROUNDS).items()}
        ms = {
            name: [each.batch1_ms_p50, each.batch32_ms_per_text, bool(each.unsteady)]
            for name, each in cost.items()
        }
        return [{"machine": machine(2), "ms": ms}]


def beside_parent(version: Path, reference: Path, data: Dataset) -> dict[str, Any]:
    """What a version's answers are beside those of its parent."""
    before, after = (
        Artifact.load(each).logits(data.texts).argmax(axis=1) for each in (reference, version)
    )
    classes = len(data.label_names)
    drop = paired_drops(data.labels, before, after, classes).macro_f1
    certificate = Certificate.of(version)
    return {
        "version": version.name,
        "classes": classes,
        "parent_macro_f1": score(data, before),
        "macro_f1": score(data, after),
        "drop": [round(float(v), 4) for v in (drop.estimate, drop.low, drop.high)],
        "flips": round(float(np.mean(before != after)), 4),
        "verdict": None if certificate is None else certificate.verdict,
        "bytes": folder_bytes(version),
        "parent_bytes": folder_bytes(reference),
    }


def score(data: Dataset, answers: Any) -> float:
    return round(float(macro_f1(confusion_matrix(data.labels, answers, len(data.label_names)))), 4)


def markdown(known: Sequence[dict[str, Any]]) -> str:
    """A row for each task, cut and version; seeds side by side."""
    head = (
        "encoder, task, training texts, version, parent, macro-F1, drop, flips, certificate, MB, "
        "ms, faster"
    )
    lines = [head.split(", ")]
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    times: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in known:
        job = (row["encoder"], row["task"], row["texts"], row["unlabelled"])
        if "ms" in row:
            times[job] = row["ms"]
        else:
            groups.setdefault((*job, row["version"]), []).append(row)
    order = {name: place for place, name in enumerate(RUNGS)}
    for key in sorted(groups, key=lambda key: (*key[:4], order[key[4]])):
        (encoder, task, texts, unlabelled, version), group = key, groups[key]
        group.sort(key=lambda row: row["seed"])
        ms = times.get(key[:4])
        lines.append(
            [
                encoder,
                f"{task}, {group[0]['classes']} classes",
                given(texts, unlabelled, group[0].get("time")),
                version,
                ", ".join(f"{row['parent_macro_f1']:.3f}" for row in group),
                ", ".join(f"{row['macro_f1']:.3f}" for row in group),
                ", ".join("{:+.3f} [{:+.3f}, {:+.3f}]".format(*row["drop"]) for row in group),
                f"{mean(row['flips'] for row in group):.1%}",
                ", ".join(stands(row) for row in group),
                f"{group[0]['bytes'] / 1e6:.1f}",
                *(["", ""] if ms is None else speed(ms["pytorch"], ms[version])),
            ]
        )
    return table(lines)


def given(texts: int, unlabelled: bool, time_asked: float | None) -> str:
    """What a ladder was made of, and in what time if it had a limit."""
    limit = "" if time_asked is None else f", in {in_words(time_asked)}"
    return (f"{texts:,}" if texts else "all") + ", the rest unlabelled" * unlabelled + limit


def stands(row: dict[str, Any]) -> str:
    """The certificate's verdict; * where the ladder would have made no rung below."""
    return str(row["verdict"] or "none") + ("*" if row["ends"] else "")


def speed(first: Sequence[float], own: Sequence[float]) -> list[str]:
    mark = " (busy)" if own[2] or first[2] else ""
    one, many = (before / after for before, after in zip(first[:2], own[:2], strict=True))
    return [f"{own[0]:.2f}, {own[1]:.3f}{mark}", f"{one:.1f}x, {many:.1f}x"]


if __name__ == "__main__":
    main()
