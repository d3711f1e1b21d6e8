"""Markdown whose names and texts are data: rendered, they are text again, and nothing else."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretext.core.escaping import visible
from paretext.core.markdown import escaped, table

markdown_it = pytest.importorskip("markdown_it")
RENDERER = markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"])

NAMES = (
    *("a|b", "`code`", "*bold*", "_low_", "snake_case", "__init__", "<script>alert(1)</script>"),
    *("[x](http://evil.example)", "[x]: http://evil.example", "![p](x.png)", "<b>", "a\\|b", "\\"),
    *("- item", "+ item", "-", "---", "===", "# head", "head #", "1. one", "12) two", "> quote"),
    *("~~gone~~", "$x$", "&lt;", "&#124;", "R&D", "[ ] do", "[x] done", "a\n\nb\r\n# c", "***"),
    *("https://evil.example", "www.evil.example", "[0.1, 0.2]", "|", "||", "日本語", "\x1b[2J"),
    *("\u202eevil", "```", "~~~", ":---:", "a  \nb", "<!-- x", "]]>", "{{ 7 * 7 }}", "+0.1", "%s"),
)


class Rendered(HTMLParser):
    """The cells of tables, row by row; the text of other elements; and all elements' names."""

    def __init__(self, markdown: str) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[list[str]] = []
        self.names: list[str] = []
        self.texts: list[str] = []
        self.inside = False
        self.feed(RENDERER.render(markdown))

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.names.append(tag)
        self.inside = tag in ("td", "th")
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag in ("p", "li", "h1"):
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1][-1] += data
        elif self.texts:
            self.texts[-1] += data


def seen(text: str) -> str:
    """What a reader sees of a name: a page joins blanks."""
    return " ".join(re.split(r"[ \t\n]+", visible(text).strip(" ")))


TABLE = {"table", "thead", "tbody", "tr", "th", "td"}


def check(name: str) -> None:
    rendered = Rendered(table(["version", name], [[name, "1"], ["x", name]]))
    assert set(rendered.names) <= TABLE
    assert [[seen(cell) for cell in row] for row in rendered.rows] == [
        ["version", seen(name)],
        [seen(name), "1"],
        ["x", seen(name)],
    ]
    for before, elements in (("- ", ["ul", "li"]), ("# ", ["h1"]), ("", ["p"])):
        if not seen(name):
            continue
        rendered = Rendered(f"{before}{escaped(name)}\n")
        assert rendered.names == elements, before
        assert seen(rendered.texts[0].strip("\n")) == seen(name)


@pytest.mark.parametrize("name", NAMES)
def test_names_are_text_in_cells_items_headings_and_paragraphs(name: str) -> None:
    check(name)


@given(st.text(st.sampled_from("ab1 |`*_<>[](){}#+-=.!&;~$\\:/\n\té"), max_size=12))
def test_any_name_is_text(name: str) -> None:
    check(name)


def test_what_is_no_markup_is_not_escaped() -> None:
    for text in ("macro_f1 0.9 [0.8, 1.0] (+0.1)", "R&D at 5%; a-b, c+d = 3.", "日本語"):
        assert escaped(text) == text


def test_links_without_marks_are_broken() -> None:
    """GitHub makes links of them; the renderer of this test does not."""
    assert escaped("https://x.y www.x.y") == r"https\://x.y www\.x.y"


# --- the files


HOSTILE = ("a|b <script>alert(1)</script>", "[x](http://evil.example) `c`", "*_# 日本\x1b[2J")


def elements(markdown: str) -> set[str]:
    return set(Rendered(markdown).names)


OWN = TABLE | {"h1", "h2", "h3", "p", "ul", "li", "code", "pre"}


def test_comparison_card_and_certificate(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    from reporting import VERSIONS, Made, make_run

    from paretext.report.table import COLUMNS, markdown
    from paretext.runtime.card import model_card
    from paretext.runtime.manifest import CARD, Manifest

    odd = Made("small|<img src=x>", "parent", 12.0, 0.9, 0.07, root="`ro|ot`", architecture="<i>A")
    made = make_run(tmp_path / "run", labels=HOSTILE, versions=(*VERSIONS, odd), n=200)
    text = markdown(made)
    assert elements(text) <= OWN
    assert "\x1b" not in text
    rows = Rendered(text).rows
    assert odd.name in [row[0] for row in rows if len(row) == len(COLUMNS)]
    assert ["version", *map(visible, HOSTILE)] in rows

    place = tmp_path / "run" / "artifacts" / odd.name
    card = (place / CARD).read_text(encoding="utf-8")  # with the certificate's section
    assert elements(card) <= OWN
    labels = {row[1] for row in Rendered(card).rows if len(row) == 10}
    assert {visible(label) for label in HOSTILE} <= labels
    manifest = Manifest.read(place).model_copy(update={"labels": HOSTILE, "name": HOSTILE[0]})
    rendered = Rendered(model_card(manifest))
    assert set(rendered.names) <= OWN
    assert ["labels", ", ".join(map(visible, HOSTILE))] in rendered.rows
    assert ["architecture", "<i>A"] in rendered.rows
    assert seen(rendered.texts[0].strip()) == HOSTILE[0]
    assert html.escape(odd.root) in RENDERER.render(card)


def test_ablation() -> None:
    from paretext.core.records import Interval
    from paretext.pipeline.ablation import Ablation, SeedResult

    span = Interval(0.1, 0.05, 0.15)
    arms = ("a|b", "<script>alert(1)</script>")
    ablation = Ablation(f"{arms[1]} in place of {arms[0]}", arms, 9, (), span, None)
    ablation = Ablation(
        ablation.change, arms, 9, (SeedResult(0, (0.9, 0.8), span, span),), ablation.drop, None
    )
    rendered = Rendered(ablation.markdown())
    assert set(rendered.names) <= OWN
    assert rendered.rows[0][1:3] == list(arms)
    assert {len(row) for row in rendered.rows} == {5}
