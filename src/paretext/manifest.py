"""manifest.json: what an artifact is, where it comes from, and the digest of every file in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from paretext.errors import ParetextError
from paretext.files import digest_of, files_below, sha256, write_text
from paretext.seen import Sketch

FORMAT_VERSION = 1
NAME = "manifest.json"
NEEDED = ("model.onnx", "tokenizer.json")
CARD = "README.md"
CERTIFICATE = "certificate.json"
ENCODER = "ForSequenceClassification"
"""How Hugging Face's classes of fine-tuned encoders end."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileRecord(_Record):
    sha256: str
    bytes: int


class Ancestor(_Record):
    """A classifier or artifact that this one was made from; `digest` is its folder's."""

    name: str
    digest: str
    steps: tuple[dict[str, Any], ...] = ()


class WeightCount(_Record):
    """Numbers in the matrices of the graph's products, and how many of them are exactly zero."""

    weights: int
    zeros: int

    @property
    def share(self) -> float:
        """Zeros as a share of all."""
        return self.zeros / max(self.weights, 1)


class Agreement(_Record):
    """How far the graph's answers are from PyTorch's on `texts` real texts."""

    texts: int
    largest_logit_difference: float
    largest_probability_difference: float
    flipped_predictions: int


class Manifest(_Record):
    format_version: Literal[1] = 1
    name: str
    labels: tuple[str, ...]
    architecture: str
    max_length: int
    pad_id: int
    padding_side: Literal["right"] = "right"
    recipe: tuple[dict[str, Any], ...]
    done: tuple[str, ...]
    lineage: tuple[Ancestor, ...]
    data: dict[str, str]
    seen: Sketch | None = None
    """Of all texts that it was made from; None in an artifact of an older version."""
    matrices: WeightCount
    operators: dict[str, int]
    agreement: Agreement
    versions: dict[str, str]
    files: dict[str, FileRecord]

    @property
    def is_encoder(self) -> bool:
        """Whether it is a fine-tuned transformer; a baseline and a recurrent student are not."""
        return self.architecture.endswith(ENCODER)

    def shares_root(self, other: Manifest) -> bool:
        """Whether both were made from one model: their oldest ancestors are, or are not known."""
        if not self.lineage or not other.lineage:
            return True
        return self.lineage[0].digest == other.lineage[0].digest

    @property
    def identity(self) -> str:
        """SHA-256 of everything that answers depend on, and of where it came from.

        A certificate and the card that shows it are about the artifact: adding them leaves its
        identity as it was, so that a certificate can name the artifact that it lies in.
        """
        values = self.model_dump(mode="json", exclude=None if self.seen else {"seen"})
        about = (CARD, CERTIFICATE)
        values["files"] = {k: v for k, v in values["files"].items() if k not in about}
        return digest_of(values)

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of an artifact's folder; ParetextError if it is not one."""
        path = folder / NAME
        if not folder.is_dir():
            raise ParetextError(f"{folder} is not a folder; give the folder of an artifact.")
        if not path.is_file():
            raise ParetextError(f"{folder} is not an artifact: it has no {NAME}.")
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise ParetextError(f"{path} cannot be read ({error}); export again.") from None
        version = values.get("format_version") if isinstance(values, dict) else None
        if version != FORMAT_VERSION:
            raise ParetextError(
                f"{folder} has artifact format {version!r}, and this version of paretext reads "
                f"format {FORMAT_VERSION}; export it again, or use the version that wrote it."
            )
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ParetextError(f"{path} is damaged at {where}: {first['msg']}.") from None

    def verify(self, folder: Path) -> None:
        """Compare every listed file with its digest; ParetextError names the one that differs."""
        for name in NEEDED:
            if name not in self.files:
                raise ParetextError(
                    f"{folder / NAME} is damaged: it lists no {name}; export again."
                )
        for name, record in self.files.items():
            path = folder / name
            if not path.is_file():
                raise ParetextError(
                    f"{folder} lacks {name}; copy the artifact again or export anew."
                )
            if path.stat().st_size != record.bytes or sha256(path) != record.sha256:
                raise ParetextError(
                    f"{path} differs from the digest in {NAME}; "
                    "it was damaged or changed: copy the artifact again or export anew."
                )
        if CERTIFICATE not in self.files and (folder / CERTIFICATE).exists():
            raise ParetextError(
                f"{folder / CERTIFICATE} is not listed in {NAME}, so it was put there by hand; "
                "delete it, or make one with: paretext certify."
            )

    def write(self, folder: Path) -> None:
        write_text(folder / NAME, json.dumps(self.model_dump(mode="json"), indent=2) + "\n")


def record_files(folder: Path) -> dict[str, FileRecord]:
    """Digest and size of every file below `folder` but the manifest."""
    return {
        path.relative_to(folder).as_posix(): FileRecord(
            sha256=sha256(path), bytes=path.stat().st_size
        )
        for path in files_below(folder)
        if path.name != NAME
    }
