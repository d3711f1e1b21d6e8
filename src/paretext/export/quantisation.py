"""Dynamic INT8: eight-bit weights in the file, activations quantised as they arrive.

Every product of activations with a weight matrix becomes one integer product
(`MatMulIntegerToFloat`), which adds the bias as well: the weight is quantised per output channel,
symmetrically, to int8; the activation per tensor to uint8 at run time (`DynamicQuantizeLinear`),
once for all the products that read it: query, key and value share one quantised input. Embeddings
are looked up in an int8 table with one scale for each block of up to 128 values of a row
(`GatherBlockQuantized`), because a table's rows differ in size by more than one scale can follow.

Since an activation's range is taken over the whole call, a text's answer depends slightly on the
texts that share its call. Source: Jacob et al. 2018, "Quantization and Training of Neural Networks
for Efficient Integer-Arithmetic-Only Inference", section 2; ONNX Runtime's ContribOperators.md.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from pydantic import BaseModel, ConfigDict

from paretext.export.graph import MICROSOFT

_BLOCKS = (128, 64, 32, 16)


class DynamicQuantization(BaseModel):
    """Settings of the step. `embeddings`: quantise the embedding tables too."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: Literal["dynamic_quantization"] = "dynamic_quantization"
    embeddings: bool = True

    def apply(self, model: onnx.ModelProto) -> tuple[onnx.ModelProto, list[str]]:
        """The quantised copy of `model`, and sentences that count what was done."""
        weights = {tensor.name: tensor for tensor in model.graph.initializer}
        rewrite = _Rewrite(weights)
        biases = _biases(model, weights)
        folded = {id(add) for add, _ in biases.values()}
        products = tables = 0
        for node in model.graph.node:
            if node.op_type == "MatMul" and _is_matrix(weights.get(node.input[1])):
                bias = biases.get(node.output[0])
                rewrite.product(node, numpy_helper.to_array(weights[node.input[1]]), bias)
                products += 1
            elif id(node) in folded:
                continue
            elif self.embeddings and _is_lookup(node, weights):
                rewrite.lookup(node, numpy_helper.to_array(weights[node.input[0]]))
                tables += 1
            else:
                rewrite.nodes.append(node)
        quantised = rewrite.finish(model)
        all_products = sum(_is_product(node, weights) for node in model.graph.node)
        all_tables = sum(_is_lookup(node, weights) for node in model.graph.node)
        return quantised, [
            f"quantised {products} of {all_products} matrix products with weights to int8, "
            "per channel",
            f"quantised {tables} of {all_tables} embedding tables to int8, in blocks",
        ]


class _Rewrite:
    """The new graph's nodes and initializers, as they are made."""

    def __init__(self, weights: dict[str, onnx.TensorProto]) -> None:
        self.weights = dict(weights)
        self.nodes: list[onnx.NodeProto] = []
        self.quantised_inputs: set[str] = set()

    def product(
        self,
        node: onnx.NodeProto,
        weight: NDArray[np.float32],
        bias: tuple[onnx.NodeProto, str] | None,
    ) -> None:
        x, name = node.input
        if x not in self.quantised_inputs:
            outputs = [f"{x}.int8", f"{x}.scale", f"{x}.zero"]
            self.nodes.append(
                helper.make_node("DynamicQuantizeLinear", [x], outputs, name=f"{x}.quantise")
            )
            self.quantised_inputs.add(x)
        scale = _scale(np.abs(weight).max(axis=0))
        self._replace(name, {"int8": np.rint(weight / scale).astype(np.int8), "scale": scale})
        inputs = [f"{x}.int8", f"{name}.int8", f"{x}.scale", f"{name}.scale", f"{x}.zero"]
        output = node.output
        if bias is not None:
            add, values = bias
            inputs, output = [*inputs, "", values], add.output
        self.nodes.append(
            helper.make_node(
                "MatMulIntegerToFloat", inputs, output, name=node.name, domain=MICROSOFT
            )
        )

    def lookup(self, node: onnx.NodeProto, table: NDArray[np.float32]) -> None:
        name, ids = node.input
        rows, width = table.shape
        block = next((size for size in _BLOCKS if width % size == 0), _BLOCKS[-1])
        blocks = -(-width // block)
        padded = np.zeros((rows, blocks * block), np.float32)
        padded[:, :width] = table
        cut = padded.reshape(rows, blocks, block)
        scale = _scale(np.abs(cut).max(axis=2))
        # uint8 around 128 is the operator's form of a symmetric int8.
        values = (np.rint(cut / scale[:, :, None]) + 128).astype(np.uint8)
        values = values.reshape(rows, blocks * block)[:, :width]
        self._replace(name, {"int8": values, "scale": scale})
        self.nodes.append(
            helper.make_node(
                "GatherBlockQuantized",
                [f"{name}.int8", ids, f"{name}.scale"],
                node.output,
                name=node.name,
                domain=MICROSOFT,
                gather_axis=0,
                quantize_axis=1,
                block_size=block,
                bits=8,
            )
        )

    def _replace(self, name: str, parts: dict[str, NDArray[np.generic]]) -> None:
        self.weights.pop(name, None)
        for part, values in parts.items():
            tensor = numpy_helper.from_array(np.ascontiguousarray(values), f"{name}.{part}")
            self.weights[tensor.name] = tensor

    def finish(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """A copy of `model` with the new nodes and those initializers that they still read."""
        read = {name for node in self.nodes for name in node.input}
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        del copy.graph.node[:], copy.graph.initializer[:]
        copy.graph.node.extend(self.nodes)
        copy.graph.initializer.extend(w for w in self.weights.values() if w.name in read)
        return copy


def _biases(
    model: onnx.ModelProto, weights: dict[str, onnx.TensorProto]
) -> dict[str, tuple[onnx.NodeProto, str]]:
    """Output of a product -> the Add of a stored bias that alone reads it, and the bias's name."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    found = {}
    for node in model.graph.node:
        reading = readers.get(node.output[0], [])
        if node.op_type != "MatMul" or len(reading) != 1 or reading[0].op_type != "Add":
            continue
        add = reading[0]
        for name in add.input:
            if name in weights and len(weights[name].dims) == 1:
                found[node.output[0]] = (add, name)
    return found


def _is_matrix(tensor: onnx.TensorProto | None) -> bool:
    """Whether a float matrix lies in the file."""
    return (
        tensor is not None and len(tensor.dims) == 2 and tensor.data_type == onnx.TensorProto.FLOAT
    )


def _is_product(node: onnx.NodeProto, weights: dict[str, onnx.TensorProto]) -> bool:
    """Whether `node` multiplies by numbers that lie in the file."""
    return node.op_type in ("MatMul", "Gemm") and any(name in weights for name in node.input[:2])


def _is_lookup(node: onnx.NodeProto, weights: dict[str, onnx.TensorProto]) -> bool:
    """Whether `node` looks rows up in a float matrix that lies in the file."""
    if node.op_type != "Gather" or any(each.name == "axis" and each.i for each in node.attribute):
        return False
    return _is_matrix(weights.get(node.input[0]))


def _scale(largest: NDArray[np.float32]) -> NDArray[np.float32]:
    """The step between integers so that `largest` becomes 127; 1 where all is zero."""
    return np.where(largest > 0, largest / 127, 1).astype(np.float32)
