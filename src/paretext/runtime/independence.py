"""Whether an answer depends on its text alone: each text by itself, and texts that share a call.

Not a matter of course. Padding that an operator does not know of, and one scale for all rows of an
integer product, make a text's answer depend on what stands beside it (onnxruntime issues 8625 and
10111; dynamic INT8 changed 2% of the labels that way). Texts share calls in two ways here: in bulk,
where those of like length do (`artifact.group_by_length`), and as a server's batch of whatever came
at one time, where a short text may be padded to ten times its length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from paretext.runtime.artifact import Artifact, softmax
from paretext.runtime.manifest import Independence, Manifest

Floats = NDArray[np.float32]

FLOAT, INTEGERS = 1e-5, 0.005
"""The largest difference of a probability: another order of a sum in float32, and an activation
that such a difference moves from one integer to the next."""
_BATCH = 8


class EachWay(NamedTuple):
    """Logits, (texts, classes): of each text by itself, in bulk, and in batches of short texts
    beside long ones."""

    alone: Floats
    bulk: Floats
    mixed: Floats

    def allowed(self, manifest: Manifest) -> float:
        """The largest difference that the artifact may show: the rounding of a step, INTEGERS, or
        of float32, FLOAT times the largest logit (or 1), where nothing is quantised."""
        if manifest.is_quantised:
            return INTEGERS
        return FLOAT * max(1.0, float(np.abs(self.alone).max(initial=0)))

    @property
    def differences(self) -> Floats:
        """Of each text, the largest difference of a probability from the text by itself."""
        alone = softmax(self.alone)
        ways = [np.abs(softmax(each) - alone).max(axis=1) for each in (self.bulk, self.mixed)]
        largest: Floats = np.max(ways, axis=0)
        return largest

    def record(self) -> Independence:
        """As the manifest has it."""
        label = self.alone.argmax(axis=1)
        changed = [each.argmax(axis=1) != label for each in (self.bulk, self.mixed)]
        return Independence(
            texts=len(label),
            largest_probability_difference=float(self.differences.max(initial=0)),
            changed_labels=int(np.any(changed, axis=0).sum()),
        )


def each_way(artifact: Artifact, texts: Sequence[str], bulk: Floats | None = None) -> EachWay:
    """The artifact's answers to `texts` in each of the ways in which it is asked.

    bulk: those in bulk, where they are known, as of more texts than these.
    """
    alone = [artifact.logits([text]) for text in texts]
    none = np.empty((0, len(artifact.manifest.labels)), np.float32)
    bulk = artifact.logits(texts) if bulk is None else bulk
    return EachWay(np.concatenate([none, *alone]), bulk, _mixed(artifact, texts))


def _mixed(artifact: Artifact, texts: Sequence[str]) -> Floats:
    """Batches that have a text of about every length each."""
    order = np.argsort([len(text) for text in texts], kind="stable")
    batches = -(-len(texts) // _BATCH)
    logits = np.empty((len(texts), len(artifact.manifest.labels)), np.float32)
    for first in range(batches):
        rows = order[first::batches]
        logits[rows] = artifact.one_batch([texts[row] for row in rows])
    return logits
