"""pace(): how long a training step takes here, measured on a copy before a training is planned.

A training that may take so long and no longer has to know how many steps that is. Batches of the
training's own, of its usual lengths, are learned by a copy that is thrown away; the first few steps
are slower (memory is found, kernels are chosen) and do not count.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import nn

from paretext.data.dataset import Dataset
from paretext.models.classifier import Classifier
from paretext.training.batches import Examples, OwnRows, Padding
from paretext.training.device import resolve_device, uses_bf16
from paretext.training.settings import TrainingSettings
from paretext.training.targets import Distance, Targets, map_states

_WARM, _TIMED = 2, 8
_TRAINER = 0.008
"""Seconds that Trainer takes for itself in a step."""
EVALUATED = 1 / 3
"""A text that is only asked takes about a third of one that is learned: nothing is passed back."""


def pace(
    classifier: Classifier, data: Dataset, settings: TrainingSettings, targets: Targets | None
) -> float:
    """Median seconds of a step of `fit` with these settings on these texts."""
    copy = classifier.copy()
    model: Any = copy.model
    distance = None
    if targets is not None:
        distance = Distance(targets)
        if targets.states is not None:
            map_states(model, targets.states)
    device = resolve_device(settings.device)
    model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0)
    examples, padded = Examples(copy, data, targets), Padding(copy)
    rows = [np.arange(len(data))] if targets is None else [targets.epochs[0]]
    order = list(OwnRows(rows, examples.lengths, settings.batch_size, settings.seed))
    seconds = []
    for step in range(_WARM + _TIMED):
        begin = time.perf_counter()
        some = order[step * settings.batch_size :][: settings.batch_size]
        if not some:
            break
        batch = padded([examples[row] for row in some])
        inputs = {name: each.to(device) for name, each in batch.items()}
        taught = {name: inputs.pop(name) for name in list(inputs) if name.startswith("teach")}
        labels = inputs.pop("labels")
        with torch.autocast(device, torch.bfloat16, enabled=uses_bf16(settings)):
            if distance is None:
                loss = nn.functional.cross_entropy(model(**inputs)["logits"].float(), labels)
            else:
                loss = distance(model, inputs, taught)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - begin)
    return _TRAINER + float(np.median(seconds[_WARM:] or seconds))
