"""How texts and their answers are distributed: what a certificate keeps of its texts, and a service
of those that it answers, in the same bins, so that the two can be compared.

Nothing of a text can be read back. Confidence, the probability of the likeliest label, is counted
in twentieths; characters in powers of two: a length's bin is its number of binary digits, 0 for no
text, 7 for 64 to 127 characters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from paretext.core.records import Record

CONFIDENCE_BINS = 20


class Distribution(Record):
    """Of the texts that an artifact has answered, how many are of each kind."""

    texts: int
    answers: dict[str, int]
    """By the label answered; "" where the artifact's rule lets no answer stand."""
    confidence: tuple[int, ...]
    """By the bin."""
    characters: tuple[int, ...]
    """By the bin, up to the longest text's."""
    cut: int
    """Texts longer than the model reads."""

    @classmethod
    def of(
        cls, texts: Sequence[str], labels: Sequence[str], confidence: Sequence[float], cut: int
    ) -> Distribution:
        """labels: the answers, (n,), each with its probability in `confidence`."""
        sure = Counter(map(confidence_bin, confidence))
        long = Counter(characters_bin(len(text)) for text in texts)
        return cls(
            texts=len(texts),
            answers=dict(sorted(Counter(labels).items())),
            confidence=filled(sure, CONFIDENCE_BINS),
            characters=filled(long, max(long, default=0) + 1),
            cut=cut,
        )


def filled(counts: Counter[int], bins: int) -> tuple[int, ...]:
    """The count of each bin."""
    return tuple(counts[place] for place in range(bins))


def confidence_bin(probability: float) -> int:
    return min(int(probability * CONFIDENCE_BINS), CONFIDENCE_BINS - 1)


def confidence_ends(place: int) -> tuple[float, float]:
    """The bin's ends; the upper one is the next bin's, but for the last."""
    return place / CONFIDENCE_BINS, (place + 1) / CONFIDENCE_BINS


def characters_bin(length: int) -> int:
    return length.bit_length()


def characters_ends(place: int) -> tuple[int, int]:
    """The shortest length of the bin, and the first that is too long for it."""
    return (1 << place) // 2, 1 << place
