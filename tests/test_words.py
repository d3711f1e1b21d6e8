"""One definition of a word: by hand in many scripts, by another engine, and through tokenizers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from paretext.data.dataset import Dataset
from paretext.data.words import TOKEN, WORD, plain, runs_of, tokens_of, words_of
from paretext.training.baselines import Recurrent, Tfidf

CASES = Path(__file__).parents[2] / "shared" / "cases"
SCRIPTS = {
    "Latin": ("Don’t—STOP it's 4U, naïve_Ünïcode '90s'", "don't stop it's 4u naïve ünïcode 90s"),
    "Latin, marks apart": ("cafe\u0301 a la cre\u0300me, l·l", "café a la crème l·l"),
    "Cyrillic": ("Я не знаю, чей это ёжик!", "я не знаю чей это ёжик"),
    "Greek": ("Ὁ ΛΟΓΟΣ τοῦ ἀνθρώπου·", "ὁ λογος τοῦ ἀνθρώπου"),
    "Devanagari": ("मित्र ने मुझे उपहार दिया।", "मित्र ने मुझे उपहार दिया"),
    "Devanagari, joined": ("क्\u200dष और श्री", "क्\u200dष और श्री"),
    "Tamil": ("நான் மகிழ்ச்சி!", "நான் மகிழ்ச்சி"),
    "Arabic": ("كَتَبَ الوَلَدُ، وَذَهَبَ؟", "كَتَبَ الوَلَدُ وَذَهَبَ"),
    "Persian": ("می\u200cخواهم بروم", "می\u200cخواهم بروم"),
    "Hebrew": ('שָׁלוֹם, צה"ל ו"כן" ג׳ירפה', 'שָׁלוֹם צה"ל ו"כן ג׳ירפה'),
    "Thai": ("น้ำดี ไม่", "น้ำ ดี ไม่"),
    "Chinese": ("我很高兴，2024年。", "我 很 高 兴 2024 年"),
    "Japanese": ("ラーメンが、らーめん々", "ラーメン が らー め ん 々"),
    "Korean": ("안녕하세요, 여러분!", "안녕하세요 여러분"),
    "emoji": (
        "ok😍😍 👍🏽👩\u200d👧❤️❤ 🇩🇪🇫🇷 1️⃣2️⃣ ☹️",
        "ok 😍 😍 👍🏽 👩\u200d👧 ❤ ❤ 🇩🇪 🇫🇷 1⃣ 2⃣ ☹",
    ),
    "an emoji of many": (
        "🏴\U000e0067\U000e0062\U000e007f🧑🏽\u200d💻",
        "🏴\U000e0067\U000e0062\U000e007f 🧑🏽\u200d💻",
    ),
    "marks alone": (":-) !!! ... — _ \u200b \u0301", ""),
}
TEXTS = [text for text, _ in SCRIPTS.values()]
LETTERS = "aé\u0301'’\u200d\u200cकि्がーน้ำ日ש\"ל·ـع😍🏽🇩❤️1⃣#!:-_ .\U000e0067😀한ΣσςİßA\u00ad\ufe0f"


@pytest.mark.parametrize("name", SCRIPTS)
def test_words_by_hand(name: str) -> None:
    text, expected = SCRIPTS[name]
    assert " ".join(words_of(text)) == expected


def test_marks_that_say_something_are_tokens_and_words_that_touch_are_a_run() -> None:
    assert tokens_of("so-called, :-) “wow”!!! 5€ why?") == [
        *("so", "called", ":-)", "wow", "”!!!", "5", "€", "why", "?")
    ]
    assert runs_of("日本語の ラーメン😡😡, hi") == ["日本語の", "ラーメン😡😡", "hi"]


def cut_by_regex(pattern: str, text: str) -> list[str]:
    """Another engine; the texts are written plainly by other means than `words_of` uses."""
    return [each.replace("ς", "σ") for each in regex.findall(pattern, plain().normalize_str(text))]


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from(LETTERS), max_size=30))
def test_another_engine_cuts_the_same(text: str) -> None:
    for of, pattern in ((words_of, WORD), (tokens_of, TOKEN), (runs_of, f"(?:{WORD})+")):
        assert [each.replace("ς", "σ") for each in of(text)] == cut_by_regex(pattern, text)


def test_baselines_see_the_same_words() -> None:
    data = Dataset(tuple(TEXTS), np.arange(len(TEXTS)) % 2, ("a", "b"))
    tfidf = Tfidf()._tokenizer(data, None)
    recurrent = Recurrent(minimum_count=1)._tokenizer(data, 128, None)
    for text in TEXTS:
        expected = [each.replace("ς", "σ") for each in tokens_of(text)]
        stream = "".join(tfidf.convert_ids_to_tokens(tfidf(text)["input_ids"]))
        assert stream.split("▁") == ["", *expected, ""] if expected else stream == "▁"
        assert recurrent.convert_ids_to_tokens(recurrent(text)["input_ids"]) == [*expected, "[END]"]


def test_a_word_in_capitals_is_the_same_word() -> None:
    clean = plain().normalize_str
    for small in ("οδός", "straße", "ёжик", "naïve"):
        assert clean(small.upper().replace("SS", "ß")) == clean(small)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        *(("x", 1), ("日", 20_000), ("😡", 20_000), ("क", 1), ("👩\u200d", 1), ("🇩", 10_000)),
        *(("a'", 1), ("a-", 20_000), ("!", 0), ("\u0301", 0), ("\u200d", 0), ("\u00ad", 0)),
    ],
)
def test_a_long_text_is_cut_like_a_short_one(part: str, words: int) -> None:
    """No engine runs out of its stack."""
    text = part * 20_000
    assert len(words_of(text)) == words
    for of in (words_of, tokens_of, runs_of):
        assert of(f"{text} end") == [*of(text), "end"]


def test_hindi_words_are_whole() -> None:
    path = CASES / "hindi.csv"
    if not path.exists():
        pytest.skip("the case is not here")
    from paretext.profile import profile

    data = Dataset.read(path)
    for text in data.texts:
        assert words_of(text) == text.split()
    data_profile = profile(data)
    shown = {each.word for own in data_profile.distinctive.by_class.values() for each in own}
    assert {"प्रसन्न", "उपहार", "दुखी", "कठिन"} <= shown
    assert data_profile.words.mean == np.mean([len(text.split()) for text in data.texts])
