"""Verdicts: an interval against a limit, of one number or of every class.

- holds: the interval's upper (bad) end is within the limit;
- broken: its lower (good) end is beyond it;
- undecided: the limit lies inside the interval; about how many texts would decide is said, by the
  rule that an interval shrinks with the square root of the texts.

So a candidate that is worse than the limit passes with a chance of at most (1 - confidence)/2 a
clause, 2.5% by default, as far as the intervals keep their promise (`benchmarks/coverage.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paretext.certification.catalogue import Rule
from paretext.certification.proportions import Pairs, simultaneous
from paretext.certification.records import Clause, Part
from paretext.core.records import Interval, Verdict
from paretext.measure.intervals import MOST_TEXTS, texts_needed, two_digits


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
    found: Interval,
    n: int,
    values: tuple[float, float] | None = None,
    p_value: float | None = None,
) -> Clause:
    """A clause of one number; values: the reference's and the candidate's own."""
    return Clause(
        name=rule.name,
        unit=rule.unit,
        limit=limit,
        reference=values[0] if values else None,
        candidate=values[1] if values else None,
        found=found,
        verdict=verdict(found, limit),
        certifiable=found.high,
        texts_needed=texts_needed(n, found, limit),
        p_value=p_value,
    )


@dataclass(frozen=True)
class Asked:
    """One class of a clause: the counts, and both models' own rates."""

    label: str
    at: str | None
    pairs: Pairs
    reference: float
    candidate: float


def of_parts(
    rule: Rule,
    limit: float,
    asked: Sequence[Asked],
    confidence: float,
    unchanged: int | None,
    n: int,
) -> Clause:
    """A clause that every part has to hold, Holm-corrected over the parts."""
    level = (1 - confidence) / 2
    found = simultaneous([each.pairs for each in asked], limit, level, unchanged)
    parts = tuple(
        Part(
            label=each.label,
            at=each.at,
            texts=each.pairs.n,
            reference=each.reference,
            candidate=each.candidate,
            drop=interval,
            verdict=verdict(interval, limit),
            texts_needed=texts_needed(each.pairs.n, interval, limit),
        )
        for each, interval in zip(asked, found, strict=True)
    )
    result = overall([part.verdict for part in parts])
    worst = max(parts, key=lambda part: (part.verdict == "broken", part.drop.high))
    open_parts = [part for part in parts if part.verdict == "undecided"]
    all_texts = [
        None if part.texts_needed is None else n * part.texts_needed / part.texts
        for part in open_parts
    ]
    needed = [each and two_digits(each) for each in all_texts]
    decides = result == "undecided" and all(each and each <= MOST_TEXTS for each in all_texts)
    return Clause(
        name=rule.name,
        unit=rule.unit,
        limit=limit,
        reference=worst.reference,
        candidate=worst.candidate,
        found=worst.drop,
        verdict=result,
        certifiable=max(part.drop.high for part in parts),
        texts_needed=max(each for each in needed if each is not None) if decides else None,
        parts=parts,
    )
