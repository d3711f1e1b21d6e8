"""Vocabulary trimming: a tokenizer that knows only the tokens its texts need.

The embedding table is often the largest matrix of a small encoder, and the texts of one task use
a fraction of its rows. Kept are the tokens that the texts use, all special and added tokens, and
all single characters (bytes, where the tokenizer works on bytes): a word that lost its token falls
back to smaller pieces, and a character that was known stays known.

A word all of whose tokens are kept is tokenised as before:

- WordPiece takes the longest token that fits, again and again; fewer tokens cannot make another one
  the longest.
- Unigram takes the best-scored path through a word. Scores are kept, so a path that is still there
  is still the best. The lowest score is kept too: the price of an unknown character hangs on it.
- BPE merges the pair of lowest rank, again and again. Merges inside a token never look across its
  borders, so a token is made in every word by the same merges as alone. Those are kept with it, and
  the tokens they make on the way: the merge that was the first among all is the first among fewer.

Source: Abdaoui et al. 2020, "Load What You Need: Smaller Versions of Multilingual BERT".
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from paretext.core.errors import ParetextError

KINDS = ("BPE", "Unigram", "WordPiece")
_BYTE = re.compile("<0x[0-9A-F]{2}>")  # what BPE and Unigram fall back to, where they do
_BATCH = 1000


@dataclass(frozen=True)
class Trimmed:
    """tokenizer: the smaller one; kept: the old id of every new id, (after,), so that
    `embedding[kept]` is the new table. Counts, in tokens: before, base (special tokens,
    characters and others that stay whatever the texts are), used (of the rest, those chosen
    because the texts use them) and between (of the rest, those only on the way to another)."""

    tokenizer: Tokenizer
    kept: NDArray[np.int64]
    before: int
    base: int
    used: int
    between: int

    @property
    def after(self) -> int:
        return len(self.kept)

    @property
    def new_ids(self) -> dict[int, int]:
        """The new id of every old id that is kept, for the ids in a model's config.

        Where a model counts positions from its padding id (RoBERTa's family) and that id moves,
        the position table has to move with it.
        """
        return {int(old): new for new, old in enumerate(self.kept)}


def trim(
    tokenizer: Tokenizer, texts: Iterable[str], minimum_count: int = 1, limit: int | None = None
) -> Trimmed:
    """Keep the tokens that `texts` use at least `minimum_count` times, and the base.

    limit: at most so many tokens in all, the most frequent first. `tokenizer` stays as it was.
    ParetextError for a model that is neither BPE, Unigram nor WordPiece, and for a limit that is
    smaller than the base.
    """
    content = json.loads(tokenizer.to_str())
    model = content["model"]
    if model["type"] not in KINDS:
        raise ParetextError(
            f"the tokenizer's model is {model['type']}, and trimming knows {', '.join(KINDS)}; "
            "leave it out, or use another encoder."
        )
    old_ids = tokenizer.get_vocab(with_added_tokens=True)
    base = _base(content)
    if limit is not None and limit < len(base):
        raise ParetextError(
            f"the limit is {limit} tokens, and special tokens and single characters alone "
            f"are {len(base)}; give at least that many."
        )
    used = [token for token, count in _counts(tokenizer, texts) if count >= minimum_count]
    kept = _with_parts(base, used, model, limit)
    new_ids = _number(kept, model, old_ids)
    smaller = Tokenizer.from_str(json.dumps(_renumbered(content, new_ids)))
    if smaller.get_vocab(with_added_tokens=True) != new_ids:
        raise ParetextError(
            "the tokenizers library numbered the kept tokens in an order of its own; "
            "leave the trimming out, and report this tokenizer."
        )
    chosen = len(kept.intersection(used) - base)
    return Trimmed(
        tokenizer=smaller,
        kept=np.array([old_ids[token] for token in new_ids], dtype=np.int64),
        before=len(old_ids),
        base=len(base),
        used=chosen,
        between=len(kept) - len(base) - chosen,
    )


def with_tokenizer(fast: Any, trimmed: Trimmed) -> Any:
    """The transformers tokenizer `fast` with the trimmed vocabulary in place of its own."""
    from paretext.models.classifier import with_backend

    return with_backend(fast, trimmed.tokenizer)


# --- which tokens


def _counts(tokenizer: Tokenizer, texts: Iterable[str]) -> list[tuple[str, int]]:
    """How often the texts use each token, the most frequent first."""
    whole = Tokenizer.from_str(tokenizer.to_str())
    whole.encode_special_tokens = tokenizer.encode_special_tokens  # tokenizer.json has no place
    whole.no_truncation()
    whole.no_padding()
    counts: Counter[int] = Counter()
    remaining = iter(texts)
    while batch := list(islice(remaining, _BATCH)):
        for encoding in whole.encode_batch_fast(batch, add_special_tokens=False):
            counts.update(encoding.ids)
    names = {index: token for token, index in whole.get_vocab(with_added_tokens=True).items()}
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(names[index], count) for index, count in order]


def _base(content: dict[str, Any]) -> set[str]:
    """The tokens that stay whatever the texts are."""
    model = content["model"]
    vocabulary = _vocabulary(model)
    singles = {token for token in vocabulary if len(_characters(token, model)) == 1}
    special = {token["content"] for token in content["added_tokens"]}
    special.update(_tokens_of(content["post_processor"]))
    if content["padding"]:
        special.add(content["padding"]["pad_token"])
    if model.get("unk_token"):
        special.add(model["unk_token"])
    if model["type"] == "Unigram":
        if model["unk_id"] is not None:
            special.add(vocabulary[model["unk_id"]])
        special.add(min(model["vocab"], key=lambda entry: entry[1])[0])
    known = {token["content"] for token in content["added_tokens"]}.union(vocabulary)
    # A character that stands only inside of longer tokens would be unknown without those.
    inside = {token for token in vocabulary if not singles.issuperset(_characters(token, model))}
    return singles | inside | (special & known)


def _with_parts(
    base: set[str], used: list[str], model: dict[str, Any], limit: int | None
) -> set[str]:
    """The base and the used tokens, each with the tokens on the way to it, while they fit."""
    ranks = {(left, right): rank for rank, (left, right) in enumerate(model.get("merges", []))}
    kept = set(base)
    for token in base:
        kept.update(_on_the_way(token, model, ranks))
    for token in used:
        added = {token, *_on_the_way(token, model, ranks)} - kept
        if limit is None or len(kept) + len(added) <= limit:
            kept |= added
    return kept


def _on_the_way(token: str, model: dict[str, Any], ranks: dict[tuple[str, str], int]) -> list[str]:
    """The tokens that BPE makes of a token's characters until it has the token itself."""
    symbols, made = _characters(token, model), []
    while pairs := [pair for pair in pairwise(symbols) if pair in ranks]:
        first = min(pairs, key=ranks.__getitem__)
        place = list(pairwise(symbols)).index(first)
        symbols[place : place + 2] = [_joined(*first, model)]
        made.append(symbols[place])
    # A token that its characters do not merge into is never made of them (a special token, say).
    return made if symbols == [token] else []


def _characters(token: str, model: dict[str, Any]) -> list[str]:
    """A token's characters as the model has them: "##sad" is "##s", "##a", "##d".

    A prefix marks what goes on a word, a suffix what ends one; most models have one or none.
    """
    prefix = model.get("continuing_subword_prefix") or ""
    suffix = model.get("end_of_word_suffix") or ""
    body = token.removeprefix(prefix).removesuffix(suffix)
    if not body or _BYTE.fullmatch(token):
        return [token]
    symbols = [body[0], *(prefix + character for character in body[1:])]
    if token.startswith(prefix):
        symbols[0] = prefix + symbols[0]
    if token.endswith(suffix):
        symbols[-1] += suffix
    return symbols


def _joined(left: str, right: str, model: dict[str, Any]) -> str:
    return left + right.removeprefix(model["continuing_subword_prefix"] or "")


# --- the file's parts


def _vocabulary(model: dict[str, Any]) -> list[str]:
    """The model's own tokens by id; added tokens may be beyond them."""
    if model["type"] == "Unigram":
        return [token for token, _ in model["vocab"]]
    return sorted(model["vocab"], key=model["vocab"].__getitem__)


def _number(kept: set[str], model: dict[str, Any], old_ids: dict[str, int]) -> dict[str, int]:
    """New ids in the old order; added tokens that the model does not have come behind its own."""
    own = set(_vocabulary(model))
    order = sorted(kept, key=lambda token: (token not in own, old_ids[token]))
    return {token: index for index, token in enumerate(order)}


def _renumbered(content: dict[str, Any], ids: dict[str, int]) -> dict[str, Any]:
    """tokenizer.json with the tokens in `ids` and no others."""
    added = [{**token, "id": ids[token["content"]]} for token in content["added_tokens"]]
    padding = content["padding"]
    if padding and padding["pad_token"] in ids:
        padding = {**padding, "pad_id": ids[padding["pad_token"]]}
    return {
        **content,
        "model": _smaller_model(content["model"], ids),
        "added_tokens": sorted(added, key=lambda token: token["id"]),
        "padding": padding,
        "post_processor": _renumbered_processor(content["post_processor"], ids),
    }


def _smaller_model(model: dict[str, Any], ids: dict[str, int]) -> dict[str, Any]:
    if model["type"] == "Unigram":
        unknown = model["unk_id"]
        return {
            **model,
            "vocab": [entry for entry in model["vocab"] if entry[0] in ids],
            "unk_id": None if unknown is None else ids[model["vocab"][unknown][0]],
        }
    smaller = {**model, "vocab": {token: ids[token] for token in model["vocab"] if token in ids}}
    if model["type"] == "BPE":
        smaller["merges"] = [
            [left, right]
            for left, right in model["merges"]
            if left in ids and right in ids and _joined(left, right, model) in ids
        ]
    return smaller


def _renumbered_processor(processor: Any, ids: dict[str, int]) -> Any:
    """A post-processor adds special tokens by their ids."""
    match processor:
        case {"type": "Sequence", "processors": parts}:
            return {**processor, "processors": [_renumbered_processor(part, ids) for part in parts]}
        case {"type": "TemplateProcessing", "special_tokens": tokens}:
            renumbered = {
                name: {**token, "ids": [ids[each] for each in token["tokens"]]}
                for name, token in tokens.items()
            }
            return {**processor, "special_tokens": renumbered}
        case {"sep": [sep, _], "cls": [cls, _]}:  # BertProcessing, RobertaProcessing
            return {**processor, "sep": [sep, ids[sep]], "cls": [cls, ids[cls]]}
    return processor


def _tokens_of(processor: Any) -> set[str]:
    """The tokens that a post-processor adds."""
    match processor:
        case {"type": "Sequence", "processors": parts}:
            return set().union(*map(_tokens_of, parts))
        case {"type": "TemplateProcessing", "special_tokens": tokens}:
            return {each for token in tokens.values() for each in token["tokens"]}
        case {"sep": [sep, _], "cls": [cls, _]}:
            return {sep, cls}
    return set()
