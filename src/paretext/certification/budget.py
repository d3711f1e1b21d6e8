"""Budget: how much worse than the reference a candidate may be, one limit per clause.

In YAML each limit has its clause's name, and null drops the clause; in one line (`search
--budget`) limits stand between commas:

    macro_f1_drop: 0.005
    flips: 3%
    size: 5 MB
    kappa_drop: null

    "p95_latency<=1ms, size<=5MB, macro_f1_drop<=0.01"

Short names: p95 = p95_latency, f1_drop = macro_f1_drop, ece_rise = calibration_error_rise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from paretext.certification.units import Kind, checked, quantity
from paretext.core.errors import ParetextError
from paretext.core.settings import Settings, nearest, read_yaml

ALIASES = {
    "p95": "p95_latency",
    "f1_drop": "macro_f1_drop",
    "ece_rise": "calibration_error_rise",
}
_KINDS: dict[str, Kind] = {"size": "bytes", "p95_latency": "ms"}
"""Clauses that are not limited as shares."""


class Budget(Settings):
    """One optional limit per clause; None leaves the clause out. Shares are numbers from 0 to 1.

    A drop is reference minus candidate, a rise candidate minus reference: positive is worse.
    The defaults ask that compression change less than choosing another random seed for the
    fine-tuning would (on this package's emotion data seeds differ by about 0.006 in macro-F1), so
    that a certified candidate can replace its reference unasked.
    """

    macro_f1_drop: float | None = 0.01
    """The usual headline. 0.01 is what reports round to, and about the spread between seeds."""
    balanced_accuracy_drop: float | None = 0.015
    """Mean recall: a rare class weighs as much as a common one and its few texts make it noisier
    than macro-F1, so a little more than that."""
    kappa_drop: float | None = 0.015
    """Accuracy beyond chance: with K classes of which one is common, a drop of 0.01 in accuracy is
    one of about 0.013 here."""
    accuracy_drop: float | None = 0.01
    """One answer in a hundred more is wrong, net; the same scale as macro-F1."""
    recall_drop: float | None = 0.02
    """Of any class: averages hide a class that collapses. Twice the average's limit, since one
    class may lose what another gains. Classes with few texts are often left undecided."""
    flips: float | None = 0.05
    """Share of answers that change, for better or worse: whoever compares today's output with
    yesterday's sees all of them. Most flips sit where the reference was unsure and cancel out; 5%
    lets those through and stops a model that has merely become another one of equal score."""
    calibration_error_rise: float | None = 0.02
    """Expected calibration error (top label; 10 bins of equal count, shared by both models).
    Thresholds and queues for human review are set on confidences; 0.02 keeps "90% sure" between 88%
    and 92% on average."""
    brier_rise: float | None = 0.01
    """Squared error of the probabilities, summed over classes (0 to 2), mean over texts; a proper
    score that sees what argmax hides. One answer in 200 that turns from sure and right to sure and
    wrong costs 0.01."""
    operating_recall_drop: float | None = 0.02
    """Recall of a class at the reference's threshold (`at`); as recall_drop. Asked only where
    operating points are."""
    operating_fpr_rise: float | None = 0.01
    """False-positive rate at the reference's threshold: negatives are many, so one in a hundred
    of them more is already a flood."""
    size: float | None = None
    """Bytes of the deployed folder. No default: what fits is the caller's to say."""
    p95_latency: float | None = None
    """Milliseconds, 95th percentile over texts at batch 1, tokenisation included, on the machine
    that certifies. No default, as size."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Of every clause's two-sided interval: 0.95 leaves 2.5% at the end that decides."""

    @field_validator("*", mode="before")
    @classmethod
    def _coerced(cls, value: Any, info: Any) -> Any:
        """A string is read with its unit; a number is in the base unit: a share, bytes, ms."""
        if info.field_name == "confidence" or value is None or isinstance(value, bool):
            return value
        kind = kind_of(info.field_name)
        if isinstance(value, str):
            return quantity(info.field_name, value, kind)
        return checked(info.field_name, float(value), kind)

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
        found: dict[str, Any] = {}
        for each in given:
            written = re.search(r"[<≤=]", str(each)) is not None and not Path(each).is_file()
            found |= parse_limits(str(each)) if written else cls._limits(each)
        return found

    @classmethod
    def _limits(cls, path: str | Path) -> dict[str, Any]:
        values = read_yaml(path, "budget")
        if not isinstance(values, dict) or not values:
            raise ParetextError(
                f"the budget {path} holds no limits; write lines such as macro_f1_drop: 0.01."
            )
        limits: dict[str, Any] = {}
        for given, value in values.items():
            name = "confidence" if given == "confidence" else clause(str(given))
            if name in limits:
                raise ParetextError(f"the budget {path} limits {name} twice; keep one line.")
            limits[name] = value if value is None else _read(name, value)
        return limits

    def without_labels(self) -> Budget:
        """The limits that need no labels: of what changes, and of what it costs."""
        needs = {name: None for name in CLAUSES if name not in WITHOUT_LABELS}
        return self.model_copy(update=needs)

    def limits(self) -> dict[str, float]:
        """The limits that are set, by clause, in base units."""
        return {name: value for name in CLAUSES if (value := getattr(self, name)) is not None}


CLAUSES = tuple(name for name in Budget.model_fields if name != "confidence")
"""The clauses' names, in the order in which certificates list them."""
WITHOUT_LABELS = ("flips", "size", "p95_latency")
"""The clauses that compare two models' answers with each other, or only their cost."""


def kind_of(name: str) -> Kind:
    """What the clause is limited as: a share, bytes or milliseconds."""
    return _KINDS.get(name, "share")


def clause(given: str) -> str:
    """The clause of a name or short name; ParetextError ends with the nearest one."""
    name = ALIASES.get(given, given)
    if name not in CLAUSES:
        raise ParetextError(f"unknown clause {given!r}{nearest(given, (*CLAUSES, *ALIASES))}")
    return name


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
        name = clause(given.strip())
        if name in limits:
            raise ParetextError(f"{name} is limited twice in {text!r}; keep one limit.")
        limits[name] = quantity(name, value, kind_of(name))
    return limits


def _read(name: str, value: Any) -> float:
    """A value from YAML; numbers are written out, so that sizes and times need their unit."""
    if name != "confidence":
        return quantity(name, str(value), kind_of(name))
    if isinstance(value, int | float) and 0.5 < value < 1:
        return float(value)
    raise ParetextError(f"confidence is {value!r}; give a number between 0.5 and 1, such as 0.95.")
