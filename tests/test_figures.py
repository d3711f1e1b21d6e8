"""What the pictures show, read back from their SVG, whatever the names hold."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretext.core.errors import ParetextError
from paretext.core.records import Interval
from paretext.report import drawing, figures, pictures, trade_off
from paretext.report.front import draw_front
from paretext.report.pictures import linear_ticks, log_ticks, strips
from paretext.report.trade_off import TradeOffPoint
from paretext.tuning.front import Candidate
from paretext.tuning.result import Point

pytest.importorskip("jinja2")

LONG = "a label name that goes on for much longer than anybody would want to read"
SCRIPTS = ("日本語", "中文", "한국어", "हिन्दी", "العربية", "ภาษาไทย", "👩‍👧", "café")
HOSTILE = (
    '<script>alert("1")</script>',
    '" onload="alert(1)',
    "{{ 7 * 7 }}",
    "&lt;",
    "\x1b[2J\u202e",
    "]]>",
    "\ufffe\ud800",
    "$\\frac{1$",
)


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


class Picture:
    """An SVG file's elements, and its texts."""

    def __init__(self, path: Path) -> None:
        self.root = ElementTree.parse(path).getroot()
        self.elements = [(each.tag.split("}")[1], each) for each in self.root.iter()]

    def all(self, tag: str, kind: str = "") -> list[Any]:
        return [
            each
            for name, each in self.elements
            if name == tag and (not kind or kind in each.get("class", "").split())
        ]

    def texts(self, kind: str = "") -> list[str]:
        return [each.text or "" for each in self.all("text", kind)]


OWN = {"svg", "title", "style", "rect", "text", "g", "path", "circle", "line", "tspan"}


def drawn(path: Path) -> Picture:
    """The picture, which loads nothing, runs nothing, and has concrete colours."""
    picture = Picture(path)
    assert {name for name, _ in picture.elements} <= OWN
    text = path.read_text(encoding="utf-8")
    assert "var(" not in text
    assert "url(" not in text
    assert not [key for _, each in picture.elements for key in each.attrib if key.startswith("on")]
    assert not [key for _, each in picture.elements for key in each.attrib if "href" in key]
    assert float(picture.root.get("width")) > 300
    return picture


# Names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [SCRIPTS, HOSTILE, [LONG, *"abcdefg"], [""] * 8])
def test_any_name_can_be_read_in_every_picture(tmp_path: Path, names: Any) -> None:
    counts = np.eye(8, dtype=int) * 9
    figures.confusion(counts, names, tmp_path / "confusion.svg", names[0])
    points = [point(name, 0.9, 1.0, 9.0 + i) for i, name in enumerate(names)]
    trade_off.trade_off(points, tmp_path / "trade-off.svg", names[0])
    figures.learning_curves(HISTORY, tmp_path / "curves.svg", names[0])
    by_name = {
        name: drawn(tmp_path / f"{name}.svg") for name in ("confusion", "trade-off", "curves")
    }
    labels = by_name["confusion"].texts("label")
    rows = by_name["trade-off"].texts("row")
    if names is SCRIPTS:
        assert labels[::2] == labels[1::2] == rows[::4] == list(SCRIPTS)
        assert by_name["curves"].texts("title") == [SCRIPTS[0]]
    if names is HOSTILE:
        shown = "".join(labels)
        for part in ("<script>", "{{ 7 * 7 }}", "&lt;", "␛[2J<U+202E>", "<U+FFFE><U+D800>"):
            assert part in shown
    if LONG in names:
        assert labels[0] == rows[0] == drawing.fit(LONG, 22)
        assert by_name["confusion"].all("text", "label")[0][0].text == LONG  # its tooltip


def test_names_that_do_not_fit_lie_aslant_and_inside(tmp_path: Path) -> None:
    for names, level in ((("no", "yes"), True), (("no", LONG), False)):
        figures.confusion([[5, 1], [2, 7]], names, tmp_path / "c.svg", "Confusion")
        below = drawn(tmp_path / "c.svg").all("text", "label")[1::2]
        assert [each.get("transform") is None for each in below] == [level] * 2


def test_long_names_keep_both_ends() -> None:
    for short in (drawing.shorten(LONG), drawing.fit(LONG, 12), drawing.fit("長" * 99, 12)):
        whole = LONG if short.isascii() or "a" in short else "長" * 99
        start, end = short.split("…")
        assert whole.startswith(start)
        assert whole.endswith(end)
    assert len(drawing.shorten(LONG)) == drawing.LONGEST_NAME
    assert drawing.ems(drawing.fit("長" * 99, 12)) <= 12
    assert drawing.shorten("joy") == drawing.fit("joy", 12) == "joy"


def test_marks_over_letters_take_no_room() -> None:
    assert drawing.ems("हिन्दी") < drawing.ems("हनदल") + 0.6 * 3
    assert drawing.ems("e\u0301") == drawing.ems("e")
    assert drawing.ems("日本") == 2


# Learning curves ------------------------------------------------------------------------------


def test_curves_show_the_history_and_mark_the_first_best_epoch(tmp_path: Path) -> None:
    figures.learning_curves(HISTORY, tmp_path / "c.svg", "Training")
    picture = drawn(tmp_path / "c.svg")
    told = [title.text for title in picture.all("title")]
    for row in HISTORY:
        for name, key in (
            ("training", "train_loss"),
            ("selection", "selection_loss"),
            ("selection", "selection_macro_f1"),
        ):
            assert f"{name}, epoch {row['epoch']}: {row[key]:.4f}" in told
    assert picture.texts("best-name") == ["kept: epoch 3"] * 2
    assert picture.texts("name") == ["loss", "macro-F1"]
    places = [float(each.get("x1")) for each in picture.all("line", "best")]
    assert places[0] == places[1]


def test_one_epoch_is_enough_none_is_refused_and_a_loss_may_diverge(tmp_path: Path) -> None:
    figures.learning_curves(HISTORY[:1], tmp_path / "c.svg", "Training")
    drawn(tmp_path / "c.svg")
    with pytest.raises(ParetextError, match="no rows"):
        figures.learning_curves([], tmp_path / "c.svg", "Training")
    diverged = [{**row, "train_loss": math.nan, "selection_loss": math.inf} for row in HISTORY]
    figures.learning_curves(diverged, tmp_path / "c.svg", "Training")
    text = (tmp_path / "c.svg").read_text(encoding="utf-8")
    assert "nan" not in text
    assert "inf" not in text


# Confusion matrix -----------------------------------------------------------------------------


def test_confusion_colours_rows_by_share_and_writes_counts(tmp_path: Path) -> None:
    counts = np.array([[90, 10, 0], [0, 1999, 1], [0, 0, 0]])
    figures.confusion(counts, ["a", "b", "c"], tmp_path / "c.svg", "Confusion")
    picture = drawn(tmp_path / "c.svg")
    cells = [(each.text, each[0].text) for each in picture.all("text", "cell")]
    assert cells[:3] == [("90", "90%"), ("10", "10%"), ("0", "0%")]
    assert cells[3:6] == [("0", "0%"), ("1,999", ">99%"), ("1", "<1%")]
    assert cells[6:] == [("0", "n/a")] * 3
    shades = [float(each.get("fill-opacity")) for each in picture.all("rect", "heat")]
    assert shades[:4] == [0.9, 0.1, 1.0, 0.08]  # 1999 of 2000, and 1 of 2000
    assert picture.texts("of") == ["prediction", "truth"]
    assert picture.texts("label")[::2] == ["a", "b", "c"]


@pytest.mark.parametrize("k", [21, 77, 200])
def test_of_many_classes_the_largest_confusions_are_drawn(tmp_path: Path, k: int) -> None:
    counts = np.random.default_rng(0).integers(0, 9, (k, k)) + 1000 * np.eye(k, dtype=int)
    counts[3, 5], counts[7, 2] = 200, 100
    names = [f"{LONG} {i}" if i % 2 else f"分類{i}" for i in range(k)]
    figures.confusion(counts, names, tmp_path / "c.svg", "C")
    picture = drawn(tmp_path / "c.svg")
    titles = [each[0].text for each in picture.all("text", "label")]
    assert titles[:4] == [names[3], names[5], names[7], names[2]]
    assert len(titles) == 2 * 15
    rows = picture.texts("row")
    share = figures.percent(200, counts[3].sum())
    assert rows[0] == f"200 ({share})"
    bars = [float(each.get("width")) for each in picture.all("rect", "heat")]
    assert bars[1] == pytest.approx(bars[0] / 2, abs=0.1)
    assert bars == sorted(bars, reverse=True)
    wrong = counts.sum() - np.trace(counts)
    assert (
        f"among {k} classes; {wrong:,} of {counts.sum():,} answers are wrong"
        in picture.texts("of")[0]
    )
    width, height = (float(picture.root.get(side)) for side in ("width", "height"))
    assert width < 1000 > height
    right = max(float(each.get("x")) for each in picture.all("text", "row"))
    assert right + 12 * drawing.ems(rows[0]) + 12 < width


def test_many_classes_without_an_error_say_so(tmp_path: Path) -> None:
    figures.confusion(np.eye(77, dtype=int), [str(i) for i in range(77)], tmp_path / "c.svg", "C")
    picture = drawn(tmp_path / "c.svg")
    assert picture.texts("of") == ["No answer to 77 texts with 77 classes is wrong."]
    assert not picture.all("rect", "heat")


@pytest.mark.parametrize("most", [9, 1234, 123_456_789])
@pytest.mark.parametrize("k", [2, 6, 20])
def test_counts_fit_their_cells(tmp_path: Path, k: int, most: int) -> None:
    figures.confusion(np.full((k, k), most), ["a"] * k, tmp_path / "c.svg", "C")
    picture = drawn(tmp_path / "c.svg")
    side = float(picture.all("rect", "heat")[0].get("width"))
    style = picture.all("style")[0].text
    font = float(re.findall(r"\.cell\{font-size:([\d.]+)px", style)[0])
    assert font * drawing.ems(f"{most:,}") <= side
    assert 2.2 * font <= side


def test_counts_that_do_not_fit_the_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParetextError, match=r"shape \(2, 3\) and there are 2 label names"):
        figures.confusion(np.zeros((2, 3)), ["a", "b"], tmp_path / "c.svg", "Confusion")


# Trade-off ------------------------------------------------------------------------------------

few_values = st.sampled_from([1.0, 2.0, 3.0, 4.0])  # so that ties are common


@settings(max_examples=300)
@given(st.lists(st.tuples(few_values, few_values), max_size=9))
def test_pareto_front_equals_brute_force(points):
    def beats(a, b):
        return a[0] <= b[0] and a[1] >= b[1] and a != b

    expected = {i for i, p in enumerate(points) if not any(beats(q, p) for q in points)}
    front = pictures.pareto_front(points)
    assert set(front) == expected
    assert len(front) == len(expected)
    assert [points[i][0] for i in front] == sorted(points[i][0] for i in front)


def test_panels_show_the_front_of_their_own_cost(tmp_path: Path) -> None:
    trade_off.trade_off(POINTS, tmp_path / "t.svg", "Quality against cost")
    picture = drawn(tmp_path / "t.svg")
    marks = picture.all("g", "point")
    told = [each[0].text for each in marks[:12]]
    on = {text.split(":")[0] for text, each in zip(told[:6], marks, strict=False) if _on(each)}
    assert on == {"int8", "parent"}  # latency
    on = {text.split(":")[0] for text, each in zip(told[6:], marks[6:], strict=False) if _on(each)}
    assert on == {"int8", "parent", "pytorch"}  # size: the last two are equal
    assert "int8: macro-F1 0.9050 [0.8910, 0.9180], 1.5 ms" in told
    assert "int8: macro-F1 0.9050 [0.8910, 0.9180], 23 MB" in told
    fronts = [path.get("d") for path in picture.all("path", "front")]
    heights = [{each.split()[1] for each in re.split("[ML]", path)[1:]} for path in fronts]
    assert [len(each) for each in heights] == [2, 2]


def _on(mark: Any) -> bool:
    return "on" in mark.get("class").split()


def test_the_table_carries_the_numbers(tmp_path: Path) -> None:
    odd = TradeOffPoint("odd", *[math.nan] * 3, 1.0, 2.0, False)
    trade_off.trade_off([*POINTS, odd], tmp_path / "t.svg", "Quality against cost")
    picture = drawn(tmp_path / "t.svg")
    cells = picture.texts("row")
    rows = [cells[i : i + 4] for i in range(0, len(cells), 4)]
    assert rows[0] == ["pytorch  (baseline)", "0.908 (0.894 to 0.921)", "7.5", "91"]
    assert rows[5] == ["distilroberta", "0.899 (0.885 to 0.912)", "2.3", "69"]
    assert rows[6] == ["odd", "undefined", "1", "2"]
    assert len(picture.all("g", "point")) == 2 * 6 + 7  # what is undefined has no place
    trade_off.trade_off([odd], tmp_path / "t.svg", "Nothing to draw")
    assert len(drawn(tmp_path / "t.svg").all("g", "point")) == 1


def test_a_search_draws_the_limits_that_fall_into_the_panels(tmp_path: Path) -> None:
    limits = {"p95_latency": 2.0, "size": 500e6, "macro_f1_drop": 0.01}
    points = [
        Point(
            Candidate(
                name=each.name,
                family="small",
                values={},
                macro_f1=each.macro_f1,
                drops={},
                bytes=int(each.megabytes * 1e6),
                p95_ms=each.ms_per_text,
                ms_per_text=each.ms_per_text,
            ),
            Interval(each.macro_f1, each.macro_f1_low, each.macro_f1_high),
            each.is_baseline,
            False,
        )
        for each in POINTS
    ]
    draw_front(points, limits, tmp_path / "f.svg", "Search")
    picture = drawn(tmp_path / "f.svg")
    assert len(picture.all("line", "limit")) == 1
    assert "p95 milliseconds per text at batch 1, log scale" in picture.texts("of")


coordinate = st.sampled_from([0.0, 0.02, 0.05, 0.3, 1.0])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([1.0, 1.05, 2.0, 90.0]), coordinate), min_size=1))
def test_discs_never_cover_each_other_and_keep_the_order_of_cost(discs):
    discs = discs[:12]
    costs, heights = zip(*discs, strict=True)
    placed, left, right = pictures.side_by_side(costs, heights)
    width = math.log10(right / left)
    share = [math.log10(x / left) / width for x in placed]
    assert all(0 < s < 1 for s in share)
    for i, (cost, height) in enumerate(discs):
        for j in range(i):
            rise = pictures._ASPECT * (height - heights[j])
            assert math.hypot(share[i] - share[j], rise) > pictures._DISC - 1e-9
            if cost != costs[j]:
                assert (cost > costs[j]) == (placed[i] > placed[j])


def test_discs_with_room_stay_where_they_are():
    placed, _, _ = pictures.side_by_side([1.0, 10.0, 100.0], [0.5, 0.5, 0.5])
    assert placed == pytest.approx([1.0, 10.0, 100.0])
    # Two at one cost move equally far, one to each side.
    placed, _, _ = pictures.side_by_side([10.0, 10.0, 100.0], [0.5, 0.5, 0.5])
    assert placed[0] * placed[1] == pytest.approx(100.0)
    assert placed[0] < 10.0 < placed[1]


def test_drawn_discs_do_not_overlap_on_the_page(tmp_path: Path) -> None:
    """The shares that `side_by_side` works with, against the places in the file."""
    points = [point(f"v{i}", 0.9, 1.0 + 0.01 * (i % 2), 9) for i in range(11)]
    trade_off.trade_off(points, tmp_path / "t.svg", "Eleven, at two costs")
    discs = drawn(tmp_path / "t.svg").all("circle", "disc")[:11]
    centres = [(float(each.get("cx")), float(each.get("cy"))) for each in discs]
    for i, one in enumerate(centres):
        for other in centres[:i]:
            assert math.dist(one, other) > 16.5  # of 18, so that a mark's rim alone is covered


def test_what_cannot_be_drawn_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParetextError, match="no versions"):
        trade_off.trade_off([], tmp_path / "t.svg", "Nothing")
    with pytest.raises(ParetextError, match="int8 has megabytes = 0"):
        trade_off.trade_off([point("int8", 0.9, 1.0, 0)], tmp_path / "t.svg", "Nothing")


# --- geometry


def test_ticks_are_round_and_inside() -> None:
    assert log_ticks(0.03, 20) == pytest.approx([0.03, 0.1, 0.3, 1, 3, 10])
    assert log_ticks(0.9, 12) == pytest.approx([1, 2, 5, 10])
    assert linear_ticks(0.911, 0.962, 5) == [
        (pytest.approx(0.92), "0.92"),
        (pytest.approx(0.94), "0.94"),
        (pytest.approx(0.96), "0.96"),
    ]


def test_strips_share_a_scale_and_keep_their_order() -> None:
    spans = [
        Interval(estimate=0.0, low=-0.1, high=0.1),
        None,
        Interval(estimate=0.2, low=0.1, high=0.4),
    ]
    scaled = strips(spans)
    assert scaled["most"] == 0.4
    assert scaled["strips"] == [
        pytest.approx((50, 38.5, 61.5)),
        None,
        pytest.approx((73, 61.5, 96)),
    ]
