"""How much each head, each neuron and each layer matters, measured on texts.

Heads and neurons: put a mask variable m = 1 before each (a head's context, a neuron's activation).
When m moves to 0, the mean KL divergence of the answers from the whole network's grows by about
1/2 I, where I is the Fisher information of the mask. That is one currency for all layers, heads and
neurons alike. Source: Kwon et al. 2022, "A Fast Post-Training Pruning Framework for Transformers",
section 4.1. They take the gradient of the loss for the true labels, which a fine-tuned network
knows by heart (the "empirical" Fisher; Kunstner et al. 2019, "Limitations of the Empirical Fisher
Approximation"). Here the labels are what the network itself would answer: with the gradients g_c of
the log-probabilities p_c, I is the mean over the texts of sum_c p_c g_c^2, and one backward pass
estimates it without bias, from sum_c s_c sqrt(p_c) g_c with random signs s. On emotion, half of all
heads and neurons cut and the rest fitted, that gave 0.001 to 0.011 more macro-F1 than the true
labels over three seeds.

Layers: the one whose absence moves the network's answers least goes, then the next, greedily; the
distance is the mean KL divergence from the whole network's probabilities. Source: Men et al. 2024,
"ShortGPT", with its similarity of states replaced by what matters, the answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from paretext.compression.methods.batches import Batch, batches
from paretext.compression.step import compact
from paretext.core import progress
from paretext.data.dataset import Dataset
from paretext.models.classifier import Classifier

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Importance:
    """Scores of each layer's heads, (heads,), and neurons, (neurons,); more is more important."""

    heads: tuple[Scores, ...]
    neurons: tuple[Scores, ...]


def fisher(classifier: Classifier, data: Dataset) -> Importance:
    """1/2 Fisher information of each head's and neuron's mask; `classifier` is a compact one."""
    model: Any = classifier.model.eval()
    totals = [torch.zeros(units, dtype=torch.float64) for units in _units(model)]
    generator = torch.Generator().manual_seed(0)
    work = batches(classifier, data.texts)
    with progress.task("scoring heads and neurons", len(work)) as advance:
        for batch in work:
            signs = torch.randint(
                0, 2, (len(batch.ids), len(data.label_names)), generator=generator
            )
            for total, squares in zip(totals, squared_gradients(model, batch, signs), strict=True):
                total += squares
            advance()
    scores = [(total / (2 * len(data))).numpy() for total in totals]
    return Importance(tuple(scores[0::2]), tuple(scores[1::2]))


def squared_gradients(model: Any, batch: Batch, signs: torch.Tensor) -> list[torch.Tensor]:
    """(sum_c s_c sqrt(p_c) g_c)^2, summed over the texts, of each layer's heads, (heads,), and
    neurons, (neurons,), in turn. signs: (texts, classes), 1 for s = +1 and 0 for s = -1."""
    with _masked(model, len(batch.ids)) as masks:
        logs = model(batch.ids, batch.mask).logits.log_softmax(1)
        weights = logs.detach().div(2).exp() * (2 * signs.to(logs) - 1)
        gradients = torch.autograd.grad((weights * logs).sum(), masks, allow_unused=True)
    return [
        torch.zeros(mask.shape[2], dtype=torch.float64)
        if gradient is None
        else gradient.double().square().sum((0, 1)).cpu()
        for mask, gradient in zip(masks, gradients, strict=True)
    ]


def _units(model: Any) -> list[int]:
    """Heads and neurons of each layer in turn."""
    return [units for layer in model.layers for units in (layer.heads, layer.neurons)]


@contextmanager
def _masked(model: Any, texts: int) -> Iterator[list[torch.Tensor]]:
    """One mask (texts, 1, units) of ones before each part's last matrix, heads and neurons in
    turn: a mask of its own for each text, so that one backward pass gives each text's gradient."""
    masks = []
    with ExitStack() as stack:
        for layer in model.layers:
            for part, units, width in (
                ("attention_output", layer.heads, layer.head_size),
                ("feed_forward_out", layer.neurons, 1),
            ):
                mask = torch.ones(texts, 1, units, device=model.device, requires_grad=True)
                masks.append(mask)
                if units:
                    hook = getattr(layer, part).register_forward_pre_hook(_multiply(mask, width))
                    stack.callback(hook.remove)
        yield masks


def _multiply(mask: torch.Tensor, width: int) -> Any:
    return lambda module, inputs: (inputs[0] * mask.repeat_interleave(width, dim=2),)


def layers_to_keep(classifier: Classifier, keep: int, sample: Dataset) -> tuple[int, ...]:
    """The `keep` layers that are left when the layer whose absence moves the probabilities least
    (mean KL divergence from the whole network's) has gone again and again."""
    classifier = compact(classifier)
    model: Any = classifier.model.eval()
    everything = list(model.layers)
    work = batches(classifier, sample.texts, size=64)
    kept = list(range(len(everything)))
    trials = sum(range(keep + 1, len(kept) + 1))
    expected = _log_probabilities(model, work)

    def moved(layers: list[int]) -> float:
        model.layers = nn.ModuleList(everything[layer] for layer in layers)
        answers = _log_probabilities(model, work)
        return float((expected.exp() * (expected - answers)).sum(1).mean())

    with progress.task("trying the network without each layer", trials) as advance:
        while len(kept) > keep:
            divergences = []
            for layer in kept:
                divergences.append(moved([other for other in kept if other != layer]))
                advance()
            del kept[int(np.argmin(divergences))]
    return tuple(kept)


@torch.inference_mode()
def _log_probabilities(model: Any, work: list[Batch]) -> torch.Tensor:
    parts = [model(batch.ids, batch.mask).logits for batch in work]
    return torch.cat(parts).double().log_softmax(1)
