"""Texts with two labels, near duplicates and near leaks, with examples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paretext.data.checks import Identities
from paretext.profile.counting import Gathered
from paretext.profile.near_duplicates import THRESHOLD, near
from paretext.profile.schema import Conflict, NearDuplicates, NearPair, NumberedText, shown

_CONFLICTS, _ROWS, _PAIRS = 20, 20, 12


def conflicts(own: Identities) -> tuple[Conflict, ...]:
    """The first 20 texts that stand with two or more labels, with the rows of each label."""
    first = own.first_rows()
    chosen = first[np.isin(own.keys[first], own.conflicting_keys())][:_CONFLICTS]
    listed = []
    for index, text in zip(chosen.tolist(), own.data.texts_at(chosen), strict=True):
        same = np.flatnonzero(own.keys == own.keys[index])
        rows = {
            own.data.label_names[label]: tuple(
                own.data.rows_at(same[own.labels[same] == label][:_ROWS]).tolist()
            )
            for label in np.unique(own.labels[same]).tolist()
        }
        listed.append(Conflict(text=shown(text), labels=rows))
    return tuple(listed)


def near_duplicates(
    train: Gathered, evaluation: Gathered | None, limit: int, seed: int
) -> NearDuplicates:
    """Near duplicates among the distinct texts of both splits, or among `limit` of them."""
    held = _Compared.of(evaluation, limit // 2, seed, but=train.identities)
    own = _Compared.of(train, limit - len(held.texts), seed)
    both = own + held
    alike = near(both.texts, seed)
    n = len(own.texts)

    group = alike.group[:n]
    _, place, size = np.unique(group, return_index=True, return_counts=True)
    first = np.full(len(both.texts), -1)  # the first training text of a group
    first[group[place]] = place
    later = np.flatnonzero(first[group] != np.arange(n))
    ends = alike.pairs
    leaking = (ends[:, 0] < n) & (ends[:, 1] >= n)
    differing = both.labels[ends[:, 0]] != both.labels[ends[:, 1]]
    # Leaks first, then pairs of two labels; of each the most similar first.
    order = np.lexsort((-alike.similarity, ~differing, ~leaking))
    return NearDuplicates(
        texts=len(both.texts),
        sampled=own.sampled or held.sampled,
        threshold=THRESHOLD,
        groups=int((size > 1).sum()),
        rows=len(later),
        other_labels=int((own.labels[later] != own.labels[first[group[later]]]).sum()),
        leaks=int((first[alike.group[n:]] >= 0).sum()),
        examples=tuple(
            _pair(both, ends[i], float(alike.similarity[i])) for i in order[:_PAIRS].tolist()
        ),
    )


@dataclass(frozen=True)
class _Compared:
    """Texts of one or both splits, with the names of their labels and splits and their rows."""

    texts: list[str]
    labels: NDArray[np.str_]
    splits: list[str]
    rows: list[int]
    sampled: bool

    @classmethod
    def of(
        cls, gathered: Gathered | None, most: int, seed: int, but: Identities | None = None
    ) -> _Compared:
        """Up to `most` of the sample's distinct texts that do not stand in `but`."""
        if gathered is None:
            return cls([], np.array([], str), [], [], False)
        data, chosen = gathered.data, gathered.distinct()
        if but is not None:  # an exact leak is counted elsewhere
            leaked = gathered.identities.leaked(but)[chosen.indices]
            chosen = chosen.keep(np.flatnonzero(~leaked))
        whole = len(gathered.sample.indices) == len(data) and len(chosen.texts) <= most
        chosen = chosen.at_most(most, seed)
        return cls(
            chosen.texts,
            np.array(data.label_names)[chosen.labels],
            [data.name] * len(chosen.texts),
            data.rows_at(chosen.indices).tolist(),
            not whole,
        )

    def __add__(self, other: _Compared) -> _Compared:
        return _Compared(
            self.texts + other.texts,
            np.concatenate([self.labels, other.labels]),
            self.splits + other.splits,
            self.rows + other.rows,
            self.sampled or other.sampled,
        )


def _pair(both: _Compared, ends: NDArray[np.int64], similarity: float) -> NearPair:
    a, b = ends.tolist()
    return NearPair(
        first=NumberedText(row=both.rows[a], text=shown(both.texts[a])),
        first_split=both.splits[a],
        first_label=str(both.labels[a]),
        second=NumberedText(row=both.rows[b], text=shown(both.texts[b])),
        second_split=both.splits[b],
        second_label=str(both.labels[b]),
        similarity=similarity,
    )
