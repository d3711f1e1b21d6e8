"""OpenVINO: the converted model, and NNCF's post-training static int8 of it.

Many texts go through as many parallel requests as the runtime asks for under its THROUGHPUT hint;
one call at a time has the LATENCY hint. Both compiled models are loaded from the one file.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from job import BATCH, Job
from tokenizers import Tokenizer

PACKAGES = ("openvino", "nncf", "torch", "transformers", "tokenizers")
CALIBRATION_TEXTS = 300
_RUN = (
    "LATENCY hint for calls; THROUGHPUT hint and AsyncInferQueue in batches of 32 for bulk; "
    "tokenizers alone"
)
SETTINGS = {
    "default": f"convert_model, weights stored as float16, precision as the plugin chooses; {_RUN}",
    "int8": f"convert_model, nncf.quantize(model_type=TRANSFORMER) calibrated on "
    f"{CALIBRATION_TEXTS} training texts; {_RUN}",
}
_INPUTS = ("input_ids", "attention_mask")


def prepare(job: Job, folder: Path) -> None:
    import torch

    from tools.transformers_model import load_classifier, load_tokenizer

    tokenizer = load_tokenizer(job.classifier)
    fast = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    fast.enable_truncation(tokenizer.model_max_length)
    fast.enable_padding(pad_id=tokenizer.pad_token_id, pad_token=tokenizer.pad_token)
    fast.save(str(folder / "tokenizer.json"), pretty=False)
    example = {name: torch.ones((2, 8), dtype=torch.int64) for name in _INPUTS}
    shape = ov.PartialShape([-1, -1])
    model = ov.convert_model(
        load_classifier(job.classifier),
        example_input=example,
        input=[(name, shape, ov.Type.i64) for name in _INPUTS],
    )
    if job.variant == "int8":
        model = _quantised(model, fast, job)
    ov.save_model(model, folder / "model.xml")


def _quantised(model: Any, tokenizer: Tokenizer, job: Job) -> Any:
    import nncf

    texts = random.Random(job.seed).sample(job.train_data()[0], CALIBRATION_TEXTS)
    data = nncf.Dataset(texts, lambda text: _feed(tokenizer, [text]))
    return nncf.quantize(
        model, data, model_type=nncf.ModelType.TRANSFORMER, subset_size=CALIBRATION_TEXTS
    )


def _feed(tokenizer: Tokenizer, texts: Sequence[str]) -> dict[str, Any]:
    encodings = tokenizer.encode_batch_fast(list(texts))
    return {
        "input_ids": np.array([each.ids for each in encodings], np.int64),
        "attention_mask": np.array([each.attention_mask for each in encodings], np.int64),
    }


def load(job: Job, folder: Path) -> OpenVinoModel:
    return OpenVinoModel(folder, job.threads)


class OpenVinoModel:
    def __init__(self, folder: Path, threads: int) -> None:
        core = ov.Core()
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        latency, throughput = (
            core.compile_model(
                folder / "model.xml",
                "CPU",
                {"PERFORMANCE_HINT": hint, "INFERENCE_NUM_THREADS": threads},
            )
            for hint in ("LATENCY", "THROUGHPUT")
        )
        self.request = latency.create_infer_request()
        self.queue = ov.AsyncInferQueue(throughput)

    def predict(self, texts: Sequence[str]) -> list[int]:
        answer = self.request.infer(_feed(self.tokenizer, texts))
        labels: list[int] = answer[0].argmax(axis=1).tolist()
        return labels

    def bulk(self, texts: Sequence[str]) -> list[int]:
        labels = np.empty(len(texts), np.int64)

        def store(request: Any, start: int) -> None:
            answer = request.get_output_tensor(0).data.argmax(axis=1)
            labels[start : start + len(answer)] = answer

        self.queue.set_callback(store)
        for start in range(0, len(texts), BATCH):
            self.queue.start_async(_feed(self.tokenizer, texts[start : start + BATCH]), start)
        self.queue.wait_all()
        return labels.tolist()
