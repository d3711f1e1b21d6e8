"""Looks: how often the same texts were certified on, and in which order.

A certificate on its own errs with the chance that it names. Who makes many on the same texts and
takes one that holds errs more often: of 20 versions that are all exactly at a limit some version
passes in 38% of cases. What helps is an order that was set before (a fixed sequence: Maurer et al.
1995; Westfall & Krishen 2001): the versions of a run are asked from the largest to the smallest,
and the first that does not hold ends it. A wrong one is then chosen no more often than one alone
would pass, however many there are. What comes after the end keeps its verdict, which is right for
itself, and is not chosen by it.

Every certificate counts the looks before it, as far as they were made in the same place.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.files import digest_of, read_json, write_json
from paretext.core.records import Record

if TYPE_CHECKING:
    from paretext.certification.certificate import Certificate

FILE = "looks.json"
_KEYS = ("name", "candidate", "reference", "budget")
_ORDER = ("sequence", "stopped_at")
"""Of a look that was one of several in an order."""


class Looks(Record):
    """What else was certified on these texts, before this."""

    number: int
    """Which look this is: 1 for the first. The same once more is no new one."""
    before: tuple[str, ...] = ()
    """What was looked at before, the first first."""
    sequence: tuple[str, ...] = ()
    """The order that was set before, from the largest version to the smallest."""
    stopped_at: str | None = None
    """The version before this one in the sequence that does not hold, so that this one may not be
    chosen on these texts."""


def _checked(values: Any) -> list[dict[str, Any]]:
    entries = [{key: each[key] for key in ("texts", *_KEYS)} for each in values]
    for entry, each in zip(entries, values, strict=True):
        entry |= {key: each[key] for key in _ORDER if key in each}
    return entries


def looked(
    place: Path,
    certificate: Certificate,
    sequence: Sequence[str] = (),
    stopped_at: str | None = None,
    labels: int = 0,
) -> Looks:
    """Write the look down in a folder, and say which it is.

    A look that was one of a sequence stays so: asked once more by itself, it can no more be chosen.
    labels: of texts that had none: with more of them it is another look.
    """
    path = place / FILE
    known: list[dict[str, Any]] = []
    if path.is_file():
        try:
            known = list(read_json(path, "looks are counted anew", _checked))
        except ParetextError as error:
            progress.say(f"warning: {error}")
    own = {
        "texts": certificate.data.fingerprint,
        "name": certificate.candidate.name,
        "candidate": certificate.candidate.digest,
        "reference": certificate.reference.digest,
        "budget": digest_of([certificate.budget.model_dump(mode="json"), certificate.at]),
    }
    if labels:
        own["budget"] = digest_of([own["budget"], labels])
    same = [each for each in known if own.items() <= each.items()]
    look = same[0] if same else own
    order = {"sequence": list(sequence), "stopped_at": stopped_at} if sequence else {}
    if not same or not order.items() <= look.items():
        look |= order
        known += [] if same else [look]
        place.mkdir(parents=True, exist_ok=True)
        write_json(path, known)
    asked = [each for each in known if each["texts"] == own["texts"]]
    number = asked.index(look) + 1
    return Looks(
        number=number,
        before=tuple(str(each["name"]) for each in asked[: number - 1]),
        sequence=tuple(look.get("sequence", ())),
        stopped_at=look.get("stopped_at"),
    )
