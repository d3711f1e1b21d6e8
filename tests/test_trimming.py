"""A trimmed tokenizer cuts words as the full one does wherever it has the tokens, and knows no less
characters; old and new are compared text by text, and after a reload in a new process."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from paretext.compression.methods.trimming import Trimmed, trim, with_tokenizer
from paretext.core.errors import ParetextError


def _sentences(count: int) -> list[str]:
    """Sentences of words made of syllables: a few words are frequent, many are rare."""
    draw = random.Random(0)
    syllables = "la mi ra ton ke sing er café der ung ly 12 ñu wo 日本 rest' un".split()  # noqa: SIM905
    words = ["".join(draw.choices(syllables, k=draw.randint(1, 4))) for _ in range(600)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    return [
        " ".join(draw.choices(words, weights, k=draw.randint(3, 12))) + draw.choice(".!? 😀")
        for _ in range(count)
    ]


SENTENCES = _sentences(400)
TEXTS, UNSEEN = SENTENCES[:200], SENTENCES[200:]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def _trained(tokenizer: Tokenizer, trainer: type, **settings: Any) -> Tokenizer:
    tokenizer.train_from_iterator(SENTENCES, trainer(show_progress=False, **settings))
    return tokenizer


def _with_template(tokenizer: Tokenizer, start: str, end: str) -> Tokenizer:
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        pair=f"{start} $A {end} {end} $B {end}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (start, end)],
    )
    return tokenizer


def byte_level(**model: Any) -> Tokenizer:
    """As RoBERTa's: specials come first, but for <mask>, which comes last."""
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    _trained(
        tokenizer,
        trainers.BpeTrainer,
        vocab_size=900,
        special_tokens=SPECIAL,
        initial_alphabet=alphabet,
    )
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer


def whole_words() -> Tokenizer:
    """As Llama 3's: a word that has a token gets it, whatever the merges make of it."""
    tokenizer = byte_level()
    content = json.loads(tokenizer.to_str())
    content["model"]["ignore_merges"] = True
    content["model"]["merges"] = content["model"]["merges"][::-1]  # so that they seldom get there
    return Tokenizer.from_str(json.dumps(content))


def bpe_by_characters(**marks: str) -> Tokenizer:
    """As CLIP's ("sing</w>") or, with a prefix, like WordPiece's tokens ("##ing")."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", **marks))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    _trained(tokenizer, trainers.BpeTrainer, vocab_size=900, special_tokens=SPECIAL, **marks)
    return _with_template(tokenizer, "<s>", "</s>")


def bpe_with_byte_fallback() -> Tokenizer:
    """As Llama 2's: an unknown character becomes its bytes."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    _trained(
        tokenizer,
        trainers.BpeTrainer,
        vocab_size=900,
        special_tokens=[*SPECIAL, *BYTES],
        initial_alphabet=list("<0x123456789ABCDEF>"),  # a byte's name could be spelled, too
        max_token_length=9,
    )
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = content["added_tokens"][: len(SPECIAL)]
    return _with_template(Tokenizer.from_str(json.dumps(content)), "<s>", "</s>")


def word_piece() -> Tokenizer:
    """As BERT's, with one added token that the model itself does not have."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    _trained(tokenizer, trainers.WordPieceTrainer, vocab_size=900, special_tokens=special)
    tokenizer.add_tokens(["[USER]"])
    return _with_template(tokenizer, "[CLS]", "[SEP]")


def unigram() -> Tokenizer:
    """As XLM-R's."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    _trained(
        tokenizer,
        trainers.UnigramTrainer,
        vocab_size=500,
        special_tokens=SPECIAL,
        unk_token="<unk>",
    )
    return _with_template(tokenizer, "<s>", "</s>")


KINDS: dict[str, Callable[[], Tokenizer]] = {
    "byte-level BPE": byte_level,
    "BPE, whole words first": whole_words,
    "BPE with suffix": lambda: bpe_by_characters(end_of_word_suffix="</w>"),
    "BPE with prefix": lambda: bpe_by_characters(continuing_subword_prefix="##"),
    "BPE with byte fallback": bpe_with_byte_fallback,
    "WordPiece": word_piece,
    "Unigram": unigram,
}
UNKNOWN = ("<unk>", "[UNK]")


@pytest.fixture(scope="module", params=KINDS)
def full(request: pytest.FixtureRequest) -> Tokenizer:
    return KINDS[request.param]()


def _numbered(pieces: Sequence[str]) -> dict[str, int]:
    return {piece: index for index, piece in enumerate(pieces)}


def _tokens(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[str]]:
    return [encoding.tokens for encoding in tokenizer.encode_batch(list(texts))]


def _ids(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    return [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]


# --- what stays the same


def test_the_texts_tokenise_as_before(full: Tokenizer) -> None:
    before = full.to_str()
    trimmed = trim(full, iter(TEXTS))
    assert full.to_str() == before
    assert trimmed.after < trimmed.before == full.get_vocab_size()
    assert _tokens(trimmed.tokenizer, TEXTS) == _tokens(full, TEXTS)
    new = [trimmed.kept[ids].tolist() for ids in _ids(trimmed.tokenizer, TEXTS)]
    assert new == _ids(full, TEXTS)
    pair = trimmed.tokenizer.encode(TEXTS[0], TEXTS[1]).ids
    assert trimmed.kept[pair].tolist() == full.encode(TEXTS[0], TEXTS[1]).ids


def test_ids_are_compact_and_name_the_same_tokens(full: Tokenizer) -> None:
    trimmed = trim(full, TEXTS)
    tokenizer = trimmed.tokenizer
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    assert sorted(vocabulary.values()) == list(range(trimmed.after))
    assert trimmed.kept.dtype == np.int64
    old = [full.id_to_token(index) for index in trimmed.kept.tolist()]
    assert old == [tokenizer.id_to_token(index) for index in range(trimmed.after)]
    assert np.all(np.diff(trimmed.kept) > 0)
    assert trimmed.new_ids == {old: new for new, old in enumerate(trimmed.kept.tolist())}
    assert trimmed.base + trimmed.used + trimmed.between == trimmed.after


@pytest.mark.parametrize("minimum_count", [2, 5])
def test_a_word_whose_tokens_are_kept_tokenises_as_before(
    minimum_count: int, full: Tokenizer
) -> None:
    small = trim(full, TEXTS, minimum_count).tokenizer
    words = sorted({word for text in SENTENCES for word in (*text.split(), " " + text.split()[0])})
    vocabulary = small.get_vocab(with_added_tokens=True)
    whole, cut = 0, 0
    for word, old, new in zip(words, _tokens(full, words), _tokens(small, words), strict=True):
        if vocabulary.keys() >= set(old):
            assert new == old, word
            whole += 1
        else:
            assert new != old, word
            cut += 1
    assert whole > 50
    assert cut > 20


def test_tokens_are_kept_from_the_minimum_count_on(full: Tokenizer) -> None:
    small = trim(full, TEXTS, minimum_count=3)
    encodings = full.encode_batch(TEXTS, add_special_tokens=False)
    counts = Counter(index for encoding in encodings for index in encoding.ids)
    kept = set(small.kept.tolist())
    assert kept >= {index for index, count in counts.items() if count >= 3}
    rare = {index for index, count in counts.items() if count < 3}
    assert rare - kept
    assert small.after < trim(full, TEXTS).after


# --- what nobody has seen


def _random_texts(count: int) -> list[str]:
    """Any characters but surrogates: scripts, emoji, controls, marks without a letter, spaces."""
    draw = random.Random(1)
    ranges = [
        *((0x20, 0x7F), (0x20, 0x7F), (0, 0x20), (0x7F, 0x250), (0x300, 0x370), (0x370, 0x600)),
        *((0x900, 0x980), (0x2000, 0x2070), (0x3000, 0x3100), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3)),
        *((0xE000, 0xF900), (0xFE00, 0xFFFF), (0x1F300, 0x1FAFF), (0xE0000, 0xE0080)),
        (0x10000, 0x10FFFF),
    ]
    words = [word for text in UNSEEN[:50] for word in text.split()]
    texts = ["", " ", "\n\n", "\u0301", "\u200d", "👩\u200d👩\u200d👧", "<s>", "[MASK] [USER]"]
    while len(texts) < count:
        parts = []
        for _ in range(draw.randint(1, 4)):
            start, end = draw.choice(ranges)
            length = draw.randint(1, 4)
            parts.append("".join(chr(draw.randrange(start, end)) for _ in range(length)))
            parts.append(draw.choice(["", " ", "\u00a0", "\u3000", "\t", draw.choice(words)]))
        texts.append("".join(parts))
    return texts


def test_any_text_has_tokens_and_none_becomes_unknown(full: Tokenizer) -> None:
    small = trim(full, TEXTS[:40], minimum_count=2).tokenizer
    texts = _random_texts(10_000)
    old, new = full.encode_batch(texts), small.encode_batch(texts)
    for text, before, after in zip(texts, old, new, strict=True):
        for token in UNKNOWN:
            assert after.tokens.count(token) == before.tokens.count(token), repr(text)
    assert sum(a.tokens != b.tokens for a, b in zip(old, new, strict=True)) > 500
    if full.decoder is not None:
        assert small.decode_batch(_ids(small, texts)) == full.decode_batch(_ids(full, texts))


def test_a_character_that_stands_only_inside_of_tokens_stays_known() -> None:
    pieces = ["[UNK]", "a", "b", "##b", "b##", "ab", "##yz", "##y", "xy", "ax"]
    full = Tokenizer(models.WordPiece(_numbered(pieces), unk_token="[UNK]"))
    trimmed = trim(full, ["a"])
    assert full.encode("ayz").tokens == trimmed.tokenizer.encode("ayz").tokens == ["a", "##yz"]
    assert trimmed.tokenizer.encode("ab").tokens == ["a", "##b"]
    assert {"xy", "ax"} <= trimmed.tokenizer.get_vocab().keys()  # x has no token of its own


def test_unknown_and_padding_tokens_are_kept_whatever_their_names() -> None:
    pieces = [*"uno", "##u", "##n", "##o", "no", "un", "on"]
    full = Tokenizer(models.WordPiece(_numbered(pieces), unk_token="un"))
    full.enable_padding(pad_id=8, pad_token="on", length=3)
    trimmed = trim(full, ["u"])
    assert "no" not in trimmed.tokenizer.get_vocab()
    assert trimmed.tokenizer.encode("n z").tokens == full.encode("n z").tokens == ["un", "on", "on"]
    assert trimmed.kept[trimmed.tokenizer.encode("n z").ids].tolist() == [7, 8, 8]

    scores = [("u", -1.0), ("n", -1.2), ("nu", -1.5), ("un", -1.1)]
    unigram = Tokenizer(models.Unigram(scores, unk_id=3, byte_fallback=False))
    trimmed = trim(unigram, ["u"])
    assert trimmed.kept.tolist() == [0, 1, 2, 3]  # nu has the lowest score
    scores.insert(0, ("uu", -1.3))
    unigram = Tokenizer(models.Unigram(scores, unk_id=4, byte_fallback=False))
    trimmed = trim(unigram, ["u"])
    assert trimmed.kept.tolist() == [1, 2, 3, 4]
    assert trimmed.kept[trimmed.tokenizer.encode("nz").ids].tolist() == unigram.encode("nz").ids


def test_the_tokens_on_the_way_are_kept() -> None:
    pieces = ["a", "##b", "##c", "##d", "##bc", "##bcd", "##cd"]
    merges = [("##b", "##c"), ("##bc", "##d"), ("##c", "##d")]
    prefixed = models.BPE(_numbered(pieces), merges, continuing_subword_prefix="##")
    trimmed = trim(Tokenizer(prefixed), ["abcd"])
    assert trimmed.tokenizer.encode("abcd").tokens == ["a", "##bcd"]
    assert trimmed.kept.tolist() == [0, 1, 2, 3, 4, 5]
    assert (trimmed.base, trimmed.used, trimmed.between) == (4, 1, 1)

    # An added token that merges make inside of longer words.
    full = Tokenizer(
        models.BPE(_numbered(["a", "b", "c", "x", "ab", "abc"]), [("a", "b"), ("ab", "c")])
    )
    full.add_tokens([AddedToken("abc", single_word=True)])
    assert trim(full, ["x"]).tokenizer.encode("abcx").tokens == ["abc", "x"]


def test_gaps_between_ids_are_closed() -> None:
    full = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1, "b": 9, "ab": 5}, unk_token="[UNK]"))
    full.add_tokens(["[USER]"])
    trimmed = trim(full, ["a"])
    ids = trimmed.tokenizer.encode("[USER]a").ids
    assert max(ids) < trimmed.after
    assert trimmed.kept[ids].tolist() == full.encode("[USER]a").ids


def test_the_price_of_an_unknown_character_stays_the_same() -> None:
    """The library takes it to be 10 below the lowest score, so the token that has that is kept."""
    scores = [("<unk>", 0.0), ("a", -1.0), ("b", -1.5), ("ab", -2.0), ("ba", -50.0), ("x?", -55.0)]
    full = Tokenizer(models.Unigram(scores, unk_id=0, byte_fallback=False))
    content = json.loads(trim(full, ["ab"]).tokenizer.to_str())["model"]
    assert min(score for _, score in content["vocab"]) == -55.0
    lowest = [("<unk>", 0.0), ("a", -1.0), ("b", -1.5), ("ab", -2.0), ("ba", -50.0)]
    full = Tokenizer(models.Unigram(lowest, unk_id=0, byte_fallback=False))
    assert "ba" in trim(full, ["ab"]).tokenizer.get_vocab()


# --- the file


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "BPE" in kind])
def test_merges_are_closed(kind: str) -> None:
    full = KINDS[kind]()
    old = json.loads(full.to_str())["model"]
    new = json.loads(trim(full, TEXTS, minimum_count=2).tokenizer.to_str())["model"]
    prefix = old["continuing_subword_prefix"] or ""
    made = [left + right.removeprefix(prefix) for left, right in new["merges"]]
    for (left, right), both in zip(new["merges"], made, strict=True):
        assert {left, right, both} <= new["vocab"].keys()
    places = [old["merges"].index(merge) for merge in new["merges"]]
    assert places == sorted(places)
    assert 0 < len(places) < len(old["merges"])
    # No merge is lost that has its parts: unseen words are cut as near to before as they can be.
    lost = [merge for merge in old["merges"] if merge not in new["merges"]]
    for left, right in lost:
        assert not {left, right, left + right.removeprefix(prefix)} <= new["vocab"].keys()


def test_scores_are_kept() -> None:
    full = Tokenizer.from_str(unigram().to_str())  # the library's reading rounds, but only once
    old = dict(map(tuple, json.loads(full.to_str())["model"]["vocab"]))
    new = dict(map(tuple, json.loads(trim(full, TEXTS).tokenizer.to_str())["model"]["vocab"]))
    assert new == {token: old[token] for token in new}


def test_the_file_gives_the_same_tokenizer(full: Tokenizer, tmp_path: Path) -> None:
    small = trim(full, TEXTS).tokenizer
    small.save(str(tmp_path / "tokenizer.json"), pretty=False)
    loaded = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    texts = [*SENTENCES, *_random_texts(200)]
    assert _ids(loaded, texts) == _ids(small, texts)
    assert loaded.to_str() == small.to_str()


def test_special_tokens_padding_and_processors_get_their_new_ids() -> None:
    full = byte_level()
    mask = full.token_to_id("<mask>")
    full.enable_padding(pad_id=mask, pad_token="<mask>", length=40)
    full.enable_truncation(20)
    trimmed = trim(full, TEXTS, minimum_count=5)
    last = trimmed.after - 1
    for token, new in {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": last}.items():
        assert trimmed.tokenizer.token_to_id(token) == new
    assert mask != last
    assert trimmed.new_ids[mask] == last
    assert trimmed.tokenizer.padding == {**full.padding, "pad_id": last}
    assert trimmed.tokenizer.truncation == full.truncation
    ids = trimmed.tokenizer.encode("la mi <mask>").ids
    assert len(ids) == 40
    assert trimmed.kept[ids].tolist() == full.encode("la mi <mask>").ids
    # What the texts use is counted to their ends, whatever the truncation.
    texts = ["la " * 30 + TEXTS[0]]
    full.no_truncation()
    assert trim(full, texts).after == _truncated(full, texts).after


def _truncated(tokenizer: Tokenizer, texts: Sequence[str]) -> Trimmed:
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.enable_truncation(5)
    return trim(copy, texts)


@pytest.mark.parametrize(
    "processor",
    [
        processors.BertProcessing(("[SEP]", 13), ("[CLS]", 12)),
        processors.Sequence(
            [
                processors.ByteLevel(trim_offsets=False),
                processors.TemplateProcessing(
                    single="[CLS] $A end", special_tokens=[("[CLS]", 12), ("end", 11)]
                ),
            ]
        ),
    ],
)
def test_tokens_that_a_post_processor_adds_are_kept(processor: Any) -> None:
    pieces = ["[UNK]", *"abend", "##a", "##b", "##n", "##d", "ba", "end", "[CLS]", "[SEP]"]
    full = Tokenizer(models.WordPiece(_numbered(pieces), unk_token="[UNK]"))
    full.post_processor = processor
    small = trim(full, ["a"]).tokenizer
    assert "ba" not in small.get_vocab()
    assert small.encode("a").tokens == full.encode("a").tokens
    assert [small.id_to_token(index) for index in small.encode("a").ids] == full.encode("a").tokens


# --- limits and refusals


def test_a_limit_keeps_the_most_frequent() -> None:
    full = word_piece()
    least = trim(full, []).after
    trimmed = trim(full, TEXTS, limit=least + 40)
    assert trimmed.after == least + 40
    encodings = full.encode_batch(TEXTS, add_special_tokens=False)
    counts = Counter(index for encoding in encodings for index in encoding.ids)
    base = set(trim(full, []).kept.tolist())
    kept = set(trimmed.kept.tolist()) - base
    dropped = counts.keys() - kept - base
    assert min(counts[index] for index in kept) >= max(counts[index] for index in dropped)
    assert trim(full, TEXTS, limit=10**6).after == trim(full, TEXTS).after


def test_a_limit_holds_with_the_tokens_on_the_way() -> None:
    full = byte_level()
    least = trim(full, []).after
    for limit in (least, least + 1, least + 30):
        trimmed = trim(full, TEXTS, limit=limit)
        assert trimmed.after <= limit
        assert trimmed.used + trimmed.between <= limit - least
    assert trimmed.after == limit
    with pytest.raises(ParetextError, match=f"limit is 9 tokens, .* are {least}; give at least"):
        trim(full, TEXTS, limit=9)


def test_another_kind_of_model_is_refused_in_one_sentence() -> None:
    words = Tokenizer(models.WordLevel({"a": 0, "<unk>": 1}, unk_token="<unk>"))
    with pytest.raises(ParetextError, match="is WordLevel, and trimming knows BPE, Unigram"):
        trim(words, ["a"])


# --- transformers

SETTINGS = (
    *("model_max_length", "padding_side", "truncation_side", "model_input_names"),
    *("split_special_tokens", "clean_up_tokenization_spaces"),
)


def _of_transformers() -> dict[str, tuple[Any, Any]]:
    """Each architecture's own tokenizer class, with our vocabulary, and its config."""
    t, limits = transformers, {"model_max_length": 24}
    others = {"padding_side": "left", "truncation_side": "left", "split_special_tokens": True}
    others["clean_up_tokenization_spaces"] = True
    bytes_, pieces, scored = (
        json.loads(build().to_str())["model"] for build in (byte_level, word_piece, unigram)
    )
    bytes_["vocab"]["<mask>"] = len(bytes_["vocab"])
    merges = [tuple(merge) for merge in bytes_["merges"]]
    scores = [*map(tuple, scored["vocab"]), ("<mask>", 0.0)]
    return {
        "roberta": (
            t.RobertaTokenizer(vocab=bytes_["vocab"], merges=merges, **limits),
            t.RobertaConfig(),
        ),
        "bert": (t.BertTokenizer(vocab=pieces["vocab"], **limits), t.BertConfig()),
        "electra": (t.ElectraTokenizer(vocab=pieces["vocab"], **limits), t.ElectraConfig()),
        "distilbert": (
            t.DistilBertTokenizer(vocab=pieces["vocab"], **limits, **others),
            t.DistilBertConfig(),
        ),
        "xlm-roberta": (t.XLMRobertaTokenizer(vocab=scores, **limits), t.XLMRobertaConfig()),
    }


def test_transformers_loads_it_again_in_a_new_process(tmp_path: Path) -> None:
    texts, expected = [*SENTENCES[:60], "<mask> [MASK] 👩\u200d👧", ""], {}
    for name, (full, config) in _of_transformers().items():
        trimmed = trim(full.backend_tokenizer, TEXTS)
        assert trimmed.after < trimmed.before
        small = with_tokenizer(full, trimmed)
        small.save_pretrained(tmp_path / name)
        config.save_pretrained(tmp_path / name)
        assert full(TEXTS).keys() == small(TEXTS).keys()
        for old, new in zip(full(TEXTS)["input_ids"], small(TEXTS)["input_ids"], strict=True):
            assert trimmed.kept[new].tolist() == old
        assert small.all_special_tokens == full.all_special_tokens
        assert trimmed.kept[small.pad_token_id] == full.pad_token_id
        encoded = small(texts, padding=True, truncation=True)
        settings = [getattr(full, name) for name in SETTINGS]
        padding = trimmed.tokenizer.token_to_id(full.pad_token)
        expected[name] = [dict(encoded), full.special_tokens_map, settings, padding]
    (tmp_path / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-c", RELOAD, str(tmp_path), ",".join(SETTINGS), *expected],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == expected


RELOAD = """
import json, pathlib, sys
from transformers import AutoTokenizer
root, found = pathlib.Path(sys.argv[1]), {}
texts = json.loads((root / "texts.json").read_text(encoding="utf-8"))
for name in sys.argv[3:]:
    loaded = AutoTokenizer.from_pretrained(root / name)
    encoded = dict(loaded(texts, padding=True, truncation=True))
    settings = [getattr(loaded, name) for name in sys.argv[2].split(",")]
    found[name] = [encoded, loaded.special_tokens_map, settings, loaded.pad_token_id]
print(json.dumps(found))
"""
