"""Budget: how much worse than the reference a candidate may be, one limit per clause.

In YAML each limit has its clause's name, and null drops the clause; in one line (`search
--budget`) limits stand between commas:

    macro_f1_drop: 0.005
    flips: 3%
    size: 5 MB
    kappa_drop: null

    "p95_latency<=1ms, size<=5MB, macro_f1_drop<=0.01"

What may be limited, and by how much where nothing is said, is in the catalogue of clauses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field, ModelWrapValidatorHandler, model_validator

from paretext.certification.catalogue import CATALOGUE, rule, rules
from paretext.certification.units import checked, quantity
from paretext.core.errors import ParetextError
from paretext.core.settings import Settings, read_yaml


class Budget(Settings):
    """One optional limit per clause of the catalogue; None leaves the clause out. Shares are
    numbers from 0 to 1.

    The defaults ask that compression change less than choosing another random seed for the
    fine-tuning would (on this package's emotion data seeds differ by about 0.006 in macro-F1), so
    that a certified candidate can replace its reference unasked.
    """

    model_config = ConfigDict(extra="allow")
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Of every clause's two-sided interval: 0.95 leaves 2.5% at the end that decides."""

    if TYPE_CHECKING:

        def __init__(self, **limits: Any) -> None: ...

        def __getattr__(self, name: str) -> Any: ...

    @model_validator(mode="wrap")
    @classmethod
    def _limited(cls, given: Any, make: ModelWrapValidatorHandler[Budget]) -> Budget:
        """The given limits over the defaults, in base units; `model_fields_set` are the given."""
        if not isinstance(given, dict):
            return make(given)
        limits = {rule(name).name: value for name, value in given.items() if name != "confidence"}
        values = {each.name: each.default for each in rules()}
        values |= {name: _in_base_unit(name, value) for name, value in limits.items()}
        made = make(values | {name: given[name] for name in given if name == "confidence"})
        made.model_fields_set.intersection_update({*limits, "confidence"})
        return made

    @classmethod
    def recorded(cls, values: dict[str, Any]) -> Budget:
        """As a certificate holds it: a clause that it does not name is not limited, whatever the
        catalogue says now, and one that the catalogue no longer has is kept."""
        known = {name: value for name, value in values.items() if name in CATALOGUE}
        others = {name: value for name, value in values.items() if name not in CATALOGUE}
        confidence = {"confidence": others.pop("confidence")} if "confidence" in others else {}
        budget = cls(**{**dict.fromkeys(CATALOGUE), **known, **confidence})
        return budget.model_copy(update=others)

    @classmethod
    def read(cls, path: str | Path) -> Budget:
        """A budget from YAML: the limits in the file, and the defaults of the others.

        Raises ParetextError for a clause that is not known (with the nearest one), a unit that is
        missing or of another kind, or a value that no limit can have.
        """
        return cls(**cls._limits(path))

    @classmethod
    def of(cls, given: Iterable[str | Path]) -> Budget:
        """The default limits with those that were given over them, each a YAML file or an
        expression, "size<=5MB, macro_f1_drop<=0.01"; the later ones win."""
        return cls(**cls.given(given))

    @classmethod
    def given(cls, given: Iterable[str | Path]) -> dict[str, Any]:
        """Those limits alone, by clause."""
        limits: dict[str, Any] = {}
        for each in given:
            written = re.search(r"[<≤=]", str(each)) is not None and not Path(each).is_file()
            limits |= parse_limits(str(each)) if written else cls._limits(each)
        return limits

    @classmethod
    def _limits(cls, path: str | Path) -> dict[str, Any]:
        values = read_yaml(path, "budget")
        if not isinstance(values, dict) or not values:
            raise ParetextError(
                f"the budget {path} holds no limits; write lines such as macro_f1_drop: 0.01."
            )
        limits: dict[str, Any] = {}
        for given, value in values.items():
            name = "confidence" if given == "confidence" else rule(str(given)).name
            if name in limits:
                raise ParetextError(f"the budget {path} limits {name} twice; keep one line.")
            limits[name] = value if value is None else _read(name, value)
        return limits

    def for_labels_of(self, answered_by: str | None) -> Budget:
        """What can be asked where the labels are people's (None), or a model's own answers."""
        return self if answered_by is None else self.without_labels()

    def without_labels(self) -> Budget:
        """The limits that need no labels: of what changes, and of what it costs."""
        given = self.model_fields_set
        return self.model_copy(
            update={each.name: None for each in rules() if each.needs_labels}
            | {
                each.name: each.unlabelled
                for each in rules()
                if each.unlabelled is not None and each.name not in given
            }
        )

    def without_probabilities(self) -> Budget:
        """The limits that answers alone can be held to."""
        names = [each.name for each in rules() if each.needs_probabilities]
        return self.model_copy(update=dict.fromkeys(names))

    def limits(self) -> dict[str, float]:
        """The limits that are set, by clause, in base units."""
        values = {each.name: getattr(self, each.name, None) for each in rules()}
        return {name: value for name, value in values.items() if value is not None}


def parse_limits(text: str) -> dict[str, float]:
    """ "p95_latency<=1ms, size<=5MB" -> {"p95_latency": 1.0, "size": 5000000.0}, in base units.

    Raises ParetextError as `Budget.read` does, and for a limit without <=.
    """
    limits: dict[str, float] = {}
    for part in text.split(","):
        given, sign, value = part.replace("≤", "<=").partition("<=")
        if not sign:
            raise ParetextError(
                f"the limit {part.strip()!r} is not understood; write CLAUSE<=VALUE, "
                "such as macro_f1_drop<=0.01, with commas between limits."
            )
        name = rule(given.strip()).name
        if name in limits:
            raise ParetextError(f"{name} is limited twice in {text!r}; keep one limit.")
        limits[name] = quantity(name, value, CATALOGUE[name].unit)
    return limits


def _read(name: str, value: Any) -> float:
    """A value from YAML; numbers are written out, so that sizes and times need their unit."""
    if name != "confidence":
        return quantity(name, str(value), CATALOGUE[name].unit)
    if isinstance(value, int | float) and 0.5 < value < 1:
        return float(value)
    raise ParetextError(f"confidence is {value!r}; give a number between 0.5 and 1, such as 0.95.")


def _in_base_unit(name: str, value: Any) -> Any:
    """A string is read with its unit; a number is in the base unit: a share, bytes, ms."""
    if isinstance(value, str):
        return quantity(name, value, CATALOGUE[name].unit)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return checked(name, float(value), CATALOGUE[name].unit)
    if value is None:
        return None
    raise ParetextError(f"{name} is limited to {value!r}; give a number, or None for no limit.")
