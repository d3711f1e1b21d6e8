"""Tiny untrained encoders, built from texts in a second, one for each architecture we promise."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

TEXTS = [
    "i feel so happy today that i could sing",
    "i am sad and nothing helps",
    "what a lovely surprise, thank you!",
    "he made me angry again, and again",
    "i fear the long dark night ahead of us",
    "you are dear to me",
]

SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "initializer_range": 0.1,  # 0.02 suits 768; so narrow a network would hardly learn with it
}
ARCHITECTURES = ("bert", "roberta", "electra", "distilroberta", "twitter-roberta", "distilbert")


def build(architecture: str, folder: Path, texts: Sequence[str] = TEXTS) -> Path:
    """Save a tiny encoder of `architecture` with its own kind of tokenizer to `folder`."""
    torch.manual_seed(0)
    byte_level = "roberta" in architecture or architecture == "mpnet"  # its padding id is 1
    tokenizer = _byte_level(texts) if byte_level else _word_piece(texts)
    tokenizer.save_pretrained(folder)
    _model(architecture, len(tokenizer)).save_pretrained(folder)
    return folder


@torch.no_grad()
def shake(model: Any, size: float = 0.2) -> Any:
    """Move every parameter at random, so that no bias is zero and no two positions are alike."""
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter += size * torch.randn(parameter.shape, generator=generator)
    return model


def _model(architecture: str, vocabulary: int) -> Any:
    torch.manual_seed(0)  # the same weights in every session
    t = transformers
    if "roberta" in architecture:
        layers = 1 if architecture == "distilroberta" else 2
        # roberta-base and twitter-roberta-base: padding id 1, positions from 2, 514 rows
        shape = {**SHAPE, "num_hidden_layers": layers, "layer_norm_eps": 1e-5}
        config = t.RobertaConfig(
            vocab_size=vocabulary,
            max_position_embeddings=514,
            type_vocab_size=1,
            pad_token_id=1,
            bos_token_id=0,
            eos_token_id=2,
            **shape,
        )
        return t.RobertaModel(config)
    if architecture == "bert":
        return t.BertModel(t.BertConfig(vocab_size=vocabulary, **SHAPE))
    if architecture in _OTHERS:
        return _OTHERS[architecture](vocabulary)
    if architecture == "electra":  # electra-small projects its narrower embeddings
        return t.ElectraModel(t.ElectraConfig(vocab_size=vocabulary, embedding_size=16, **SHAPE))
    return t.DistilBertModel(
        t.DistilBertConfig(
            vocab_size=vocabulary,
            dim=32,
            n_layers=2,
            n_heads=4,
            hidden_dim=64,
            initializer_range=0.1,
        )
    )


_IDS = {
    **{"pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2},
    "eos_token_id": 3,
}
_OTHERS: dict[str, Callable[[int], Any]] = {
    "mpnet": lambda vocabulary: transformers.MPNetModel(
        transformers.MPNetConfig(vocab_size=vocabulary, pad_token_id=1, **SHAPE)
    ),
    "albert": lambda vocabulary: transformers.AlbertModel(
        transformers.AlbertConfig(vocab_size=vocabulary, embedding_size=16, **SHAPE)
    ),
    "modernbert": lambda vocabulary: transformers.ModernBertModel(
        # both kinds of layer, and a window that texts of a few words are beyond
        transformers.ModernBertConfig(vocab_size=vocabulary, local_attention=16, **SHAPE, **_IDS)
    ),
    "deberta-v3": lambda vocabulary: transformers.DebertaV2Model(
        transformers.DebertaV2Config(
            vocab_size=vocabulary,
            relative_attention=True,
            position_buckets=8,
            pos_att_type=["p2c", "c2p"],
            share_att_key=True,
            norm_rel_ebd="layer_norm",
            position_biased_input=False,
            **SHAPE,
        )
    ),
}
OTHERS = tuple(_OTHERS)
"""Those whose layers are other than BERT's."""


def _byte_level(texts: Sequence[str]) -> Any:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        sep_token="</s>",
        unk_token="<unk>",
        mask_token="<mask>",
    )


def _word_piece(texts: Sequence[str]) -> Any:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    # By hand: a trained one breaks ties otherwise each time, and so has other words.
    words = [word for text in texts for word in re.findall(r"\w+|[^\w\s]", text.lower())]
    letters = sorted({letter for word in words for letter in word})
    often = sorted(Counter(words).items(), key=lambda pair: (-pair[1], pair[0]))
    pieces = [*special, *letters, *(f"##{letter}" for letter in letters)]
    pieces = [*dict.fromkeys([*pieces, *(word for word, _ in often)])][:300]
    known = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(known, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
