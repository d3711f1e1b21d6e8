"""What a family of architectures tells of itself, the register, and what their files share.

A family is one file that defines a `Family` with its model types; it is known from then on. It says
how its positions count, and reads a sequence classifier of its kind into the one neutral form,
`Encoder`: `graph` writes the leanest graph from that, and `compact` copies it into the network that
steps prune. An architecture that no family reads is traced by PyTorch, as it is.

The model type is not enough to know a model by (a subclass may compute something else), so every
exported graph is checked against PyTorch on real texts afterwards.

No file here imports PyTorch, which takes seconds: recipes are checked without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from paretext.models.encoder import Array, Encoder, Linear, Norm
from paretext.models.names import COMPACT

if TYPE_CHECKING:
    import torch
    from torch import nn

FAMILIES: dict[str, Family] = {}
"""By the model type of a configuration."""

ReadLinear = Callable[[Any], Linear]


class Family:
    """Architectures that are read alike. Its subclass with `model_types` is registered where it is
    defined. `config` and `model` are those of transformers."""

    model_types: ClassVar[tuple[str, ...]] = ()
    positions_after_padding: ClassVar[bool] = False
    """Whether positions leave the padding token out as they count, wherever it stands, and begin at
    padding_idx + 1 (fairseq's convention). Row padding_idx is then the padding's own."""
    shares_layers: ClassVar[bool] = False
    """Whether layers share their weights, which those of `CompactClassifier` cannot."""
    readable: ClassVar[bool] = True
    """False where nothing but the positions is known."""

    def __init_subclass__(cls, **_: Any) -> None:
        own = cls.__dict__.get("model_types", ())  # those of the class that it begins with are not
        for model_type in own:
            if model_type in FAMILIES:
                taken = type(FAMILIES[model_type]).__name__
                raise TypeError(f"{model_type} is read by {taken}; {cls.__name__} cannot have it")
        FAMILIES.update(dict.fromkeys(own, cls()))

    def computes(self, config: Any) -> bool:
        """Whether a model of this configuration computes what `read` takes it for."""
        return self.readable

    def read(self, model: Any) -> Encoder:
        """The encoder and head of a sequence classifier, as float32 arrays."""
        raise NotImplementedError

    def dropout(self, config: Any) -> float:
        """The share of hidden values that is left out in training."""
        return float(config.hidden_dropout_prob)


class _Unknown(Family):
    readable = False


def family_of(config: Any) -> Family:
    """The family of a configuration; of one that nobody registered nothing is known."""
    return FAMILIES.get(config.model_type, _Unknown())


def readable_types() -> list[str]:
    """The model types of transformers that are read."""
    return sorted(each for each in FAMILIES if FAMILIES[each].readable and each != COMPACT)


def is_known(config: Any) -> bool:
    """Whether `read_encoder` reads a model of this configuration."""
    return family_of(config).computes(config)


def read_encoder(model: Any) -> Encoder:
    """The encoder and head of a known sequence classifier, as float32 arrays."""
    return family_of(model.config).read(model)


def array(tensor: torch.Tensor) -> Array:
    values: Array = tensor.detach().cpu().float().numpy()
    return values


def norm(module: nn.LayerNorm) -> Norm:
    gamma = array(module.weight)
    beta = np.zeros_like(gamma) if module.bias is None else array(module.bias)
    return Norm(gamma, beta, module.eps)


def linear_reader(model: Any) -> ReadLinear:
    """What reads a linear layer of `model`, with its name in there."""
    names = {id(module): name for name, module in model.named_modules()}

    def read(module: nn.Linear) -> Linear:
        weight = np.ascontiguousarray(array(module.weight).T)
        none = np.zeros(weight.shape[1], np.float32)
        return Linear(
            names[id(module)], weight, none if module.bias is None else array(module.bias)
        )

    return read
