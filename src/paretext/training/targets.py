"""What a student is taught: its teacher's answers, and what the teacher makes of every token.

The loss is the divergence of the student's answers from the teacher's, both softened by a
temperature (Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", section 2), and
`states_weight` times the squared distance between the hidden states of all tokens, in units of the
teacher's variance, so that no layer counts for more because its numbers are larger (Jiao et al.
2020, "TinyBERT: Distilling BERT for Natural Language Understanding", section 3.1, after each mapped
layer). An answer is a handful of numbers a text; the states are some hundred for each token, which
is what a student lives on where texts are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

MAPS = "state_maps"
"""The name of the matrices, in a network while it is taught, that bring its states to the width of
its teacher's."""
_VARIANCE_TOKENS = 20_000


@dataclass(frozen=True)
class States:
    """What a teacher's tokens have become after some of its layers.

    layers: the student's layers that shall come to the same, counted from 1. tokens: for each of
    them the states of the first so many training texts, one text after the other, (tokens, width);
    the other texts have none. starts: (texts + 1,), where each text begins.
    """

    layers: Sequence[int]
    tokens: Sequence[NDArray[np.float16]]
    starts: NDArray[np.int64]

    def of(self, text: int) -> NDArray[np.float16]:
        """(layers, tokens, width), of no token where this text has none."""
        known = text + 1 < len(self.starts)
        place = slice(self.starts[text], self.starts[text + 1]) if known else slice(0, 0)
        return np.stack([each[place] for each in self.tokens])

    def variances(self) -> list[float]:
        """The mean square of the distance from the mean, over all numbers of a layer."""
        step = max(1, len(self.tokens[0]) // _VARIANCE_TOKENS)
        return [float(each[::step].astype(np.float32).var()) for each in self.tokens]

    def widths(self) -> list[int]:
        return [each.shape[1] for each in self.tokens]


@dataclass(frozen=True)
class Targets:
    """A teacher's answers to the training texts, row by row, in place of their labels.

    logits: (texts, classes). selection: those of the selection split, in its order; the best epoch
    is the one with the least mean KL divergence from them: it has less noise than macro-F1, which
    hangs on the few texts that are answered otherwise.
    epochs: the rows that each epoch learns, as many of them in each.
    states: None teaches the answers alone.
    """

    logits: NDArray[np.float32]
    selection: NDArray[np.float32]
    epochs: Sequence[NDArray[np.int64]]
    temperature: float = 2.0
    states: States | None = None
    states_weight: float = 0.0


def map_states(model: Any, states: States) -> None:
    """Give `model`, in place, a matrix for each compared layer of another width than its teacher's.

    They are trained with it, and `forget_maps` takes them away.
    """
    own = _state_widths(model, states.layers)
    pairs = zip(own, states.widths(), strict=True)
    maps = [nn.Identity() if a == b else nn.Linear(a, b, bias=False) for a, b in pairs]
    model.add_module(MAPS, nn.ModuleList(maps))


def forget_maps(model: nn.Module) -> None:
    if hasattr(model, MAPS):
        delattr(model, MAPS)


def _state_widths(model: Any, layers: Sequence[int]) -> list[int]:
    """Of the states after these layers, as the network gives them."""
    ids = torch.zeros(1, 1, dtype=torch.long, device=model.device)
    with torch.no_grad():
        states = model(
            input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True
        ).hidden_states
    return [states[layer].shape[-1] for layer in layers]


class Distance:
    """Of a student's answers and states in a batch from its teacher's."""

    def __init__(self, targets: Targets) -> None:
        self.targets = targets
        self.variances = targets.states.variances() if targets.states is not None else []

    def __call__(
        self, model: Any, inputs: dict[str, torch.Tensor], taught: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        """inputs: what the network reads; taught: "teacher_logits" (batch, classes),
        "teacher_states" (batch, layers, sequence, width) and "teacher_tokens" (batch,), of how many
        tokens of a text there are states."""
        states, heat = self.targets.states, self.targets.temperature
        asked = {} if states is None else {"output_hidden_states": True}
        outputs = model(**inputs, **asked)
        student = (outputs["logits"].float() / heat).log_softmax(1)
        teacher = (taught["teacher_logits"] / heat).softmax(1)
        # Times heat squared, so that the gradients keep their size (Hinton et al., section 2).
        distance = heat**2 * nn.functional.kl_div(student, teacher, reduction="batchmean")
        if states is None:
            return distance
        apart = torch.zeros((), device=distance.device)
        place = torch.arange(inputs["input_ids"].shape[1], device=distance.device)
        present = place < taught["teacher_tokens"][:, None]
        if not present.any():
            return distance
        maps = getattr(getattr(model, "module", model), MAPS)
        for number, layer in enumerate(states.layers):
            own = maps[number](outputs["hidden_states"][layer])[present].float()
            wanted = taught["teacher_states"][:, number][present].float()
            apart = apart + (own - wanted).square().mean() / self.variances[number]
        return distance + self.targets.states_weight * apart / len(states.layers)
