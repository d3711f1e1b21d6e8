"""OpenVINO's runtime reads the ONNX file itself."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from answer import answer
from tokenizers import Tokenizer


def classify(artifact: str, texts: list[str]) -> dict[str, Any]:
    tokenizer = Tokenizer.from_file(f"{artifact}/tokenizer.json")
    (graph,) = Path(artifact, "onnx").glob("model*.onnx")
    model = openvino.Core().compile_model(
        str(graph), "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    )
    logits = []
    for text in texts:
        ids = np.array([tokenizer.encode(text).ids])
        outputs = model({"input_ids": ids, "attention_mask": np.ones_like(ids)})
        logits.append(outputs["logits"][0].tolist())
    return {"logits": logits, "version": version("openvino")}


answer(classify)
