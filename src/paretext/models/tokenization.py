"""Whether a network can read what its tokenizer gives it.

A network of ours is given ids and a mask, padded on the right: in training, in PyTorch and in the
artifact alike. What a tokenizer would give beyond that, or what a network would do otherwise
with it, is refused here, before anything is trained or written, and not left out in silence.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch

from paretext.core.errors import ParetextError, first_line

_ROUNDING, _SMALL = 1e-4, 1e-4
"""Where the mask reaches everything, padding moves the answers by less than a millionth of them."""
_OTHERS = "use another model, such as a BERT or a RoBERTa"


def check_tokenizer(model: Any, tokenizer: Any, kind: str = "") -> None:
    """ParetextError unless `model` can read all that `tokenizer`, of transformers, gives it, and
    gives an answer that depends on that alone.

    kind: what the sentence calls the model (default: its class). The last look costs two answers to
    a text of one letter.
    """
    kind = kind or type(model).__name__
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
    if rows is not None and largest >= rows:
        token = next((name for name, index in ids.items() if index == largest), None)
        raise ParetextError(
            f"the tokenizer knows the token {token!r} with the id {largest}, and the embedding "
            f"table of {kind} has {rows} rows; call model.resize_token_embeddings({largest + 1}) "
            "and train again, or take the token out of the tokenizer."
        )
    _check_answers(model, given["input_ids"] or [0], int(tokenizer.pad_token_id or 0), kind)


@torch.inference_mode()
def _check_answers(model: Any, ids: list[int], pad_id: int, kind: str) -> None:
    """ParetextError without a finite number for each label, and if padding changes
    the answer, as where the head reads the last token (XLNet) or a convolution reads over the mask
    (ConvBERT, MobileBERT)."""
    training, mask = model.training, [1] * len(ids)
    model.eval()
    try:
        alone, padded = (
            model(
                input_ids=torch.tensor([read], device=model.device),
                attention_mask=torch.tensor([present], device=model.device),
            ).logits
            for read, present in ((ids, mask), ([*ids, *[pad_id] * 8], [*mask, *[0] * 8]))
        )
    except Exception as error:  # a network's code is anybody's
        raise ParetextError(
            f"{kind} gives no answer from tokens and their mask alone ({first_line(error)}); "
            f"{_OTHERS}."
        ) from None
    finally:
        model.train(training)
    shape, labels = tuple(alone.shape), model.config.num_labels
    if shape != (1, labels) or not alone.isfinite().all():
        raise ParetextError(
            f"{kind} answers a text with {alone.flatten()[:3].tolist()}, of shape {shape}, where "
            f"one finite number for each of its {labels} labels is needed; train it again."
        )
    away = float((alone - padded).abs().max())
    if away > _ROUNDING * max(_SMALL, float(alone.abs().max())):
        raise ParetextError(
            f"{kind} answers a text in another way where it is padded on the right (a logit "
            f"differs by {away:.2g}), as it is beside longer ones; {_OTHERS}."
        )


def _table_rows(model: Any) -> int | None:
    """How many ids the network can look up; None where it looks none up (n-grams, characters)."""
    try:
        return int(model.get_input_embeddings().num_embeddings)
    except (NotImplementedError, AttributeError):
        return None
