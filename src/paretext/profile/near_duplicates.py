"""Near duplicates: texts that share nearly all their runs of 5 characters.

The similarity of two texts is the Jaccard similarity of their sets of runs, after lower-casing and
with everything but words and emoji made a blank. All pairs would be too many, so candidates come
from MinHash signatures (Broder 1997, "On the resemblance and containment of documents") cut into
bands (Leskovec, Rajaraman & Ullman, "Mining of Massive Datasets", section 3.4): 16 bands of 4
values let a pair of similarity 0.8 through with probability 0.9998. Within a bucket each text meets
the next one only, and every candidate is compared exactly, so what is reported is true; a pair can
be missed where a bucket holds several groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paretext.core.progress import task
from paretext.data.words import runs_of

THRESHOLD = 0.8
RUN = 5
_BANDS, _VALUES = 16, 4
_BATCH = 1000

Signatures = NDArray[np.uint32]


@dataclass(frozen=True)
class Near:
    """pairs: (m, 2) indices of texts, the lower one first; similarity: (m,); group: (n,) number of
    the group that each text is in."""

    pairs: NDArray[np.int64]
    similarity: NDArray[np.float64]
    group: NDArray[np.int64]


def near(texts: Sequence[str], seed: int) -> Near:
    """Which of n texts are near each other, and the groups that makes."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    plain = [plainly(text) for text in texts]
    candidates = _candidates(signatures(plain, seed))
    exact = np.array([jaccard(plain[i], plain[j]) for i, j in candidates.tolist()], np.float64)
    kept = exact >= THRESHOLD
    pairs, n = candidates[kept], len(texts)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, group = connected_components(graph, directed=False)
    return Near(pairs, exact[kept], group.astype(np.int64))


def plainly(text: str) -> str:
    """What is compared: words in lower case with a blank between, at least 5 characters long."""
    return (" ".join(runs_of(text)) or text).ljust(RUN)


def jaccard(first: str, second: str) -> float:
    """Similarity of two plain texts: shared runs by all runs."""
    runs, others = _runs(first), _runs(second)
    return len(runs & others) / len(runs | others)


def signatures(plain: Sequence[str], seed: int) -> Signatures:
    """(n, 64): for each of 64 random hash functions, the least value over a text's runs."""
    generator = np.random.default_rng(seed)
    shape = _BANDS * _VALUES
    odd = generator.integers(0, 2**63, shape, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    shift = generator.integers(0, 2**63, shape, dtype=np.uint64)
    powers = generator.integers(0, 2**63, RUN, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    least = np.empty((len(plain), shape), np.uint32)
    with task("looking for near duplicates", len(plain)) as advance:
        for begin in range(0, len(plain), _BATCH):
            part = plain[begin : begin + _BATCH]
            runs, offsets = _hashed_runs(part, powers)
            for i in range(shape):
                values = (runs * odd[i] + shift[i]) >> np.uint64(32)
                least[begin : begin + _BATCH, i] = np.minimum.reduceat(values, offsets)
            advance(len(part))
    return least


def _runs(text: str) -> set[str]:
    return {text[i : i + RUN] for i in range(len(text) - RUN + 1)}


def _hashed_runs(
    plain: Sequence[str], powers: NDArray[np.uint64]
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """A 64-bit hash of every run of every text, and where each text's runs begin."""
    codes = np.frombuffer("".join(plain).encode("utf-32-le"), np.uint32).astype(np.uint64)
    lengths = np.array([len(text) for text in plain])
    last = len(codes) - RUN + 1
    hashed = np.zeros(last, np.uint64)
    for i, power in enumerate(powers):  # modulo 2**64, as unsigned numbers overflow
        hashed += codes[i : i + last] * power
    hashed ^= hashed >> np.uint64(29)
    ends = np.repeat(np.cumsum(lengths), lengths)[:last]
    inside = np.arange(last) + RUN <= ends  # not across the border of two texts
    counts = lengths - RUN + 1
    return hashed[inside], np.cumsum(counts) - counts


def _candidates(signed: Signatures) -> NDArray[np.int64]:
    """(m, 2) pairs that share a band and most of their signature."""
    pairs = [np.empty((0, 2), np.int64), *_bucket_mates(signed)]
    distinct = np.unique(np.concatenate(pairs), axis=0)
    # The share of equal values estimates the similarity within 0.05 (one standard error).
    likely = [
        (signed[part[:, 0]] == signed[part[:, 1]]).mean(axis=1) >= THRESHOLD - 0.2
        for part in np.array_split(distinct, max(len(distinct) // 100_000, 1))
    ]
    kept: NDArray[np.int64] = distinct[np.concatenate(likely)]
    return kept


def _bucket_mates(signed: Signatures) -> Iterator[NDArray[np.int64]]:
    for band in range(_BANDS):
        values = signed[:, band * _VALUES : (band + 1) * _VALUES].astype(np.uint64)
        high = values[:, 0] << np.uint64(32) | values[:, 1]
        low = values[:, 2] << np.uint64(32) | values[:, 3]
        order = np.lexsort((np.arange(len(signed)), low, high))
        same = (np.diff(high[order]) == 0) & (np.diff(low[order]) == 0)
        yield np.stack([order[:-1][same], order[1:][same]], axis=1)
