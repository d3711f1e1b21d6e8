"""The run in a sentence: which version to deploy, what it buys, what it costs, and what is open.

The rule, so that anybody can check it: of the parent's artifact and the versions made from it whose
certificate is not broken, the fastest at batch 1. Those within a tenth of it count as equally fast
(medians of one machine differ by as much from day to day), and then the smallest is taken; of those
within a tenth of that, the one whose certificate holds, then the higher macro-F1. A version without
a certificate is taken only where no version has one, and unless its macro-F1 is shown to be lower.
Where the machine was too busy to time one of them, none counts as faster.

Before all that: where the parent is no model (`standing`), nothing made from it is recommended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from paretext.certification.certificate import Certificate
from paretext.certification.records import Clause, Span
from paretext.report.run_data import Conclusion, Measured
from paretext.standing import Standing

PARENT, BASELINE = "parent", "pytorch"
_EQUAL = 1.1
_RANK = {"holds": 0, None: 1, "undecided": 2}
UNKNOWN = "the machine was too busy to time it"
NOTHING = "Nothing is measured yet, so there is nothing to conclude."


def conclude(
    versions: Sequence[Measured],
    certificates: Mapping[str, Certificate],
    standing: Standing | None = None,
) -> Conclusion:
    """What to deploy, and whether a transformer is worth its cost here.

    standing: the parent's; None where it is not known (a comparison of an older version).
    """
    own = [row for row in versions if row.derived and row.version != BASELINE]
    chosen = _choose(own)
    if chosen is None:
        return Conclusion(headline=NOTHING)
    first = versions[0]
    said: list[str] = []
    if standing is not None and not standing.is_good:
        said = [standing.remedy, standing.scores, *_without_transformer(versions, own)]
        return Conclusion(headline=standing.headline, sentences=tuple(said), verdict="nothing")
    bought = f"{_bought(chosen, first)}; {_lost(chosen)}"
    if chosen.version == PARENT or chosen.parent in (None, BASELINE):
        verdict = "parent"
        reason = "no compressed version is worth taking" if len(own) > 1 else "there is no other"
        headline = f"Deploy {chosen.version} as it is, since {reason}: {bought}."
    elif chosen.verdict == "holds":
        verdict = "holds"
        headline = f"Deploy {chosen.version}, whose certificate holds: {bought}."
    elif chosen.verdict == "undecided":
        verdict = "undecided"
        headline = (
            f"Deploy {chosen.version} if you can live with what its certificate leaves undecided; "
            f"nothing in it is broken: {bought}."
        )
        said += _open(chosen, certificates)
        said += _holding(own, chosen, first)
    else:
        verdict = "uncertified"
        headline = (
            f"{chosen.version} buys most, but no certificate says what it may have cost: {bought}."
        )
    broken = [row for row in own if row.verdict == "broken"]
    if broken:
        said.append(f"Do not deploy {_and(_broken(row, certificates) for row in broken)}.")
    said += [standing.scores] if standing is not None else []
    said += _without_transformer(versions, own)
    return Conclusion(
        headline=headline, sentences=tuple(said), version=chosen.version, verdict=verdict
    )


def _choose(own: Sequence[Measured]) -> Measured | None:
    certified = any(row.verdict for row in own)
    pool = [row for row in own if row.verdict != "broken"]
    if certified:
        pool = [row for row in pool if row.verdict or row.version == PARENT]
    else:
        pool = [row for row in pool if row.version == PARENT or not _is_loss(row.macro_f1_drop)]
    if not pool:
        return None
    if not any(row.unsteady for row in pool):
        fastest = min(row.batch1_ms_p50 for row in pool)
        pool = [row for row in pool if row.batch1_ms_p50 <= fastest * _EQUAL]
    smallest = min(row.bytes for row in pool)
    pool = [row for row in pool if row.bytes <= smallest * _EQUAL]
    return min(
        pool, key=lambda row: (_RANK[row.verdict], -(row.macro_f1.estimate if row.macro_f1 else 0))
    )


def _bought(row: Measured, first: Measured) -> str:
    """What it buys against the first version."""
    if row is first:
        return _cost(row)
    than = "PyTorch" if first.version == BASELINE else first.version
    smaller = f"{_times(row.smaller, 'smaller', 'larger')} than {than}"
    if row.faster_batch1 is None:
        return f"{smaller} (how much faster is not known: {UNKNOWN})"
    return f"{_times(row.faster_batch1, 'faster', 'slower')} at batch 1 and {smaller}"


def _cost(row: Measured) -> str:
    time = UNKNOWN if row.unsteady else f"{row.batch1_ms_p50:.2f} ms a text at batch 1"
    return f"{row.bytes / 1e6:.1f} MB, {time}"


def _times(ratio: float, more: str, less: str) -> str:
    return f"{ratio:.1f} times {more}" if ratio >= 1 else f"{1 / ratio:.1f} times {less}"


def _lost(row: Measured) -> str:
    drop = row.macro_f1_drop
    if drop is None:
        score = row.macro_f1
        return f"its macro-F1 is {score.estimate:.3f}" if score else "its macro-F1 is undefined"
    verdict = "a loss" if _is_loss(drop) else "a gain" if drop.high < 0 else "no difference shown"
    return f"macro-F1 drop from {row.parent} {_span(drop)}, {verdict}"


def _open(row: Measured, certificates: Mapping[str, Certificate]) -> list[str]:
    found = certificates.get(row.version)
    if found is None:
        return []
    clauses = [clause for clause in found.clauses if clause.verdict == "undecided"]
    needed = [clause.texts_needed for clause in clauses if clause.texts_needed]
    said = (
        f"Undecided on {found.data.texts:,} texts, {len(clauses)} of {len(found.clauses)} clauses: "
        f"{_and(_clause(clause) for clause in clauses)}."
    )
    if needed:
        said += f" About {max(needed):,} texts would decide."
    return [said]


def _holding(own: Sequence[Measured], chosen: Measured, first: Measured) -> list[str]:
    holding = [row for row in own if row.verdict == "holds"]
    if not holding:
        return [
            "No version's certificate holds on these texts; where nothing may change, deploy "
            f"{PARENT}, which the others are certified against."
        ]
    timed = not any(row.unsteady for row in holding)
    best = min(holding, key=lambda row: row.batch1_ms_p50 if timed else row.bytes)
    which = "fastest" if timed else "smallest"
    return [
        f"The {which} whose certificate holds is {best.version}: {_bought(best, first)}; "
        f"{_lost(best)}."
    ]


def _broken(row: Measured, certificates: Mapping[str, Certificate]) -> str:
    found = certificates.get(row.version)
    clauses = [each for each in found.clauses if each.verdict == "broken"] if found else []
    return f"{row.version} (broken: {_and(map(_clause, clauses))})" if clauses else row.version


def _clause(clause: Clause) -> str:
    worst = next((part for part in clause.parts if part.drop == clause.found), None)
    return f"{clause.name} of {worst.label}" if worst else clause.name


def _without_transformer(versions: Sequence[Measured], own: Sequence[Measured]) -> list[str]:
    """Is the transformer worth it? Asked where a model without one was trained beside it."""
    others = [row for row in versions if not row.derived and not row.is_encoder and row.macro_f1]
    parent = next((row for row in own if row.version == PARENT), None)
    if parent is not None and not parent.is_encoder:
        return [
            f"The best model on the selection split is no transformer ({parent.architecture}): on "
            "these data a transformer is not worth its cost."
        ]
    if not others:
        return []
    best = max(others, key=lambda row: row.macro_f1.estimate if row.macro_f1 else 0)
    drop, score = best.macro_f1_drop, best.macro_f1
    if drop is None or score is None or parent is None:
        return []
    cost = _cost(best)
    told = (
        f"The best model without one, {best.version} ({cost}), has a macro-F1 of "
        f"{score.estimate:.3f}, a drop from {best.parent} of {_span(drop)}."
    )
    if drop.low > 0:
        return [f"Is the transformer worth it? In quality, yes. {told}"]
    if drop.high < 0:
        return [f"Is the transformer worth it? No, a model without one is better. {told}"]
    return [
        f"Is the transformer worth it? Not that these texts can show. {told} The interval holds 0."
    ]


def _is_loss(drop: Span | None) -> bool:
    return drop is not None and drop.low > 0


def _span(span: Span) -> str:
    return f"{span.estimate:.3f} [{span.low:.3f}, {span.high:.3f}]".replace("-0.000", "0.000")


def _and(names: Iterable[str]) -> str:
    listed = list(names)
    return " and ".join(filter(None, (", ".join(listed[:-1]), *listed[-1:])))
