"""Keep a subset of the encoder's layers.

Which ones: by index; or a share of them, evenly spread, the best start for a student that is
taught what is between the layers (Sanh et al. 2019, "DistilBERT", section 3); or the number to
keep, and then the layers go one by one whose absence moves the answers least on a sample of the
training texts (greedy, by mean KL divergence: Sajjad et al. 2023, "On the effect of dropping layers
of pre-trained transformer models", section 3).
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
    """keep: which layers, counted from 0; or a share below 1, evenly spread from the first on; or
    how many, and then those that the answers need most are found on a sample."""

    step: Literal["layers"] = "layers"
    keep: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)] | tuple[Index, ...]

    def plan(self, outline: Outline) -> Outline:
        require_shapes(self.step, outline)
        there, keep = outline.layers, self.keep
        if isinstance(keep, float):
            keep = spread(there, keep)
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
        keep, there = self.keep, len(model.layers)
        if isinstance(keep, float):
            keep = spread(there, keep)
        if isinstance(keep, int):
            keep = layers_to_keep(classifier, keep, data.sample())
        model.layers = nn.ModuleList(model.layers[index] for index in keep)
        model.config.shapes = [model.config.shapes[index] for index in keep]
        listed = ", ".join(map(str, keep))
        return kept, [f"kept {len(keep)} of {there} layers: {listed}"]


def spread(layers: int, share: float) -> tuple[int, ...]:
    """The numbers of that share of so many layers, one at least, evenly from the first on."""
    kept = max(1, round(share * layers))
    return tuple(place * layers // kept for place in range(kept))
