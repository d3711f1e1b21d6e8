"""What results are made of: their base class, an estimate with its interval, and a verdict."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic.dataclasses import dataclass

from paretext.core.errors import ParetextError

Verdict = Literal["holds", "broken", "undecided"]


class Record(BaseModel):
    """A result: frozen, and read back from its JSON as an equal one."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    added: ClassVar[tuple[str, ...]] = ()
    """Fields that the first certificates did not have: left out while None, so that the digests of
    those stay what they were."""

    @model_serializer(mode="wrap")
    def _without_added(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = serialize(self)
        return {k: v for k, v in values.items() if v is not None or k not in self.added}


def _written(value: float) -> float | None:
    return None if math.isnan(value) else value


Number = Annotated[
    float,
    BeforeValidator(lambda value: math.nan if value is None else value),
    AfterValidator(lambda value: math.nan if math.isnan(value) else value),
    PlainSerializer(_written, when_used="json"),
]
"""A float that may be undefined: NaN, always the same object, so that records are equal; null in
JSON, which has no NaN."""


@dataclass(frozen=True)
class Interval:
    """An estimate on the texts at hand and the ends of its confidence interval.

    All three are NaN where the quantity is undefined (the recall of a class without texts).
    """

    estimate: Number
    low: Number
    high: Number

    @property
    def is_withheld(self) -> bool:
        """Whether it is all that a score, or a difference of two, can be: the texts say nothing."""
        return (self.low, self.high) in ((0.0, 1.0), (-1.0, 1.0))

    def written(self, number: Callable[[float], str] = "{:.3f}".format) -> str:
        """ "0.912 [0.900, 0.924]", each number as `number` writes it."""
        if math.isnan(self.estimate):
            return "undefined"
        if self.is_withheld:
            return f"{number(self.estimate)} (interval withheld)"
        return f"{number(self.estimate)} [{number(self.low)}, {number(self.high)}]"


def proportion(successes: float, n: float, confidence: float) -> Interval:
    """Wilson's score interval of a share (Wilson 1927; Brown, Cai & DasGupta 2001, sec. 3.1)."""
    check_confidence(confidence)
    z2 = NormalDist().inv_cdf((1 + confidence) / 2) ** 2
    share = successes / n
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    # At 0 and at n successes the ends are 0 and 1 exactly; rounding must not say otherwise.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Interval(share, low, high)


def check_confidence(confidence: float) -> None:
    """ParetextError for what is no level of confidence."""
    if not 0 < confidence < 1:
        raise ParetextError(
            f"confidence is {confidence}; give a number between 0 and 1, such as 0.95."
        )
