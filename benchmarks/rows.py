"""Rows that a resumable benchmark has made, a JSON line each, and the cuts of data that it uses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from paretext.data.dataset import Dataset, read_label_names

SELECTION_SHARE = 0.15


def rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def add(path: Path, row: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        print(json.dumps(row), file=file)


def cut(data: Path, texts: int, seed: int) -> tuple[Dataset, Dataset, Dataset]:
    """Training, selection and validation texts of a folder of tables; texts: of training and
    selection together, drawn by the seed; 0 takes all."""
    names = read_label_names(data / "labels.txt") if (data / "labels.txt").is_file() else None
    whole = Dataset.read(data / "train.csv", label_names=names)
    validation = Dataset.read(data / "validation.csv", label_names=whole.label_names)
    if texts:
        chosen = np.random.default_rng(seed).permutation(len(whole))[:texts]
        whole = whole.take(np.sort(chosen))
    return *whole.split(SELECTION_SHARE, seed), validation


def cut_off(data: Path, texts: int, seed: int) -> tuple[str, ...]:
    """The training texts that `cut` leaves out, without their labels."""
    whole = Dataset.read(data / "train.csv")
    order = np.random.default_rng(seed).permutation(len(whole))
    return whole.take(np.sort(order[texts:])).texts if texts else ()
