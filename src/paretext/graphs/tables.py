"""Embedding tables as integers, with scales of their own for each row.

Rows differ in size by more than one scale can follow. 8 bits: one scale for a row, and four plain
operators (the rows and their scales are gathered, cast and multiplied), which take three quarters
of the time of the operator made for it, `GatherBlockQuantized`. 4 bits: that operator, with two
numbers in a byte, the first in the low half, around 8, and a scale for each block of 32. Scales lie
in the file as float16, rounded up so that nothing is clipped, behind a Cast that ONNX Runtime folds
as it loads.

Source: ONNX Runtime's ContribOperators.md and `gather_block_quantized.cc` (blocks: powers of two
from 16 on).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32s = NDArray[np.float32]

BLOCK = 32


def quantise_table(table: Float32s, bits: int) -> tuple[NDArray[Any], NDArray[np.float16]]:
    """Integers and scales of a table (rows, width).

    8 bits: int8 (rows, width), scales (rows, 1). 4 bits: uint8 (rows, width / 2), two values a
    byte, and scales (rows, blocks).
    """
    rows, width = table.shape
    block = width if bits == 8 else BLOCK
    padded = np.pad(table, ((0, 0), (0, -width % block)))
    cut = padded.reshape(rows, -1, block)
    exact = step(np.abs(cut).max(axis=2, keepdims=True), 127 if bits == 8 else 7)
    scale = exact.astype(np.float16)
    scale = np.where(scale < exact, np.nextafter(scale, np.float16(np.inf)), scale)
    integers = np.rint(cut / scale.astype(np.float32)).astype(np.int8)
    integers = integers.reshape(rows, -1)[:, :width]
    if bits == 4:
        halves = (integers + 8).astype(np.uint8)
        integers = halves[:, 0::2] | (halves[:, 1::2] << 4)
    return integers, scale[:, :, 0]


def step(largest: Float32s, integer: int) -> Float32s:
    """The step between integers so that `largest` becomes `integer`; 1 where all is zero."""
    return np.where(largest > 0, largest / integer, 1).astype(np.float32)
