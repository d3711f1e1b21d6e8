"""Which times are figures to quote: rounds that other work disturbed, and rounds that disagree.

Other work on a machine can make a call of several threads take a hundred times as long, and a ratio
of two such times is nonsense. A round of a version was **disturbed** if, in one of its timings,

- its threads waited for a core more than MOST_WAITING of the time that they wanted one, it had less
  than LEAST_SHARE of the cores, and others worked on more than MOST_OTHERS of them meanwhile: its
  own threads are in each other's way on a quiet machine, too (a small model's waited 65% of the
  time and had 1.0 of 2 cores, beside nobody);
- its process had less than LEAST_CORES of a core (nothing in it waits for anything else);
- the machine's host took more than MOST_STEAL of its time;
- or one text took longer than 32 together, the call that does 32 times the work.

A round is **far** if one of its times is MOST_SPREAD times that of the fastest undisturbed one:
what else runs on a machine only ever adds to a time. Disturbed and far rounds are made again, a
few of them, and left out. Where too few are left, the cost says why (`Cost.unsteady`).

A ratio of two versions is worked out for each round in which neither was disturbed, since both met
the same mood of the machine in it. Where the largest is MOST_SPREAD times the smallest, or one of
the two is unsteady, what is to be said is that range, with a mark (`Ratio.steady`); where not even
two such rounds are there, nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TypeVar

from pydantic.dataclasses import dataclass as record

from paretext.core.records import Number

MOST_WAITING = 0.1
LEAST_SHARE = 0.85
MOST_OTHERS = 0.1
TICKS = 0.04
"""Seconds that the system's clock ticks, 0.01 each, leave open."""
LEAST_CORES = 0.8
MOST_STEAL = 0.05
MOST_SPREAD = 1.25
TIMES = ("batch1_ms_p50", "batch1_ms_p95", "batch32_ms_per_text", "bulk_texts_per_second")
_COMPARED = ("batch1_ms_p50", "batch32_ms_per_text", "bulk_texts_per_second")
"""Not the 95th percentile, which a single slow call moves."""


@record(frozen=True)
class Conditions:
    """What the machine did during one timing (`conditions`); NaN: the system does not tell."""

    wall_seconds: Number
    cpu_seconds: Number
    """Of all threads of the process."""
    waited_seconds: Number
    """Of all its threads, ready to run and without a core."""
    cores: Number
    """That the process may use."""
    steal: Number
    """Share of the machine's time that its host kept."""
    load: Number
    """Threads that ran or wanted to, the whole machine's, in the last minute."""
    others_seconds: Number
    """That all cores worked for other processes."""

    @property
    def disturbed(self) -> str:
        """How other work shows in it, as the end of a sentence; empty if it does not."""
        waiting = self.waited_seconds / max(self.cpu_seconds + self.waited_seconds, 1e-9)
        had = self.cpu_seconds / max(self.wall_seconds, 1e-9)
        others = (self.others_seconds - TICKS) / max(self.wall_seconds * self.cores, 1e-9)
        alone = others <= MOST_OTHERS  # not so where the system does not tell
        if waiting > MOST_WAITING and had < LEAST_SHARE * self.cores and not alone:
            return (
                f"its threads waited for a core {waiting:.0%} of the time, and it had {had:.1f} of "
                f"{self.cores:.0f}, load {self.load:.1f}"
            )
        if self.steal > MOST_STEAL:
            return f"the machine's host took {self.steal:.0%} of its time"
        return ""

    @property
    def starved(self) -> str:
        """The same, of a timing in which nothing waits for files."""
        cores = self.cpu_seconds / max(self.wall_seconds, 1e-9)
        if cores < LEAST_CORES:
            return f"its process had a core for only {cores:.0%} of the time"
        return self.disturbed


@record(frozen=True)
class Round:
    """One version's times in a round, and the conditions of each timing."""

    batch1_ms_p50: Number
    batch1_ms_p95: Number
    batch32_ms_per_text: Number
    bulk_texts_per_second: Number
    conditions: dict[str, Conditions]
    """Of "batch1", "batch32" and "bulk"."""
    disturbed: str
    """How other work shows in it, as the end of a sentence; empty if it does not."""


@record(frozen=True)
class Start:
    """One process's way to its first answer, libraries included."""

    ms: Number
    conditions: Conditions
    disturbed: str


_Timed = TypeVar("_Timed", Round, Start)


def started(answer: Mapping[str, float]) -> Start:
    """Of what a worker says first; one that waits for files is not disturbed by that."""
    conditions = _conditions(answer)
    return Start(answer["first_answer_ms"], conditions, conditions.disturbed)


def made(answers: Mapping[str, Mapping[str, float]], together: int) -> Round:
    """A round of what a worker answered; together: the texts of a call at batch 32."""
    conditions = {what: _conditions(answer) for what, answer in answers.items()}
    times = {name: answer[name] for answer in answers.values() for name in TIMES if name in answer}
    return Round(**times, conditions=conditions, disturbed=disturbance(times, conditions, together))


def _conditions(answer: Mapping[str, float]) -> Conditions:
    return Conditions(**{field.name: answer[field.name] for field in fields(Conditions)})


def disturbance(
    times: Mapping[str, float], conditions: Mapping[str, Conditions], together: int
) -> str:
    """How other work shows in a round, as the end of a sentence; empty if it does not."""
    one, call = times["batch1_ms_p50"], together * times["batch32_ms_per_text"]
    slow = f"one text took {one:.3g} ms, and {together} together {call:.3g} ms"
    starved = [each.starved for each in conditions.values()]
    return next(filter(None, [*starved, slow if one > call else ""]), "")


def settled(rounds: Sequence[Round], asked: int) -> tuple[tuple[Round, ...], str]:
    """The rounds, and why their medians are no figures to quote ("" if they are).

    asked: how many undisturbed rounds there should be that are not far from the fastest; where
    there are, the far ones count as disturbed.
    """
    quiet = [each for each in rounds if not each.disturbed]
    far = {id(each): said for each in quiet if (said := _far(each, quiet))}
    if len(quiet) - len(far) >= asked:
        return tuple(replace(e, disturbed=e.disturbed or far.get(id(e), "")) for e in rounds), ""
    if len(quiet) >= asked:
        return tuple(rounds), _disagreement(quiet)
    return tuple(rounds), next(each.disturbed for each in rounds if each.disturbed)


def counted(rounds: Sequence[_Timed]) -> Sequence[_Timed]:
    """Those that the figures are of: the undisturbed ones, if there are any."""
    return [each for each in rounds if not each.disturbed] or rounds


def _far(one: Round, others: Sequence[Round]) -> str:
    for name in _COMPARED:
        own, least = _slowness(one, name), min(_slowness(each, name) for each in others)
        if own > MOST_SPREAD * least:
            return f"a text took {own:.3g} ms, and {least:.3g} ms in another round"
    return ""


def _slowness(one: Round, name: str) -> float:
    """A time, or of a throughput the time that it stands for."""
    value = float(getattr(one, name))
    return 1e3 / value if name == "bulk_texts_per_second" else value


def _disagreement(rounds: Sequence[Round]) -> str:
    """The times that differ most, as the end of a sentence."""
    slowness = {name: [_slowness(each, name) for each in rounds] for name in _COMPARED}
    worst = max(slowness.values(), key=lambda values: max(values) / min(values))
    return f"rounds disagree, {min(worst):.3g} to {max(worst):.3g} ms a text"


@record(frozen=True)
class Ratio:
    """How many times faster; low, high: the least and the most of any round."""

    estimate: Number
    low: Number
    high: Number
    steady: bool
    """Whether it is a figure to quote; if not, the range is all that can be said."""


def ratio(
    slow: Sequence[Round], fast: Sequence[Round], time: str, estimate: float, steady: bool
) -> Ratio | None:
    """The ratio of two versions' times, whose rounds were made side by side.

    estimate: the ratio of their medians; steady: whether both are figures to quote.
    """
    both = [(a, b) for a, b in zip(slow, fast, strict=True) if not (a.disturbed or b.disturbed)]
    ratios = [_slowness(a, time) / _slowness(b, time) for a, b in both]
    if not steady and len(ratios) < 2:
        return None
    low, high = min([estimate, *ratios]), max([estimate, *ratios])
    return Ratio(estimate, low, high, steady and high <= MOST_SPREAD * low)
