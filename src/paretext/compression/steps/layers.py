"""Keep a subset of the encoder's layers.

Which ones: by index, or the number to keep; then the layers go one by one whose absence moves the
answers least on a sample of the training texts (greedy, by mean KL divergence). Source: Sajjad et
al. 2023, "On the effect of dropping layers of pre-trained transformer models", section 3.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from paretext.compression.step import Material, Outline, Step, compact, require_shapes
from paretext.core.errors import ParetextError

if TYPE_CHECKING:
    from paretext.models.classifier import Classifier

Index = Annotated[int, Field(ge=0)]


class Layers(Step):
    """keep: how many layers, or which, counted from 0."""

    step: Literal["layers"] = "layers"
    keep: Annotated[int, Field(ge=1)] | tuple[Index, ...]

    def plan(self, outline: Outline) -> Outline:
        require_shapes(self.step, outline)
        there, keep = outline.layers, self.keep
        if isinstance(keep, int):
            if keep > there:
                raise ParetextError(
                    f"the step layers keeps {keep}, and the classifier has {there} layers there; "
                    f"keep at most {there}."
                )
            return replace(outline, layers=keep)
        if list(keep) != sorted(set(keep)) or not keep or keep[-1] >= there:
            raise ParetextError(
                f"the step layers keeps {list(keep)}, and the classifier has the layers 0 to "
                f"{there - 1} there; name some of them, in rising order."
            )
        return replace(outline, layers=len(keep))

    def apply(self, classifier: Classifier, data: Material) -> tuple[Classifier, list[str]]:
        from torch import nn

        from paretext.compression.methods.importance import layers_to_keep

        self.plan(Outline.of(classifier.model.config))
        kept = compact(classifier)
        model: Any = kept.model
        keep = self.keep
        if isinstance(keep, int):
            keep = layers_to_keep(classifier, keep, data.sample())
        there = len(model.layers)
        model.layers = nn.ModuleList(model.layers[index] for index in keep)
        model.config.shapes = [model.config.shapes[index] for index in keep]
        listed = ", ".join(map(str, keep))
        return kept, [f"kept {len(keep)} of {there} layers: {listed}"]
