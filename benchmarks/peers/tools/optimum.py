"""Optimum's ONNX Runtime back end: its exporter, its quantizer, its model class."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import onnxruntime
import torch
from job import Job, in_batches
from optimum.onnxruntime import ORTModelForSequenceClassification, ORTQuantizer
from optimum.onnxruntime.configuration import AutoQuantizationConfig
from transformers import AutoTokenizer

PACKAGES = ("optimum-onnx", "optimum", "transformers", "onnxruntime", "torch")
SETTINGS = {
    "int8": "ORTModelForSequenceClassification(export=True), ORTQuantizer with "
    "AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=False), AutoTokenizer",
}


def prepare(job: Job, folder: Path) -> None:
    source = _older_folder(job.classifier, folder / "source")
    model = ORTModelForSequenceClassification.from_pretrained(source, export=True)
    model.save_pretrained(folder / "fp32")
    quantizer = ORTQuantizer.from_pretrained(folder / "fp32")
    settings = AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=False)
    quantizer.quantize(save_dir=folder, quantization_config=settings)
    AutoTokenizer.from_pretrained(source).save_pretrained(folder)
    shutil.rmtree(folder / "fp32")
    shutil.rmtree(source)


def _older_folder(classifier: Path, folder: Path) -> Path:
    """The classifier as transformers 4 reads it: without the fields that only 5 writes."""
    shutil.copytree(classifier, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["torch_dtype"] = config.pop("dtype", "float32")
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    path = folder / "tokenizer_config.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values.pop("backend", None)
    if values.get("tokenizer_class") == "TokenizersBackend":
        values["tokenizer_class"] = "PreTrainedTokenizerFast"
    path.write_text(json.dumps(values), encoding="utf-8")
    return folder


def load(job: Job, folder: Path) -> OptimumModel:
    return OptimumModel(folder, job.threads)


class OptimumModel:
    def __init__(self, folder: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        torch.set_num_threads(threads)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = ORTModelForSequenceClassification.from_pretrained(
            folder, file_name="model_quantized.onnx", session_options=options
        )

    def predict(self, texts: Sequence[str]) -> list[int]:
        batch = self.tokenizer(
            list(texts),
            truncation=True,
            padding=True,
            return_token_type_ids=False,
            return_tensors="np",
        )
        labels: list[int] = self.model(**batch).logits.argmax(1).tolist()
        return labels

    def bulk(self, texts: Sequence[str]) -> list[int]:
        return in_batches(self.predict, texts)
