"""Neighbours: the words that stand nearest to a word in an encoder's own embeddings.

Pretrained embeddings of words that are used alike lie near one another (happy: happier, pleased,
unhappy). A copy of a text in which some words have become such neighbours holds words that no
training text has, and the teacher says what that makes of it. Sources: Jiao et al. 2020, "TinyBERT:
Distilling BERT for Natural Language Understanding", section 4 (there of GloVe and of a masked
language model); Mu & Viswanath 2018, "All-but-the-Top" (the mean of all embeddings says nothing of
a word, and is left out).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from paretext.core.errors import ParetextError

if TYPE_CHECKING:
    from paretext.models.classifier import Classifier

MOST, LEAST = 10, 0.35
"""So many neighbours of a word, whose cosine is so large at least."""
_WORDS = 20_000
"""Of the texts, the most frequent ones."""
_TOGETHER = 256
_CORE = re.compile(r"(\W*)([^\W\d_]+)(\W*)")


def core(word: str) -> tuple[str, str, str] | None:
    """What stands before, in and after a word's letters; None where it is no plain word."""
    match = _CORE.fullmatch(word)
    return None if match is None else match.groups()  # type: ignore[return-value]


def neighbours(classifier: Classifier, texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """By word of the texts, in the case it has there: those that stand near it.

    None of a word that is no token of its own, nor of any where the encoder shows no word table.
    """
    import torch

    from paretext.models.word_table import word_table

    try:
        rows = word_table(classifier.model).float()
    except ParetextError:
        return {}
    tokenizer: Any = classifier.tokenizer
    counts = Counter(
        parts[1] for text in texts for word in text.split() if (parts := core(word)) is not None
    )
    used = [word for word, _ in counts.most_common(_WORDS)]
    known_to_both = min(len(rows), len(tokenizer))  # tables are often padded to a round number
    decoded = tokenizer.batch_decode([[token] for token in range(known_to_both)])
    words = list(dict.fromkeys(w for each in decoded if (w := each.strip()).isalpha()))
    spelt = tokenizer([f" {word}" for word in words], add_special_tokens=False)["input_ids"]
    whole = {
        word: ids[0]
        for word, ids in zip(words, spelt, strict=True)
        if len(ids) == 1 and ids[0] < known_to_both
    }
    names = list(whole)
    known = {word: key for word in used if (key := _key(word, whole)) is not None}
    if not known:
        return {}
    table = rows[torch.tensor(list(whole.values()))]
    table = torch.nn.functional.normalize(table - table.mean(dim=0), dim=1)
    places = {name: place for place, name in enumerate(names)}
    by_word, asked = {}, list(known)
    for start in range(0, len(asked), _TOGETHER):
        part = asked[start : start + _TOGETHER]
        own = table[torch.tensor([places[known[word]] for word in part])]
        best = (own @ table.T).topk(min(MOST + 1, len(names)))
        for word, cosines, beside in zip(
            part, best.values.tolist(), best.indices.tolist(), strict=True
        ):
            near = [
                names[place]
                for cosine, place in zip(cosines, beside, strict=True)
                if cosine >= LEAST and names[place] != known[word]
            ]
            if near:
                by_word[word] = tuple(_as(word, each) for each in near)
    return by_word


def _key(word: str, whole: dict[str, int]) -> str | None:
    """How a word stands in the table: as it is, or in small letters."""
    return next((each for each in (word, word.lower()) if each in whole), None)


def _as(word: str, other: str) -> str:
    """`other` with a capital where the word has one."""
    return other.capitalize() if word.istitle() and other.islower() else other
