"""Texts without labels: how like the labelled ones they are, and which of them to learn from.

Texts of the same kind are worth almost as much as labelled ones to a student; texts of another kind
take the place of its own and do harm. So those that are unlike are left out, and it is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from paretext.core import progress
from paretext.core.files import write_json
from paretext.core.run_folder import RunFolder
from paretext.measure.likeness import likeness
from paretext.pipeline.splits import Data

_ASKED = 500
"""Texts of each kind that the parent is asked, to compare how often it gives each label."""
_WORST = 3


def like_the_labelled(
    parent: Path, data: Data, unlabelled: Sequence[str], run: Path
) -> tuple[str, ...]:
    """Those of the texts without labels that are like the training texts; what they are like is
    said, and stands in unlabelled.json."""
    if not unlabelled:
        return ()
    similarity, alike = likeness(data.train.texts, unlabelled)
    kept = tuple(text for text, is_like in zip(unlabelled, alike, strict=True) if is_like)
    rates = _rates(parent, data, unlabelled)
    said = f"of the {len(unlabelled):,} texts without labels "
    said += (
        f"{similarity.unlike:,} are left out, being unlike"
        if similarity.unlike
        else "all are learned"
    )
    progress.say(f"{said}: {similarity}")
    if not kept:
        progress.say(
            "no text without a label is of the kind of the labelled ones; your own traffic would "
            "help, other texts do harm"
        )
    names = data.train.label_names
    order = sorted(range(len(names)), key=lambda k: -abs(rates[0][k] - rates[1][k]))[:_WORST]
    shares = ", ".join(f"{names[k]} {rates[1][k]:.0%} beside {rates[0][k]:.0%}" for k in order)
    progress.say(f"what the parent answers to them, beside the labelled ones: {shares}")
    record = {
        "texts": similarity.texts,
        "kept": len(kept),
        "auc": similarity.auc,
        "unseen_words": similarity.unseen,
        "words_a_text": list(similarity.words),
        "label_rates": {
            name: [float(rates[0][k]), float(rates[1][k])] for k, name in enumerate(names)
        },
    }
    write_json(RunFolder(run).unlabelled, record)
    return kept


def _rates(parent: Path, data: Data, unlabelled: Sequence[str]) -> list[np.ndarray]:
    """How often the parent gives each label: (labelled texts, others), each (classes,)."""
    from paretext.models.classifier import Classifier

    classifier = Classifier.load(parent)
    rates = []
    for texts in (data.selection.texts, unlabelled):
        rows = np.random.default_rng(0).permutation(len(texts))[:_ASKED]
        answers = classifier.logits([texts[row] for row in rows]).argmax(axis=1)
        rates.append(np.bincount(answers, minlength=len(data.train.label_names)) / len(rows))
    return rates
