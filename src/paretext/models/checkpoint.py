"""A checkpoint's tensors against the network that its config asks for: all of them, or a refusal.

A tensor that is missing is drawn at random by transformers, in silence and otherwise at each load,
and PyTorch then agrees with any export of it. So transformers is asked for its report, and what is
missing, left over or of another shape is refused by its name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_MASKED_LM_MAPPING,
    MODEL_FOR_MULTIPLE_CHOICE_MAPPING,
    MODEL_FOR_NEXT_SENTENCE_PREDICTION_MAPPING,
    MODEL_FOR_PRETRAINING_MAPPING,
    MODEL_FOR_QUESTION_ANSWERING_MAPPING,
    MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING,
)

from paretext.core.errors import ParetextError
from paretext.core.wording import first_few

_OTHER_HEADS = (
    MODEL_FOR_PRETRAINING_MAPPING,
    MODEL_FOR_MASKED_LM_MAPPING,
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING,
    MODEL_FOR_QUESTION_ANSWERING_MAPPING,
    MODEL_FOR_MULTIPLE_CHOICE_MAPPING,
    MODEL_FOR_NEXT_SENTENCE_PREDICTION_MAPPING,
)
SHOWN = 3
"""Names that a sentence has room for."""


@dataclass(frozen=True)
class Weights:
    """A loaded network, and what of it the checkpoint did not give.

    missing: tensors that were drawn at random; unexpected: those that nothing took; mismatched:
    name -> shape in the checkpoint, shape that the config asks for.
    """

    name: str
    model: Any
    missing: frozenset[str]
    unexpected: frozenset[str]
    mismatched: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]

    def check(self) -> None:
        """ParetextError unless the whole encoder came from the checkpoint, and nothing is left."""
        for name, (own, wanted) in sorted(self.mismatched.items()):
            if not self.is_head(name):
                raise ParetextError(
                    f"{self.name} contradicts itself: {name} has the shape {_shape(own)} in its "
                    f"weights and {_shape(wanted)} by its config.json; mend the config or get the "
                    "model again."
                )
        if lost := {name for name in self.missing if not self.is_head(name)}:
            wrapped = {name for name in self.unexpected if name.startswith("module.")}
            reason = (
                "; their names begin with 'module.' there, as DataParallel saves them: save "
                "model.module in place of model"
                if wrapped
                else "; the checkpoint is incomplete or of another architecture: get it again"
            )
            raise ParetextError(
                f"the weights of {self.name} lack {len(lost)} tensors of "
                f"{type(self.model).__name__} ({shortly(lost)}){reason}."
            )
        if self.unexpected and (rest := self.unexpected - self._of_other_heads()):
            raise ParetextError(
                f"the weights of {self.name} hold {len(rest)} tensors that "
                f"{type(self.model).__name__} does not have by its config.json ({shortly(rest)}); "
                "mend the config, or get the model again."
            )

    def require_head(self) -> None:
        """ParetextError unless the head came from the checkpoint too."""
        if new := self.missing | self.mismatched.keys():
            raise ParetextError(
                f"{self.name} has no trained classification head (its weights lack "
                f"{shortly(new)}); train one first (paretext run --data TABLE --model {self.name})."
            )

    def is_head(self, tensor: str) -> bool:
        """Whether a tensor stands behind the encoder. The pooler counts as head: encoders are
        published without it where their pretraining had no use for one."""
        place = self._inside(tensor)
        return place is None or place.split(".")[0] == "pooler"

    def _inside(self, tensor: str) -> str | None:
        """The tensor's name within the encoder, None if it stands outside of it."""
        base, prefix = self.model.base_model, self.model.base_model_prefix
        if base is self.model:
            return tensor  # one piece, encoder and head
        if tensor.startswith(f"{prefix}."):
            return tensor.removeprefix(f"{prefix}.")
        inside = tensor.split(".")[0] in dict(base.named_children())
        return tensor if inside else None

    def _of_other_heads(self) -> frozenset[str]:
        """Those of the unexpected tensors that belong to a head for another task, such as the
        masked words of pretraining, or to a pooler that this network does without."""
        names = {"pooler", "cls"}  # cls: BERT's, also in checkpoints that name another class
        prefix, tensors = self.model.base_model_prefix, self._behind(names)
        for kind in self._other_classes():
            if tensors == self.unexpected:
                break  # each takes a network to be built
            with torch.device("meta"):
                other = kind(self.model.config)
            names |= {name for name, _ in other.named_children() if name != prefix}
            tensors = self._behind(names)
        return tensors

    def _other_classes(self) -> list[Any]:
        """The classes of this architecture for other tasks, each once."""
        config = type(self.model.config)
        kinds = (kind for mapping in _OTHER_HEADS for kind in _classes(mapping, config))
        return list(dict.fromkeys(kinds))

    def _behind(self, names: set[str]) -> frozenset[str]:
        """Those of the unexpected tensors that stand in one of these parts behind the encoder."""
        return frozenset(
            name
            for name in self.unexpected
            if (self._inside(name) or name).split(".")[0] in names
            and (self._inside(name) is None or self.is_head(name))
        )


def _classes(mapping: Any, config: type) -> tuple[type, ...]:
    classes = mapping.get(config, ())
    return tuple(classes) if isinstance(classes, tuple | list) else (classes,)


def shortly(names: Iterable[str]) -> str:
    """The first few of these names, and how many more there are."""
    return first_few(sorted(names), SHOWN)


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
