"""The graph of any other architecture, through PyTorch's own exporter.

`torch.onnx.export` records the model's operators as they are: right, and slower than a graph that
was written for the runtime. ONNX Runtime fuses what it recognises when it loads the file. What the
exporter records of a Linear differs with its size and place (a MatMul, a MatMul behind a Transpose
of the weight, a Gemm); here each becomes a MatMul with a stored matrix, which is what quantisation
looks for.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import nn

from paretext.core.errors import ParetextError, first_line
from paretext.graphs.graph import OPSET_TRACED, checked, others

_CHATTY = ("torch.onnx", "onnxscript", "onnx_ir")
_LAST: dict[bytes, onnx.ModelProto] = {}


class _Logits(nn.Module):
    """The model with the artifact's inputs and output."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        answer = self.model(input_ids=input_ids, attention_mask=attention_mask)
        return answer.logits  # type: ignore[no-any-return]


def trace_graph(model: Any) -> onnx.ModelProto:
    """The float32 graph of any sequence classifier; ParetextError if PyTorch cannot export it.

    Tracing takes seconds to minutes, and one network is exported in several precisions: the last
    graph is kept, and is given again for the same configuration and weights.
    """
    digest = _digest(model)
    if digest not in _LAST:
        _LAST.clear()
        _LAST[digest] = _traced(model)
    copy = onnx.ModelProto()
    copy.CopyFrom(_LAST[digest])
    return copy


def _digest(model: Any) -> bytes:
    """Of all that a network computes by."""
    hasher = hashlib.sha256(model.config.to_json_string().encode())
    for name, tensor in model.state_dict().items():
        hasher.update(name.encode())
        hasher.update(tensor.detach().cpu().flatten().view(torch.uint8).numpy().data)
    return hasher.digest()


def _traced(model: Any) -> onnx.ModelProto:
    ids = torch.ones((2, 8), dtype=torch.int64, device=model.device)
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence")}
    try:
        with _quiet_exporter(), _plain_experts(getattr(model, "network", model)):
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
        raise ParetextError(
            f"PyTorch cannot export {type(model).__name__} to ONNX ({first_line(error)}); "
            f"{others()}."
        ) from None
    if program is None:
        raise ParetextError(f"PyTorch's exporter gave no graph for {type(model).__name__}.")
    return plain_products(program.model_proto)


def plain_products(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which every product with a stored matrix is a MatMul, and equal ones are one."""
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        options = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        weight = stored.get(node.input[1]) if node.op_type == "Gemm" else None
        if node.op_type == "Transpose" and node.input[0] in stored:
            stored[node.output[0]] = np.transpose(stored[node.input[0]], options.get("perm"))
        elif weight is not None and _is_linear(options):
            x, name, *bias = node.input
            if options.get("transB"):
                stored[f"{name}.transposed"], name = weight.T, f"{name}.transposed"
            product = f"{node.output[0]}.product" if bias else node.output[0]
            nodes.append(helper.make_node("MatMul", [x, name], [product], name=node.name))
            if bias:
                nodes.append(
                    helper.make_node("Add", [product, *bias], node.output, name=f"{node.name}.bias")
                )
        else:
            nodes.append(node)
    first: dict[tuple[Any, ...], str] = {}
    same = {name: first.setdefault(_content(array), name) for name, array in stored.items()}
    # ascontiguousarray would make a scalar an array of one number; asarray does not
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    del plain.graph.node[:], plain.graph.initializer[:], plain.graph.value_info[:]
    del plain.graph.metadata_props[:]
    plain.graph.node.extend(nodes)
    for node in plain.graph.node:
        node.input[:] = [same.get(name, name) for name in node.input]
        del node.metadata_props[:]  # the exporter's notes name files of this machine
    read = {name for node in plain.graph.node for name in node.input}
    plain.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(array, order="C"), name)
        for name, array in stored.items()
        if name in read
    )
    return checked(plain)


def _content(array: NDArray[Any]) -> tuple[Any, ...]:
    digest = hashlib.sha256(array.tobytes()).digest()
    return array.dtype.str, array.shape, digest


def _is_linear(gemm: dict[str, Any]) -> bool:
    """Whether a Gemm with these attributes is x @ weight + bias and nothing more."""
    return not gemm.get("transA") and gemm.get("alpha", 1.0) == 1.0 == gemm.get("beta", 1.0)


@contextlib.contextmanager
def _plain_experts(network: Any) -> Iterator[None]:
    """Where a layer has experts, their matrices are looked up for each token and multiplied, which
    are operators that ONNX has; what transformers does otherwise is one of its own."""
    if not getattr(network, "_can_set_experts_implementation", bool)():
        yield
        return
    before = network.get_experts_implementation()
    network.set_experts_implementation("batched_mm")
    try:
        yield
    finally:
        network.set_experts_implementation(before)


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keep the exporter's remarks on its own workings from the user; errors are raised."""
    loggers = [logging.getLogger(name) for name in _CHATTY]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
