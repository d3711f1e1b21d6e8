"""Both models' answers to many texts, kept beside the certificate until the labels come.

They are kept since labels are given back days later: the same flips must be meant then, whatever
machine answers, and nobody should wait twice. They belong to two models and to texts, by digest.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from paretext.core import progress
from paretext.core.ownership import require_own_file
from paretext.measure.metrics import FloatArray

_KEY = "paretext_answers_of"


def kept_answers(
    path: Path, key: str, answer: Callable[[], tuple[FloatArray, FloatArray]]
) -> tuple[FloatArray, FloatArray]:
    """(n, K) probabilities of both, from the file if it has those of `key`, else answered anew."""
    require_own_file(path, _KEY)
    if path.exists():
        try:
            with np.load(path, allow_pickle=False) as stored:
                if str(stored[_KEY]) == key:
                    return stored["reference"].astype(float), stored["candidate"].astype(float)
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            progress.say(f"warning: {path} is damaged; the texts are answered anew")
    old, new = (each.astype(np.float32) for each in answer())
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        np.savez(file, paretext_answers_of=np.array(key), reference=old, candidate=new)
    os.replace(partial, path)
    return old.astype(float), new.astype(float)
