"""The export that people write by hand: torch.onnx.export as it comes, ONNX Runtime's own tools.

`fp32` is the exported graph; `dynamic` is onnxruntime.quantization.quantize_dynamic of it, which is
also what Optimum calls; `fused` first runs ONNX Runtime's transformer optimizer over the graph, as
ONNX Runtime's page on quantisation advises for transformers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from job import Job, in_batches
from tokenizers import Tokenizer

PACKAGES = ("torch", "onnx", "onnxruntime", "tokenizers")
_EXPORT = "torch.onnx.export with its defaults and free batch and length"
_RUN = "one session with all cores; tokenizers alone, without transformers"
SETTINGS = {
    "fp32": f"{_EXPORT}; {_RUN}",
    "dynamic": f"{_EXPORT}, quant_pre_process, quantize_dynamic(QInt8); {_RUN}",
    "fused": f"{_EXPORT}, onnxruntime.transformers.optimizer (model_type bert), "
    f"quantize_dynamic(QInt8); {_RUN}",
}


def prepare(job: Job, folder: Path) -> None:
    from tools.transformers_model import load_classifier, load_tokenizer

    tokenizer = load_tokenizer(job.classifier)
    length, pad = tokenizer.model_max_length, tokenizer.pad_token_id
    model = load_classifier(job.classifier)
    model.config.save_pretrained(folder)
    fast = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    fast.enable_truncation(length)
    fast.enable_padding(pad_id=pad, pad_token=tokenizer.pad_token)
    fast.save(str(folder / "tokenizer.json"), pretty=False)
    export(model, folder / "model.onnx")
    if job.variant == "fused":
        fuse(folder / "model.onnx", model.config.num_attention_heads, model.config.hidden_size)
    if job.variant != "fp32":
        quantise(folder / "model.onnx", preprocess=job.variant == "dynamic")


def export(model: object, path: Path) -> None:
    """The default exporter, its default opset; the batch and the length are free."""
    import torch

    ids = torch.ones((2, 8), dtype=torch.int64)
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence")}
    torch.onnx.export(
        model,
        kwargs={"input_ids": ids, "attention_mask": torch.ones_like(ids)},
        f=str(path),
        input_names=["input_ids", "attention_mask"],
        output_names=["logits"],
        dynamic_shapes={"input_ids": free, "attention_mask": free},
        external_data=False,
        verbose=False,
    )


def fuse(path: Path, heads: int, width: int) -> None:
    from onnxruntime.transformers import optimizer

    fused = optimizer.optimize_model(str(path), "bert", num_heads=heads, hidden_size=width)
    fused.save_model_to_file(str(path))


def quantise(path: Path, preprocess: bool = True) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    plain = path.with_name("plain.onnx")
    path.rename(plain)
    if preprocess:
        quant_pre_process(str(plain), str(plain))
    quantize_dynamic(str(plain), str(path), weight_type=QuantType.QInt8)
    plain.unlink()


def load(job: Job, folder: Path) -> OnnxModel:
    return OnnxModel(folder, job.threads)


class OnnxModel:
    def __init__(self, folder: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def predict(self, texts: Sequence[str]) -> list[int]:
        encodings = self.tokenizer.encode_batch_fast(list(texts))
        feed = {
            "input_ids": np.array([each.ids for each in encodings], np.int64),
            "attention_mask": np.array([each.attention_mask for each in encodings], np.int64),
        }
        logits = self.session.run(None, feed)[0]
        labels: list[int] = logits.argmax(axis=1).tolist()
        return labels

    def bulk(self, texts: Sequence[str]) -> list[int]:
        return in_batches(self.predict, texts)
