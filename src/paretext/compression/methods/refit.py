"""Fits what structured pruning left to what the whole network computed, without training.

Layer by layer, each part's last matrix takes on, by least squares over the sample's tokens, the
difference between the sum that is there after the part (before its norm) in the whole network and
in this one; that
makes up for earlier layers as well. Where a part is left out, the norm before it takes on the
part's output, dimension by dimension; where norms stand before the parts, the next part's matrix
does.

Source: Kwon et al. 2022, "A Fast Post-Training Pruning Framework for Transformers", section 4.3 (a
scale for each kept unit there, a new matrix here, as in Kurtic et al. 2023, "ZipLM", section 3.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from paretext.compression.methods.batches import Batch
from paretext.core import progress
from paretext.models.compact_layer import Places

_RIDGE = 0.01
_PARTS = (
    ("heads", "attention_output", "attention_sum", "attention_norm"),
    ("neurons", "feed_forward_out", "output_sum", "output_norm"),
)


@dataclass
class _State:
    """One batch between two layers: its mask (batch, sequence) and places, the whole network's
    hidden states and those of the smaller one, (batch, sequence, width)."""

    mask: torch.Tensor
    places: Places
    whole: torch.Tensor
    smaller: torch.Tensor


@torch.no_grad()
def refit(whole: Any, smaller: Any, work: Sequence[Batch]) -> int:
    """Fit the parts of `smaller`, in place, to what `whole` computes; how many were fitted."""
    states = []
    for batch in work:
        x = whole.embed(batch.ids)
        states.append(_State(batch.mask.bool(), whole.places(batch.mask), x, x))
    config, fitted = whole.config, 0
    # a norm that alone stands between a part's sum and the next part
    before = None if config.projects or config.norm_first else smaller.embedding_norm
    with progress.task("fitting what is left", len(whole.layers)) as advance:
        for index, (full, layer) in enumerate(zip(whole.layers, smaller.layers, strict=True)):
            last = config.pooling == "first" and index == len(whole.layers) - 1
            rows = slice(0, 1) if last else slice(None)
            present = [state.mask[:, rows] for state in states]
            sums = _sums(full, states, rows)
            for units, matrix, total, norm in _PARTS:
                if not getattr(full, units):
                    continue
                if getattr(layer, units):
                    before = None if config.norm_first else getattr(layer, norm)
                    after = getattr(layer, total)
                    _fit_matrix(layer, getattr(layer, matrix), after, states, rows, sums[total])
                elif before is not None:
                    target = [
                        getattr(full, norm)(each)[at]
                        for each, at in zip(sums[total], present, strict=True)
                    ]
                    _fit_norm(
                        layer,
                        before,
                        states,
                        rows,
                        target,
                        in_layer=units == "neurons" and layer.heads > 0,
                    )
                else:
                    continue
                fitted += 1
            for state in states:
                state.whole = _run(full, state.whole, state.places, rows)
                state.smaller = _run(layer, state.smaller, state.places, rows)
            advance()
    return fitted


def _run(layer: Any, x: torch.Tensor, places: Places, rows: slice) -> Any:
    return layer(x, places, x[:, rows])


@contextmanager
def _inputs(*modules: nn.Module) -> Iterator[list[torch.Tensor]]:
    """What each of the modules was last given, in this order."""
    inputs = [torch.empty(0)] * len(modules)
    hooks = [
        module.register_forward_pre_hook(lambda _, given, i=index: inputs.__setitem__(i, given[0]))
        for index, module in enumerate(modules)
    ]
    try:
        yield inputs
    finally:
        for hook in hooks:
            hook.remove()


def _sums(layer: Any, states: Sequence[_State], rows: slice) -> dict[str, list[torch.Tensor]]:
    """What is there after each part of a layer of the whole network, batch by batch."""
    names = [total for units, _, total, _ in _PARTS if getattr(layer, units)]
    sums: dict[str, list[torch.Tensor]] = {name: [] for name in names}
    with _inputs(*(getattr(layer, name) for name in names)) as given:
        for state in states:
            _run(layer, state.whole, state.places, rows)
            for name, total in zip(names, given, strict=True):
                sums[name].append(total)
    return sums


def _fit_matrix(
    layer: Any,
    matrix: nn.Linear,
    after: nn.Module,
    states: Sequence[_State],
    rows: slice,
    wanted: Sequence[torch.Tensor],
) -> None:
    """Add to `matrix` what brings the input of `after` nearest to `wanted` (ridge regression of the
    difference on the matrix's inputs, so that few texts change it little)."""
    inputs = matrix.in_features + 1
    gram = torch.zeros(inputs, inputs, dtype=torch.float64, device=matrix.weight.device)
    products = torch.zeros(inputs, matrix.out_features, dtype=gram.dtype, device=gram.device)
    with _inputs(matrix, after) as given:
        for state, total in zip(states, wanted, strict=True):
            _run(layer, state.smaller, state.places, rows)
            at = state.mask[:, rows]
            x = nn.functional.pad(given[0][at], (0, 1), value=1.0)
            gram += x.T @ x
            products += x.T @ (total - given[1])[at]
    ridge = _RIDGE * gram.diagonal()[:-1].mean().expand(inputs).clone()
    ridge[-1] = 0  # the bias is free
    change: torch.Tensor = torch.linalg.solve(gram + ridge.diag(), products).to(matrix.weight.dtype)
    matrix.weight.add_(change[:-1].T)
    matrix.bias.add_(change[-1])


def _fit_norm(
    layer: Any,
    norm: nn.LayerNorm,
    states: Sequence[_State],
    rows: slice,
    wanted: Sequence[torch.Tensor],
    in_layer: bool,
) -> None:
    """Scale and shift each dimension of `norm`, the last one before a part that is left out, so
    that its output is nearest to `wanted`, the part's. in_layer: it belongs to `layer`, so the
    states before the layer do not change with it."""
    ours = []
    for state in states:
        x = _run(layer, state.smaller, state.places, rows) if in_layer else state.smaller[:, rows]
        ours.append(x[state.mask[:, rows]])
    x, y = torch.cat(ours).double(), torch.cat(list(wanted)).double()
    spread = (x - x.mean(0)).square().mean(0)
    scale = ((x - x.mean(0)) * (y - y.mean(0))).mean(0) / spread.clamp_min(1e-12)
    shift = (y.mean(0) - scale * x.mean(0)).to(norm.weight.dtype)
    scale = scale.to(norm.weight.dtype)
    norm.weight.mul_(scale)
    norm.bias.mul_(scale).add_(shift)
    if not in_layer:
        for state in states:
            state.smaller = state.smaller * scale + shift
