"""Times that a busy machine made up are made again, and where that fails, quoted nowhere."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import re
import shutil
import time
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
from paretext.measure import rounds
from paretext.measure.comparison import Comparison
from paretext.measure.conditions import Meter
from paretext.measure.cost import Cost, Target, times_faster
from paretext.measure.rounds import Ratio, Start
from paretext.report.numbers import faster
from paretext.report.run_page import write_report
from paretext.report.table import brief_cells, cells, markdown, notes, sentences

GUARD = {name: getattr(rounds, name) for name in ("MOST_SPREAD", "MOST_WAITING", "disturbance")} | {
    name: getattr(benchmark, name) for name in ("MORE_ROUNDS", "STARTS", "MORE_STARTS")
}
TEXTS = [f"text {i}" for i in range(100)]
WAITED = "its threads waited for a core {}% of the time, and it had 1.4 of 2, load 3.5"


@dataclasses.dataclass(frozen=True)
class Told:
    """What a worker says of a round: ms at batch 1, ms a text at batch 32, and how it went."""

    one: float = 1.0
    many: float = 0.25
    cores: float = 1.4
    waiting: float = 0.0
    """Of the time that its threads wanted a core."""
    steal: float = 0.0
    others: float = math.nan
    """Seconds of other processes."""

    def answer(self, what: str) -> dict[str, float]:
        times = {
            "batch1": {"batch1_ms_p50": self.one, "batch1_ms_p95": self.one * 1.3},
            "batch32": {"batch32_ms_per_text": self.many},
            "bulk": {"bulk_texts_per_second": 1e3 / self.many},
            "start": {"first_answer_ms": self.one},
        }
        waited = self.cores * self.waiting / (1 - self.waiting)
        return {
            **times[what],
            **{"wall_seconds": 1.0, "cpu_seconds": self.cores, "waited_seconds": waited},
            "cores": 2.0,
            **{"steal": self.steal, "load": 3.5, "others_seconds": self.others},
        }


Answers = Callable[[int], Told]
"""Of a round, by its number."""


class FakeWorker:
    """Answers with times made up for each round."""

    times: ClassVar[dict[str, Answers]] = {}
    begun: ClassVar[dict[str, Answers]] = {}
    asked: ClassVar[dict[str, int]] = {}
    ended: ClassVar[list[str]] = []

    def __init__(
        self, target: Target, place: Path, threads: int, before: tuple[Start, ...] = ()
    ) -> None:
        self.target, self.round = target, -1
        begun = self.begun.get(target.name, lambda index: Told(500.0 - index))
        self.starts = (*before, rounds.started(begun(len(before)).answer("start")))
        self.logits = place.with_suffix(".npy")
        np.save(self.logits, np.zeros((len(TEXTS), 2), np.float32))

    def ask(self, what: str, texts: int | None = None) -> dict[str, float]:
        if what in ("logits", "memory"):
            return {"ms_per_text": 1.0, "bytes": 1e6}
        if what == "batch1" and texts != 16:  # 16 are the warm-up
            self.round += 1
            self.asked[self.target.name] = self.round + 1
        return self.times[self.target.name](max(self.round, 0)).answer(what)

    def __enter__(self) -> FakeWorker:
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.append(self.target.name)


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """measure(a=times, b=times) -> each one's Cost, with the guard as users have it."""
    for name, value in GUARD.items():
        monkeypatch.setattr(rounds if hasattr(rounds, name) else benchmark, name, value)
    monkeypatch.setattr(benchmark, "_Worker", FakeWorker)
    monkeypatch.setattr(FakeWorker, "asked", {})
    monkeypatch.setattr(FakeWorker, "ended", [])

    def run(rounds: int = 5, **times: Answers) -> dict[str, Cost]:
        monkeypatch.setattr(FakeWorker, "times", times)
        targets = [Target(name, tmp_path) for name in times]
        measurements = benchmark.benchmark(targets, TEXTS, threads=2, rounds=rounds)
        return {name: each.cost for name, each in measurements.items()}

    return run


def steady(index: int) -> Told:
    return Told(1.0 + 0.02 * index)


def test_a_quiet_machine_measures_the_rounds_that_were_asked_for(measure: Any) -> None:
    cost = measure(a=steady, b=steady)["a"]
    assert cost.unsteady == cost.start_unsteady == ""
    assert FakeWorker.asked == {"a": 5, "b": 5}
    assert [each.batch1_ms_p50 for each in cost.rounds] == [1.0, 1.02, 1.04, 1.06, 1.08]
    assert cost.batch1_ms_p50 == 1.04
    assert cost.counted == list(cost.rounds)
    conditions = cost.rounds[0].conditions["batch32"]
    assert (conditions.wall_seconds, conditions.cpu_seconds, conditions.load) == (1.0, 1.4, 3.5)


class Heard(progress.Silent):
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
    heard = Heard()
    with progress.using(heard):
        measure(fine=steady, torn=lambda index: Told(5.0, 1.0, cores=0.5))
    assert heard.done == heard.total == 2 * (1 + 5)
    rest = ("3 rounds", "2 rounds", "a round")
    assert heard.notes == [f"the machine is busy: up to {each} more" for each in rest]


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (Told(248.0, 0.3, cores=0.4), "its process had a core for only 40% of the time"),
        (Told(1.5, waiting=0.34), WAITED.format(34)),
        (Told(1.1, steal=0.2), "the machine's host took 20% of its time"),
        (Told(1.0, 0.4), "a text took 0.4 ms, and 0.25 ms in another round"),
    ],
)
def test_a_disturbed_round_is_made_again_and_left_out(measure: Any, other: Told, why: str) -> None:
    costs = measure(a=lambda i: other if i in (1, 2) else steady(i), b=steady)
    assert FakeWorker.asked == {"a": 7, "b": 7}
    assert costs["a"].unsteady == ""
    assert [each.batch1_ms_p50 for each in costs["a"].counted] == [1.0, 1.06, 1.08, 1.1, 1.12]
    assert [each.disturbed for each in costs["a"].rounds] == ["", why, why, "", "", "", ""]
    assert len(costs["b"].counted) == 7
    # a ratio is of the rounds in which neither was disturbed, and they were the same here
    ratio = times_faster(costs["b"], costs["a"], "batch32_ms_per_text")
    assert ratio == Ratio(1.0, 1.0, 1.0, steady=True)


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (lambda i: Told(248.0, 0.31, 1.9), "one text took 248 ms, and 32 together 9.92 ms"),
        (lambda i: Told(cores=0.37), "its process had a core for only 37% of the time"),
        (lambda i: Told(waiting=0.2), WAITED.format(20)),
        (lambda i: Told(steal=0.06), "the machine's host took 6% of its time"),
    ],
)
def test_a_machine_that_stays_busy_is_said(measure: Any, times: Answers, said: str) -> None:
    costs = measure(pytorch=times, parent=steady)
    assert costs["pytorch"].unsteady == said
    assert FakeWorker.asked["pytorch"] == 5 + 3  # and no more
    assert costs["parent"].unsteady == ""
    for one, other in (("pytorch", "parent"), ("parent", "pytorch")):
        assert times_faster(costs[one], costs[other], "batch1_ms_p50") is None


@pytest.mark.parametrize(
    ("times", "said", "low"),
    [
        (lambda i: Told((1.0, 3.0)[i % 2], 0.3), "rounds disagree, 1 to 3 ms a text", 1.0),
        (lambda i: Told(1.0, (0.1, 0.4)[i % 2]), "rounds disagree, 0.1 to 0.4 ms a text", 0.1),
        (lambda i: Told((1.0, 1.3)[i % 2]), "rounds disagree, 1 to 1.3 ms a text", 1.0),
    ],
)
def test_rounds_that_disagree_leave_a_range(
    measure: Any, times: Answers, said: str, low: float
) -> None:
    costs = measure(torn=times, parent=lambda i: Told(0.5, 0.1))
    assert costs["torn"].unsteady == said
    time = "batch1_ms_p50" if low == 1.0 else "batch32_ms_per_text"
    ratio = times_faster(costs["torn"], costs["parent"], time)
    assert ratio is not None
    assert not ratio.steady
    quiet = {"batch1_ms_p50": 0.5, "batch32_ms_per_text": 0.1}[time]
    high = max(getattr(each, time) for each in costs["torn"].rounds)
    assert (ratio.low, ratio.high) == pytest.approx((low / quiet, high / quiet))
    assert faster(ratio) == f"{low / quiet:.1f}-{high / quiet:.1f}x*"


def test_two_versions_that_are_steady_each_may_have_no_steady_ratio(measure: Any) -> None:
    """One is slow where the other is fast; each within a quarter of its own fastest round."""
    costs = measure(a=lambda i: Told((1.0, 1.2)[i % 2]), b=lambda i: Told((0.6, 0.5)[i % 2], 0.1))
    assert costs["a"].unsteady == costs["b"].unsteady == ""
    ratio = times_faster(costs["a"], costs["b"], "batch1_ms_p50")
    assert ratio is not None
    assert (ratio.low, ratio.high) == pytest.approx((1.0 / 0.6, 1.2 / 0.5))
    assert ratio.estimate == pytest.approx(1.0 / 0.6)  # of the medians, which the table shows
    assert not ratio.steady
    assert FakeWorker.asked == {"a": 5, "b": 5}


def test_what_calls_cost_is_no_disturbance(measure: Any) -> None:
    """A small PyTorch model: a call costs a millisecond, however little is in it."""
    assert measure(a=lambda i: Told(1.37, 0.24, 1.0))["a"].unsteady == ""
    assert measure(rounds=1, a=lambda i: Told(5.0, 0.2, 1.0))["a"].unsteady == ""


def test_waiting_is_a_disturbance_only_where_others_had_the_cores(measure: Any) -> None:
    """0.6 of two cores went to others, or 0.1, or the system does not tell."""
    cost = measure(
        a=lambda i: Told(waiting=0.3, others=1.2),
        b=lambda i: Told(waiting=0.3, others=0.2),
        c=lambda i: Told(waiting=0.3),
    )
    assert [cost[name].unsteady for name in "abc"] == [WAITED.format(30), "", WAITED.format(30)]


@pytest.mark.parametrize("told", [Told(cores=1.95, waiting=0.6), Told(cores=1.0)])
def test_its_own_threads_and_cores_that_it_does_not_want_are_no_disturbance(
    measure: Any, told: Told
) -> None:
    """Pools of more threads than cores wait for each other; one thread leaves a core idle."""
    assert measure(a=lambda i: told)["a"].unsteady == ""


@pytest.mark.parametrize(
    ("begun", "ms", "said"),
    [
        # the first finds its files on the disk, and waits for them
        ([Told(900.0, cores=0.3), Told(400.0)], 400.0, ""),
        ([Told(900.0, waiting=0.3), Told(400.0)], 400.0, ""),
        ([Told(400.0), Told(300.0, steal=0.3)], 400.0, ""),
        ([Told(900.0, waiting=0.3)] * 2 + [Told(500.0)], 500.0, ""),
        (
            [
                Told(900.0, waiting=0.3),
                Told(800.0, waiting=0.25),
                Told(850.0, waiting=0.5),
            ],
            800.0,
            WAITED.format(30),
        ),
    ],
)
def test_a_start_is_timed_in_a_process_of_its_own(
    measure: Any, monkeypatch: pytest.MonkeyPatch, begun: list[Told], ms: float, said: str
) -> None:
    monkeypatch.setattr(FakeWorker, "begun", {"a": begun.__getitem__})
    cost = measure(a=steady)["a"]
    assert [start.ms for start in cost.starts] == [each.one for each in begun]
    assert (cost.first_answer_ms, cost.start_unsteady) == (ms, said)
    assert cost.unsteady == ""  # which a start says nothing of
    assert FakeWorker.ended == ["a"] * len(begun)  # those before it ended first


def test_a_meter_reads_what_the_system_says(tmp_path: Path) -> None:
    """A /proc made by hand, and one that tells nothing."""
    for thread, waited in (("1", 4_000_000_000), ("2", 500_000_000)):
        (tmp_path / "self" / "task" / thread).mkdir(parents=True)
        (tmp_path / "self" / "task" / thread / "schedstat").write_text(f"7 {waited} 3\n")
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 0 100 700 0 0 0 100 5 5\ncpu0 1 2 3\n")
    meter = Meter(tmp_path)
    (tmp_path / "self" / "task" / "2" / "schedstat").write_text("7 2000000000 4\n")
    stat.write_text("cpu  150 0 100 700 0 0 0 150 9 9\ncpu0 1 2 3\n")
    begin = time.process_time()
    while time.process_time() - begin < 0.05:
        pass
    read = meter.read()
    assert read["waited_seconds"] == pytest.approx(1.5)
    assert read["steal"] == pytest.approx(0.5)
    ticks = 50 / os.sysconf("SC_CLK_TCK")
    assert read["others_seconds"] == pytest.approx(ticks - read["cpu_seconds"])
    assert 0.05 <= read["cpu_seconds"] <= read["wall_seconds"] * (os.cpu_count() or 1)
    nothing = Meter(tmp_path / "nowhere").read()
    assert math.isnan(nothing["steal"])
    assert math.isnan(nothing["waited_seconds"])
    assert math.isnan(nothing["others_seconds"])
    assert rounds.Conditions(**nothing).disturbed == ""


# --- where ratios would stand


@pytest.fixture
def busy(tmp_path: Path) -> Comparison:
    """A run whose PyTorch row a busy machine made 3,745 times slower than a version."""
    made = make_run(tmp_path / "run")
    rows = []
    for row in made.rows:
        if row.version == "pytorch":
            slow, why = 0.9 * 3745, "one text took 3370 ms, and 32 9 ms"
            made_up = [
                dataclasses.replace(each, batch1_ms_p50=slow, disturbed=why)
                for each in row.cost.rounds
            ]
            cost = dataclasses.replace(
                row.cost, batch1_ms_p50=slow, unsteady=why, rounds=tuple(made_up)
            )
            row = dataclasses.replace(row, cost=cost)
        rows.append(row)
    comparison = dataclasses.replace(made, rows=tuple(rows))
    write_json(tmp_path / "run" / "comparison" / "comparison.json", comparison.record())
    return comparison


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


def test_a_ratio_whose_rounds_disagree_is_a_range_with_a_warning_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither version was disturbed; int8's rounds alone went from 2.0 to 2.7 ms."""
    monkeypatch.setattr(rounds, "MOST_SPREAD", GUARD["MOST_SPREAD"])
    from paretext.cli.console import show_comparison
    from paretext.cli.endings import of_run

    made = make_run(tmp_path / "run", versions=VERSIONS[:4])
    rows = []
    for row in made.rows:
        if row.version == "int8":
            times = zip(row.cost.rounds, (2.0, 2.4, 2.7), strict=True)
            torn = [dataclasses.replace(each, batch1_ms_p50=ms) for each, ms in times]
            row = dataclasses.replace(row, cost=dataclasses.replace(row.cost, rounds=tuple(torn)))
        rows.append(row)
    comparison = dataclasses.replace(made, rows=tuple(rows))
    write_json(tmp_path / "run" / "comparison" / "comparison.json", comparison.record())
    page, report = write_report(tmp_path / "run")
    show_comparison(tmp_path / "run" / "comparison", of_run(tmp_path / "run"), False)
    terminal = " ".join(capsys.readouterr().out.split())
    # 12 ms of PyTorch's by 2% less and more: 11.76 / 2.0, 12 / 2.4, 12.24 / 2.7
    (note,) = notes(comparison)
    assert note.startswith("* How many times faster than pytorch a version is differs by more than")
    assert "(int8 at batch 1: 4.5-5.9x)" in note
    assert r"4.5-5.9x\* / 5.0x" in markdown(comparison)
    assert "4.5-5.9x*" in terminal
    assert note in terminal
    html = page.read_text("utf-8")
    assert "4.5-5.9x*" in html
    assert note in html
    assert "as fast by the round at batch 1" in " ".join(report.conclusion.sentences)
    stored = json.loads((tmp_path / "run" / "report" / "report.json").read_text("utf-8"))
    (int8,) = (each for each in stored["versions"] if each["version"] == "int8")
    assert int8["faster_batch1"]["steady"] is False
    assert int8["faster_batch32"]["steady"] is True


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
    comparison = dataclasses.replace(made, rows=rows)
    write_json(tmp_path / "run" / "comparison" / "comparison.json", comparison.record())
    page, report = write_report(tmp_path / "run")
    assert report.conclusion.version == "int8"
    assert "ms a text" not in " ".join(report.conclusion.sentences)
    assert "a text at batch 1" not in page.read_text("utf-8").split("What each version")[0]


def test_a_latency_clause_of_a_busy_machine_is_undecided(
    versions: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "settled", lambda made, _: (tuple(made), "rounds disagree"))
    int8 = shutil.copytree(versions["int8"], tmp_path / "int8")
    budget = Budget(p95_latency="10 s")  # type: ignore[arg-type]
    data = toy.dataset(240, seed=5)
    certificate = certify(int8, versions["fp32"], data, budget, resamples=100)
    clause = certificate.clause("p95_latency")
    assert clause.verdict == "undecided"
    assert clause.why == "the machine was busy: rounds disagree"
    card = (int8 / "README.md").read_text("utf-8")
    row = next(line for line in card.splitlines() if line.startswith("| p95_latency"))
    assert row.endswith("| ? undecided | the machine was busy: rounds disagree |")
    stored = json.loads((int8 / "certificate.json").read_text("utf-8"))
    assert [each["name"] for each in stored["clauses"] if "why" in each] == ["p95_latency"]
