"""The word table of any network: its rows, fewer of them, and a narrow table in its place.

Nothing is asked of an architecture but what transformers asks: `get_input_embeddings`. What else a
network does with its tokens' numbers (positions that begin after the padding's, an answer at the
last token that is none) hangs on the numbers in its configuration; so they are renumbered there,
and the network is built again from it, as it will be when its folder is loaded. Whether that was
all is not known of an architecture, but seen: the new network has to answer as the old one does.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from paretext.core.errors import ParetextError, first_line
from paretext.models.factorised import FactorisedClassifier, FactorisedConfig
from paretext.models.pretrained import quiet

_NEAR = 1e-4
_TEXTS, _LONGEST = 8, 64
_NO_TOKEN = -1
_INDEX = ("pad_index", "bos_index", "eos_index", "unk_index", "mask_index")
"""What XLM calls the numbers of its special tokens."""

Rows = Sequence[Sequence[int]]


def word_table(model: Any) -> torch.Tensor:
    """What each token is looked up as, (tokens, width), a scale of the network's own included.

    ParetextError for a network that looks its tokens up in no table of one row each.
    """
    try:
        module = model.get_input_embeddings()
        with torch.no_grad():
            ids = torch.arange(module.weight.shape[0], device=module.weight.device)
            table = module(ids)
            table = table[0] if isinstance(table, tuple) else table  # I-BERT's scale beside it
    except Exception:  # a network's code is anybody's
        table = None
    if not isinstance(table, torch.Tensor) or table.ndim != 2:
        raise ParetextError(
            f"{type(model).__name__} looks its tokens up in no table with a row for each, so its "
            "words cannot be changed; leave the step out, or use another model."
        )
    return table


def with_rows(model: Any, kept: NDArray[np.int64], texts: Rows) -> Any:
    """A copy of `model` that knows the tokens `kept` alone, by their old numbers, as 0, 1, ...

    texts: some texts in new numbers, on which it has to answer as `model` does in old ones.
    ParetextError where it does not.
    """
    word_table(model)
    new = {int(old): place for place, old in enumerate(kept)}
    config = copy.deepcopy(model.config)
    for each in _parts(config):
        if hasattr(each, "vocab_size"):
            each.vocab_size = len(kept)
        _renumber(each, new)
    module = model.get_input_embeddings()
    rows = torch.from_numpy(kept).to(module.weight.device)
    own = [
        each.data_ptr()  # the table, by all its names, and what there is for each of its rows
        for each in (*module.parameters(), *module.buffers())
        if each.ndim and len(each) == len(module.weight)
    ]
    parts = {
        name: tensor[rows].clone() if tensor.data_ptr() in own else tensor
        for name, tensor in model.state_dict().items()
    }
    smaller = _built(type(model), config, parts)
    old = [[int(kept[each]) for each in text] for text in texts]
    _require_same("vocabulary", model, old, smaller, texts)
    return smaller


def factorised(model: Any, table: torch.Tensor, factor: torch.Tensor, texts: Rows) -> Any:
    """A copy of `model` whose tokens are looked up as table @ factor.T, (tokens, rank) and
    (width, rank), which is what it stores.

    texts: token ids, on which it has to answer as `model` does with that for a table.
    ParetextError where it does not.
    """
    inner = model.network if isinstance(model, FactorisedClassifier) else model
    place = next(
        name for name, each in inner.named_modules() if each is inner.get_input_embeddings()
    )
    config = FactorisedConfig(
        word_rank=table.shape[1],
        text_config=inner.config.to_dict(),
        id2label=model.config.id2label,
        label2id=model.config.label2id,
    )
    parts = {
        f"network.{name}": tensor
        for name, tensor in inner.state_dict().items()
        if not name.startswith(f"{place}.")
    }
    parts |= {f"network.{place}.weight": table, f"network.{place}.factor.weight": factor}
    narrow = _built(FactorisedClassifier, config, parts)
    whole = table @ factor.T
    hook = model.get_input_embeddings().register_forward_hook(lambda _, ids, __: whole[ids[0]])
    try:
        _require_same("low_rank_embeddings", model, texts, narrow, texts)
    finally:
        hook.remove()
    return narrow


def _parts(config: Any) -> Iterable[Any]:
    """A configuration and those inside that say something of the tokens."""
    parts = [config, getattr(config, "text_config", None), config.get_text_config()]
    return {id(each): each for each in parts if hasattr(each, "to_dict")}.values()


def _renumber(config: Any, new: Mapping[int, int]) -> None:
    """The special tokens by their new numbers; of one that the tokenizer does not know (an image's,
    say) none, or a number that no token has."""
    for name, value in list(config.to_dict().items()):
        if not name.endswith("_token_id") and name not in _INDEX:
            continue
        if isinstance(value, list):
            setattr(config, name, [new[each] for each in value if each in new] or None)
        elif isinstance(value, int):
            try:
                setattr(config, name, new.get(value))
            except Exception:  # configurations of some types take no None
                setattr(config, name, _NO_TOKEN)


def _built(kind: Any, config: Any, parts: Mapping[str, torch.Tensor]) -> Any:
    """The network of a configuration with these tensors, all of them."""
    with quiet():
        made, report = kind.from_pretrained(
            None, config=config, state_dict=dict(parts), output_loading_info=True
        )
    if lost := sorted({*report["missing_keys"], *report["mismatched_keys"]}):
        raise ParetextError(
            f"{kind.__name__} holds its words in more than its word table ({lost[0]}), so they "
            "cannot be changed; leave the step out, or use another model."
        )
    return made.eval()


def _require_same(step: str, old: Any, asked: Rows, new: Any, renumbered: Rows) -> None:
    """ParetextError unless `new` answers `renumbered` as `old` does `asked`."""
    try:
        pairs = [
            (_answer(old, own[:_LONGEST]), _answer(new, other[:_LONGEST]))
            for own, other in zip(asked[:_TEXTS], renumbered[:_TEXTS], strict=True)
        ]
    except Exception as error:  # a network's code is anybody's
        raise ParetextError(
            f"{type(old).__name__} gives no answer after the step {step} ({first_line(error)}); "
            "leave the step out, or use another model."
        ) from None
    expected, answered = (torch.stack(each) for each in zip(*pairs, strict=True))
    away, most = float((expected - answered).abs().max()), float(expected.abs().max())
    if not away <= _NEAR * max(1.0, most):
        raise ParetextError(
            f"{type(old).__name__} uses its words elsewhere too, so after the step {step} it would "
            f"answer otherwise (a logit differs by {away:.2g}); leave the step out, or use another "
            "model."
        )


@torch.inference_mode()
def _answer(model: Any, ids: Sequence[int]) -> torch.Tensor:
    model.eval()
    row = torch.tensor([list(ids)], device=model.device)
    logits: torch.Tensor = model(input_ids=row, attention_mask=torch.ones_like(row)).logits[0]
    return logits.float().cpu()
