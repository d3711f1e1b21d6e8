"""Fewer hidden dimensions everywhere: the least active ones are cut out of every matrix.

A hidden dimension is one column through the whole encoder, as every layer adds to it; cutting it
shortens the embeddings, every norm and one side of every matrix. A dimension counts by how large it
is on average, after each norm, on a sample of the training texts. Source: Muralidharan et al. 2024,
"Compact Language Models via Pruning and Knowledge Distillation", section 2.2.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from paretext.compression.step import Material, Outline, Step, compact, require_shapes
from paretext.core.errors import ParetextError
from paretext.data.dataset import Dataset

if TYPE_CHECKING:
    import torch

    from paretext.models.classifier import Classifier
    from paretext.models.compact import CompactClassifier


class Width(Step):
    """hidden_size: how many hidden dimensions stay."""

    step: Literal["width"] = "width"
    hidden_size: int = Field(ge=1)

    def plan(self, outline: Outline) -> Outline:
        require_shapes(self.step, outline)
        if self.hidden_size >= outline.width:
            raise ParetextError(
                f"the step width keeps {self.hidden_size} hidden dimensions, and the classifier "
                f"has {outline.width} there; keep fewer."
            )
        words = outline.word_width
        words = self.hidden_size if words == outline.width else words
        return replace(outline, width=self.hidden_size, word_width=words)

    def apply(self, classifier: Classifier, data: Material) -> tuple[Classifier, list[str]]:
        self.plan(Outline.of(classifier.model.config))
        wide = compact(classifier)
        there = wide.model.config.hidden_size
        sizes = activations(wide, data.sample())
        kept = sizes.topk(self.hidden_size).indices.sort().values
        share = float(sizes[kept].sum() / sizes.sum())
        return replace(wide, model=cut(wide.model, kept)), [
            f"kept {self.hidden_size} of {there} hidden dimensions, with {share:.1%} of the "
            "activations' size"
        ]


def activations(classifier: Classifier, data: Dataset) -> torch.Tensor:
    """The mean size of each hidden dimension over tokens and layers, (width,)."""
    import torch

    from paretext.compression.methods.batches import batches

    model: Any = classifier.model
    total = torch.zeros(model.config.hidden_size)
    with torch.inference_mode():
        for batch in batches(classifier, data.texts):
            *states, _ = model.encode(batch.ids, batch.mask)
            for state in states:
                mask = batch.mask[:, : state.shape[1], None]
                total += (state.abs() * mask).sum((0, 1)) / mask.sum()
    return total


def cut(model: Any, kept: torch.Tensor) -> CompactClassifier:
    """The network with the hidden dimensions `kept` alone."""
    from torch import nn

    from paretext.models.compact import CompactClassifier

    config = model.config
    parts = dict(model.state_dict())
    narrow_embeddings = not config.projects  # else a matrix follows, which alone is cut
    for name, tensor in parts.items():
        for axis in _hidden_axes(name, config.word_rank is not None, narrow_embeddings):
            tensor = tensor.index_select(axis, kept)
        parts[name] = tensor
    smaller = type(config).from_dict(config.to_dict())
    smaller.hidden_size = len(kept)
    if narrow_embeddings:
        smaller.embedding_size = len(kept)
    network = CompactClassifier(smaller)
    network.load_state_dict(parts)
    nn.Module.eval(network)
    return network


def _hidden_axes(name: str, factorised: bool, narrow_embeddings: bool) -> tuple[int, ...]:
    """Which axes of a parameter run over the hidden dimensions."""
    part, _, kind = name.rpartition(".")
    part = part.rpartition(".")[2]
    if part in ("words", "word_factor", "positions", "embedding_norm"):
        if not narrow_embeddings or (part == "words" and factorised):
            return ()
        return (1,) if part in ("words", "positions") else (0,)
    if part == "relative":
        return (1,)
    if part in ("query", "key", "value", "feed_forward_in", "feed_forward_gate", "head_dense"):
        return (1,) if kind == "weight" else ()
    if part in ("attention_output", "feed_forward_out", "projection"):
        return (0,)
    return (0,) if part.endswith("_norm") and part != "head_norm" else ()
