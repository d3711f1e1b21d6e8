"""A service that people write themselves: one FastAPI route over one model, for serving.py.

    python services.py plain ARTIFACT PORT       `Artifact`, a thread for each request, no batches
    python services.py pipeline MODEL PORT       a transformers pipeline (PyTorch)
    python services.py optimum MODEL PORT        the same pipeline over optimum's INT8 of the model
    python services.py prepare MODEL FOLDER      makes that INT8

The last two run in the environment of peers/peers.toml, in which there is no paretext.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Answer = Callable[[str], Any]
PEERS = Path(__file__).with_name("peers")


def plain(folder: str) -> Answer:
    from paretext.runtime.artifact import Artifact

    artifact = Artifact.load(folder)

    def answer(text: str) -> Any:
        row = artifact.probabilities([text])[0].tolist()
        pairs = zip(artifact.manifest.labels, row, strict=True)
        return [{"label": label, "score": score} for label, score in pairs]

    return answer


def pipeline(folder: str) -> Answer:
    from transformers import pipeline

    classify = pipeline("text-classification", model=folder, top_k=None, device="cpu")
    return lambda text: classify(text, truncation=True)


def optimum(folder: str) -> Answer:
    from optimum.onnxruntime import ORTModelForSequenceClassification
    from transformers import AutoTokenizer, pipeline

    model = ORTModelForSequenceClassification.from_pretrained(
        folder, file_name="model_quantized.onnx"
    )
    tokenizer = AutoTokenizer.from_pretrained(folder)
    classify = pipeline("text-classification", model=model, tokenizer=tokenizer, top_k=None)
    return lambda text: classify(text, truncation=True)


def prepare(model: str, folder: str) -> None:
    sys.path.append(str(PEERS))
    from job import Job
    from tools.optimum import prepare

    prepare(Job("optimum", "int8", Path(model), Path(), (), 0, 0), Path(folder))


def serve(answer: Answer, port: int) -> None:
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel

    class Asked(BaseModel):
        inputs: str

    app = FastAPI()

    def route(asked: Any) -> Any:
        return answer(asked.inputs)

    route.__annotations__["asked"] = Asked  # which a postponed annotation would not find
    app.post("/predict")(route)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)


if __name__ == "__main__":
    kind, folder, last = sys.argv[1:]
    if kind == "prepare":
        prepare(folder, last)
    else:
        serve({"plain": plain, "pipeline": pipeline, "optimum": optimum}[kind](folder), int(last))
