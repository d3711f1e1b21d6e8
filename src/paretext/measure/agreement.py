"""Whether an artifact answers as the PyTorch model does that it was exported from.

The export has checked this on some texts. A comparison has both models' answers to all of its
texts, and what it says of the versions rests on their parent being the model that was trained: so
it is checked again, and a difference beyond rounding is an error and no row of a table.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from paretext.core.errors import ParetextError
from paretext.core.files import folder_digest
from paretext.runtime.manifest import Manifest

TOLERANCE = 1e-3
"""Of the largest logit, or of 1. Float32 and another padding leave differences of about 1e-6
between the two runtimes; a text that is read otherwise moves a logit by tenths."""


def is_export_of(artifact: Path, classifier: Path) -> bool:
    """Whether the artifact is the classifier in that folder, in float32: its last ancestor, with
    nothing done to the graph since."""
    manifest = Manifest.read(artifact)
    quantised = manifest.is_quantised
    return (
        bool(manifest.lineage)
        and not quantised
        and manifest.lineage[-1].digest == folder_digest(classifier)
    )


def require_agreement(
    artifact: Path, expected: NDArray[np.float32], logits: NDArray[np.float32]
) -> None:
    """ParetextError where the artifact's logits, (n, K), are not PyTorch's `expected` ones."""
    differences = np.abs(logits.astype(np.float64) - expected).max(axis=1)
    allowed = TOLERANCE * max(1.0, float(np.abs(expected).max()))
    off = np.flatnonzero(~(differences <= allowed))  # a NaN is a difference too
    if not off.size:
        return
    flipped = int((logits.argmax(axis=1) != expected.argmax(axis=1)).sum())
    worst = int(off[np.nan_to_num(differences[off], nan=np.inf).argmax()])
    raise ParetextError(
        f"{artifact} does not answer as the PyTorch model does that it was exported from: "
        f"{off.size:,} of {len(expected):,} texts differ beyond rounding, {flipped:,} of them in "
        f"their label, most of all text {worst + 1:,} (a logit by {differences[worst]:.2g}), so "
        "nothing is certified or compared; delete that folder and export again with this version, "
        "and if it still differs, the model reads texts in a way that paretext cannot export: "
        "please report it."
    )
