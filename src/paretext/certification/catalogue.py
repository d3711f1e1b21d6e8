"""Clauses, known by name: what a budget may limit, how it is judged, and its words.

A clause is one file in `clauses/` that defines a `Rule` with a name. Whoever defines such a class
has registered it, in the package or elsewhere: budgets, their expressions, searches and
certificates then know it, and no list anywhere has to be changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from paretext.certification.units import Kind
from paretext.core.errors import ParetextError
from paretext.core.settings import nearest

if TYPE_CHECKING:
    from paretext.certification.evidence import Evidence
    from paretext.certification.records import Clause
    from paretext.measure.intervals import Drops

CATALOGUE: dict[str, Rule] = {}
"""By name."""


class Rule:
    """What a clause asks. Its subclass with a `name` is registered where it is defined.

    A drop is reference minus candidate, a rise candidate minus reference: positive is worse.
    """

    name: ClassVar[str]
    also: ClassVar[tuple[str, ...]] = ()
    """Short names that budgets may use."""
    rank: ClassVar[int] = 50
    """Certificates list the low ones first."""
    unit: ClassVar[Kind] = "share"
    default: ClassVar[float | None] = None
    """The limit where none is given, in base units; None leaves the clause out."""
    unlabelled: ClassVar[float | None] = None
    """The same where there are no labels, and fewer clauses can be judged."""
    reason: ClassVar[str]
    """Why the default is what it is."""
    judged: ClassVar[str]
    """What is judged, as the end of "too few to judge ..."."""
    promise: ClassVar[str] = ""
    """What a certificate's sentence says of it, as the end of "it ..."; {} is "at most 0.7%". Empty
    for what only the table has."""
    reported: ClassVar[bool] = False
    """Whether a certificate shows it where it is not limited."""
    of: ClassVar[str] = "of"
    """What stands between "54 texts" and a label, where every label is asked."""
    needs_labels: ClassVar[bool] = True
    needs_probabilities: ClassVar[bool] = False
    """Whether the answers alone, without probabilities, do not tell."""

    def __init_subclass__(cls, **_: object) -> None:
        if "name" in cls.__dict__:
            CATALOGUE[cls.name] = cls()

    def judge(self, evidence: Evidence, limit: float) -> Clause | None:
        """The clause with its verdict; None where the evidence has nothing that it asks about."""
        raise NotImplementedError

    def estimate(self, drops: Drops) -> float | None:
        """What a search sees of it in two models' answers; None where that is nothing."""
        return None

    def price(self, size: float, p95_ms: float) -> float | None:
        """What it says of an artifact's bytes and its 95th percentile at batch 1."""
        return None


def rules() -> list[Rule]:
    """All, in the order in which certificates list them."""
    return sorted(CATALOGUE.values(), key=lambda rule: rule.rank)


def rule(given: str) -> Rule:
    """The rule of a name or short name; ParetextError ends with the nearest one."""
    names = {also: each.name for each in rules() for also in (each.name, *each.also)}
    if given not in names:
        raise ParetextError(f"unknown clause {given!r}{nearest(given, names)}")
    return CATALOGUE[names[given]]


def unit_of(name: str) -> Kind:
    """What a clause is limited as: a share, bytes or milliseconds."""
    return CATALOGUE[name].unit
