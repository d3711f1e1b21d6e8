"""Tables, sentences and bars at every width: numbers stay whole, lines stay inside."""

from __future__ import annotations

import io
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from paretext.cli import bars, console
from paretext.cli.layout import fold, layout

WIDTHS = (40, 60, 80, 100, 120, 140)
HEAD = (
    "version",
    "macro-F1",
    "drop [95%]",
    "MB",
    "faster at 1 / 32",
    "ms at 1",
    "ms at 32",
    "bulk",
)
NUMBERS = (
    "0.915",
    "-0.013 [-0.021, -0.002]",
    "1,329.8",
    "11.9x / 10.0x",
    "12.05*",
    "0.70",
    "1,449",
)
NAMES = {
    "short": "int8",
    "plain": "pruned-structured-distilled-int8-per-channel-calibrated",
    "whole": "a" * 70,
    "wide": "発音が悪いので返品したいと思います" * 3,
    "label": "card_payment_wrong_exchange_rate_and_then_some_more_words",
}


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Any:
    """terminal(80): a terminal of that width in place of both streams; what it shows."""

    def of(width: int, is_terminal: bool = True) -> io.StringIO:
        shown = io.StringIO()
        own = console._Plain(
            file=shown, width=width, force_terminal=is_terminal, color_system=None, highlight=False
        )
        monkeypatch.setattr(console, "out", own)
        monkeypatch.setattr(console, "err", own)
        return shown

    return of


def lines_of(shown: io.StringIO, width: int) -> list[str]:
    """The lines, each inside the width, and none of them a frame without anything in it."""
    lines = shown.getvalue().split("\n")
    for line in lines:
        assert cell_len(line) <= width, line
        assert not re.fullmatch(r"[│┃ ]*[│┃][│┃ ]*", line), lines
    return lines


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_table_fits_and_shows_whole_numbers(terminal: Any, width: int, name: str) -> None:
    shown = terminal(width)
    console.table(HEAD, [(name, *NUMBERS), ("parent", *NUMBERS)], title="600 texts")
    text = "\n".join(lines_of(shown, width))
    left_out = re.search(r"Left out for want of room: ([^;]*);", " ".join(text.split()))
    absent = left_out[1].split(", ") if left_out else []
    for head, number in zip(HEAD[1:], NUMBERS, strict=True):
        times = len(re.findall(rf"(?<!\S){re.escape(number)}(?!\S)", text))
        assert (times == 2) is (head not in absent)
    assert "macro-F1" not in absent  # the most important stays
    assert width < 140 or not absent
    first = [row.split("│")[1].strip() for row in text.split("\n") if row.startswith("│")]
    assert "".join(first) == f"{name}parent"  # folded, and whole


def test_every_column_leaves_in_the_order_of_its_rank(terminal: Any) -> None:
    ranks = (0, 3, 2, 1)
    head, row = ("name", "third", "second", "first"), ("a", "1" * 9, "2" * 9, "3" * 9)
    assert list(layout(head, [row], 1, ranks, 44)) == [0, 1, 2, 3]
    assert list(layout(head, [row], 1, ranks, 43)) == [0, 2, 3]
    assert list(layout(head, [row], 1, ranks, 32)) == [0, 2, 3]
    assert list(layout(head, [row], 1, ranks, 31)) == [0, 3]
    assert list(layout(head, [row], 1, ranks, 5)) == [0]


def test_what_is_left_out_is_said_in_one_line(terminal: Any) -> None:
    shown = terminal(80, is_terminal=False)
    console.table(HEAD, [("int8", *NUMBERS)], elsewhere="comparison.md has all")
    said = shown.getvalue().splitlines()[-1]
    assert said == "Left out for want of room: ms at 1, ms at 32, bulk; comparison.md has all."


@pytest.mark.parametrize("width", WIDTHS)
def test_pairs_fit(terminal: Any, width: int) -> None:
    shown = terminal(width)
    values = {name: name for name in NAMES.values()} | {"f1": [NUMBERS[1]] * 2, "by": {"a": 0.25}}
    console.pairs(values, title="A title that is longer than the narrowest of the terminals here")
    text = "\n".join(lines_of(shown, width))
    for number in re.findall(r"[-\d.]+", NUMBERS[1]):
        assert text.count(number) == 2
    assert "a: 0.25" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_sentences_break_at_words_on_a_terminal_alone(terminal: Any, width: int) -> None:
    sentence = " ".join(f"word{i} {i / 7:.4f}" for i in range(40))
    shown = terminal(width)
    console.line(sentence)
    bars.ConsoleSink().say(sentence)
    console.complain(sentence)
    lines = lines_of(shown, width)
    assert len(lines) > 6
    assert " ".join(" ".join(lines).split()) == f"{sentence} {sentence} paretext: {sentence}"
    command = "    paretext predict " + "runs/a-folder/" * 9 + "int8 input.csv -o output.csv"
    for is_terminal in (True, False):
        shown = terminal(width, is_terminal)
        console.line(command)
        assert shown.getvalue() == f"{command}\n"
    shown = terminal(width, is_terminal=False)
    console.line(sentence)
    assert shown.getvalue() == f"{sentence}\n"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("label", ["roberta-base", "distilling the student of " * 3, "日本語" * 9])
def test_a_bar_fits_and_its_note_has_a_line(terminal: Any, width: int, label: str) -> None:
    shown = terminal(width)
    note = "epoch 3: loss 0.1234, selection macro-F1 0.9123, the best so far, kept"
    with bars.ConsoleSink().task(label, 123_456) as advance:
        advance(23_456, note=note)
    acting = re.compile(r"\x1b\[(\?25[lh]|2K|1A)|\r")  # what rich itself does
    last = acting.sub("\n", shown.getvalue()).split("\n")
    assert all(cell_len(line) <= width for line in last), last
    text = " ".join(" ".join(last).split())
    assert "23456/123456" in text
    assert note in text
    assert label.strip() in text or width < cell_len(label)


@given(st.text(st.sampled_from("ab-_/. 1日本\u0301"), max_size=40), st.integers(4, 30))
def test_folding_loses_nothing_and_fits(text: str, width: int) -> None:
    lines = fold(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_names_fold_at_sensible_places() -> None:
    assert fold("pruned-int8-distilled", 12) == ["pruned-int8-", "distilled"]
    assert fold("wrong_exchange_rate", 8) == ["wrong_", "exchange", "_rate"]
    assert fold("of 1,234.5 at -0.25", 8) == ["of", "1,234.5", "at -0.25"]
    assert fold("日本語です", 4) == ["日本", "語で", "す"]


@pytest.mark.parametrize(
    ("columns", "piped", "terminal"),
    [(None, 80, None), ("100", 100, 100), ("0", 80, 80), ("", 80, None), ("wide", 80, None)],
)
def test_columns_set_the_width_of_a_pipe_too(
    columns: str | None, piped: int, terminal: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    pipe, screen = io.StringIO(), io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    assert (console._width(pipe), console._width(screen)) == (piped, terminal)
    assert console._width(None) == piped  # a stream that was closed


def test_a_pipe_hears_of_a_unit_that_takes_long(terminal: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(bars, "_FIRST_SECONDS", (0.02, 0.02))
    monkeypatch.setattr(bars, "_EVERY_SECONDS", 0.02)
    shown = terminal(80, is_terminal=False)

    def until(said: str) -> None:
        end = time.monotonic() + 10
        while said not in shown.getvalue():
            assert time.monotonic() < end
            time.sleep(0.005)

    with bars.ConsoleSink().task("looking", 5) as advance:
        until("looking: 0 of 5\n")  # at work, and nobody knows how long
        advance()
        until("looking: 1 of 5, about 0 s left\n")
        advance(note="a note")
    before = shown.getvalue()
    assert "looking: a note\n" in before
    time.sleep(0.06)
    assert shown.getvalue() == before  # it has ended


def test_of_notes_that_come_fast_a_pipe_hears_the_first_and_the_last(terminal: Any) -> None:
    """48 epochs of a small student are no 48 lines of a log."""
    shown = terminal(80, is_terminal=False)
    with bars.ConsoleSink().task("learning", 48) as advance:
        for epoch in range(1, 49):
            advance(note=f"epoch {epoch}")
    assert shown.getvalue().splitlines() == ["learning: epoch 1", "learning: epoch 48"]
