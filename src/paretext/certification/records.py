"""What certificate.json holds, piece by piece. Shares are numbers from 0 to 1."""

from __future__ import annotations

from typing import ClassVar, Literal

from paretext.certification.units import Kind
from paretext.core.records import Interval, Record, Verdict
from paretext.runtime.rule import Rule


class Part(Record):
    """One class of a clause that asks something of every class, at one operating point or none."""

    label: str
    at: str | None
    """The operating point, "precision=0.9" or "rule"; None where it asks about the answers."""
    texts: int
    """How many texts bear on it: those of the class, for false positives those of the others, for
    precision those that the reference answers with the class."""
    reference: float
    candidate: float
    drop: Interval
    """How much worse the candidate is: reference minus candidate, or candidate minus reference for
    false positives. The lower end is at the level at which Holm's procedure asks whether this part
    is broken; the upper is the smaller of the exact one of what was lost and of the drop's."""
    verdict: Verdict
    limit: float | None = None
    """What so many texts can promise: the clause's limit, or more. Format 1 had none."""
    texts_needed: int | None = None
    """Of format 1: about how many such texts would decide."""


class Clause(Record):
    """One limit of the budget, what was found, and the verdict."""

    name: str
    unit: Kind
    limit: float
    reference: float | None
    candidate: float | None
    found: Interval
    """How much worse the candidate is (size and latency: the candidate's own value); for a clause
    of several parts, the part with the worst upper end."""
    verdict: Verdict
    certifiable: float | None
    """The smallest limit that these data would let hold: the interval's upper end; None for a
    clause of several parts, whose limits differ, and where the interval is withheld."""
    texts_needed: int | None
    """About how many texts like these would decide; None if decided, or if no number would."""
    p_value: float | None = None
    """Accuracy: exact McNemar test, two-sided, of "right equally often"."""
    parts: tuple[Part, ...] = ()
    added: ClassVar[tuple[str, ...]] = ("why",)
    why: str | None = None
    """Why it is undecided, where its limit does not lie inside the interval, or has no ends."""


class Reported(Record):
    """What was measured and is not limited."""

    name: str
    reference: float | None
    candidate: float | None
    found: Interval


class Rates(Record):
    """One model's answers to "is it this class?" at one threshold, with Wilson intervals."""

    recall: Interval
    precision: Interval | None
    """None where nothing reaches the threshold."""
    false_positive_rate: Interval


class OperatingPoint(Record):
    """A class against the rest, at the threshold where the reference meets `at` on these texts; or
    at a rule, of which `threshold` is the least probability with which it is answered."""

    label: str
    at: str
    threshold: float | None
    """None where the reference meets `at` at no threshold."""
    reference: Rates | None
    candidate: Rates | None


class Ruled(Record):
    """When answers stand, and how many texts have none: the candidate's rule, or the reference's
    where the candidate has none. Both models are asked by it."""

    rule: Rule
    of: Literal["candidate", "reference"]
    reference_unsure: Interval
    candidate_unsure: Interval


class Slice(Record):
    """Texts of one kind, and the share of them whose answer flipped (Wilson interval)."""

    kind: Literal["label", "length", "negation", "rare words"]
    name: str
    texts: int
    flips: Interval


class Flips(Record):
    """The texts that the two models answer differently."""

    texts: int
    flipped: int
    lost: int
    """Right by the reference alone."""
    won: int
    """Right by the candidate alone."""
    slices: tuple[Slice, ...]
    file: str | None = None
    """Name of the CSV file that lists them, most confident first."""
    sha256: str | None = None
    """Of that file."""


class Rate(Record):
    """How often both models answer one label."""

    label: str
    reference: int
    candidate: int


class Unlabelled(Record):
    """Of a certificate on texts without labels: what is known of the flipped ones."""

    labelled: int
    """Flipped texts that have a label, the first ones of a random order."""
    unclear: int
    """Of those, labelled "?": each end of an interval supposes the worse."""
    labels_needed: int | None
    """About how many labels in all would decide the accuracy, where that is open and they can."""
    largest_drop: float
    """Of accuracy, if every flip were a loss: the upper end of the share of flips."""
    rates: tuple[Rate, ...]
    left_out: tuple[str, ...]
    """Clauses that the budget limits and that these texts say nothing of."""
    beside: str | None
    """Name of the labelled texts (--eval), where there are any..."""
    beside_texts: int | None
    beside_fingerprint: str | None
    """... their number and their fingerprint."""
    unlike: float | None
    """How well a classifier tells these from the labelled texts: AUC, 0.5 is not at all."""
    seed: int
    """Of the order."""
    file: str
    """Name of the CSV file to fill in."""
    asked: str
    """SHA-256 of its rows and texts, in their order."""
