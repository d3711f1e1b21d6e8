"""Training that feels the rounding of `dynamic_quantization`, so that the weights learn to bear it.

It is the rounding of that step's defaults: 7-bit weights, 8-bit rows, nothing kept in float32.

While a network trains, each matrix product reads much what the INT8 graph will: weights of 7 bits
with a scale for each output, and inputs of 8 bits, each row over its own range; word embeddings are
rounded row by row. (The graph has stored ranges where rows are alike, which only calibration
finds.) Gradients pass through as if nothing were rounded, and the weights that are trained and
kept are the unrounded ones.

Sources: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", section 3; Bengio et al. 2013, "Estimating or Propagating
Gradients Through Stochastic Neurons" (the straight-through gradient).
"""

from __future__ import annotations

import torch
from torch import nn

from paretext.graphs.quantised_graph import LARGEST_WEIGHT

_WEIGHT = LARGEST_WEIGHT[7]
_EMBEDDING = LARGEST_WEIGHT[8]
_LEVELS = 255


class _RoundedLinear(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = _rounded(self.weight, _steps(self.weight, _WEIGHT))
        return nn.functional.linear(input_rounded(x), weight, self.bias)


class _RoundedEmbedding(nn.Embedding):
    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        rows = super().forward(ids)
        steps = _steps(rows, _EMBEDDING)
        half = steps.half()  # as the file has them, rounded up so that nothing is clipped
        above = (half.view(torch.int16) + 1).view(torch.float16)
        return _rounded(rows, torch.where(half < steps, above, half).float())


_ROUNDED = {nn.Linear: _RoundedLinear, nn.Embedding: _RoundedEmbedding}


def start_rounding(model: nn.Module) -> None:
    """From now on, in place, `model` and copies of it compute with rounded numbers."""
    for module in model.modules():
        if type(module) in _ROUNDED:
            module.__class__ = _ROUNDED[type(module)]


def stop_rounding(model: nn.Module) -> None:
    """Undoes `start_rounding`, in place."""
    plain = {rounded: kind for kind, rounded in _ROUNDED.items()}
    for module in model.modules():
        if type(module) in plain:
            module.__class__ = plain[type(module)]


def input_rounded(x: torch.Tensor) -> torch.Tensor:
    """`x` as 8-bit numbers, each row, of the last axis, over its own range."""
    exact = x.detach().float()
    low = exact.amin(-1, keepdim=True).clamp(max=0)
    high = exact.amax(-1, keepdim=True).clamp(min=0)
    step = (high - low) / _LEVELS
    step = torch.where(step > 0, step, torch.ones_like(step))
    zero = (-low / step).round()
    whole = ((exact / step).round() + zero).clamp(0, _LEVELS)
    return _in_place_of(x, (whole - zero) * step)


def _steps(rows: torch.Tensor, largest: int) -> torch.Tensor:
    """For each row the step of which its largest number takes `largest`, (rows, 1)."""
    step = rows.detach().float().abs().amax(-1, keepdim=True) / largest
    return torch.where(step > 0, step, torch.ones_like(step))


def _rounded(rows: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    return _in_place_of(rows, (rows.detach().float() / steps).round() * steps)


def _in_place_of(exact: torch.Tensor, rounded: torch.Tensor) -> torch.Tensor:
    """`rounded`, with the gradient of `exact`."""
    return exact + (rounded.to(exact.dtype) - exact).detach()
