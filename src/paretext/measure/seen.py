"""Whether texts are held out: how many of them the models have seen."""

from __future__ import annotations

from collections.abc import Sequence

from paretext.core import progress
from paretext.data.dataset import Dataset
from paretext.data.sketch import Overlap
from paretext.runtime.manifest import Manifest


def overlap(data: Dataset, manifests: Sequence[Manifest]) -> Overlap | None:
    """How many of the texts one of the models was made from, of the one that knows most; None
    where no manifest tells of any."""
    overlaps = []
    for manifest in manifests:
        if data.fingerprint in manifest.data.values():
            different = len(set(data.texts))
            overlaps.append(Overlap(texts=different, tested=different, known=different))
        elif manifest.seen is not None:
            overlaps.append(manifest.seen.overlap(data.texts))
    known = [each for each in overlaps if each.known]
    return max(known, key=lambda each: (each.mostly, each.share)) if known else None


def say_seen(seen: Overlap, data: Dataset) -> None:
    """That some of the texts are none to measure on."""
    progress.say(
        f"warning: {seen} of {data.name} are texts that the models have seen (trained, chosen or "
        "calibrated on)"
    )
