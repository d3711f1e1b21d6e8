"""manifest.json: what an artifact is, where it comes from, and the digest of every file in it.

A manifest may be a stranger's. Its size is looked at before it is read, every value has bounds, and
the files that it lists are regular files in the artifact's own folder, the graph in `onnx/`: no
other path, no link, no device.

Formats. 1: the graph is `model.onnx`, its inputs are int32. 2: the folder is laid out as clients of
the Hugging Face hub expect it, the inputs are int64. Where the graph is, and what it reads, is said
here alone (`Manifest.model`, `Manifest.integers`); both formats are read for ever.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections import Counter
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from paretext.core.errors import ParetextError
from paretext.core.files import digest_of, files_below, sha256, write_text
from paretext.core.run_folder import RunFolder
from paretext.data.formats.base import depth
from paretext.data.sketch import Sketch
from paretext.runtime.rule import Rule

FORMAT_VERSION = 2
NAME = "manifest.json"
MODEL, QUANTIZED_MODEL = "onnx/model.onnx", "onnx/model_quantized.onnx"
"""Where a hub's clients look for a graph: with transformers.js's `dtype` fp32, and with q8."""
FIRST_MODEL = "model.onnx"
"""Where format 1 has it."""
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
CONFIG = "config.json"
CARD = "README.md"
CERTIFICATE = "certificate.json"
ENCODER = "ForSequenceClassification"
"""How Hugging Face's classes of fine-tuned encoders end."""

LONGEST_INPUT = 2**20
"""The most tokens of a `max_length`: a thousand times what classifiers take today."""
_LARGEST_MANIFEST = 2**22
_LARGEST_FILE = 2**31 - 1  # protobuf's, and so ONNX's
_MOST_FILES = 64
_DEEPEST = 32

Count = Annotated[int, Field(ge=0, lt=2**53)]
Label = Annotated[str, Field(min_length=1, max_length=1000)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FileRecord(_Record):
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0, le=_LARGEST_FILE)]


class Ancestor(_Record):
    """A classifier or artifact that this one was made from; `digest` is its folder's."""

    name: str
    digest: str
    steps: tuple[dict[str, Any], ...] = ()


class WeightCount(_Record):
    """Numbers in the matrices of the graph's products, and how many of them are exactly zero."""

    weights: Count
    zeros: Count

    @property
    def share(self) -> float:
        """Zeros as a share of all."""
        return self.zeros / max(self.weights, 1)


class Agreement(_Record):
    """How far the graph's answers are from PyTorch's on `texts` real texts."""

    texts: Count
    largest_logit_difference: float
    largest_probability_difference: float
    flipped_predictions: Count


class Independence(_Record):
    """How far the answers to `texts` texts move where others share a text's call, in bulk or as a
    padded batch of short and long ones, from those to each text by itself."""

    texts: Count
    largest_probability_difference: float
    changed_labels: Count


def _meant(folder: Path) -> str:
    """The end of a sentence on a folder that is no artifact: what to give, or to do, instead."""
    made = [each for each in RunFolder(folder).listed() if (each / NAME).is_file()]
    if made:
        listed = ", ".join(map(str, made[:5]))
        return f"; it is a run, so give one of its artifacts: {listed}."
    if (folder / CONFIG).is_file():
        return f"; it is a classifier, so make artifacts of it: paretext compress {folder}."
    return "; check the path."


class Manifest(_Record):
    format_version: Literal[1, 2] = 2
    name: str
    labels: Annotated[tuple[Label, ...], Field(min_length=2, max_length=100_000)]
    architecture: str
    max_length: Annotated[int, Field(ge=1, le=LONGEST_INPUT)]
    pad_id: Annotated[int, Field(ge=0, lt=2**31)]
    padding_side: Literal["right"] = "right"
    split_special_tokens: bool = False
    """Whether a special token's name inside a text is read as letters. The rest of how a text is
    read stands in tokenizer.json, which has no place for this."""
    recipe: tuple[dict[str, Any], ...]
    done: tuple[str, ...]
    lineage: tuple[Ancestor, ...]
    data: dict[str, str]
    seen: Sketch | None = None
    """Of all texts that it was made from; None in an artifact of an older version."""
    matrices: WeightCount
    operators: dict[str, Count]
    agreement: Agreement
    independence: Independence | None = None
    """None in an artifact of an older version, of which it was not asked."""
    operating: Rule | None = None
    """When its answers stand; None: always."""
    versions: dict[str, str]
    files: dict[str, FileRecord]

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        # NumPy drops a NUL at the end of a text, so that "a\\0" would be answered as "a"
        if bad := [label for label in labels if not label.strip() or "\0" in label]:
            raise ValueError(f"a label is {_shown(bad[0])}, which is no name")
        if len(set(labels)) < len(labels):
            twice = next(label for label, count in Counter(labels).items() if count > 1)
            raise ValueError(f"two labels are {_shown(twice)}, and names tell labels apart")
        return labels

    @field_validator("operating")
    @classmethod
    def _of_its_labels(cls, rule: Rule | None, known: ValidationInfo) -> Rule | None:
        if rule and (odd := rule.thresholds.keys() - {*known.data.get("labels", rule.thresholds)}):
            raise ValueError(f"it has a threshold for {_shown(min(odd))}, which is no label")
        return rule

    @field_validator("files")
    @classmethod
    def _plain(cls, files: dict[str, FileRecord]) -> dict[str, FileRecord]:
        if len(files) > _MOST_FILES:
            raise ValueError(f"it lists {len(files)} files, and an artifact has a few")
        for name in files:
            if name in (MODEL, QUANTIZED_MODEL):
                continue
            if not name or name in (".", "..") or set(name) & set("/\\:\0") or len(name) > 255:
                raise ValueError(
                    f"{_shown(name)} is not the plain name of a file in the artifact's folder"
                )
        return files

    @property
    def is_quantised(self) -> bool:
        """Whether its products are of integers."""
        return any(str(step.get("step", "")).endswith("quantization") for step in self.recipe)

    @property
    def model(self) -> str:
        """The graph's file, from the artifact's folder."""
        if self.format_version == 1:
            return FIRST_MODEL
        return QUANTIZED_MODEL if self.is_quantised else MODEL

    @property
    def integers(self) -> Literal["int32", "int64"]:
        """The type of the graph's inputs, as NumPy calls it."""
        return "int32" if self.format_version == 1 else "int64"

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
        if not os.path.lexists(path):
            raise ParetextError(f"{folder} is not an artifact: it has no {NAME}{_meant(folder)}")
        values = _read_json(path)
        version = values.get("format_version") if isinstance(values, dict) else None
        if version not in (1, FORMAT_VERSION):
            raise ParetextError(
                f"{folder} has artifact format {_shown(version)}, and this version of paretext "
                f"reads formats 1 and {FORMAT_VERSION}; export it again, or use the version that "
                "wrote it."
            )
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(_bare(part) for part in first["loc"])
            problem = first["msg"].removeprefix("Value error, ")
            raise ParetextError(f"{path} is damaged at {where}: {problem}.") from None

    def verify(self, folder: Path) -> None:
        """Compare every listed file with its digest; ParetextError names the one that differs."""
        for name in (self.model, TOKENIZER):
            if name not in self.files:
                raise ParetextError(
                    f"{folder / NAME} is damaged: it lists no {name}; export again."
                )
        for name in self.files:
            self.verify_file(folder, name)
        if os.path.lexists(folder / CERTIFICATE):
            self.verify_certificate(folder)

    def verify_certificate(self, folder: Path) -> None:
        """That the certificate in `folder` is a file that is listed, with its digest."""
        if CERTIFICATE not in self.files:
            raise ParetextError(
                f"{folder / CERTIFICATE} is not listed in {NAME}, so it was put there by hand; "
                "delete it, or make one with: paretext certify."
            )
        self.verify_file(folder, CERTIFICATE)

    def verify_file(self, folder: Path, name: str) -> None:
        """Compare one listed file with its digest; its size comes first, so that no more is read
        than the manifest says."""
        path, record = folder / name, self.files[name]
        if path.parent != folder and path.parent.is_symlink():
            raise _is_a_link(path.parent)
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size == record.bytes:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                if digest == record.sha256:
                    return
        raise ParetextError(
            f"{path} differs from the digest in {NAME}; "
            "it was damaged or changed: copy the artifact again or export anew."
        )

    def write(self, folder: Path) -> None:
        write_text(folder / NAME, json.dumps(self._values(), indent=2) + "\n")

    def _values(self) -> dict[str, Any]:
        """As it is written, and as its identity is taken: a field that came after the first
        manifests is left out where it says what they mean without it, so that they keep theirs."""
        fields = ("seen", "split_special_tokens", "independence", "operating")
        later = {name for name in fields if not getattr(self, name)}
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


@contextlib.contextmanager
def open_regular(path: Path) -> Iterator[BufferedReader]:
    """A regular file of an artifact, opened to read; ParetextError for a link, a folder, a device,
    a pipe (which would be waited for), and for what is not there."""
    safe = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = None if path.is_symlink() else os.open(path, os.O_RDONLY | safe)
    except (FileNotFoundError, NotADirectoryError):
        raise ParetextError(
            f"{path.parent} lacks {path.name}; copy the artifact again or export anew."
        ) from None
    except OSError as problem:
        raise ParetextError(
            f"{path} cannot be opened ({problem.strerror}); copy the artifact again."
        ) from None
    if handle is None:
        raise _is_a_link(path)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ParetextError(f"{path} is not a regular file; copy the artifact again.")
    with os.fdopen(handle, "rb") as file:
        yield file


def _is_a_link(path: Path) -> ParetextError:
    return ParetextError(
        f"{path} is a link, and an artifact holds its files itself; "
        "copy it with its links followed (cp -rL)."
    )


def _read_json(path: Path) -> Any:
    """A manifest's file, of a size, a depth and with numbers that a manifest can have."""
    with open_regular(path) as file:
        content = file.read(_LARGEST_MANIFEST + 1)
    try:
        if len(content) > _LARGEST_MANIFEST:
            raise ValueError(f"it has more than {_LARGEST_MANIFEST:,} bytes")
        values = json.loads(
            content.decode("utf-8"), parse_constant=_no_number, object_pairs_hook=_distinct_keys
        )
        if depth(values) >= _DEEPEST:
            raise ValueError(f"it is nested more than {_DEEPEST} deep")
        json.dumps(values, ensure_ascii=False, allow_nan=False).encode("utf-8")  # half a character
    except (ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise ParetextError(f"{path} cannot be read ({problem}); export again.") from None
    return values


def _distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    by_name = dict(pairs)
    if len(by_name) < len(pairs):
        raise ValueError("it has a name twice in one place")
    return by_name


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _bare(part: object) -> str:
    """A key as it is, if it can be shown."""
    text = str(part)
    return text if text.isprintable() and len(text) <= 60 else _shown(text)


def _shown(value: object) -> str:
    """A value in a sentence, whatever it is."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
