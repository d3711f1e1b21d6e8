"""Structured pruning: whole attention heads and feed-forward neurons go, and matrices shrink.

1. Every head and neuron is scored on a sample of the training texts (`importance.fisher`).
2. How many of them each layer keeps. With shares: the units with the highest scores of the whole
   network stay, so layers end at different widths. With a time limit: the widths with the least
   lost importance that keep it, by times measured on this machine (`latency`).
3. The matrices are cut, and a part without units is left out, with its norm.
4. What is left is fitted to what the whole network computed, in closed form (`refit`).

Sources: Kwon et al. 2022, "A Fast Post-Training Pruning Framework for Transformers", section 4;
Kurtic et al. 2023, "ZipLM", section 3 (widths by measured times).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from paretext.compression.methods import latency
from paretext.compression.step import Material, Outline, Step, compact, require_shapes
from paretext.core.errors import ParetextError
from paretext.models.families.base import read_encoder

if TYPE_CHECKING:
    from paretext.compression.methods.importance import Scores
    from paretext.models.classifier import Classifier

Units = NDArray[np.int64]


class StructuredPruning(Step):
    """Give one of three budgets. heads, neurons: shares kept, over the whole network (one that is
    not given is 1). speedup: how many times faster than the classifier as it is. milliseconds: a
    text's time. Times are those of the graph on one core, without tokenisation, on `runtime`, for
    `call`: "group" (bulk work, about 192 tokens a call) or "text" (one text a call).

    multiple: each layer keeps a multiple of so many neurons. refit: fit what is left."""

    step: Literal["structured_pruning"] = "structured_pruning"
    heads: float | None = Field(default=None, gt=0, le=1)
    neurons: float | None = Field(default=None, gt=0, le=1)
    speedup: float | None = Field(default=None, gt=1, allow_inf_nan=False)
    milliseconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    runtime: latency.Runtime = "int8"
    call: latency.Call = "group"
    multiple: int = Field(default=32, ge=1)
    refit: bool = True

    @model_validator(mode="after")
    def _one_budget(self) -> StructuredPruning:
        shares = self.heads is not None or self.neurons is not None
        if shares + (self.speedup is not None) + (self.milliseconds is not None) != 1:
            raise ValueError(
                "structured_pruning takes one budget: shares kept (heads, neurons), or speedup, "
                "or milliseconds"
            )
        return self

    def plan(self, outline: Outline) -> Outline:
        require_shapes(self.step, outline)
        return outline

    def apply(self, classifier: Classifier, data: Material) -> tuple[Classifier, list[str]]:
        from paretext.compression.methods.batches import batches
        from paretext.compression.methods.importance import fisher
        from paretext.compression.methods.refit import refit

        self.plan(Outline.of(classifier.model.config))
        whole = compact(classifier)
        model: Any = whole.model.eval()
        sample = data.sample()
        work = batches(whole, sample.texts)
        scores = fisher(whole, sample)
        if self.heads is not None or self.neurons is not None:
            heads = by_share(scores.heads, self.heads or 1.0, 1)
            neurons = by_share(scores.neurons, self.neurons or 1.0, self.multiple)
            timed: list[str] = []
        else:
            tokens = round(float(sum(b.mask.sum() for b in work)) / len(sample))
            encoder = read_encoder(model)
            table = latency.measure(encoder, tokens, self.runtime, self.call, self.multiple)
            parts = [
                each for pair in zip(scores.heads, scores.neurons, strict=True) for each in pair
            ]
            widths, timed = self._by_time(table, parts)
            kept = [best(part, width) for part, width in zip(parts, widths, strict=True)]
            heads, neurons = kept[0::2], kept[1::2]
        smaller = cut(model, heads, neurons)
        fitted = refit(model, smaller, work) if self.refit else 0
        drop_empty_layers(smaller)
        sentences = [_counted(model, heads, neurons), *timed]
        if fitted:
            sentences.append(f"fitted {fitted} parts to the whole network on {len(sample)} texts")
        return replace(whole, model=smaller), sentences

    def _by_time(
        self, table: latency.LatencyTable, parts: Sequence[Scores]
    ) -> tuple[list[int], list[str]]:
        """The width of each part, and a sentence with the times."""
        before = table.milliseconds([len(part) for part in parts])
        least = table.rest / table.texts
        wanted = before / self.speedup if self.speedup else self.milliseconds or before
        call = f"{table.texts} x {table.tokens} tokens in {self.runtime}"
        options = [sorted(curve) for curve in table.parts]
        chosen = None
        if wanted > least:
            chosen = latency.cheapest(
                [
                    [curve[w] for w in each]
                    for curve, each in zip(table.parts, options, strict=True)
                ],
                [[lost(part, w) for w in each] for part, each in zip(parts, options, strict=True)],
                wanted * table.texts - table.rest,
            )
        if chosen is None:
            raise ParetextError(
                f"structured_pruning is to reach {wanted:.3g} ms a text ({call}), and with every "
                f"head and neuron cut it takes {least:.3g} ms, {before / least:.3g}x faster than "
                "now; ask for less."
            )
        widths = [each[option] for each, option in zip(options, chosen, strict=True)]
        after = table.milliseconds(widths)
        return widths, [
            f"estimated {after:.3g} ms a text, {before / after:.2f}x faster than the {before:.3g} "
            f"ms before, by a table of {sum(map(len, options))} times measured here for {call}"
        ]


def by_share(scores: Sequence[Scores], share: float, multiple: int) -> list[Units]:
    """The units that stay: the best of all layers together, in blocks of `multiple`.

    A layer's units form blocks from the best down, and blocks are ranked by their mean score, so
    that what a layer keeps is a multiple (its last block may be smaller).
    """
    blocks = []
    for layer, part in enumerate(scores):
        falling = np.sort(part)[::-1]
        for start in range(0, len(part), multiple):
            block = falling[start : start + multiple]
            blocks.append((-float(block.mean()), layer, len(block)))
    left = max(round(share * sum(map(len, scores))), 1)
    widths = [0] * len(scores)
    for _, layer, size in sorted(blocks):
        # Half a block at least has to fit: the share is kept as near as blocks allow.
        if 2 * left < size:
            break
        widths[layer] += size
        left -= size
    return [best(part, width) for part, width in zip(scores, widths, strict=True)]


def best(scores: Scores, width: int) -> Units:
    """The numbers of the `width` units with the highest scores, in rising order."""
    return np.sort(np.argsort(-scores, kind="stable")[:width])


def lost(scores: Scores, width: int) -> float:
    """The importance that goes when the best `width` units stay."""
    return float(np.sort(scores)[: len(scores) - width].sum())


def cut(model: Any, heads: Sequence[Units], neurons: Sequence[Units]) -> Any:
    """A copy of the compact network `model` with only these heads and neurons in each layer."""
    from torch import nn

    from paretext.models.compact import CompactClassifier

    config = type(model.config).from_dict(model.config.to_dict())
    config.shapes = [
        {**shape, "heads": len(kept), "neurons": len(others)}
        for shape, kept, others in zip(config.shapes, heads, neurons, strict=True)
    ]
    smaller = CompactClassifier(config)
    weights = model.state_dict()
    for index, layer in enumerate(model.layers):
        columns = (heads[index][:, None] * layer.head_size + np.arange(layer.head_size)).ravel()
        inner = dict.fromkeys(("query", "key", "value"), columns)
        inner |= dict.fromkeys(("feed_forward_in", "feed_forward_gate"), neurons[index])
        outer = {
            "attention_output": columns,
            "distance_bias": heads[index],
            "feed_forward_out": neurons[index],
        }
        for name in [name for name in weights if name.startswith(f"layers.{index}.")]:
            part, kind = name.split(".")[2:]
            if part in inner:
                weights[name] = weights[name][inner[part]]
            elif part in outer and kind == "weight":
                weights[name] = weights[name][:, outer[part]]
    smaller.load_state_dict({name: weights[name] for name in smaller.state_dict()})
    nn.Module.eval(smaller)
    return smaller.to(model.device)


def drop_empty_layers(model: Any) -> None:
    """Leave out, in place, layers that have lost both parts: the one before may be the last then,
    which computes less."""
    from torch import nn

    full = [layer for layer in model.layers if layer.heads or layer.neurons]
    model.config.shapes = [each for each in model.config.shapes if each["heads"] or each["neurons"]]
    model.layers = nn.ModuleList(full)


def _counted(model: Any, heads: Sequence[Units], neurons: Sequence[Units]) -> str:
    parts = []
    for kept, name in ((heads, "heads"), (neurons, "neurons")):
        there = sum(getattr(layer, name) for layer in model.layers)
        parts.append((f"{sum(map(len, kept)):,} of {there:,} {name}", [len(each) for each in kept]))
    totals = " and ".join(total for total, _ in parts)
    heads_each, neurons_each = (", ".join(map(str, widths)) for _, widths in parts)
    return f"kept {totals}; layer by layer {heads_each} heads and {neurons_each} neurons"
