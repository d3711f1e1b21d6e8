"""What a search leaves: result/, with pareto.json, pareto.svg, and winner/ with its certificate.

The front is measured once more, in turns, before a winner is chosen of it; the certificate is about
texts that nothing before it has seen, and its reference is the parent as PyTorch runs it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from paretext.certification.budget import Budget
from paretext.certification.catalogue import CATALOGUE
from paretext.certification.certificate import Certificate
from paretext.certification.certify import certify
from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.files import Stages, read_json, write_json
from paretext.core.records import Interval
from paretext.core.run_folder import PARENT
from paretext.data.dataset import Dataset
from paretext.measure.cost import Target, machine
from paretext.measure.intervals import quality
from paretext.tuning.front import Candidate, front, nearest_miss, winner
from paretext.tuning.limits import Limits
from paretext.tuning.workshop import Workshop

MOST_TIMED = 16
ROUNDS = 5


class Point(NamedTuple):
    """A mark of the picture: a candidate, and its macro-F1 with its interval."""

    candidate: Candidate
    macro_f1: Interval
    is_parent: bool
    is_winner: bool


Draw = Callable[[Sequence[Point], Mapping[str, float], Path, str], None]
"""Draws the front with the limits, by clause, into a file, with a title."""


@dataclass(frozen=True)
class SearchResult:
    """front: the smallest first. winner: None if none holds every limit, or there are no limits.
    certificate: the winner's, where there were texts to certify it on. sentence: what came out.
    folder: of pareto.json and winner/."""

    parent: Candidate
    front: tuple[Candidate, ...]
    winner: Candidate | None
    certificate: Certificate | None
    sentence: str
    limits: Limits
    folder: Path

    def record(self) -> dict[str, Any]:
        """pareto.json's values."""
        return read_json(self.folder / "pareto.json", _again(self.folder), dict)

    @classmethod
    def read(cls, folder: Path) -> SearchResult:
        """What an earlier search wrote."""

        def read(values: Any) -> SearchResult:
            candidates = [Candidate(**_known(each)) for each in values["front"]]
            return cls(
                parent=Candidate(**_known(values["parent"])),
                front=tuple(candidates),
                winner=next((each for each in candidates if each.name == values["winner"]), None),
                certificate=Certificate.of(folder / "winner") if values["winner"] else None,
                sentence=values["sentence"],
                limits=Limits(values["limits"]),
                folder=folder,
            )

        return read_json(folder / "pareto.json", _again(folder), read)


def settle(
    workshop: Workshop,
    candidates: Sequence[Candidate],
    limits: Limits,
    evaluation: Dataset | None,
    draw: Draw | None = None,
) -> SearchResult:
    """Measure the candidates' front, choose and certify the winner, and write it all down; draw
    writes the picture.

    Kept if it was done before with the same candidates, limits and texts.
    """
    if not candidates:
        raise ParetextError(
            "no training came to its end, so there is nothing to choose from; give more trials or "
            "more time."
        )
    inputs = {
        "candidates": [each.record() for each in candidates],
        "limits": dict(limits.values),
        "machine": machine(workshop.threads),
        "evaluation": evaluation and evaluation.fingerprint,
    }

    def work(folder: Path) -> None:
        best = _write(workshop, candidates, limits, folder, draw)
        shutil.rmtree(folder / "winner", ignore_errors=True)  # of a try that was interrupted
        if best is not None:
            shutil.copytree(workshop.artifact(best.name), folder / "winner")
            if evaluation is not None:
                progress.say(f"certifying {best.name} on {len(evaluation):,} texts")
                with workshop.quiet():  # it measures latency too
                    certify(
                        folder / "winner",
                        workshop.parent,
                        evaluation,
                        budget_of(limits),
                        threads=workshop.threads,
                        looks_in=workshop.out,  # results are made anew, looks stay looked
                    )

    Stages(workshop.out).finished("result", inputs, work)
    return SearchResult.read(workshop.out / "result")


def _again(folder: Path) -> str:
    return f"delete {folder}, and the same search writes it again"


def budget_of(limits: Limits) -> Budget:
    """A budget of these limits and no others."""
    none: dict[str, float | None] = dict.fromkeys(CATALOGUE)
    return Budget(**{**none, **limits.values})


def _write(
    workshop: Workshop,
    candidates: Sequence[Candidate],
    limits: Limits,
    folder: Path,
    draw: Draw | None,
) -> Candidate | None:
    """pareto.json and pareto.svg; returns the winner."""
    unbeaten = front(candidates)
    # Those that hold the limits are measured before others, and the best before worse ones.
    order = sorted(unbeaten, key=lambda c: (bool(limits.broken(c)), -c.macro_f1))[:MOST_TIMED]
    targets = [Target(each.name, workshop.artifact(each.name)) for each in order]
    costs = workshop.timed([Target(PARENT, workshop.artifact(PARENT)), *targets], ROUNDS)
    timed = [
        replace(
            each,
            p95_ms=costs[each.name].batch1_ms_p95,
            ms_per_text=costs[each.name].batch32_ms_per_text,
        )
        for each in order
    ]
    shown = front(timed)
    labels, classes = workshop.selection.labels, len(workshop.selection.label_names)
    answers = {each.name: workshop.answers(each.name) for each in shown}
    own = workshop.answers(PARENT)
    parent = Candidate(
        name=PARENT,
        family=PARENT,
        values={},
        macro_f1=workshop.macro_f1(own),
        drops=workshop.drops(own),
        bytes=costs[PARENT].bytes,
        p95_ms=costs[PARENT].batch1_ms_p95,
        ms_per_text=costs[PARENT].batch32_ms_per_text,
    )
    best = winner(shown, limits, labels, answers, classes) if limits else None
    sentence = _sentence(best, shown, limits)
    write_json(
        folder / "pareto.json",
        {
            "sentence": sentence,
            "limits": dict(limits.values),
            "winner": best and best.name,
            "parent": parent.record(),
            "front": [
                {
                    **each.record(),
                    "steps": workshop.steps(each.name),
                    "broken": limits.broken(each),
                }
                for each in shown
            ],
            "taught": len(candidates),
            "selection": {"texts": len(labels), "fingerprint": workshop.selection.fingerprint},
            "machine": machine(workshop.threads),
        },
    )
    if draw is not None:
        points = [
            Point(each, quality(labels, predicted, classes).macro_f1, each is parent, each is best)
            for each, predicted in ((parent, own), *((each, answers[each.name]) for each in shown))
        ]
        title = f"Search on {workshop.parent_name}: quality on {len(labels):,} selection texts"
        draw(points, limits.values, folder / "pareto.svg", title)
    return best


def _sentence(best: Candidate | None, shown: Sequence[Candidate], limits: Limits) -> str:
    if not limits:
        return f"{len(shown)} recipes are on the Pareto front; with --budget one is chosen."
    if best is None:
        return nearest_miss(shown, limits)
    return (
        f"{best.name} holds every limit on the selection split: macro-F1 {best.macro_f1:.4f} "
        f"(drop {best.drops['macro_f1_drop']:.4f}), {best.bytes / 1e6:.2f} MB, "
        f"p95 {best.p95_ms:.3g} ms."
    )


def _known(values: dict[str, Any]) -> dict[str, Any]:
    """What of a record is a candidate's."""
    return {name: values[name] for name in Candidate.__dataclass_fields__}
