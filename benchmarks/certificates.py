"""Certificates of a run's versions, of a copy of the reference, and of one that was broken.

    python benchmarks/certificates.py RUN --eval validation.csv --docs docs/certificates.md

Every version of RUN (`paretext run`, `paretext compress`) is certified against the parent's
artifact under the default budget, with operating points at a precision of 0.9. Two more show that
verdicts mean something: `copy` is the parent's artifact itself, and must hold every clause;
`broken-int8` has its weights rounded as INT8 with one scale a matrix does where one channel is
OUTLIER times as large as the others (the failure that per-channel scales prevent), and must be
broken.

The run's own artifacts stay as they are: all work is done on copies. Prints a Markdown table,
writes it between the markers `certificates` of --docs, and ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from page import write_section

from paretext.certification.certificate import Certificate
from paretext.certification.certify import certify
from paretext.certification.wording import BADGES, table
from paretext.core.run_folder import PARENT
from paretext.data.dataset import Dataset
from paretext.measure.ranking import is_stage
from paretext.runtime.manifest import Manifest, record_files

OUTLIER = 40.0
HEAD = (
    *("version", "verdict", "macro-F1 drop", "smallest certifiable", "worst recall drop"),
    *("flips", "ECE rise", "broken", "undecided (texts that would decide)"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--eval", required=True)
    parser.add_argument("--at", action="append", default=None)
    parser.add_argument("--docs", type=Path)
    options = parser.parse_args()
    artifacts = options.run / "artifacts"
    reference = artifacts / PARENT
    data = Dataset.read(
        options.eval, label_names=Manifest.read(reference).labels, split="validation"
    )
    names = sorted(path.parent.name for path in artifacts.glob("*/manifest.json"))
    versions = [name for name in names if name != PARENT and not is_stage(name, names)]
    certificates = {}
    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: copied(artifacts / name, Path(scratch) / name) for name in versions}
        folders["copy"] = renamed(copied(reference, Path(scratch) / "copy"))
        folders["broken-int8"] = broken(reference, Path(scratch) / "broken-int8")
        for name, folder in folders.items():
            at = options.at or ["precision=0.9"]
            certificates[name] = certify(folder, reference, data, at=at, texts=False)
    first = next(iter(certificates.values()))
    text = (
        f"{len(data):,} texts, against `{first.reference.name}` ({first.reference.digest[:12]}), "
        f"default budget, {first.machine['cpu']}, {first.machine['threads']} cores:\n\n"
        + table(HEAD, [row(name, each) for name, each in certificates.items()])
    )
    print(text)
    if options.docs:
        write_section(options.docs, "certificates", text, "Measured")
    values = {name: each.model_dump(mode="json") for name, each in certificates.items()}
    print(json.dumps({"certificates": values}))


def copied(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target))


def renamed(folder: Path) -> Path:
    """The same under its folder's name: an artifact against itself is refused."""
    Manifest.read(folder).model_copy(update={"name": folder.name}).write(folder)
    return folder


def broken(reference: Path, target: Path) -> Path:
    """A copy whose weights were rounded with one scale a matrix, set by an outlier channel."""
    copied(reference, target)
    path = target / Manifest.read(target).model
    model = onnx.load(path)
    names = {node.input[1] for node in model.graph.node if node.op_type in ("MatMul", "Gemm")}
    for tensor in model.graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if tensor.name in names and weights.ndim == 2:
            step = OUTLIER * np.abs(weights).max() / 127
            rounded = (np.round(weights / step) * step).astype(weights.dtype)
            tensor.CopyFrom(numpy_helper.from_array(rounded, tensor.name))
    onnx.save(model, path)
    manifest = Manifest.read(target).model_copy(update={"name": "broken-int8"})
    manifest.model_copy(update={"files": record_files(target)}).write(target)
    return target


def row(name: str, certificate: Certificate) -> tuple[str, ...]:
    clauses = {clause.name: clause for clause in certificate.clauses}
    drop, recall = clauses["macro_f1_drop"], clauses["recall_drop"]
    worst = max(recall.parts, key=lambda part: part.drop.estimate)
    undecided = [
        f"{clause.name} ({clause.texts_needed:,})" if clause.texts_needed else clause.name
        for clause in certificate.clauses
        if clause.verdict == "undecided"
    ]
    return (
        name,
        BADGES[certificate.verdict],
        f"{drop.found.estimate:+.4f} [{drop.found.low:+.4f}, {drop.found.high:+.4f}]",
        f"{max(drop.certifiable, 0):.4f}",
        f"{worst.drop.estimate:+.4f} ({worst.label})",
        f"{certificate.flips.flipped / certificate.data.texts:.2%}",
        f"{clauses['calibration_error_rise'].found.estimate:+.4f}",
        ", ".join(clause.name for clause in certificate.clauses if clause.verdict == "broken"),
        ", ".join(undecided),
    )


if __name__ == "__main__":
    main()
