"""How far an INT8 artifact's answers move if float32 sums differ in their last bit.

    python benchmarks/clients/rounding.py RUN/artifacts/int8 ... --eval validation.csv

Other processors, and WebAssembly, add in another order. Here the factors of all normalisations are
changed by 3e-7 of themselves at random, on this machine: what moves then moves for that reason
alone, because an activation that lies between two steps is rounded to the other. Ends with one JSON
line: of each artifact the largest difference of a logit, texts beyond 1e-4, and changed labels.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from paretext.data.tables import read_rows
from paretext.runtime.artifact import Artifact

SIZE, TOLERANCE = 3e-7, 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("artifact", type=Path, nargs="+")
    parser.add_argument("--eval", type=Path, required=True, help="a table with a column of texts")
    parser.add_argument("--column", default="text", help="of the texts; default: text")
    parser.add_argument("--texts", type=int, default=200, help="only the first of the texts")
    options = parser.parse_args()
    texts = [str(row[options.column]) for row in read_rows(options.eval)][: options.texts]
    print(json.dumps({folder.name: moved(folder, texts) for folder in options.artifact}))


def moved(folder: Path, texts: list[str]) -> dict[str, float]:
    artifact = Artifact.load(folder, threads=1)
    model = onnx.load(folder / artifact.manifest.model)
    random = np.random.default_rng(0)
    norms = {node.input[1] for node in model.graph.node if node.op_type == "LayerNormalization"}
    for tensor in model.graph.initializer:
        if tensor.name in norms:
            gamma = numpy_helper.to_array(tensor)
            changed = (gamma * (1 + SIZE * random.standard_normal(gamma.shape))).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    logits = []
    for text in texts:
        ids = np.array([artifact._tokenizer.encode(text).ids])
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        logits.append(session.run(["logits"], feed)[0][0])
    expected = np.concatenate([artifact.logits([text]) for text in texts])
    away = np.abs(np.array(logits) - expected).max(axis=1)
    return {
        "largest": float(away.max()),
        "beyond": int((away > TOLERANCE).sum()),
        "labels": int((np.array(logits).argmax(1) != expected.argmax(1)).sum()),
    }


if __name__ == "__main__":
    main()
