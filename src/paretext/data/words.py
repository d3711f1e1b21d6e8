r"""What a word is: one definition, in every script, for all that counts, compares or learns words.

A word is a run of letters and digits with the marks that combine with them (vowel signs of Hindi,
points of Arabic and Hebrew, accents), as Unicode's word boundaries (UAX #29) have it where one
pattern can say so. Inside it may stand an apostrophe ("don't"), a middle dot (Catalan "col·lega"),
the quotes of Hebrew abbreviations, and what joins letters or keeps them from joining (ZWJ, ZWNJ:
Persian, Hindi). A hyphen or an underscore ends it.

An emoji is a word as well, whole (UTS #51, ED-17): with its skin tone, everyone whom ZWJ joins to
it, and as a flag or a keycap.

Chinese, Japanese Hiragana, Thai, Lao, Khmer and Burmese are written without blanks, and where their
words end only a dictionary knows. There each character with its marks is a word, the default of
UAX #29 too: pairs of words are then pairs of characters.

`WORD` is a pattern for Oniguruma, the engine of `tokenizers`. It cuts texts here, for whoever
counts words, and inside the tokenizers that baselines carry into their artifacts: one engine and
one pattern, so both see the same words.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from tokenizers import Regex, normalizers, pre_tokenizers

# Han with 々〆〇, Hiragana, Thai and Lao, Burmese with its extensions, Khmer.
_UNSPACED = (
    "\u3005-\u3007\u3041-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
    "\u0e00-\u0eff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\u1780-\u17ff"
)
# Vowels that are letters to Unicode: of Thai and Lao some stand before their consonant, some after
# it; the long vowel of Japanese stands after its own.
_BEFORE, _AFTER = "[\u0e40-\u0e44\u0ec0-\u0ec4]", "[\\p{M}\u0e33\u0eb3\u30fc]"
_CHARACTER = f"(?=[{_UNSPACED}]){_BEFORE}?[\\p{{L}}\\p{{N}}]{_AFTER}*"

_BEGIN = f"(?![{_UNSPACED}])[\\p{{L}}\\p{{N}}]"
_MORE = f"(?:(?![{_UNSPACED}])[\\p{{L}}\\p{{M}}\\p{{N}}])"
_HEBREW = "[\u05d0-\u05ea]"
_JOINER = f"(?:['’·׳״]|[\u200c\u200d\u00ad]+|(?<={_HEBREW})\"(?={_HEBREW}))"
_RUN = f"{_BEGIN}{_MORE}*(?:{_JOINER}{_MORE}+)*"

_FLAG = "[\U0001f1e6-\U0001f1ff]{2}"
_KEYCAP = "[0-9#*]\ufe0f?\u20e3"
_TAGS = "[\U000e0020-\U000e007f]*"  # those of Scotland's flag
_PICTURE = f"\\p{{Extended_Pictographic}}\ufe0f?\\p{{Emoji_Modifier}}?{_TAGS}"
_EMOJI = f"{_FLAG}|{_KEYCAP}|{_PICTURE}(?:\u200d{_PICTURE})*"

WORD = f"{_EMOJI}|{_CHARACTER}|{_RUN}"
_MARK = "[^\\s\\p{L}\\p{M}\\p{N}\\p{C}\\p{Extended_Pictographic}]"
TOKEN = f"{WORD}|{_MARK}{{2,}}|[\\p{{S}}!?¡¿؟！？]"
"""All that a baseline may see: a word; marks that stand together (":-)", "!!!"); a symbol, an
exclamation or question mark by itself. Any other mark by itself (comma, stop, quote, hyphen) only
keeps words apart: seen, it would stand between words that make a pair, and on four sets of texts no
baseline was better for it."""

_SAME = (("’", "'"), ("\ufe0f", ""))  # apostrophes; an emoji with and without its selector


def cutting(pattern: str) -> Any:
    """The pre-tokenizer that keeps what `pattern` finds and drops the rest."""
    return pre_tokenizers.Split(Regex(pattern), "removed", invert=True)


_words, _tokens, _runs = map(cutting, (WORD, TOKEN, f"(?:{WORD})+"))


def words_of(text: str) -> list[str]:
    """The words of a text, lower-cased, composed (NFC), with straight apostrophes."""
    return [word for word, _ in _words.pre_tokenize_str(_plain(text))]


def tokens_of(text: str) -> list[str]:
    """What `TOKEN` finds, written as `words_of` does."""
    return [token for token, _ in _tokens.pre_tokenize_str(_plain(text))]


def runs_of(text: str) -> list[str]:
    """The same with words that touch each other, as Chinese ones do, left together."""
    return [run for run, _ in _runs.pre_tokenize_str(_plain(text))]


def plain() -> Any:
    """The normalizer that writes a text as `words_of` does; and every Greek s as one letter, for
    its engine writes the last letter of ΟΔΟΣ otherwise than Greeks do."""
    steps = [normalizers.NFC(), normalizers.Lowercase()]
    steps += [normalizers.Replace(a, b) for a, b in (*_SAME, ("ς", "σ"))]
    return normalizers.Sequence(steps)


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFC", text).lower()
    for kind, usual in _SAME:
        text = text.replace(kind, usual)
    return text
