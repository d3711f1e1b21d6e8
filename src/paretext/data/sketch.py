"""Which texts a model has seen, told without keeping them: a sketch of their hashes.

A fingerprint of a whole file knows neither a part of it, nor another order, nor the file with other
texts added. So a manifest also carries a bottom-k sketch (Broder 1997, "On the resemblance and
containment of documents"; Beyer et al. 2007): each different text has a 64-bit hash, and the SIZE
smallest are kept. Hashes fall evenly, so the kept ones are a random sample. Of any other texts,
those whose hash is not above the largest kept one can be told: their texts were seen exactly if
their hashes are kept. Their share estimates the overlap; where no more than SIZE texts were seen it
is the overlap.

What the sketch gives away: who has a text already can ask whether it was (with SIZE or fewer texts)
among those seen. No text can be read from it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, field_validator

from paretext.core.records import proportion
from paretext.data.checks import MOST, text_identity

SIZE = 1024
"""Hashes kept: 11 kB. Of 2,000 texts beside 100,000 seen ones about 20 can be told."""
_REPEATS = 0.25
"""The share that repeats may well make: a sample must be clearly beyond it."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Overlap(_Record):
    """How many of some texts were seen, as far as can be told."""

    texts: int
    """Different ones."""
    tested: int
    """Of those, how many can be told."""
    known: int
    """Of those, how many were seen."""

    @property
    def share(self) -> float:
        return self.known / self.tested if self.tested else 0.0

    @property
    def mostly(self) -> bool:
        """Whether the texts are, to a share of MOST or more, texts that were seen."""
        if self.share < MOST:
            return False
        return self.tested == self.texts or proportion(self.known, self.tested, 0.95).low > _REPEATS

    def __str__(self) -> str:
        if self.tested == self.texts:
            return f"{self.known:,} of {self.texts:,} different texts"
        return f"about {max(1, round(self.share * self.texts)):,} of {self.texts:,} different texts"


class Sketch(_Record):
    """The smallest hashes of the texts that a model has seen."""

    texts: int
    """Different texts seen."""
    hashes: str
    """Up to SIZE unsigned 64-bit numbers, rising, little-endian, in base64."""

    @classmethod
    def of(cls, texts: Iterable[str]) -> Sketch:
        hashes = _hashes(texts)
        kept = hashes[:SIZE].astype("<u8").tobytes()
        return cls(texts=len(hashes), hashes=base64.b64encode(kept).decode("ascii"))

    @field_validator("hashes")
    @classmethod
    def _whole(cls, value: str) -> str:
        try:
            size = len(base64.b64decode(value, validate=True))
        except (binascii.Error, ValueError):
            raise ValueError("it is not base64") from None
        if size % 8 or size > 8 * SIZE:
            raise ValueError(f"it has {size} bytes, and up to {SIZE} numbers of 8 have room")
        return value

    def overlap(self, texts: Iterable[str]) -> Overlap:
        """How many of `texts` are among those seen."""
        kept = np.frombuffer(base64.b64decode(self.hashes), "<u8")
        asked = _hashes(texts)
        told = asked
        if self.texts > len(kept):
            told = asked[asked <= kept.max(initial=0)]
        return Overlap(texts=len(asked), tested=len(told), known=int(np.isin(told, kept).sum()))


def _hashes(texts: Iterable[str]) -> npt.NDArray[np.uint64]:
    """(n,) of n different texts, rising. Python's own hash differs from process to process."""
    hashes = {
        int.from_bytes(
            hashlib.blake2b(
                text_identity(text).encode("utf-8", "surrogatepass"), digest_size=8
            ).digest(),
            "little",
        )
        for text in texts
    }
    return np.sort(np.fromiter(hashes, np.uint64, len(hashes)))
