"""Stop words: tokens through the changed tokenizer == those of the text cleaned before."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import toy

from paretext.core.errors import ParetextError
from paretext.data.stop_words import (
    LANGUAGES,
    Removed,
    check_removal,
    removal,
    stop_words,
)
from paretext.graphs import export
from paretext.models.classifier import Classifier, without_stop_words

TEXTS = [
    "I don't like the so-called 'quiet' house; it's HIS, and he can't sell it.",
    "i feel happy today and i do not know why",
    "THE END",
    "Was it you? No... (the one over there!)",
    "don’t be so sad, my friend",
    "the the the",
    "well-the end of the-day, at 9am: theatre & then some",
    "naïve élan, that’ll be all",
    "",
    "wow!!!",
    "a_b and c",
]


def cleaned(text: str, language: str = "en") -> str:
    """Plain Python, word by word: the words of the list go, with the white space behind them."""
    known, out, end = stop_words(language), [], 0
    for word in re.finditer(r"\w+(?:['’-]\w+)*", text):
        out.append(text[end : word.start()])
        end = word.end()
        if word.group().lower().replace("’", "'") in known:
            end += len(text[end:]) - len(text[end:].lstrip())
        else:
            out.append(word.group())
    return "".join([*out, text[end:]]).strip()


@pytest.mark.parametrize("architecture", ["roberta", "bert"])
def test_the_tokens_are_those_of_the_text_cleaned_by_plain_python(
    architecture: str, encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    texts = [*TEXTS, *toy.dataset(30).texts]
    whole = Classifier.from_pretrained(str(encoder(architecture)), toy.LABELS, max_length=24)
    changed = without_stop_words(whole, "en")
    expected = whole.tokenize([cleaned(text) for text in texts])
    assert changed.tokenize(texts) == expected != whole.tokenize(texts)
    changed.save(tmp_path / "model")
    assert Classifier.load(tmp_path / "model").tokenize(texts) == expected
    artifact = export(changed, tmp_path / "artifact", texts)
    encodings = [artifact._tokenizer.encode(text) for text in texts]
    assert [each.ids for each in encodings] == expected["input_ids"]
    assert artifact.logits(texts) == pytest.approx(
        whole.logits([cleaned(text) for text in texts]), abs=1e-4
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_of_every_list_goes_in_both_cases(language: str) -> None:
    clean = removal(language).normalize_str
    words = [word for word in stop_words(language) if re.fullmatch(r"\w+(?:'\w+)*", word)]
    assert len(words) > 50
    left = {word for word in words if clean(f"77 {word} 88") != "77 88"}
    assert left == set()
    upper = [word for word in words if len(word.upper()) == len(word) and word.isascii()]
    assert {word for word in upper if clean(word.upper())} == set()


def test_what_is_removed_is_counted() -> None:
    removed = Removed.of(["I am happy", "the the", "!!!", "glad"], "en")
    assert removed == Removed(texts=4, words=6, gone=4, empty=2)


def test_texts_that_are_nothing_but_stop_words_are_refused() -> None:
    with pytest.raises(ParetextError, match=r"none of the 2 .* 179 stop words.*--keep-stop-words"):
        check_removal(["I am", "not the"], "en")


def test_a_text_without_words_still_has_an_answer(
    encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    whole = Classifier.from_pretrained(str(encoder("roberta")), toy.LABELS, max_length=24)
    artifact = export(without_stop_words(whole, "en"), tmp_path / "artifact", ["the", "glad"])
    assert artifact.logits(["the and of"]) == pytest.approx(whole.logits([""]), abs=1e-4)
