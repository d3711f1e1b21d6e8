"""The table of measured shapes.

Bytes and times depend on shapes alone, so they are measured on untrained models, before anything is
spent on teaching them, and kept: for one machine, one parent and one set of training texts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from paretext.core.files import read_json, write_json


class Shape(BaseModel):
    """bytes: of the artifact's folder; p95_ms: 95th percentile of a text's time at batch 1;
    ms_per_text: at batch 32."""

    model_config = ConfigDict(frozen=True)

    bytes: int
    p95_ms: float
    ms_per_text: float


class ShapeTable:
    """The table in a JSON file, by the digest of the steps before the training and the
    quantisation; read anew at each question, since other processes add to it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def shapes(self) -> dict[str, Shape]:
        if not self.path.exists():
            return {}

        def read(values: Any) -> dict[str, Shape]:
            return {each["recipe"]: Shape(**each["shape"]) for each in values["shapes"]}

        return read_json(self.path, "delete it, and the shapes are measured again", read)

    def add(self, recipe: str, shape: Shape) -> None:
        shapes = self.shapes() | {recipe: shape}
        values = [{"recipe": name, "shape": each.model_dump()} for name, each in shapes.items()]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, {"shapes": values})
