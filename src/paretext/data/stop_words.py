"""Stop words: the lists, and tokenizers that leave them out.

The lists are NLTK's classic ones (mostly those of the Snowball stemmers), as the package bm25s
carries them.

Removal is the first step of the tokenizer's own normalizer, so that it is saved with the model,
ships in the artifact's tokenizer.json and is done by whatever runtime reads that file: no text can
reach the model uncleaned. A word of the list (`words` says what a word is) goes in any case, with
the white space behind it, where it stands alone: "don't" is on the list and goes, "can't" is not
and stays whole. Half a compound would be no word, so in "so-called" nothing goes, nor inside a
Chinese sentence, of which only a dictionary knows where its words end.

The pattern is a trie of the list, one branch a letter, in place of one alternative a word: on texts
of 19 words that takes 20 us a text where alternatives take 100.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from tokenizers import Regex, Tokenizer, normalizers

from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.data.words import words_of

_LISTS = {
    "da": "DANISH",
    "de": "GERMAN",
    "en": "EN_PLUS",
    "es": "SPANISH",
    "fr": "FRENCH",
    "it": "ITALIAN",
    "ko": "KOREAN",
    "nl": "DUTCH",
    "no": "NORWEGIAN",
    "pt": "PORTUGUESE",
    "ru": "RUSSIAN",
    "sv": "SWEDISH",
    "tr": "TURKISH",
    "zh": "CHINESE",
}
LANGUAGES = tuple(_LISTS)
_PART = r"[\p{L}\p{M}\p{N}_]"
_JOINER = "['’·׳״\u200c\u200d\u00ad-]"
_BEGINS = f"(?<!{_PART})(?<!{_PART}{_JOINER})"
_ENDS = f"(?!{_PART})(?!{_JOINER}{_PART})"


def stop_words(language: str) -> frozenset[str]:
    """The list of a language, by its ISO 639-1 code.

    Raises ParetextError for a language without a list.
    """
    if language not in _LISTS:
        raise ParetextError(f"{unknown_language(language)}.")
    import bm25s.stopwords

    return frozenset(getattr(bm25s.stopwords, f"STOPWORDS_{_LISTS[language]}"))


def unknown_language(language: str) -> str:
    return (
        f"the language '{language}' has no list of stop words here; the known ones are "
        f"{', '.join(LANGUAGES)}"
    )


def list_name(language: str) -> str:
    name = f"STOPWORDS_{_LISTS[language]}"
    return f"NLTK's list as in bm25s {version('bm25s')} ({name})"


def removal(language: str) -> normalizers.Normalizer:
    """The normalizer that takes a language's stop words out of a text."""
    pattern = f"{_BEGINS}{_trie(stop_words(language))}{_ENDS}\\s*"
    return normalizers.Sequence([normalizers.Replace(Regex(pattern), ""), normalizers.Strip()])


def remove_first(tokenizer: Tokenizer, language: str) -> Tokenizer:
    """A copy of `tokenizer` that removes stop words before it does anything else."""
    changed = Tokenizer.from_str(tokenizer.to_str())
    own = tokenizer.normalizer
    parts = [removal(language)] if own is None else [removal(language), own]
    changed.normalizer = normalizers.Sequence(parts)
    return changed


@dataclass(frozen=True)
class Removed:
    """What removal does to some texts. words: those before; gone: of these, removed; empty: texts
    that have no word left."""

    texts: int
    words: int
    gone: int
    empty: int

    @classmethod
    def of(cls, texts: Sequence[str], language: str) -> Removed:
        clean = removal(language).normalize_str
        before = [len(words_of(text)) for text in texts]
        after = [len(words_of(clean(text))) for text in texts]
        words, left = sum(before), sum(after)
        return cls(len(texts), words, words - left, sum(not count for count in after))


def check_removal(texts: Sequence[str], language: str) -> None:
    """Say what removal leaves of the training texts; ParetextError if that is nothing at all."""
    removed = Removed.of(texts, language)
    if removed.empty == removed.texts:
        raise ParetextError(
            f"none of the {removed.texts:,} training texts has a word left without the "
            f"{len(stop_words(language))} stop words of the language '{language}'; "
            "use --keep-stop-words, or give texts with other words."
        )
    progress.say(
        f"stop words of the language '{language}' are removed: {removed.gone:,} of "
        f"{removed.words:,} words of the training texts; {removed.empty:,} of {removed.texts:,} "
        "texts have no word left"
    )


def _trie(words: Iterable[str]) -> str:
    """A pattern for any of the words, in any case; the longest that fits is tried first."""
    root: dict[str, Any] = {}
    for word in words:
        node = root
        for letter in word:
            node = node.setdefault(letter, {})
        node[""] = {}
    return _branch(root)


def _branch(node: dict[str, Any]) -> str:
    parts = [_letter(letter) + _branch(node[letter]) for letter in sorted(node) if letter]
    if not parts:
        return ""
    return f"(?:{'|'.join(parts)})" + ("?" if "" in node else "")


def _letter(letter: str) -> str:
    """Both cases of a letter, spelled out, for engines differ in what else they take for equal; an
    accent also as the mark of its own that some systems write."""
    kinds = {letter, letter.lower(), letter.upper()} | ({"'", "’"} if letter in "'’" else set())
    kinds = {kind for kind in kinds if len(kind) == 1}
    singles = "".join(sorted(map(re.escape, kinds)))
    parts = [singles if len(kinds) == 1 else f"[{singles}]"]
    parts += sorted({unicodedata.normalize("NFD", kind) for kind in kinds} - kinds)
    return parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})"
