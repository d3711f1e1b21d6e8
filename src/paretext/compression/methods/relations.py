"""How like each other a text's tokens are: what a student can learn of a parent of another width.

A token's keys and values are compared with those of every other token of its text; the shares that
a softmax makes of that are the relations, and their divergence is the student's distance. They are
those of the last layer with attention, where the parent has gathered what it knows of the text. The
numbers that this takes grow with the square of a text's tokens and differ from copy to copy, so
they are not kept: the parent reads every batch beside its student, the student's own tokens.

Source: Wang et al. 2021, "MiniLMv2: Multi-Head Self-Attention Relation Distillation for Compressing
Pretrained Transformers", section 3 (without the queries, which our last layer has of one token).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from paretext.compression.step import compact
from paretext.core.errors import ParetextError
from paretext.models.classifier import Classifier

HEADS = 4
"""Parts into which keys and values are cut, where their widths can be divided by it."""


class Relations:
    """The distance of a student's relations from its parent's.

    ParetextError where the student has no attention, or a token that the parent does not know.
    """

    def __init__(self, student: Classifier, parent: Classifier) -> None:
        self.parent: Any = compact(parent).model.eval()
        if not all(any(each.heads for each in m.layers) for m in (student.model, self.parent)):
            raise ParetextError(
                "the step distillation with relations_weight compares the tokens in a layer with "
                "attention, and the student has none left; leave relations_weight out."
            )
        known = parent.tokenizer.get_vocab()
        own = student.tokenizer.get_vocab()
        if strange := own.keys() - known.keys():
            raise ParetextError(
                f"the student's token {min(strange)!r} is none of its parent's, so their relations "
                "cannot be compared; leave relations_weight out."
            )
        self.numbers = torch.zeros(max(own.values()) + 1, dtype=torch.long)
        """The parent's number of each of the student's tokens."""
        for token, number in own.items():
            self.numbers[number] = known[token]

    def distance(
        self,
        student: Any,
        states: Sequence[torch.Tensor],
        ids: torch.Tensor,
        mask: torch.Tensor,
        weight: float = 1.0,
    ) -> torch.Tensor:
        """Mean over the tokens of KL(parent || student), keys' and values' added, times `weight`.

        states: the student's, from the embeddings on, each (batch, sequence, width), of `ids` and
        `mask`, (batch, sequence).
        """
        self.parent.to(ids.device)
        with torch.no_grad():
            whole = self.parent.encode(self.numbers.to(ids.device)[ids], mask)
            wanted = _keys_and_values(self.parent, whole)
        total = torch.zeros((), device=ids.device)
        for own, target in zip(_keys_and_values(student, states), wanted, strict=True):
            heads = math.gcd(HEADS, own.shape[2], target.shape[2])
            log_own, log_target = (_log_shares(each, mask, heads) for each in (own, target))
            divergence = (log_target.exp() * (log_target - log_own)).sum(3).mean(1)
            total = total + (divergence * mask).sum() / mask.sum()
        return weight * total


def _keys_and_values(model: Any, states: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Of the last layer with attention, from what it reads."""
    index, layer = [pair for pair in enumerate(model.layers) if pair[1].heads][-1]
    return [layer.key(states[index]), layer.value(states[index])]


def _log_shares(x: torch.Tensor, mask: torch.Tensor, heads: int) -> torch.Tensor:
    """log softmax(x x / sqrt(size)) over the tokens that `mask` has, (batch, heads, sequence,
    sequence), of x (batch, sequence, width)."""
    parts = x.float().unflatten(2, (heads, -1)).transpose(1, 2)
    scores: torch.Tensor = parts @ parts.transpose(2, 3) * parts.shape[3] ** -0.5
    absent = ~mask.bool()[:, None, None, :]
    return scores.masked_fill(absent, torch.finfo(scores.dtype).min).log_softmax(3)
