"""The tokenizers of models that are trained from scratch."""

from __future__ import annotations

from typing import Any

from tokenizers import Tokenizer

PAD, UNKNOWN = "[PAD]", "[UNK]"


def fast_tokenizer(backend: Tokenizer, max_length: int) -> Any:
    """The transformers tokenizer around `backend`, whose ids 0 and 1 are the padding and the
    unknown."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=PAD,
        unk_token=UNKNOWN,
        model_max_length=max_length,
        padding_side="right",
        model_input_names=["input_ids", "attention_mask"],
    )
