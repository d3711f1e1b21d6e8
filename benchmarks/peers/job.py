"""What a tool is given and what it must answer: the whole interface between us and a peer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

BATCH = 32


@dataclass(frozen=True)
class Job:
    """classifier: the fine-tuned folder; train: where the training texts lie. The evaluation texts
    are not here, so that no tool can prepare on them."""

    tool: str
    variant: str
    classifier: Path
    train: Path
    labels: tuple[str, ...]
    threads: int
    seed: int

    @classmethod
    def from_json(cls, text: str) -> Job:
        values = json.loads(text)
        paths = {name: Path(values[name]) for name in ("classifier", "train")}
        return cls(**{**values, **paths, "labels": tuple(values["labels"])})

    def to_json(self) -> str:
        return json.dumps(vars(self), default=str)

    def train_data(self) -> tuple[list[str], list[int]]:
        """Texts and label indices."""
        values: dict[str, Any] = json.loads(self.train.read_text(encoding="utf-8"))
        return values["texts"], values["labels"]


class Model(Protocol):
    """Both return a label index for each text, in order."""

    def predict(self, texts: Sequence[str]) -> list[int]:
        """One call, as a service makes it; the texts are answered together."""

    def bulk(self, texts: Sequence[str]) -> list[int]:
        """All texts, however the tool's documentation says to do many."""


def in_batches(
    predict: Callable[[Sequence[str]], list[int]], texts: Sequence[str], size: int = BATCH
) -> list[int]:
    """The loop that people write where a tool's documentation has nothing of its own for many."""
    return [
        label
        for start in range(0, len(texts), size)
        for label in predict(texts[start : start + size])
    ]
