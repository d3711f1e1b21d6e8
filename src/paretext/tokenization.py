"""Whether a network can read what its tokenizer gives it.

A network of ours is given ids and a mask, padded on the right: in training, in PyTorch and in the
artifact alike. What a tokenizer would give beyond that, or what a network would do otherwise
with it, is refused here, before anything is trained or written, and not left out in silence.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch

from paretext.errors import ParetextError, first_line

_ROUNDING = 1e-4
_OTHERS = "use another model, such as a BERT or a RoBERTa"


def check_tokenizer(model: Any, tokenizer: Any) -> None:
    """ParetextError unless `model` can read all that `tokenizer`, of transformers, gives it.

    The last look costs two answers to a text of one letter.
    """
    kind = type(model).__name__
    known = inspect.signature(model.forward).parameters
    if "input_ids" in known and "attention_mask" not in known:
        raise ParetextError(
            f"{kind} takes no attention mask, so its answers would depend on the padding; "
            "use a model that takes one."
        )
    if dropout := getattr(tokenizer.backend_tokenizer.model, "dropout", None):
        raise ParetextError(
            f"the tokenizer leaves out merges at random (dropout {dropout:g} in tokenizer.json), "
            'so a text would be read otherwise each time; set "dropout" to null there.'
        )
    given = tokenizer("a", return_token_type_ids=True)
    types = given["token_type_ids"]
    reads_types = {"token_type_ids"} <= {*tokenizer.model_input_names} & {*known}
    if reads_types and any(types):
        raise ParetextError(
            f"the tokenizer gives {kind} token types other than 0 ({max(types)}), and paretext's "
            "models read none; set them to 0 in tokenizer.json's post_processor and train again, "
            "or use another model."
        )
    ids = tokenizer.get_vocab()
    largest = max([*ids.values(), *given["input_ids"]])
    rows = _table_rows(model)
    if largest >= rows:
        token = next((name for name, index in ids.items() if index == largest), None)
        raise ParetextError(
            f"the tokenizer knows the token {token!r} with the id {largest}, and the embedding "
            f"table of {kind} has {rows} rows; call model.resize_token_embeddings({largest + 1}) "
            "and train again, or take the token out of the tokenizer."
        )
    _check_padding(model, given["input_ids"] or [0], int(tokenizer.pad_token_id or 0))


@torch.inference_mode()
def _check_padding(model: Any, ids: list[int], pad_id: int) -> None:
    """ParetextError if one padded token more changes the answer, as where the head reads the last
    token (XLNet) or a convolution reads over the mask (ConvBERT, MobileBERT)."""
    kind, training, mask = type(model).__name__, model.training, [1] * len(ids)
    model.eval()
    try:
        alone, padded = (
            model(
                input_ids=torch.tensor([read], device=model.device),
                attention_mask=torch.tensor([present], device=model.device),
            ).logits
            for read, present in ((ids, mask), ([*ids, pad_id], [*mask, 0]))
        )
    except Exception as error:  # a network's code is anybody's
        raise ParetextError(
            f"{kind} cannot answer the text 'a' ({first_line(error)}); {_OTHERS}."
        ) from None
    finally:
        model.train(training)
    away = float((alone - padded).abs().max())
    if away > _ROUNDING * max(1.0, float(alone.abs().max())):
        raise ParetextError(
            f"{kind} answers a text in another way where it is padded on the right (a logit "
            f"differs by {away:.2g}), as it is beside longer ones; {_OTHERS}."
        )


def _table_rows(model: Any) -> int:
    """How many ids the network can look up."""
    try:
        return int(model.get_input_embeddings().num_embeddings)
    except (NotImplementedError, AttributeError):  # our own classes, of transformers' general one
        return int(model.config.vocab_size)
