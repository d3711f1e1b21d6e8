"""Limits as people write them: "5 MB", "1ms", "1%", "0.01", and what stands between them.

A size without a unit is a trap (megabytes? mebibytes?), and so is a time; both need one. A share
is a number from 0 to 1, or a percentage. kB, MB and GB are powers of 1000, KiB, MiB and GiB of 1024
(IEC 80000-13).
"""

from __future__ import annotations

import math
import re
from typing import Literal

from paretext.core.errors import ParetextError

Kind = Literal["share", "probability", "bytes", "ms"]

_FACTORS: dict[Kind, dict[str, float]] = {
    "share": {"": 1.0, "%": 0.01},
    "probability": {"": 1.0},
    "bytes": {
        **{"B": 1.0, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9},
        **{"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30},
    },
    "ms": {"us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ms": 1.0, "s": 1e3},
}
_EXAMPLES: dict[Kind, str] = {
    "share": "a share such as 0.01 or 1%",
    "probability": "a difference such as 0.005",
    "bytes": "a size with its unit, such as 5MB (units: B, kB, MB, GB, KiB, MiB, GiB)",
    "ms": "a time with its unit, such as 1.5ms (units: us, ms, s)",
}
_QUANTITY = re.compile(r"\s*([-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S*)\s*")


def quantity(name: str, text: str, kind: Kind) -> float:
    """`text` as a number in the kind's base unit: a share of 1, bytes, or milliseconds.

    Raises ParetextError, naming the limit, for what is no number, a unit of another kind, a unit
    that is missing, or a value that no limit can have.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ParetextError(f"{name} is limited to {text.strip()!r}; give {_EXAMPLES[kind]}.")
    number, unit = float(match[1]), match[2]
    factor = _FACTORS[kind].get(unit)
    if factor is None:
        problem = f"the unit {unit!r}" if unit else "no unit"
        raise ParetextError(
            f"{name} is limited to {text.strip()!r}, which has {problem}; give {_EXAMPLES[kind]}."
        )
    return checked(name, number * factor, kind)


def checked(name: str, value: float, kind: Kind) -> float:
    """`value`, in the base unit, if it can be a limit."""
    good = 0 <= value <= 1 if kind == "share" else 0 < value < math.inf
    if not good:
        allowed = "from 0 to 1 (or 0% to 100%)" if kind == "share" else "above 0"
        raise ParetextError(
            f"{name} is limited to {written(value, kind)}; give {_EXAMPLES[kind]}, {allowed}."
        )
    return value


def written(value: float, kind: Kind) -> str:
    """A value in the base unit as text: 0.01, 5.2 MB, 1.3 ms."""
    if kind == "share":
        return f"{value:.4g}"
    if kind == "probability":
        return f"{value:.2g}"
    if kind == "ms":
        return f"{value:.3g} ms"
    for unit in ("GB", "MB", "kB"):
        if value >= _FACTORS["bytes"][unit]:
            return f"{value / _FACTORS['bytes'][unit]:.3g} {unit}"
    return f"{value:.0f} B"
