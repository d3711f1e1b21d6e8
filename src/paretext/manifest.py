"""manifest.json: what an artifact is, where it comes from, and the digest of every file in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from paretext.errors import ParetextError
from paretext.files import digest_of, files_below, sha256, write_text

FORMAT_VERSION = 1
NAME = "manifest.json"
NEEDED = ("model.onnx", "tokenizer.json")
CARD = "README.md"
CERTIFICATE = "certificate.json"


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
    split_special_tokens: bool = False
    """Whether a special token's name inside a text is read as letters. The rest of how a text is
    read stands in tokenizer.json, which has no place for this."""
    recipe: tuple[dict[str, Any], ...]
    done: tuple[str, ...]
    lineage: tuple[Ancestor, ...]
    data: dict[str, str]
    matrices: WeightCount
    operators: dict[str, int]
    agreement: Agreement
    versions: dict[str, str]
    files: dict[str, FileRecord]

    @property
    def identity(self) -> str:
        """SHA-256 of everything that answers depend on, and of where it came from.

        A certificate and the card that shows it are about the artifact: adding them leaves its
        identity as it was, so that a certificate can name the artifact that it lies in.
        """
        values = self._values()
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
        write_text(folder / NAME, json.dumps(self._values(), indent=2) + "\n")

    def _values(self) -> dict[str, Any]:
        """As it is written, and as its identity is taken: a field that came after the first
        manifests is left out where it says what they mean without it, so that they keep theirs."""
        later = set() if self.split_special_tokens else {"split_special_tokens"}
        return self.model_dump(mode="json", exclude=later)


def record_files(folder: Path) -> dict[str, FileRecord]:
    """Digest and size of every file below `folder` but the manifest."""
    return {
        path.relative_to(folder).as_posix(): FileRecord(
            sha256=sha256(path), bytes=path.stat().st_size
        )
        for path in files_below(folder)
        if path.name != NAME
    }
