"""What the figures show, read back from matplotlib's objects, and the files they become."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretext.errors import ParetextError
from paretext.report import drawing, figures, trade_off
from paretext.report.trade_off import TradeOffPoint

pytest.importorskip("matplotlib")

LONG = "a label name that goes on for much longer than anybody would want to read"


def point(name, macro_f1, ms_per_text, megabytes, is_baseline=False):
    return TradeOffPoint(
        name, macro_f1, macro_f1 - 0.014, macro_f1 + 0.013, ms_per_text, megabytes, is_baseline
    )


POINTS = [
    point("pytorch", 0.908, 7.5, 91, is_baseline=True),
    point("parent", 0.908, 4.4, 91),
    point("pruned", 0.906, 4.4, 91),
    point("int8", 0.905, 1.5, 23),
    point("pruned-int8", 0.904, 1.5, 23),
    point("distilroberta", 0.899, 2.3, 69),
]
HISTORY = [
    {"epoch": e, "train_loss": 1 / e, "selection_loss": 1.2 / e, "selection_macro_f1": f}
    for e, f in [(1, 0.70), (2, 0.88), (3, 0.91), (4, 0.91), (5, 0.90)]
]


def is_png(path, wider_than=400):
    """A PNG (signature and header, RFC 2083 sec. 3 and 4.1.1) of a sensible size."""
    data = path.read_bytes()
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    return data[:8] == b"\x89PNG\r\n\x1a\n" and width > wider_than < height and len(data) > 10_000


# Files ----------------------------------------------------------------------------------------


def test_each_figure_is_written_as_a_png(tmp_path):
    figures.learning_curves(HISTORY, tmp_path / "curves.png", "Training")
    figures.confusion([[5, 1], [2, 7]], ["no", "yes"], tmp_path / "confusion.png", "Confusion")
    trade_off.trade_off(POINTS, tmp_path / "trade.png", "Quality against cost")
    assert all(is_png(tmp_path / f"{name}.png") for name in ("curves", "confusion", "trade"))


@pytest.mark.parametrize("names", [["no", LONG], ["costs $5 to $10", "$\\frac{1$"], ["", "x"]])
def test_two_classes_with_awkward_names(tmp_path, names):
    figures.confusion([[5, 1], [2, 7]], names, tmp_path / "c.png", "Costs $5, or $6 at \\most $")
    assert is_png(tmp_path / "c.png")


def test_nothing_global_is_left_behind(tmp_path):
    """In a fresh interpreter: importing imports no matplotlib, drawing no pyplot."""
    code = f"""
import sys
from pathlib import Path
from paretext.report import figures
assert "matplotlib" not in sys.modules
figures.confusion([[5, 1], [2, 7]], ["no", "yes"], Path({str(tmp_path)!r}) / "c.png", "Confusion")
assert "matplotlib" in sys.modules and "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# Learning curves ------------------------------------------------------------------------------


def test_curves_show_the_history_and_mark_the_first_best_epoch():
    loss, score = figures.draw_learning_curves(HISTORY, "Training").axes
    shown = {line.get_label(): line for line in [*loss.lines, *score.lines]}
    np.testing.assert_array_equal(shown["training"].get_ydata(), [r["train_loss"] for r in HISTORY])
    np.testing.assert_array_equal(loss.lines[1].get_ydata(), [r["selection_loss"] for r in HISTORY])
    np.testing.assert_array_equal(
        score.lines[0].get_ydata(), [r["selection_macro_f1"] for r in HISTORY]
    )
    best = shown["best: epoch 3, macro-F1 0.910"]
    assert (list(best.get_xdata()), list(best.get_ydata())) == ([3], [0.91])


def test_one_epoch_is_enough_and_none_is_refused():
    figure = figures.draw_learning_curves(HISTORY[:1], "Training")
    assert figure.axes[0].get_xlim() == (0, 2)
    with pytest.raises(ParetextError, match="no rows"):
        figures.draw_learning_curves([], "Training")


# Confusion matrix -----------------------------------------------------------------------------


def test_confusion_colours_rows_by_share_and_writes_counts():
    counts = np.array([[90, 10, 0], [0, 1999, 1], [0, 0, 0]])
    axes = figures.draw_confusion(counts, ["a", "b", "c"], "Confusion").axes[0]
    image = axes.images[0]
    np.testing.assert_allclose(image.get_array(), [[90, 10, 0], [0, 99.95, 0.05], [0, 0, 0]])
    assert (image.norm.vmin, image.norm.vmax) == (0, 100)
    cells = [text.get_text() for text in axes.texts]
    assert cells[:3] == ["90\n90%", "10\n10%", "0\n0%"]
    assert cells[3:6] == ["0\n0%", "1,999\n>99%", "1\n<1%"]
    assert cells[6:] == ["0\nn/a"] * 3
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("prediction", "truth")
    assert "true class" in axes.child_axes[0].get_ylabel()
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b", "c"]


@pytest.mark.parametrize("k", [2, 6, 20])
def test_cell_texts_stay_inside_their_cells_and_names_apart(k):
    counts = np.full((k, k), 1234)
    figure = figures.draw_confusion(counts, [f"comp.sys.hardware_{i}" for i in range(k)], "C")
    figure.canvas.draw()
    axes = figure.axes[0]
    cell = axes.get_window_extent().width / k
    assert max(text.get_window_extent().width for text in axes.texts) < cell
    assert max(text.get_window_extent().height for text in axes.texts) < cell
    names = axes.get_xticklabels()
    if names[0].get_rotation() == 0:
        assert max(name.get_window_extent().width for name in names) < cell


def test_long_names_keep_both_ends():
    short = drawing.shorten(LONG)
    assert len(short) == drawing.LONGEST_NAME
    start, end = short.split("…")
    assert LONG.startswith(start)
    assert LONG.endswith(end)
    assert drawing.shorten("joy") == "joy"


@given(st.tuples(*[st.floats(0, 1)] * 3))
def test_cell_text_contrasts_with_its_cell(rgb):
    """At least 4.5 to 1, what WCAG 2.2 (sec. 1.4.3) asks of small text."""

    def luminance(colour):
        c = np.array(colour)
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    ink = figures._ink_on((*rgb, 1.0))
    light, dark = sorted([luminance(rgb), 1.0 if ink == "white" else 0.0], reverse=True)
    assert (light + 0.05) / (dark + 0.05) > 4.5


def test_counts_that_do_not_fit_the_names_are_refused():
    with pytest.raises(ParetextError, match=r"shape \(2, 3\) and there are 2 label names"):
        figures.draw_confusion(np.zeros((2, 3)), ["a", "b"], "Confusion")


# Trade-off ------------------------------------------------------------------------------------

few_values = st.sampled_from([1.0, 2.0, 3.0, 4.0])  # so that ties are common


@settings(max_examples=300)
@given(st.lists(st.tuples(few_values, few_values), max_size=9))
def test_pareto_front_equals_brute_force(points):
    def beats(a, b):
        return a[0] <= b[0] and a[1] >= b[1] and a != b

    expected = {i for i, p in enumerate(points) if not any(beats(q, p) for q in points)}
    front = trade_off.pareto_front(points)
    assert set(front) == expected
    assert len(front) == len(expected)
    assert [points[i][0] for i in front] == sorted(points[i][0] for i in front)


def test_panels_show_the_front_of_their_own_cost():
    figure = trade_off.draw_trade_off(POINTS, "Quality against cost")
    fronts = [
        next(line for line in axes.lines if line.get_gid() == "pareto front").get_ydata()
        for axes in figure.axes[:2]
    ]
    # Latency: int8, parent, then on to the edge. Size: int8, then pytorch and parent, equal.
    np.testing.assert_array_equal(fronts[0], [0.905, 0.908, 0.908])
    np.testing.assert_array_equal(fronts[1], [0.905, 0.908, 0.908, 0.908])
    assert [axes.get_xscale() for axes in figure.axes[:2]] == ["log", "log"]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


def test_intervals_and_table_carry_the_numbers():
    figure = trade_off.draw_trade_off(POINTS, "Quality against cost")
    for axes in figure.axes[:2]:
        bars = [c.get_segments()[0][:, 1] for c in axes.collections]
        expected = [(p.macro_f1_low, p.macro_f1_high) for p in POINTS]
        np.testing.assert_allclose(bars, expected)
    words = [text.get_text() for text in figure.axes[2].texts]
    for p in POINTS:
        assert any(word.startswith(p.name) for word in words)
    assert "0.899 (0.885 to 0.912)" in words
    assert [w for w in words if w.endswith("(baseline)")] == ["pytorch  (baseline)"]


coordinate = st.sampled_from([0.0, 0.02, 0.05, 0.3, 1.0])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([1.0, 1.05, 2.0, 90.0]), coordinate), min_size=1))
def test_discs_never_cover_each_other_and_keep_the_order_of_cost(discs):
    discs = discs[:12]
    costs, heights = zip(*discs, strict=True)
    placed, left, right = trade_off.side_by_side(costs, heights)
    width = math.log10(right / left)
    share = [math.log10(x / left) / width for x in placed]
    assert all(0 < s < 1 for s in share)
    for i, (cost, height) in enumerate(discs):
        for j in range(i):
            rise = trade_off._ASPECT * (height - heights[j])
            assert math.hypot(share[i] - share[j], rise) > trade_off._DISC - 1e-9
            if cost != costs[j]:
                assert (cost > costs[j]) == (placed[i] > placed[j])


def test_discs_with_room_stay_where_they_are():
    placed, _, _ = trade_off.side_by_side([1.0, 10.0, 100.0], [0.5, 0.5, 0.5])
    assert placed == pytest.approx([1.0, 10.0, 100.0])
    # Two at one cost move equally far, one to each side.
    placed, _, _ = trade_off.side_by_side([10.0, 10.0, 100.0], [0.5, 0.5, 0.5])
    assert placed[0] * placed[1] == pytest.approx(100.0)
    assert placed[0] < 10.0 < placed[1]


def test_drawn_discs_do_not_overlap_on_the_page():
    """The shares that `side_by_side` works with, against what the renderer makes of them."""
    figure = trade_off.draw_trade_off([*POINTS, *POINTS[1:]], "Eleven, in pairs")
    figure.canvas.draw()
    for axes in figure.axes[:2]:
        discs = [line for line in axes.lines if line.get_marker() in ("o", "s")]
        centres = [axes.transData.transform((d.get_xdata()[0], d.get_ydata()[0])) for d in discs]
        assert len(centres) == 11
        across = discs[0].get_markersize() * figure.dpi / 72
        for i, one in enumerate(centres):
            for other in centres[:i]:
                assert np.hypot(*(one - other)) > across


def test_what_cannot_be_drawn_is_named():
    with pytest.raises(ParetextError, match="no versions"):
        trade_off.draw_trade_off([], "Nothing")
    with pytest.raises(ParetextError, match="int8 has megabytes = 0"):
        trade_off.draw_trade_off([point("int8", 0.9, 1.0, 0)], "Nothing")


def test_many_labels_fit_on_a_page_and_take_seconds() -> None:
    """With a number in every cell, 77 labels took 18 seconds and 1.9 GB."""
    figure = figures.draw_confusion(
        np.eye(120, dtype=int), [f"label {i}" for i in range(120)], "many"
    )
    assert max(figure.get_size_inches()) < 30
    assert not figure.axes[0].texts
    few = figures.draw_confusion(np.eye(40, dtype=int), [f"label {i}" for i in range(40)], "few")
    assert len(few.axes[0].texts) == 40 * 40
