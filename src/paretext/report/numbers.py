"""How figures are written, the same in every table, sentence and picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paretext.measure.rounds import Ratio

BUSY = "busy"
"""In place of a speed where other work disturbed the times."""


def megabytes(size: int) -> str:
    """Bytes in megabytes: to a tenth, and below one to the kilobyte."""
    value = size / 1e6
    return f"{value:,.1f}" if value >= 1 else f"{value:.3f}" if size >= 500 else "<0.001"


def seconds(milliseconds: float) -> str:
    """Milliseconds in seconds, to a hundredth."""
    return f"{milliseconds / 1e3:.2f}"


def signed(value: float, digits: int = 4) -> str:
    """With its sign; what rounds to nothing has none."""
    written = f"{value:+.{digits}f}"
    return written if written.strip("+-0.") else written[1:]


def unsigned(value: float, digits: int = 3) -> str:
    """With the minus of what is below zero; what rounds to nothing has none."""
    written = f"{value:.{digits}f}"
    return written if written.strip("-0.") else written.lstrip("-")


def times(ratio: float, more: str, less: str, digits: int = 2) -> str:
    """ "1.90x smaller", or "1.90x larger" for a ratio of 0.53: never a multiple below one,
    and 1.00x is never larger."""
    ratio, word = (ratio, more) if round(ratio, digits) >= 1 else (1 / ratio, less)
    return f"{ratio:.{digits}f}x {word}".rstrip()


def smaller(ratio: float, digits: int = 2) -> str:
    """ "1.90x smaller", "1.90x larger", or "as large" where the digits show no difference."""
    written = times(ratio, "smaller", "larger", digits)
    return "as large" if float(written.split("x")[0]) == 1 else written


def faster(ratio: Ratio | None, digits: int = 1) -> str:
    """ "2.1x", or "1.4-3.3x*" where it is no figure to quote (`table.notes` says why)."""
    if ratio is None:
        return BUSY
    if ratio.steady:
        return f"{ratio.estimate:.{digits}f}x"
    return f"{ratio.low:.{digits}f}-{ratio.high:.{digits}f}x*"


def how_much_faster(ratio: Ratio, digits: int = 2) -> str:
    """The same in a sentence: "2.08x faster", or "1.40x to 3.30x as fast by the round"."""
    if ratio.steady:
        return times(ratio.estimate, "faster", "slower", digits)
    return f"{ratio.low:.{digits}f}x to {ratio.high:.{digits}f}x as fast by the round"
