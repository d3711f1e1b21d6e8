"""Verdicts: an interval against a limit, of one number or of every class.

- holds: the interval's upper (bad) end is within the limit;
- broken: its lower (good) end is beyond it;
- undecided: the limit lies inside the interval, and it is said about how many texts would decide.

So a candidate that is worse than the limit passes with a chance of at most (1 - confidence)/2 a
clause, 2.5% by default, as far as the intervals keep their promise (`benchmarks/coverage.py`). That
all clauses hold is an intersection-union test, without correction; that one is broken is said only
where it is broken with all of them asked at once (`judgement`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from paretext.certification.catalogue import Rule
from paretext.certification.guards import guards, texts_for_all
from paretext.certification.records import Clause, Part
from paretext.core.records import Interval, Verdict
from paretext.measure.deciding import texts_needed, two_digits
from paretext.measure.proportions import Pairs


def verdict(interval: Interval, limit: float) -> Verdict:
    if interval.high <= limit:
        return "holds"
    return "broken" if interval.low > limit else "undecided"


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """broken if one is, else undecided if one is, else holds."""
    return next((v for v in ("broken", "undecided") if v in verdicts), "holds")


def simple(
    rule: Rule,
    limit: float,
    interval: Interval,
    n: int,
    values: tuple[float, float] | None = None,
    *,
    at: Callable[[float], Interval] | None = None,
    p_value: float | None = None,
    withheld: str | None = None,
) -> Clause:
    """A clause of one number.

    values: the reference's and the candidate's own. at: the interval if each text counted so many
    times; None where more texts would not settle it. withheld: why the texts say nothing of it.
    """
    result = verdict(interval, limit)
    open_ = result == "undecided" and at is not None and withheld is None
    return Clause(
        name=rule.name,
        unit=rule.unit,
        limit=limit,
        reference=values[0] if values else None,
        candidate=values[1] if values else None,
        found=interval,
        verdict=result,
        certifiable=None if withheld else interval.high,
        texts_needed=texts_needed(n, at, limit) if open_ and at else None,
        p_value=p_value,
        why=withheld if result == "undecided" else None,
    )


@dataclass(frozen=True)
class Asked:
    """One class of a clause: the counts, and both models' own rates."""

    label: str
    at: str | None
    pairs: Pairs
    reference: float
    candidate: float


def of_parts(rule: Rule, limit: float, asked: Sequence[Asked], confidence: float, n: int) -> Clause:
    """A clause that every part has to hold, each within what its texts can promise (`guards`)."""
    tail = (1 - confidence) / 2
    by_part = guards([each.pairs for each in asked], limit, tail)
    parts = tuple(
        Part(
            label=each.label,
            at=each.at,
            texts=each.pairs.n,
            reference=each.reference,
            candidate=each.candidate,
            limit=guard.promise,
            drop=guard.drop,
            verdict=guard.verdict,
        )
        for each, guard in zip(asked, by_part, strict=True)
    )
    needed = None
    if overall([part.verdict for part in parts]) == "undecided":
        texts = sum(each.pairs.n for each in asked)
        all_of = texts_for_all([each.pairs for each in asked], limit, tail)
        needed = all_of and two_digits(all_of * n / texts)
    return with_parts(rule, limit, parts, needed)


def with_parts(rule: Rule, limit: float, parts: Sequence[Part], needed: int | None) -> Clause:
    """A clause that every part has to hold; its own numbers are those of the worst."""
    ranks = ("holds", "undecided", "broken")
    worst = max(parts, key=lambda part: (ranks.index(part.verdict), part.drop.high))
    return Clause(
        name=rule.name,
        unit=rule.unit,
        limit=limit,
        reference=worst.reference,
        candidate=worst.candidate,
        found=worst.drop,
        verdict=worst.verdict,
        certifiable=None,
        texts_needed=needed,
        parts=tuple(parts),
    )
