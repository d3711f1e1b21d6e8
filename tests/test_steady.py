"""Times that a busy machine made up are made again, and where that fails, quoted nowhere."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import toy
from reporting import VERSIONS, make_run

from paretext.certification.budget import Budget
from paretext.certification.certify import certify
from paretext.core import progress
from paretext.core.files import write_json
from paretext.measure import cost as benchmark
from paretext.measure.comparison import Comparison
from paretext.measure.cost import Cost, Target, times_faster
from paretext.report.run_page import write_report
from paretext.report.table import brief_cells, cells, markdown, notes, sentences

_GUARD = benchmark._unsteady
TEXTS = [f"text {i}" for i in range(100)]
Answers = Callable[[int], tuple[float, float, float]]
"""Round -> ms at batch 1, ms a text at batch 32, CPU seconds a second."""


class FakeWorker:
    """Answers with times made up for each round."""

    times: ClassVar[dict[str, Answers]] = {}
    asked: ClassVar[dict[str, int]] = {}

    def __init__(self, target: Target, place: Path, threads: int) -> None:
        self.name, self.round = target.name, -1
        self.logits = place.with_suffix(".npy")
        np.save(self.logits, np.zeros((len(TEXTS), 2), np.float32))

    def ask(self, what: str, texts: int | None = None) -> dict[str, float]:
        if what in ("logits", "memory"):
            return {"ms_per_text": 1.0, "bytes": 1e6, "cores": 0.01}
        if what == "batch1" and texts != 16:  # 16 are the warm-up
            self.round += 1
            self.asked[self.name] = self.round + 1
        one, many, cores = self.times[self.name](max(self.round, 0))
        return {
            "batch1": {"batch1_ms_p50": one, "batch1_ms_p95": one * 1.3, "cores": cores},
            "batch32": {"batch32_ms_per_text": many, "cores": cores},
            "bulk": {"bulk_texts_per_second": 1e3 / many, "cores": cores},
        }[what]

    def __enter__(self) -> FakeWorker:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """measure(a=times, b=times) -> each one's Cost, with the guard as users have it."""
    monkeypatch.setattr(benchmark, "_unsteady", _GUARD)
    monkeypatch.setattr(benchmark, "MORE_ROUNDS", 3)
    monkeypatch.setattr(benchmark, "_Worker", FakeWorker)
    monkeypatch.setattr(FakeWorker, "asked", {})

    def run(rounds: int = 5, **times: Answers) -> dict[str, Cost]:
        monkeypatch.setattr(FakeWorker, "times", times)
        targets = [Target(name, tmp_path) for name in times]
        found = benchmark.benchmark(targets, TEXTS, threads=2, rounds=rounds)
        return {name: each.cost for name, each in found.items()}

    return run


def steady(index: int) -> tuple[float, float, float]:
    return 1.0 + 0.02 * index, 0.25, 1.4


def test_a_quiet_machine_measures_the_rounds_that_were_asked_for(measure: Any) -> None:
    cost = measure(a=steady, b=steady)["a"]
    assert cost.unsteady == ""
    assert FakeWorker.asked == {"a": 5, "b": 5}
    assert cost.rounds["batch1_ms_p50"] == [1.0, 1.02, 1.04, 1.06, 1.08]
    assert cost.batch1_ms_p50 == 1.04
    assert len(cost.rounds) == 4


class Told(progress.Silent):
    """Counts what tasks say."""

    def __init__(self) -> None:
        self.total = self.done = 0
        self.notes: list[str] = []

    @contextlib.contextmanager
    def task(self, label: str, total: int) -> Iterator[progress.Advance]:
        self.total += total

        def advance(n: int = 1, note: str = "") -> None:
            self.done += n
            self.notes += [note] if note else []

        yield advance


def test_rounds_beyond_those_asked_for_are_told(measure: Any) -> None:
    told = Told()
    with progress.using(told):
        measure(fine=steady, torn=lambda index: (5.0, 1.0, 0.5))
    assert told.done == told.total == 2 * (1 + 5)
    rest = ("3 rounds", "2 rounds", "a round")
    assert told.notes == [f"the machine is busy: up to {each} more" for each in rest]


def test_a_disturbed_round_is_made_again_and_left_out(measure: Any) -> None:
    found = measure(a=lambda i: (248.0, 0.3, 0.4) if i in (1, 2) else steady(i), b=steady)
    assert FakeWorker.asked == {"a": 7, "b": 7}
    assert found["a"].unsteady == ""
    assert found["a"].rounds["batch1_ms_p50"] == [1.0, 1.06, 1.08, 1.1, 1.12]
    assert len(found["b"].rounds["batch1_ms_p50"]) == 7


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (lambda i: (248.0, 0.31, 1.9), "one text took 248 ms, and 32 together 9.92 ms"),
        (lambda i: (1.0, 0.3, 0.37), "its process had a core for only 37% of the time"),
        (lambda i: ((1.0, 3.0)[i % 2], 0.3, 1.2), "rounds disagree, 1 to 3 ms a text"),
        (lambda i: (1.0, (0.1, 0.4)[i % 2], 1.2), "rounds disagree, 0.1 to 0.4 ms a text"),
    ],
)
def test_a_machine_that_stays_busy_is_said(measure: Any, times: Answers, said: str) -> None:
    found = measure(pytorch=times, parent=steady)
    assert found["pytorch"].unsteady == said
    assert FakeWorker.asked["pytorch"] == 5 + 3  # and no more
    assert found["parent"].unsteady == ""
    for one, other in (("pytorch", "parent"), ("parent", "pytorch")):
        assert times_faster(found[one], found[other], "batch1_ms_p50") is None


def test_what_calls_cost_is_no_disturbance(measure: Any) -> None:
    """A small PyTorch model: a call costs a millisecond, however little is in it."""
    assert measure(a=lambda i: (1.37, 0.24, 1.0))["a"].unsteady == ""
    assert measure(rounds=1, a=lambda i: (5.0, 0.2, 1.0))["a"].unsteady == ""


# --- where ratios would stand


@pytest.fixture
def busy(tmp_path: Path) -> Comparison:
    """A run whose PyTorch row a busy machine made 3,745 times slower than a version."""
    made = make_run(tmp_path / "run")
    rows = []
    for row in made.rows:
        if row.version == "pytorch":
            cost = dataclasses.replace(
                row.cost, batch1_ms_p50=0.9 * 3745, unsteady="one text took 3370 ms, and 32 9 ms"
            )
            row = dataclasses.replace(row, cost=cost)
        rows.append(row)
    found = dataclasses.replace(made, rows=tuple(rows))
    write_json(tmp_path / "run" / "comparison" / "comparison.json", found.record())
    return found


def test_no_table_sentence_page_or_terminal_quotes_the_ratio(
    busy: Comparison, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from paretext.cli.console import show_comparison
    from paretext.cli.endings import of_run

    folder = tmp_path / "run"
    assert Comparison.read(folder / "comparison").row("pytorch").cost == busy.row("pytorch").cost
    page, report = write_report(folder)
    show_comparison(folder / "comparison", of_run(folder), False)
    terminal = capsys.readouterr().out
    texts = {
        "terminal": terminal,
        "markdown": markdown(busy),
        "page": re.sub(r"<[^>]+>", " ", page.read_text("utf-8")),
        "conclusion": " ".join((report.conclusion.headline, *report.conclusion.sentences)),
        "sentences": " ".join(sentences(busy)),
        "rows": " ".join(" ".join(row) for row in (*cells(busy), *brief_cells(busy))),
    }
    for where, text in texts.items():
        assert not re.search(r"3,?745|3,?744\.|1,?404|\b674\.|\b660\.", text), where
    for where in ("terminal", "markdown", "page"):
        assert "busy" in texts[where], where
        assert notes(busy)[0] in " ".join(texts[where].split()), where
    assert r"3370.50 / 14.40\*" in texts["markdown"]
    assert "how much faster is not known" in " ".join(report.conclusion.sentences)
    assert all(row.faster_batch1 is None for row in report.versions)
    # what was timed on a quiet machine still stands: int8 against its parent
    assert "2.08x faster at batch 1" in texts["sentences"]


def test_a_version_that_was_not_timed_is_chosen_for_its_size(tmp_path: Path) -> None:
    """Else the choice would be the busy machine's."""
    made = make_run(tmp_path / "run", versions=VERSIONS[:4])
    rows = tuple(
        dataclasses.replace(
            row,
            cost=dataclasses.replace(
                row.cost, batch1_ms_p50=9.0 if row.version == "int8" else 5.0, unsteady="x"
            ),
        )
        for row in made.rows
    )
    found = dataclasses.replace(made, rows=rows)
    write_json(tmp_path / "run" / "comparison" / "comparison.json", found.record())
    page, report = write_report(tmp_path / "run")
    assert report.conclusion.version == "int8"
    assert "ms a text" not in " ".join(report.conclusion.sentences)
    assert "a text at batch 1" not in page.read_text("utf-8").split("What each version")[0]


def test_a_latency_clause_of_a_busy_machine_is_undecided(
    versions: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "_unsteady", lambda made, rounds: "rounds disagree")
    int8 = shutil.copytree(versions["int8"], tmp_path / "int8")
    budget = Budget(p95_latency="10 s")  # type: ignore[arg-type]
    data = toy.dataset(240, seed=5)
    found = certify(int8, versions["fp32"], data, budget, resamples=100)
    clause = found.clause("p95_latency")
    assert clause.verdict == "undecided"
    assert clause.why == "the machine was busy: rounds disagree"
    card = (int8 / "README.md").read_text("utf-8")
    row = next(line for line in card.splitlines() if line.startswith("| p95_latency"))
    assert row.endswith("| ? undecided | the machine was busy: rounds disagree |")
    stored = json.loads((int8 / "certificate.json").read_text("utf-8"))
    assert [each["name"] for each in stored["clauses"] if "why" in each] == ["p95_latency"]
