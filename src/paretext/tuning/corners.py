"""Which families can hold a budget at all: asked of their smallest shapes, before any training."""

from __future__ import annotations

from paretext.certification.catalogue import unit_of
from paretext.certification.units import written
from paretext.compression.step import Outline
from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.tuning.limits import Limits, price
from paretext.tuning.shapes import Shape
from paretext.tuning.space import Family, Space
from paretext.tuning.workshop import Workshop


def possible(workshop: Workshop, parent: Outline, limits: Limits) -> Space:
    """The part of the workshop's space that can be built and can hold the limits on size and time.

    Raises ParetextError, saying which limit cannot be met and how close the smallest shapes come,
    if no family can.
    """
    corners: dict[str, Shape] = {}
    families: dict[str, Family] = {}
    for name, family in workshop.space.families.items():
        try:
            corners[name] = _smallest(workshop, name, family, parent)
        except ParetextError as error:
            progress.say(f"the family {name} is left out: {error}")
            continue
        shape = corners[name]
        broken = limits.broken_costs(shape.bytes, shape.p95_ms)
        size, p95 = written(shape.bytes, "bytes"), written(shape.p95_ms, "ms")
        said = f"the smallest shape of the family {name} has {size} and p95 {p95}"
        progress.say(said + (f": left out, {'; '.join(broken)}" if broken else ""))
        if not broken:
            families[name] = family
    if not corners:
        raise ParetextError("no family of recipes can be built from this parent; see above.")
    if not families:
        raise ParetextError(_impossible(corners, limits))
    return Space(families=families)


def _smallest(workshop: Workshop, name: str, family: Family, parent: Outline) -> Shape:
    point = workshop.space.point(name, family.corner(smallest=True))
    workshop.space.version(point).plan(parent)
    return workshop.measured(point)


def _impossible(corners: dict[str, Shape], limits: Limits) -> str:
    """Which limit cannot be met, and how close the smallest shapes came."""
    for clause, limit in limits.costs().items():
        prices = {name: price(clause, shape.bytes, shape.p95_ms) for name, shape in corners.items()}
        best = min(prices, key=lambda name: prices[name])
        if prices[best] > limit:
            kind = "smallest" if unit_of(clause) == "bytes" else "fastest"
            return (
                f"{limits.phrase(clause)} cannot be met: the {kind} shape that is tried has "
                f"{written(prices[best], unit_of(clause))} (family {best}); allow more."
            )
    listed = ", ".join(
        f"{name} {written(shape.bytes, 'bytes')} and p95 {written(shape.p95_ms, 'ms')}"
        for name, shape in corners.items()
    )
    both = " and ".join(map(limits.phrase, limits.costs()))
    return f"{both} cannot be met together: the smallest shapes have {listed}; allow more."
