"""A new head on an encoder, or a trained one whose outputs are matched to the data by label name.

Two models with the same labels in another order are not the same: an output is known by its name,
never by its number, and never because their count fits.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any

import torch
from torch import nn

from paretext.core.errors import ParetextError
from paretext.core.wording import first_few
from paretext.data.values import label_name
from paretext.models.checkpoint import SHOWN, Weights, shortly
from paretext.models.pretrained import Source, name_outputs, quiet


def with_labels(
    source: Source, tokenizer: Any, labels: tuple[str, ...]
) -> tuple[Any, tuple[str, ...]]:
    """The source's network with an output for each of `labels`, and sentences on its head.

    What is new is drawn from PyTorch's generator. Raises ParetextError as `Source.weights` does.
    """
    own = tuple(map(label_name, source.labels)) if source.is_classifier else ()
    named = tuple(map(label_name, labels))
    loaded = source.weights(tokenizer, own or labels)
    drawn = loaded.missing | loaded.mismatched.keys()
    last = _last_layer(loaded, len(own or labels))
    if drawn:
        own = ()  # a head of which a part is missing answers nothing
    if own == named:
        name_outputs(loaded.model.config, labels)
        said = f"{source.name}: training goes on from its trained head"
        return loaded.model, (said, *_left_out(loaded))
    model = loaded.model
    if source.is_classifier or not last <= drawn:
        drawn |= last
        model = _redrawn(loaded, labels, drawn)
    kept = [label for label in named if label in own]
    if kept:
        _copy_rows(loaded.model, model, last, own, named)
    return model, (_said(source.name, own, named, kept, drawn), *_left_out(loaded))


def _last_layer(loaded: Weights, outputs: int) -> frozenset[str]:
    """The tensors of the layer that gives the answers: the last linear one behind the encoder with
    so many outputs. Where there is none, all of the head."""
    names = [
        name
        for name, module in loaded.model.named_modules()
        if isinstance(module, nn.Linear)
        and module.out_features == outputs
        and (loaded.is_head(f"{name}.weight") or loaded.model.base_model is loaded.model)
    ]
    tensors = loaded.model.state_dict().keys()
    if not names:
        return frozenset(name for name in tensors if loaded.is_head(name))
    return frozenset(name for name in tensors if name.rpartition(".")[0] == names[-1])


def _redrawn(loaded: Weights, labels: tuple[str, ...], drawn: Collection[str]) -> Any:
    """A copy of the network with these labels and the tensors `drawn` anew, as its own class does;
    ParetextError where more than its head is of another shape then."""
    model = loaded.model
    config = copy.deepcopy(model.config)
    name_outputs(config, labels)
    kept = {name: each for name, each in model.state_dict().items() if name not in drawn}
    with quiet():
        made, report = type(model).from_pretrained(
            None,
            config=config,
            state_dict=kept,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    if other := {name for name, *_ in report["mismatched_keys"] if not loaded.is_head(name)}:
        raise ParetextError(
            f"{loaded.name} cannot be given {len(labels)} labels, because more than its head hangs "
            f"on their number ({shortly(other)}); use another model, such as a BERT or a RoBERTa."
        )
    return made.eval()


def _copy_rows(
    source: Any, target: Any, last: Collection[str], own: tuple[str, ...], labels: tuple[str, ...]
) -> None:
    """The outputs of the labels that both have keep their rows of the last layer."""
    pairs = [(to, own.index(label)) for to, label in enumerate(labels) if label in own]
    to, rows = (torch.tensor(each) for each in zip(*pairs, strict=True))
    before, after = source.state_dict(), target.state_dict()  # its tensors are the parameters'
    for name in last:
        if len(before[name]) == len(own) and len(after[name]) == len(labels):
            after[name][to] = before[name][rows]


def _said(
    name: str,
    own: tuple[str, ...],
    labels: tuple[str, ...],
    kept: list[str],
    drawn: Collection[str],
) -> str:
    if set(own) == set(labels):
        return (
            f"{name}: its trained head is kept, its outputs put in the order of the data's labels "
            f"({first_few(labels, SHOWN)})"
        )
    if kept:
        new = [label for label in labels if label not in own]
        gone = [label for label in own if label not in labels]
        parts = [f"those of {first_few(new, SHOWN)} are new"] if new else []
        parts += [f"those of {first_few(gone, SHOWN)} are gone"] if gone else []
        return (
            f"{name}: its trained head keeps the outputs of {first_few(kept, SHOWN)}; "
            f"{', '.join(parts)}"
        )
    if own:
        return (
            f"{name}: its trained head answers with other labels ({first_few(own, SHOWN)}), so "
            "its last layer is drawn anew"
        )
    return (
        f"{name}: the classification head is new ({shortly(drawn)}); the encoder is the model's own"
    )


def _left_out(loaded: Weights) -> tuple[str, ...]:
    if not loaded.unexpected:
        return ()
    names = shortly(loaded.unexpected)
    return (f"{loaded.name}: left out what classification has no use for ({names})",)
