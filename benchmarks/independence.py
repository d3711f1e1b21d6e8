"""Does an answer depend on its text alone, and what do integers change: one classifier, many texts.

    python benchmarks/independence.py CLASSIFIER --calibrate train.csv --eval validation.csv
        [--eval MORE ...] [--texts 10000] [--artifact ARTIFACT ...] [--baseline] [--out rows.jsonl]

Exports the classifier (a Hugging Face folder) in float32 and, but for a --baseline, with
`DynamicQuantization`, its ranges from the first 256 texts of --calibrate, and asks each artifact,
and those of --artifact, the presets' say, for the texts of all --eval files: each by itself,
in bulk, in padded batches of short and long ones (`runtime.independence`), in bulk in another order
and on one thread. A row says for each artifact how many labels and how much of a probability differ
from the text by itself, and how many labels and what mean of a logit from the float32 graph's.
Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from paretext.compression import DynamicQuantization
from paretext.data.tables import read_rows
from paretext.graphs import export
from paretext.models.classifier import Classifier
from paretext.runtime.artifact import Artifact, softmax
from paretext.runtime.independence import each_way

CALIBRATION = 256


def texts_of(path: Path) -> list[str]:
    """Of a table with a column `text`, or with two of them that are read as one."""
    rows = read_rows(path)
    return [str(row["text"]) if "text" in row else " ".join(map(str, row.values())) for row in rows]


def measured(artifact: Artifact, exact: np.ndarray, texts: list[str]) -> dict[str, Any]:
    """What differs from each text by itself, and from the float32 graph's logits."""
    answers = each_way(artifact, texts)
    order = np.random.default_rng(0).permutation(len(texts))
    shuffled = np.empty_like(answers.alone)
    shuffled[order] = artifact.logits([texts[row] for row in order])
    single = Artifact.load(artifact.folder, threads=1).logits(texts)
    alone, label = softmax(answers.alone), answers.alone.argmax(axis=1)
    row: dict[str, Any] = {}
    ways = {
        "bulk": answers.bulk,
        "mixed": answers.mixed,
        "shuffled": shuffled,
        "one thread": single,
    }
    for way, logits in ways.items():
        row[way] = {
            "labels": int((logits.argmax(axis=1) != label).sum()),
            "probability": float(np.abs(softmax(logits) - alone).max()),
        }
    row["flips"] = int((exact.argmax(axis=1) != label).sum())
    row["flips in bulk"] = int((exact.argmax(axis=1) != answers.bulk.argmax(axis=1)).sum())
    row["logit"] = float(np.abs(exact - answers.alone).mean())
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("classifier", type=Path)
    parser.add_argument("--calibrate", type=Path, required=True)
    parser.add_argument("--eval", type=Path, action="append", required=True)
    parser.add_argument("--texts", type=int, default=10_000)
    parser.add_argument("--artifact", type=Path, action="append", default=[])
    parser.add_argument("--baseline", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    texts = [text for path in options.eval for text in texts_of(path)]
    chosen = np.random.default_rng(0).permutation(len(texts))[: options.texts]
    texts = [texts[row] for row in chosen]
    seen = texts_of(options.calibrate)[:CALIBRATION]
    with tempfile.TemporaryDirectory() as temporary:
        folder, classifier = Path(temporary), Classifier.load(options.classifier)
        artifacts = {"float32": export(classifier, folder / "float32", seen[:64])}
        if not options.baseline:
            integers = DynamicQuantization()
            artifacts["int8"] = export(classifier, folder / "int8", seen, quantization=integers)
        artifacts |= {path.name: Artifact.load(path) for path in options.artifact}
        exact = artifacts["float32"].logits(texts)
        result = {
            "classifier": str(options.classifier),
            "eval": [str(path) for path in options.eval],
            "texts": len(texts),
            **{name: measured(each, exact, texts) for name, each in artifacts.items()},
        }
    if options.out:
        with options.out.open("a", encoding="utf-8") as file:
            print(json.dumps(result), file=file)
    for name in artifacts:
        print(name, json.dumps(result[name]))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
