"""Asked as users ask: each text by itself, in bulk, and as a batch of short and long ones.

A certificate measures its texts in bulk, and a service answers them one at a time. So a part of the
texts, drawn at random, is asked in the other ways too (`runtime.independence`): to ask 10,000 texts
one by one takes a large model minutes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paretext.core.records import Record
from paretext.runtime.artifact import Artifact
from paretext.runtime.independence import Floats, each_way

ALONE = 256
"""Texts that are asked one by one, at most. Of answers of which one in a hundred depends on its
company, some show it among so many with a chance of 92%."""


class Ways(Record):
    """How far an artifact's answers to lone texts are from those where texts share a call."""

    alone: int
    """Texts that were asked one by one, and beside long ones."""
    bulk: int
    """All texts."""
    largest_probability_difference: float
    changed_labels: int
    """Of those asked one by one."""
    allowed: float
    """The largest difference that an artifact of its kind may show."""


def ask_each_way(artifact: Artifact, texts: Sequence[str], bulk: Floats | None, seed: int) -> Ways:
    """bulk: (n, classes) logits of all texts, where they are at hand; seed: of which ones are
    asked one by one."""
    drawn = np.random.default_rng(seed).permutation(len(texts))[:ALONE]
    rows = np.sort(drawn)
    some = [texts[row] for row in rows]
    answers = each_way(artifact, some, None if bulk is None else bulk[rows])
    record = answers.record()
    return Ways(
        alone=record.texts,
        bulk=len(texts),
        largest_probability_difference=record.largest_probability_difference,
        changed_labels=record.changed_labels,
        allowed=answers.allowed(artifact.manifest),
    )
