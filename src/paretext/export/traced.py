"""The graph of any other architecture, through PyTorch's own exporter.

`torch.onnx.export` records the model's operators as they are: right, and slower than a graph that
was written for the runtime. ONNX Runtime fuses what it recognises when it loads the file.
"""

from __future__ import annotations

from typing import Any

import onnx
import torch
from torch import nn

from paretext.errors import ParetextError
from paretext.export.graph import OPSET_TRACED


class _Logits(nn.Module):
    """The model with the artifact's inputs and output."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        answer = self.model(input_ids=input_ids.long(), attention_mask=attention_mask.long())
        return answer.logits  # type: ignore[no-any-return]


def trace_graph(model: Any) -> onnx.ModelProto:
    """The float32 graph of any sequence classifier; ParetextError if PyTorch cannot export it."""
    ids = torch.ones((2, 8), dtype=torch.int32)
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence")}
    try:
        program = torch.onnx.export(
            _Logits(model).eval(),
            (ids, torch.ones_like(ids)),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_shapes={"input_ids": free, "attention_mask": free},
            opset_version=OPSET_TRACED,
            dynamo=True,
            verbose=False,
        )
    except Exception as error:  # the exporter raises many kinds
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ParetextError(
            f"PyTorch cannot export {type(model).__name__} to ONNX ({reason}); "
            "use a BERT, RoBERTa, XLM-RoBERTa, CamemBERT, ELECTRA or DistilBERT model."
        ) from None
    if program is None:
        raise ParetextError(f"PyTorch's exporter gave no graph for {type(model).__name__}.")
    return program.model_proto
