"""Counts: what a service keeps of its texts, to see later whether they have changed.

No text, nor anything of one that could be read back: how often each label was answered and how sure
the model was of it, how long the texts were, and how many were cut, by the hour and the model.
Drift shows there first where labels come late or never (Rabanser et al. 2019, "Failing loudly":
shifts are seen in a classifier's own outputs; Lipton et al. 2018 estimate labels' rates by them).

A row is a count: hour (UTC), model, identity (of the artifact), measure, label, low and high (the
bin, its upper end left out) and count. Measures: `texts`; `confidence`, the probability of the
answered label in twentieths, whose sum over the bins is the label's count; `characters`, in powers
of two; `cut`. The file is written anew every minute and at the end, and an existing one goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from paretext.core.errors import ParetextError
from paretext.data.tables import RowWriter, format_of, read_rows

SECONDS = 60
_BINS = 20
TYPES = {
    **dict.fromkeys(("hour", "model", "identity", "measure", "label"), "string"),
    **{"low": "double", "high": "double", "count": "int64"},
}


class Key(NamedTuple):
    """What is counted."""

    hour: str
    model: str
    identity: str
    measure: str
    label: str = ""
    low: float = 0.0
    high: float = 0.0


Counted = list[tuple[Key, int]]


class Counts:
    """The counts of one service, and the file that they go to.

    Raises ParetextError for a suffix that is no table's, and for an existing file of another kind.
    """

    def __init__(self, path: Path) -> None:
        format_of(path)
        self.path = path
        self._counts: Counter[Key] = Counter(_read(path) if path.exists() else {})
        self.is_new = True
        """Whether there is something that the file has not."""

    def begin(self, model: str, identity: str) -> None:
        """The model is here, if nobody asks it too."""
        self._counts[Key(_hour(), model, identity, "texts")] += 0

    def add(
        self,
        model: str,
        identity: str,
        texts: Sequence[str],
        labels: Sequence[str],
        confidence: Sequence[float],
        cut: int,
    ) -> None:
        """Texts were answered with these labels, each with its probability; so many were cut."""
        self.is_new, hour, counts = True, _hour(), self._counts
        counts[Key(hour, model, identity, "texts")] += len(texts)
        if cut:
            counts[Key(hour, model, identity, "cut")] += cut
        for text, label, share in zip(texts, labels, confidence, strict=True):
            place = min(int(share * _BINS), _BINS - 1)
            bin_ = place / _BINS, (place + 1) / _BINS
            counts[Key(hour, model, identity, "confidence", label, *bin_)] += 1
            above = 1 << len(text).bit_length()
            counts[Key(hour, model, identity, "characters", "", float(above // 2), above)] += 1

    def so_far(self) -> Counted:
        """What there is to write now."""
        self.is_new = False
        return list(self._counts.items())

    def write(self, counted: Counted) -> None:
        """Put them in the file, all or nothing; ParetextError where that cannot be."""
        try:
            with RowWriter(self.path, list(TYPES), TYPES) as writer:
                for key, count in counted:
                    writer.write({**key._asdict(), "count": count})
        except BaseException:
            self.is_new = True  # the file has not got it
            raise


def _hour() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:00Z")


def _read(path: Path) -> dict[Key, int]:
    try:
        return dict(_counted(row) for row in read_rows(path))
    except (KeyError, TypeError, ValueError):
        raise ParetextError(
            f"{path} is there and holds no counts of a service; give --log another path."
        ) from None


def _counted(row: Mapping[str, Any]) -> tuple[Key, int]:
    hour, model, identity, measure, label = (str(row[name] or "") for name in list(TYPES)[:5])
    low, high = float(row["low"]), float(row["high"])
    return Key(hour, model, identity, measure, label, low, high), int(row["count"])
