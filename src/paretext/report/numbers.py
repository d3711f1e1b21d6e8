"""How figures are written, the same in every table, sentence and picture."""

from __future__ import annotations


def megabytes(size: int) -> str:
    """Bytes in megabytes: to a tenth, and below one to the kilobyte."""
    value = size / 1e6
    return f"{value:,.1f}" if value >= 1 else f"{value:.3f}" if size >= 500 else "<0.001"


def signed(value: float, digits: int = 4) -> str:
    """With its sign; what rounds to nothing has none."""
    written = f"{value:+.{digits}f}"
    return written if written.strip("+-0.") else written[1:]


def unsigned(value: float, digits: int = 3) -> str:
    """With the minus of what is below zero; what rounds to nothing has none."""
    written = f"{value:.{digits}f}"
    return written if written.strip("-0.") else written.lstrip("-")


def times(ratio: float, more: str, less: str, digits: int = 2) -> str:
    """ "1.90x smaller", or "1.90x larger" for a ratio of 0.53: never a multiple below one."""
    ratio, word = (ratio, more) if ratio >= 1 else (1 / ratio, less)
    return f"{ratio:.{digits}f}x {word}".rstrip()
