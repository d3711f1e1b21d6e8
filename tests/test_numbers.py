"""Figures as they are written: no number that says nothing, none with a sign of nothing."""

from __future__ import annotations

import pytest

from paretext.report.numbers import megabytes, signed, smaller, times, unsigned


@pytest.mark.parametrize(
    ("size", "written"),
    [
        (1_329_800_000, "1,329.8"),
        (91_040_000, "91.0"),
        (1_000_000, "1.0"),
        (31_250, "0.031"),
        (900, "0.001"),
        (12, "<0.001"),
    ],
)
def test_a_small_artifact_has_a_size(size: int, written: str) -> None:
    assert megabytes(size) == written


def test_zero_has_no_sign() -> None:
    assert [signed(v) for v in (0.0, -0.0, 0.00004, -0.00004)] == ["0.0000"] * 4
    assert [signed(v) for v in (0.0123, -0.0123)] == ["+0.0123", "-0.0123"]
    assert [unsigned(v) for v in (-0.0004, -0.0006, 0.0006)] == ["0.000", "-0.001", "0.001"]


def test_a_multiple_is_never_below_one() -> None:
    assert times(1.9, "smaller", "larger", 1) == "1.9x smaller"
    assert times(0.53, "smaller", "larger", 1) == "1.9x larger"
    assert times(0.9996, "", "larger") == "1.00x"


def test_what_is_no_smaller_is_not_called_1_0x_smaller() -> None:
    assert smaller(4.0, 1) == "4.0x smaller"
    assert smaller(0.5) == "2.00x larger"
    assert [smaller(ratio, 1) for ratio in (1, 1.04, 0.97)] == ["as large"] * 3
    assert times(2.5, "", "larger") == "2.50x"
    assert times(1.0, "faster", "slower") == "1.00x faster"
