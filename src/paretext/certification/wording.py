"""A certificate as people read it: the section in the model card, and the badge in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paretext.certification.catalogue import CATALOGUE
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


def headline(certificate: Certificate) -> str:
    """What came out, in a sentence."""
    return (
        f"{certificate.candidate.name} against {certificate.reference.name} "
        f"({_runtime(certificate)}, {certificate.reference.digest[:12]}) on "
        f"{certificate.data.texts:,} texts of {certificate.data.name}: {counted(certificate)}; "
        f"{_flipped(certificate.flips.flipped)}.{_but(certificate)}"
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


def _open(certificate: Certificate) -> list[str]:
    """What is not decided, and of what there is too little: a phrase each."""
    clauses = [each for each in certificate.clauses if each.verdict == "undecided"]
    whole = [each for each in clauses if not each.parts and not each.why]
    found = [_of_classes(each) for each in clauses if each.parts and _undecided(each)]
    if whole:
        texts, judged = certificate.data.texts, listed([_judged(each) for each in whole])
        found.append(f"{texts:,} texts are too few to judge {judged}")
    found += [f"{each.name} is open: {each.why}" for each in clauses if each.why]
    return found


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
    worst = next((part for part in clause.parts if part.drop == clause.found), None)
    return f"{clause.name} of {worst.label}" if worst else clause.name


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
    *("worse by", "interval", "verdict", "would decide"),
)


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
        f"texts would decide. Intervals are paired, at {budget.confidence * 100:g}%, from "
        f"{certificate.resamples:,} stratified resamples (seed {certificate.seed}); recall's are "
        "score intervals, Holm-corrected over the classes.",
    ]
    if certificate.standing is not None:
        parts.append(
            f"{certificate.standing.scores} A certificate compares two models; that neither is "
            "worse says nothing of how good they are."
        )
    if certificate.seen is not None:
        parts.append(f"{certificate.seen} were trained on.")
    if certificate.alike:
        parts.append(
            "The two gave the same probabilities for every text, to float32 rounding; the "
            "intervals say how much could still differ on texts that were not seen."
        )
    if rows := part_rows(certificate):
        parts += ["### Per class", table(PART_COLUMNS, rows)]
    if certificate.operating_points:
        parts += [
            "### At the reference's thresholds",
            table(POINT_COLUMNS, point_rows(certificate)),
        ]
    flips = certificate.flips
    parts += [
        "### Flips",
        f"{flips.flipped:,} of {flips.texts:,} answers differ: {flips.lost:,} were right and are "
        f"wrong, {flips.won:,} the other way"
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


def _runtime(certificate: Certificate) -> str:
    pytorch = certificate.reference.kind == "pytorch"
    return "PyTorch fp32" if pytorch else "an artifact"


def _clause(clause: Clause) -> tuple[str, ...]:
    worst = next((p for p in clause.parts if p.drop == clause.found), None)
    name = f"{clause.name} ({_where(worst)})" if worst else clause.name
    found = clause.found
    return (
        name,
        _value(found.estimate, clause.unit),
        f"{_value(found.low, clause.unit)} to {_value(found.high, clause.unit)}",
        _value(clause.limit, clause.unit),
        BADGES[clause.verdict],
        clause.why or (f"about {clause.texts_needed:,} texts" if clause.texts_needed else ""),
    )


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
        f"{part.drop.estimate:+.4f}",
        f"{part.drop.low:+.4f} to {part.drop.high:+.4f}",
        BADGES[part.verdict],
        f"about {part.texts_needed:,} such texts" if part.texts_needed else "",
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
    return f"{value:+.4f}" if unit == "share" else written(value, unit)
