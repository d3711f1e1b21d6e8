"""`paretext explore`: what it prints and writes, hostile texts, bad input."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from hypothesis import given, settings
from hypothesis import strategies as st

from paretext.core.escaping import visible
from paretext.data.dataset import Dataset
from paretext.profile import Profile, profile
from paretext.report.profile_page import MOST_CLASSES, render
from paretext.report.word_cloud import HEIGHT, WIDTH, word_cloud

pytest.importorskip("sklearn")

ROWS = toy.texts_and_labels(120)
HOSTILE = (
    '<script>alert("1")</script><img src=x onerror=alert(1)> {{ 7 * 7 }} \x1b[31mred \u202eevil'
)


class Page(HTMLParser):
    """The elements of a page, with a complaint for each that is not closed in order."""

    VOID = ("meta", "link", "br", "rect", "img")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    rows = [("", "joy"), *ROWS, ROWS[0], (ROWS[1][0], "fear")]
    held = [*toy.texts_and_labels(30, seed=1), ROWS[5]]
    return toy.write(tmp_path / "train.csv", rows), toy.write(tmp_path / "held.csv", held)


def refused(ended: Any, *parts: str) -> None:
    """One sentence, exit status 2."""
    assert ended.status == 2, ended
    assert "Traceback" not in ended.err
    last = ended.err.splitlines()[-1]
    assert last.startswith("paretext: ")
    for part in parts:
        assert part in last, last


# --- what it prints and writes


def test_tables_and_findings_on_the_terminal(command: Any, files: tuple[Path, Path]) -> None:
    ended = command("explore", files[0], "--eval", files[1])
    assert ended.status == 0, ended.err
    for part in ("Classes before and after", "joy", "happy", "padding at random"):
        assert part in ended.out
    assert "Rows that repeat the text of an earlier one: 2 of 122." in ended.out
    assert "Training texts that stand with two or more labels: 1." in ended.out
    assert "Evaluation texts that also stand in training: 1 (3.23%)." in ended.out
    assert "1 row with no text (row 1)." in ended.out
    findings = re.findall(r"^(?:fine|look|mend): ", ended.out, re.MULTILINE)
    assert len(findings) == ended.out.count("\n-> ") > 8


def test_the_page_and_the_json_lie_in_the_folder(
    command: Any, files: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "new" / "profile"
    ended = command("explore", files[0], "--eval", files[1], "--out", out, "--json")
    assert ended.status == 0, ended.err
    stored = Profile.model_validate_json((out / "profile.json").read_text(encoding="utf-8"))
    record = json.loads(ended.out)
    assert record.pop("verdict")["command"].startswith("paretext run --data ")
    assert stored == Profile.model_validate(record)
    assert (out / "profile.html").read_text(encoding="utf-8") == render(stored)
    assert {path.name for path in out.iterdir()} == {"profile.json", "profile.html"}


def test_exploring_imports_no_torch(files: tuple[Path, Path], encoder: Any) -> None:
    code = f"""
import sys
from paretext import cli
sys.argv = ["paretext", "explore", {str(files[0])!r}, "--model", {str(encoder("bert"))!r}]
try:
    cli.main()
except SystemExit as end:
    assert not end.code, end.code
assert "torch" not in sys.modules and "transformers" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


# --- the page


def hostile_profile() -> Profile:
    texts = [text for text, _ in ROWS]
    labels = [toy.LABELS.index(label) for _, label in ROWS]
    texts += [f"{HOSTILE} {i % 7} pаypal cafÃ©" for i in range(20)]
    names = ("<b>fear</b>", 'joy" onmouseover="alert(1)', "sad & <i>")
    data = Dataset(tuple(texts), np.array(labels + [0, 1] * 10), names, "<h1>data.csv")
    return profile(data, data.take(range(30)))


def test_nothing_from_data_becomes_markup() -> None:
    html = render(hostile_profile())
    page = Page(html)
    names = {tag for tag, _ in page.elements}
    assert not names & {"script", "img", "b", "i-", "iframe", "object", "form", "input"}
    assert all(not name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "{{ 7 * 7 }}" in html  # not worked out by the template engine
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert "&lt;script&gt;" in html


def test_the_page_loads_nothing_and_its_links_lead_somewhere() -> None:
    html = render(hostile_profile())
    page = Page(html)
    ids = [own["id"] for _, own in page.elements if "id" in own]
    assert len(ids) == len(set(ids))
    links = [own["href"] for own in page.all("a")]
    assert links
    assert all(link and link[0] == "#" and link[1:] in ids for link in links)
    assert not [own for _, own in page.elements if "src" in own]
    assert [own["href"] for own in page.all("link")] == ["data:,"]
    assert "url(" not in html
    assert "@import" not in html
    assert "default-src 'none'" in html


def test_every_picture_is_named_or_hidden_and_tables_can_be_reached() -> None:
    page = Page(render(hostile_profile()))
    for attributes in page.all("svg"):
        assert attributes.get("aria-hidden") == "true" or (
            attributes["role"] == "img" and attributes["aria-label"]
        )
    for attributes in page.all("div"):
        if attributes.get("class") == "scroll":
            assert attributes["tabindex"] == "0"
            assert attributes["aria-label"]
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert page.all("html")[0]["lang"] == "en"


def test_many_classes_are_drawn_in_part_and_said() -> None:
    names = tuple(f"class {i:02}" for i in range(40))
    texts = [f"word{i} word{i} of text {j}" for i in range(40) for j in range(6)]
    data_profile = profile(Dataset(tuple(texts), np.repeat(np.arange(40), 6), names))
    html = render(data_profile)
    assert f"The {MOST_CLASSES} largest classes of 40" in html
    assert len(data_profile.distinctive.by_class) == 40
    assert html.count('class="cloud"') <= MOST_CLASSES


# --- word clouds and texts made visible


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.text(min_size=1, max_size=30), st.floats(0.1, 100)), max_size=40))
def test_words_of_a_cloud_lie_inside_and_apart(words: list[tuple[str, float]]) -> None:
    placed = word_cloud(words)
    for i, each in enumerate(placed):
        assert 0 <= each.left <= each.left + each.width <= WIDTH + 1e-9
        assert 0 <= each.top <= each.top + each.height <= HEIGHT + 1e-9
        assert not any(each.meets(other) for other in placed[:i])
    if words:
        assert placed
        assert placed[0].word == max(words, key=lambda each: each[1])[0]


@pytest.mark.parametrize(
    ("word", "as_wide"),
    [("👩\u200d👧", "👩"), ("👍🏽", "👍"), ("e\u0301te\u0301", "ete"), ("उ्", "उ")],
)
def test_what_joins_or_marks_a_letter_has_no_width(word: str, as_wide: str) -> None:
    (one,), (other,) = word_cloud([(word, 1.0)]), word_cloud([(as_wide, 1.0)])
    assert (one.width, one.size) == (other.width, other.size)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain, naïve 日本 👩‍👧", "plain, naïve 日本 👩‍👧"),
        ("two\nlines\tand  blanks", "two lines and  blanks"),
        ("\x1b[31m\x07", "␛[31m␇"),
        ("\u202eturned", "<U+202E>turned"),
        ("\x85\x9f", "<U+0085><U+009F>"),
    ],
)
def test_characters_that_do_things_are_shown(text: str, seen: str) -> None:
    assert visible(text) == seen


# --- bad input


def test_bad_input_is_one_sentence(command: Any, files: tuple[Path, Path], tmp_path: Path) -> None:
    train, _ = files
    refused(command("explore", "nowhere.csv"), "'nowhere.csv' does not exist")
    refused(command("explore", train, "--eval", "nowhere.csv"), "'nowhere.csv' does not exist")
    refused(command("explore", train, "--text-column", "texte"), "no column 'texte'", "'text'")
    refused(command("explore", train, "--language", "klingon"), "'klingon'", "da, de, en, es")
    refused(command("explore", train, "--supersample", "1,2"), "2 factors", "fear, joy, sad")
    refused(command("explore", train, "--supersample", "1,x"), "'1,x'", "whole number")
    refused(command("explore", train, "--model", tmp_path / "none"), "there is no model folder")
    refused(command("explore", train, "--on-bad-row", "fail"), "1 of 123 rows cannot be used")
    one = toy.write(tmp_path / "one.csv", [(text, "joy") for text, _ in ROWS])
    refused(command("explore", one), "all 120 texts have the label 'joy'")
    blank = toy.write(tmp_path / "blank.csv", [("", "joy"), (" ", "sad")])
    refused(command("explore", blank), "none of its 2 rows can be used")
    signs = toy.write(tmp_path / "signs.csv", [("!!", "joy"), ("...", "sad")])
    refused(command("explore", signs), "no word is left", "give texts with words")
    other = toy.write(tmp_path / "other.csv", [("text", "joy"), ("more", "rage")])
    refused(command("explore", train, "--eval", other), "'rage'", "row 2")
    refused(command("explore", train, "--out", train), "train.csv")


def test_many_labels_are_one_line_with_the_five_worst(command: Any, tmp_path: Path) -> None:
    """77 lines of "add some" told nobody where to begin."""
    rows = [(f"word{i} and {copy}", f"label{i:02}") for i in range(77) for copy in range(9)]
    data = toy.write(tmp_path / "many.csv", rows[3:])
    held = toy.write(
        tmp_path / "held.csv", [(f"{t} again", label) for t, label in rows if "1" in t]
    )
    ended = command("explore", data, "--eval", held)
    assert ended.status == 0, ended.err
    few = [line for line in ended.out.splitlines() if "has few texts of 77 of 77 labels" in line]
    assert len(few) == 1
    assert few[0].endswith(" and 72 more.")
    assert len(re.findall(r"label\d\d \d", few[0])) == 5
    assert ended.out.count("Add some") == 1
    assert "The 20 largest of 77 classes" in ended.out


def test_what_is_said_of_many_classes_names_the_rarest() -> None:
    from paretext.data.checks import PartReport

    counts = {f"label{i:02}": i for i in range(77)}
    part = PartReport(
        name="data.csv",
        fingerprint="",
        rows=sum(counts.values()),
        class_counts=counts,
        duplicate_texts=0,
        conflicting_texts=0,
        conflict_examples=(),
    )
    assert part.sentences() == [
        "data.csv: 2,926 texts with 77 labels, 0 to 76 of each (fewest label00 0, "
        "label01 1, label02 2, label03 3, label04 4).",
        "data.csv: no text has the label 'label00'.",
        "data.csv: every text stands once.",
    ]
    empty = part.model_copy(update={"class_counts": counts | dict.fromkeys(list(counts)[:9], 0)})
    assert empty.sentences()[1] == (
        "data.csv: no text has 9 of the 77 labels: 'label00', 'label01', 'label02', 'label03', "
        "'label04' and 4 more."
    )
