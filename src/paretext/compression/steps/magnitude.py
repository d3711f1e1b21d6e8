"""Global unstructured magnitude pruning: the smallest weights of all Linear layers become zero.

One threshold for the whole network, so a layer whose weights are small loses more of them; biases,
embeddings and layer norms stay. A short fine-tuning lets the rest make up for the loss, and after
each of its steps the pruned weights are set to zero again, so the share asked for is the share
that ships. Source: Han et al. 2015, "Learning both Weights and Connections for Efficient Neural
Networks", section 3; the global threshold as in `torch.nn.utils.prune.global_unstructured`.

A dense runtime multiplies zeros like any other number: this makes a file that compresses better
on disk, and nothing faster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from paretext.compression.step import Material, Step

if TYPE_CHECKING:
    import torch
    from torch import nn

    from paretext.models.classifier import Classifier


class MagnitudePruning(Step):
    """amount: share of all Linear weights to set to zero. The recovery fine-tuning trains as the
    parent was trained, but for its length in epochs and its learning rate; 0 epochs is none."""

    only_last_after: ClassVar[str] = "which would fill the zeros again or move them"

    step: Literal["magnitude_pruning"] = "magnitude_pruning"
    amount: float = Field(default=0.35, ge=0, lt=1)
    recovery_epochs: int = Field(default=1, ge=0)
    recovery_learning_rate: float = Field(default=1e-5, gt=0)

    def apply(self, classifier: Classifier, data: Material) -> tuple[Classifier, list[str]]:
        """The pruned copy of `classifier`, and sentences that count what was done."""
        from paretext.training.fit import fit

        pruned = classifier.copy()
        keep = keep_masks(pruned.model, self.amount)
        hold_zeros(pruned.model, keep)
        if self.recovery_epochs:
            recovery = data.training.model_copy(
                update={
                    "epochs": self.recovery_epochs,
                    "learning_rate": self.recovery_learning_rate,
                }
            )
            pruned = fit(
                pruned,
                data.train,
                data.selection,
                recovery,
                work=data.work,
                label="recovery after pruning",
                after_step=lambda model: hold_zeros(model, keep),
            ).classifier
        zeros = sum(int((m.weight == 0).sum()) for _, m in linears(pruned.model))
        weights = sum(m.weight.numel() for _, m in linears(pruned.model))
        share = f"{zeros:,} of {weights:,} weights ({zeros / weights:.3%})"
        return pruned, [f"pruned {share} in {len(keep)} Linear layers to zero"]


def linears(model: nn.Module) -> list[tuple[str, nn.Linear]]:
    """All Linear layers, by name; a weight that two of them share is counted once."""
    from torch import nn

    layers: list[tuple[str, nn.Linear]] = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and not any(module.weight is m.weight for _, m in layers):
            layers.append((name, module))
    return layers


def keep_masks(model: nn.Module, amount: float) -> dict[str, torch.Tensor]:
    """Which weights of each Linear layer stay: all but the round(amount x all) smallest."""
    import torch

    layers = linears(model)
    magnitudes = torch.cat([module.weight.detach().abs().flatten() for _, module in layers])
    keep = torch.ones(len(magnitudes), dtype=torch.bool)
    drop = round(amount * len(magnitudes))
    # A sort, not a threshold: among equal magnitudes exactly as many go as were asked for.
    keep[magnitudes.sort(stable=True).indices[:drop]] = False
    sizes = [module.weight.numel() for _, module in layers]
    return {
        name: part.view_as(module.weight)
        for (name, module), part in zip(layers, keep.split(sizes), strict=True)
    }


def hold_zeros(model: nn.Module, keep: dict[str, torch.Tensor]) -> None:
    """Set the pruned weights to zero again, in place."""
    for name, mask in keep.items():
        weight = model.get_parameter(f"{name}.weight").detach()
        weight.mul_(mask.to(weight.device))
