"""Counts: what a service keeps of its texts, to see later whether they have changed.

No text, nor anything of one that could be read back: how often each label was answered and how sure
the model was of it, how long the texts were, and how many were cut, by the hour and the model.
Drift shows there first where labels come late or never (Rabanser et al. 2019, "Failing loudly":
shifts are seen in a classifier's own outputs; Lipton et al. 2018 estimate labels' rates by them).

A row is a count: hour (UTC), model, identity (of the artifact), measure, label, low and high (the
bin, its upper end left out) and count. Measures: `texts`; `confidence`, the probability of the
answered label, whose sum over the bins is the label's count; `characters`; `cut`. The bins are
those of `runtime.distribution`.

The file is written anew every minute and at the end, and an existing one goes on. So that it does
not grow for ever, hours are kept as they are today and the day after, then as their day (its
midnight stands for it), and after KEPT_DAYS not at all.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from paretext.core.errors import ParetextError
from paretext.data.tables import FORMATS, RowWriter, columns, format_of, read_rows
from paretext.runtime.distribution import (
    CONFIDENCE_BINS,
    Distribution,
    characters_bin,
    characters_ends,
    confidence_bin,
    confidence_ends,
    filled,
)

SECONDS = 60
KEPT_DAYS = 90
_BY_THE_HOUR = 2
"""Days, today's with them."""
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
        self._counts = read_counts(path) if path.exists() else Counter[Key]()
        self._bounded_in = ""
        """The hour in which it was last bounded."""
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
            sure = confidence_ends(confidence_bin(share))
            counts[Key(hour, model, identity, "confidence", label, *sure)] += 1
            low, high = map(float, characters_ends(characters_bin(len(text))))
            counts[Key(hour, model, identity, "characters", "", low, high)] += 1

    def so_far(self) -> Counted:
        """What there is to write now."""
        if self._bounded_in != _hour():
            self._bounded_in = _hour()
            self._counts = _bounded(self._counts, date.fromisoformat(self._bounded_in[:10]))
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


def read_counts(path: Path) -> Counter[Key]:
    """What a service has counted; ParetextError for a file of another kind."""
    counts: Counter[Key] = Counter()
    rows: Iterator[Mapping[str, Any]] = read_rows(path)
    try:
        for row in rows:
            low, high, count = float(row["low"]), float(row["high"]), int(row["count"])
            hour, model, identity, measure, label = (
                str(row[name] or "") for name in list(TYPES)[:5]
            )
            datetime.fromisoformat(hour)
            if not 0 <= low <= high < math.inf or count < 0:
                raise ValueError
            counts[Key(hour, model, identity, measure, label, low, high)] += count
    except (KeyError, TypeError, ValueError):
        raise ParetextError(
            f"{path} holds no counts of a service; give a file that paretext serve --log wrote, or "
            "for a new one a path where nothing is."
        ) from None
    return counts


def counted(counts: Mapping[Key, int], identity: str) -> Distribution:
    """Of all texts that the artifact of that identity has answered, under whatever name."""
    own = [(key, count) for key, count in counts.items() if key.identity == identity]
    all_, answers, sure, long = Counter[str](), Counter[str](), Counter[int](), Counter[int]()
    for key, count in own:
        if key.measure == "confidence":
            answers[key.label] += count
            sure[confidence_bin((key.low + key.high) / 2)] += count
        elif key.measure == "characters":
            long[characters_bin(int(key.low))] += count
        else:
            all_[key.measure] += count
    return Distribution(
        texts=all_["texts"],
        answers=dict(sorted(answers.items())),
        confidence=filled(sure, CONFIDENCE_BINS),
        characters=filled(long, max(long, default=0) + 1),
        cut=all_["cut"],
    )


def _bounded(counts: Mapping[Key, int], today: date) -> Counter[Key]:
    """The same with earlier days' hours as their day, and without the earliest."""
    bounded: Counter[Key] = Counter()
    for key, count in counts.items():
        day = key.hour[:10]
        age = (today - date.fromisoformat(day)).days
        if age < KEPT_DAYS:
            hour = key.hour if age < _BY_THE_HOUR else f"{day}T00:00Z"
            bounded[key._replace(hour=hour)] += count
    return bounded


def end_of(hour: str) -> str:
    """When what is counted under this hour ends: with it, or with the day that it stands for."""
    begin = datetime.fromisoformat(hour)
    age = (datetime.now(UTC).date() - begin.date()).days
    is_day = begin.hour == 0 and age >= _BY_THE_HOUR
    return _written(begin + (timedelta(days=1) if is_day else timedelta(hours=1)))


def is_counts(path: Path) -> bool:
    """Whether it is a table with the columns of counts."""
    is_table = path.suffix.lower() in FORMATS and path.is_file()
    return is_table and columns(path, "skip") == list(TYPES)


def _hour() -> str:
    return _written(datetime.now(UTC))


def _written(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:00Z")
