"""A certificate as people read it: the section in the model card, and the badge in a table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from paretext.certification.catalogue import CATALOGUE
from paretext.certification.notes import notes
from paretext.certification.units import Kind, written
from paretext.core.markdown import escaped, table
from paretext.core.wording import listed, sentence

if TYPE_CHECKING:
    from paretext.certification.certificate import Certificate
    from paretext.certification.records import Clause, OperatingPoint, Part, Rates
    from paretext.core.records import Interval

BADGES = {"holds": "✓ holds", "broken": "✗ broken", "undecided": "? undecided"}
CLAUSE_COLUMNS = ("clause", "found", "interval", "limit", "verdict", "would decide")

_MOST_NAMED = 2


def claim(certificate: Certificate) -> str:
    """What came out, in one sentence: what the card, the page and the terminal begin with."""
    new, old = certificate.candidate.name, certificate.reference.name
    if certificate.verdict == "holds":
        said = listed(_promises(certificate, "at most") or ["keeps every limit of its budget"])
        said = f"{new} may replace {old}: on texts like these it {said}"
    elif certificate.verdict == "broken":
        names = [clause_name(each) for each in certificate.clauses if each.verdict == "broken"]
        said = listed(_promises(certificate, "at least") or [f"breaks {listed(names)}"])
        said = f"{new} may not replace {old}: on texts like these it {said}"
    else:
        said = f"whether {new} may replace {old} is open: {counted(certificate)}"
        if needed := would_decide(certificate):
            enough = needed <= certificate.data.texts  # other such texts decide every second time
            many = "as many other texts may" if enough else f"about {needed:,} texts would"
            said += f"; {many} decide"
        said = sentence(said)
    return f"{said}.{_not_judged(certificate)}{_looked(certificate)}"


def would_decide(certificate: Certificate) -> int | None:
    """About how many texts would decide all that is open; None where no number would."""
    open_ = [each for each in certificate.clauses if each.verdict == "undecided"]
    needed = [each.texts_needed for each in open_]
    return max(filter(None, needed)) if needed and all(needed) else None


def _promises(certificate: Certificate, most: str) -> list[str]:
    """ "loses at most 0.7% of accuracy": what holds by its upper end, what is broken by its
    lower."""
    promises = []
    for clause in certificate.clauses:
        rule = CATALOGUE.get(clause.name)
        if rule is None or not rule.promise or clause.verdict != certificate.verdict:
            continue
        if clause.verdict == "broken":
            limit = f" (limit {written_share(clause.limit)})"
            of = f" ({_where(worst)})" if (worst := _worst(clause)) else ""
            amount = f"{most} {written_share(clause.found.low, down=True)}"
            promises.append(rule.promise.format(amount) + of + limit)
        elif clause.parts:
            amount, note = guarded(clause)
            promises.append(rule.promise.format(f"{most} {amount}") + note)
        elif clause.found.high <= 0:
            promises.append(rule.promise.format("nothing"))
        else:
            promises.append(rule.promise.format(f"{most} {written_share(clause.found.high)}"))
    return promises


def guarded(clause: Clause) -> tuple[str, str]:
    """What is promised of every label, its limit, and of which ones less is, for want of texts."""
    limits = [(part.limit or clause.limit, part) for part in clause.parts]
    wide = [each for each in limits if each[0] > clause.limit]
    if not wide:
        return written_share(clause.limit), ""
    widest, part = max(wide, key=lambda each: each[0])
    most, fewest = written_share(widest), f"{part.label}, {_texts(part.texts)}"
    if len(wide) == len(limits) > 1:
        least = written_share(min(limit for limit, _ in limits))
        if least == most:
            return most, " (by how many texts it has)"
        return f"{least} to {most}", f" (by how many texts it has; the most: {fewest})"
    others = f", and less of {len(wide) - 1} more with few texts" if len(wide) > 1 else ""
    return written_share(clause.limit), f" ({most} of {fewest}{others})"


def _not_judged(certificate: Certificate) -> str:
    """What texts without labels leave of the budget."""
    unlabelled = certificate.unlabelled
    names = (
        [CATALOGUE[each].judged for each in unlabelled.left_out if each in CATALOGUE]
        if unlabelled
        else []
    )
    return f" Not judged: {listed(names)}." if names else ""


def _looked(certificate: Certificate) -> str:
    """What takes from a verdict that others were asked of the same texts before."""
    looks = certificate.looks
    if looks is None:
        return ""
    if looks.stopped_at is not None:
        return (
            f" It may not be chosen on these texts: {looks.stopped_at}, larger and asked before "
            "it, does not hold."
        )
    others = [name for name in looks.before if name not in looks.sequence]
    if not others:
        return ""
    many = "1 other was" if len(others) == 1 else f"{len(others)} others were"
    return f" {many} certified on the same texts before, and the best of several is flattered."


def written_share(value: float, down: bool = False) -> str:
    """A share in per cent, to a tenth (below 1% to a hundredth), rounded to the safe side."""
    step = 10_000 if abs(value) < 0.01 else 1_000
    whole = round(value * step, 6)
    return f"{(math.floor(whole) if down else math.ceil(whole)) * 100 / step:g}%"


def headline(certificate: Certificate) -> str:
    """What came out in a sentence, and what it was measured on."""
    return (
        f"{certificate.sentence or claim(certificate)} {sentence(measured_on(certificate))}."
        f"{_but(certificate)}"
    )


def measured_on(certificate: Certificate) -> str:
    """The reference, the texts, and how many clauses hold."""
    return (
        f"against {certificate.reference.name} ({_runtime(certificate)}, "
        f"{certificate.reference.digest[:12]}) on {certificate.data.texts:,} texts of "
        f"{certificate.data.name}: {beside_claim(certificate)}{_flipped(certificate.flips.flipped)}"
    )


def _flipped(answers: int) -> str:
    return "1 answer flipped" if answers == 1 else f"{answers:,} answers flipped"


def counted(certificate: Certificate) -> str:
    """How many clauses hold, which are broken, and what the texts are too few to judge."""
    clauses = certificate.clauses
    holding = sum(clause.verdict == "holds" for clause in clauses)
    if certificate.verdict == "holds":
        return f"all {len(clauses)} clauses hold" if len(clauses) > 1 else "its one clause holds"
    said = f"{holding} of {len(clauses)} hold"
    if broken := [each for each in clauses if each.verdict == "broken"]:
        said += f"; broken: {', '.join(map(clause_name, broken))}"
    return "; ".join((said, *_open(certificate)))


def beside_claim(certificate: Certificate) -> str:
    """The same, to stand before something else; nothing where the claim itself says it."""
    return "" if certificate.verdict == "undecided" else f"{counted(certificate)}; "


def _open(certificate: Certificate) -> list[str]:
    """What is not decided, and of what there is too little: a phrase each."""
    clauses = [each for each in certificate.clauses if each.verdict == "undecided"]
    whole = [each for each in clauses if not each.parts and not each.why]
    phrase = _of_flips if certificate.unlabelled else _of_classes
    phrases = [phrase(each) for each in clauses if each.parts and _undecided(each)]
    if whole:
        texts, judged = certificate.data.texts, listed([_judged(each) for each in whole])
        phrases.append(f"{texts:,} texts are too few to judge {judged}")
    phrases += [f"{each.name} is open: {each.why}" for each in clauses if each.why]
    return phrases


def _of_flips(clause: Clause) -> str:
    names = [each.label for each in _undecided(clause)]
    whose = listed(names) if len(names) <= _MOST_NAMED else f"{len(names)} labels"
    return f"the labels of flipped texts are too few to judge the recall of {whose}"


def _of_classes(clause: Clause) -> str:
    parts, judged = _undecided(clause), _judged(clause)
    if len(parts) > 1:
        judged = judged.replace("its", "their")
    if len(parts) > _MOST_NAMED:
        return f"{len(parts)} labels have too few texts to judge {judged}"
    of = CATALOGUE[clause.name].of if clause.name in CATALOGUE else "of"
    few = [f"{_texts(each.texts)} {of} {each.label}" for each in parts]
    are = "is" if [each.texts for each in parts] == [1] else "are"
    return f"{listed(few)} {are} too few to judge {judged}"


def _judged(clause: Clause) -> str:
    """ "its recall"; a certificate may hold a clause that somebody else registered."""
    return CATALOGUE[clause.name].judged if clause.name in CATALOGUE else f"its {clause.name}"


def _texts(count: int) -> str:
    return "1 text" if count == 1 else f"{count:,} texts"


def _undecided(clause: Clause) -> list[Part]:
    """One part of each label that is not decided."""
    parts = {part.label: part for part in clause.parts if part.verdict == "undecided"}
    return list(parts.values())


def clause_name(clause: Clause) -> str:
    """A clause, and the class that it is worst for."""
    worst = _worst(clause)
    return f"{clause.name} of {worst.label}" if worst else clause.name


def _worst(clause: Clause) -> Part | None:
    """The part that a clause's own numbers are of."""
    return next((part for part in clause.parts if part.drop == clause.found), None)


def _but(certificate: Certificate) -> str:
    """What takes the worth from a verdict, whatever it is: it stands beside it everywhere."""
    standing = certificate.standing
    if standing is None or standing.reason is None:
        return ""
    forced = "" if certificate.is_held_out else "Made with --force: "
    said = f"{forced}{standing.reason}."
    return f" {said} It compares two models, and says nothing good of either."


def clause_rows(certificate: Certificate) -> list[tuple[str, ...]]:
    """One tuple a clause, under CLAUSE_COLUMNS."""
    return [_clause(clause) for clause in certificate.clauses]


def part_rows(certificate: Certificate) -> list[tuple[str, ...]]:
    """One tuple for each class of a clause that asks every class, under PART_COLUMNS."""
    return [_part(clause, part) for clause in certificate.clauses for part in clause.parts]


PART_COLUMNS = (
    *("clause", "label", "at", "texts", "reference", "candidate"),
    *("worse by", "interval", "verdict", "promised at most"),
)


AT_THRESHOLDS = "Where a threshold decides, reference → candidate"
POINT_COLUMNS = ("label", "at", "threshold", "recall", "precision", "false positives")


def point_rows(certificate: Certificate) -> list[tuple[str, ...]]:
    """One tuple for each class at each operating point, under POINT_COLUMNS."""
    return [_point(point) for point in certificate.operating_points]


SLICE_COLUMNS = ("texts", "kind", "number", "flipped", "interval")


def slice_rows(certificate: Certificate) -> list[tuple[str, ...]]:
    """One tuple for each kind of text, and how many of its answers flipped, under SLICE_COLUMNS."""
    return [
        (each.kind, each.name, f"{each.texts:,}", *_percent(each.flips))
        for each in certificate.flips.slices
    ]


def section(certificate: Certificate) -> str:
    """Markdown: everything that a reader of the model card needs to judge the claim."""
    budget, machine = certificate.budget, certificate.machine
    parts = [
        f"## Certificate: {BADGES[certificate.verdict]}",
        escaped(sentence(headline(certificate))),
        table(CLAUSE_COLUMNS, clause_rows(certificate)),
        "A drop is reference minus candidate and a rise candidate minus reference: positive is "
        "worse. A clause holds if its interval's upper end is within the limit, is broken if its "
        "lower end is beyond it, and is undecided otherwise; the last column says about how many "
        f"texts would decide. Intervals are paired, at {budget.confidence * 100:g}%: score "
        f"intervals of shares, and {certificate.resamples:,} resamples (seed {certificate.seed}) "
        "of what is no share. A label with few texts is held to what these can promise, which the "
        "table of classes has.",
    ]
    if certificate.reported:
        shown = [
            f"{each.name} {each.found.estimate:+.4f} ({_ends(each.found, 'share')})"
            for each in certificate.reported
        ]
        parts.append(f"Reported, and not limited: {listed(shown)}.")
    if certificate.standing is not None:
        parts.append(
            f"{certificate.standing.scores} A certificate compares two models; that neither is "
            "worse says nothing of how good they are."
        )
    if certificate.seen is not None:
        parts.append(f"{certificate.seen} were trained on.")
    parts += map(escaped, notes(certificate))
    if certificate.alike:
        parts.append(
            "The two gave the same probabilities for every text, to float32 rounding; the "
            "intervals say how much could still differ on other texts."
        )
    if rows := part_rows(certificate):
        parts += ["### Per class", table(PART_COLUMNS, rows)]
    if certificate.operating_points:
        parts += [
            f"### {AT_THRESHOLDS}",
            table(POINT_COLUMNS, point_rows(certificate)),
        ]
    flips = certificate.flips
    parts += [
        "### Flips",
        f"{flips.flipped:,} of {flips.texts:,} answers differ: {_labelled(certificate)}"
        f"{flips.lost:,} were right and are wrong, {flips.won:,} the other way"
        + (f"; listed in {escaped(flips.file)}, most confident first." if flips.file else "."),
        table(SLICE_COLUMNS, slice_rows(certificate)),
        "### What it depends on",
        f"Candidate {certificate.candidate.digest[:12]}, reference "
        f"{certificate.reference.digest[:12]}, data {certificate.data.fingerprint[:12]}. "
        f"Measured on {escaped(machine['cpu'])} ({', '.join(machine['instruction_sets'])}), "
        f"{machine['threads']} of {machine['cores']} cores, onnxruntime "
        f"{machine['versions'].get('onnxruntime')}, by paretext {certificate.version}. INT8 "
        "answers may differ on another CPU: `paretext verify` compares the machines, and with "
        "`--rerun` measures again.",
        "",
    ]
    return "\n\n".join(parts)


def _labelled(certificate: Certificate) -> str:
    unlabelled = certificate.unlabelled
    return f"{unlabelled.labelled:,} of these have a label, and by it " if unlabelled else ""


def _runtime(certificate: Certificate) -> str:
    kinds = {"pytorch": "PyTorch fp32", "predictions": "its predictions"}
    return kinds.get(certificate.reference.kind, "an artifact")


def _clause(clause: Clause) -> tuple[str, ...]:
    worst = _worst(clause)
    name = f"{clause.name} ({_where(worst)})" if worst else clause.name
    interval = clause.found
    return (
        name,
        _value(interval.estimate, clause.unit),
        _ends(interval, clause.unit),
        _value((worst and worst.limit) or clause.limit, clause.unit),
        BADGES[clause.verdict],
        clause.why or (f"about {clause.texts_needed:,} texts" if clause.texts_needed else ""),
    )


def _ends(interval: Interval, unit: Kind) -> str:
    if interval.is_withheld:
        return "withheld"
    return f"{_value(interval.low, unit)} to {_value(interval.high, unit)}"


def _where(part: Part) -> str:
    return part.label if part.at is None else f"{part.label}, {part.at}"


def _part(clause: Clause, part: Part) -> tuple[str, ...]:
    return (
        clause.name,
        part.label,
        part.at or "argmax",
        f"{part.texts:,}",
        f"{part.reference:.4f}",
        f"{part.candidate:.4f}",
        _value(part.drop.estimate, "share"),
        f"{part.drop.low:+.4f} to {part.drop.high:+.4f}",
        BADGES[part.verdict],
        "" if part.limit is None else written_share(part.limit),
    )


def _point(point: OperatingPoint) -> tuple[str, ...]:
    if point.threshold is None or point.reference is None or point.candidate is None:
        return (point.label, point.at, "not reached", "", "", "")
    pair = (point.reference, point.candidate)
    return (
        point.label,
        point.at,
        f"{point.threshold:.4f}",
        *(" → ".join(each) for each in zip(*(_rates(rates) for rates in pair), strict=True)),
    )


def _rates(rates: Rates) -> tuple[str, str, str]:
    precision = f"{rates.precision.estimate:.3f}" if rates.precision else "none taken"
    false = rates.false_positive_rate.estimate
    return f"{rates.recall.estimate:.3f}", precision, f"{false:.4f}"


def _percent(span: Interval) -> tuple[str, str]:
    return f"{span.estimate:.2%}", f"{span.low:.2%} to {span.high:.2%}"


def _value(value: float, unit: Kind) -> str:
    if math.isnan(value):
        return "unknown"
    return f"{value:+.4f}" if unit == "share" else written(value, unit)
