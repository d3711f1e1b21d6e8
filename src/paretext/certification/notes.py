"""How both models of a certificate were asked: by which rule, and alone as well as in bulk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paretext.core.wording import first_few

if TYPE_CHECKING:
    from paretext.certification.certificate import Certificate

_MOST_NAMED = 3


def notes(certificate: Certificate) -> list[str]:
    """A line each, the same in the terminal, on the page and on the card."""
    return [*_by_the_rule(certificate), *_each_way(certificate)]


def _by_the_rule(certificate: Certificate) -> list[str]:
    """When answers stand, and how many texts have none."""
    ruled, new, old = certificate.ruled, certificate.candidate.name, certificate.reference.name
    if ruled is None:
        return []
    whose = f"{new}'s rule" if ruled.of == "candidate" else f"{old}'s rule ({new} carries none)"
    after, before = ruled.candidate_unsure, ruled.reference_unsure
    return [
        f"By {whose} it answers {first_few(ruled.rule.sentences(), _MOST_NAMED)}: "
        f"{after.estimate:.1%} of the texts are unsure ({after.low:.1%} to {after.high:.1%}), of "
        f"{old} by the same rule {before.estimate:.1%}."
    ]


def _each_way(certificate: Certificate) -> list[str]:
    """How far lone answers are from those in bulk."""
    ways = certificate.ways
    if ways is None:
        return []
    which = f"{ways.alone:,} of {ways.bulk:,} texts, drawn at random,"
    if ways.alone == ways.bulk:
        which = f"All {ways.bulk:,} texts"
    changed = {0: "no label", 1: "1 label"}.get(
        ways.changed_labels, f"{ways.changed_labels:,} labels"
    )
    return [
        f"{which} were asked alone and in bulk: {changed} changed, and probabilities differ by at "
        f"most {ways.largest_probability_difference:.1g} ({ways.allowed:.1g} is allowed)."
    ]
