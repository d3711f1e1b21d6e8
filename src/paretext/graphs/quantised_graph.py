"""The quantised graph: integer products and block-quantised tables in place of float32 ones.

A product of activations with a stored matrix becomes one `MatMulIntegerToFloat`, which adds the
bias as well. The matrix is quantised per output channel, symmetrically, to int8; the activation to
uint8 by `QuantizeLinear`, once for all the products that read it (query, key and value share one
quantised input), in one of the ways of `activations`: rows that are divided by their largest
numbers want the product multiplied by them, and the bias added after. Where the three also feed one
attention, all of it is one operator, `QAttention`, which writes them as attention reads them: 67 us
in place of 85 for 22 tokens of width 384 and 12 heads, 560 in place of 670 for 192 on one core,
with the same numbers. It takes one scale for the whole input, and adds nothing to the scores but
the mask. Where an input is what a norm gives, and nothing but integer products reads it, the norm
evens its channels out by its own numbers.

An embedding table becomes integers with scales of their own for each row: `tables`.

Left out, as measured: scales of least squared error in place of the largest weight's. KL from
float32 went up as often as down, for matrices (three fine-tuned six-layer RoBERTas, 7 and 8 bits)
and for 4-bit tables (one of them).

Sources: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", section 2; ONNX Runtime's ContribOperators.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from paretext.graphs.activations import Input
from paretext.graphs.attention import DISTANCES
from paretext.graphs.graph import POSITIONS, checked
from paretext.graphs.tables import BLOCK, quantise_table, step
from paretext.graphs.writer import MICROSOFT

Float32s = NDArray[np.float32]

LARGEST_WEIGHT = {8: 127, 7: 64}
"""The largest integer of a weight of so many bits. 64, not 63: two products of a uint8 with it,
2 x 255 x 64 = 32,640, still fit the 16 bits in which an x86 CPU without VNNI adds them."""


@dataclass(frozen=True)
class Plan:
    """What to quantise, and how. matrices: names of the stored matrices whose products become
    integer products; inputs: how those that they are multiplied with become integers."""

    matrices: frozenset[str]
    weight_bits: int
    embedding_bits: int | None
    inputs: Mapping[str, Input]


@dataclass(frozen=True)
class Rewritten:
    """A quantised graph, and how many products and lookups were replaced in it."""

    graph: onnx.ModelProto
    products: int
    tables: int


@dataclass(frozen=True)
class Counts:
    """What a graph holds: products with stored numbers and lookups in float tables, as nodes, and
    what can become integer products: stored matrix -> the inputs it is multiplied with."""

    products: int
    tables: int
    matrices: dict[str, list[str]]

    @classmethod
    def of(cls, model: onnx.ModelProto) -> Counts:
        weights = _weights(model)
        matrices: dict[str, list[str]] = {}
        for node in model.graph.node:
            if node.op_type == "MatMul" and _is_matrix(weights.get(node.input[1])):
                matrices.setdefault(node.input[1], []).append(node.input[0])
        return cls(
            products=sum(_is_product(node, weights) for node in model.graph.node),
            tables=sum(_is_lookup(node, weights) for node in model.graph.node),
            matrices=matrices,
        )


def rewrite(model: onnx.ModelProto, plan: Plan) -> Rewritten:
    """The quantised copy of `model`, and the number of nodes of each kind that were replaced.

    A node is known by its first output, of which a graph has no two alike. (Protobuf makes a new
    Python object each time that a node is looked at, so `id` tells nothing.)
    """
    weights = _weights(model)
    made = _Rewrite(weights, plan, _opset(model))
    biases = _biases(model, weights)
    bits = plan.embedding_bits
    attentions = _attentions(model, biases, plan)
    norms = {
        x
        for x in folding(model, plan.matrices) & {*plan.inputs}
        if plan.inputs[x].factors is not None
    }
    folded = {each.output[0] for read in attentions.values() for pair in read for each in pair[:2]}
    products = tables = 0
    for node in model.graph.node:
        if node.output[0] in attentions:
            made.attention(node, attentions[node.output[0]])
            products += len(attentions[node.output[0]])
        elif node.output[0] in folded:
            continue
        elif node.output[0] in norms:
            made.norm(node)
        elif node.op_type == "MatMul" and node.input[1] in plan.matrices:
            last, bias = biases.get(node.output[0], (node, ""))
            made.product(node, bias, last)
            folded.add(last.output[0])
            products += 1
        elif bits and _is_lookup(node, weights) and _fits(node, weights, plan):
            made.lookup(node, bits)
            tables += 1
        else:
            made.nodes.append(node)
    return Rewritten(made.finish(model), products, tables)


class Biased(NamedTuple):
    """A product with a stored matrix, the Add of its bias, and the bias's name."""

    product: onnx.NodeProto
    add: onnx.NodeProto
    bias: str


class _Rewrite:
    """The new graph's nodes and initializers, as they are made."""

    def __init__(self, weights: dict[str, TensorProto], plan: Plan, opset: int) -> None:
        self.weights = dict(weights)
        self.plan = plan
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.quantised: set[str] = set()
        """Inputs and matrices that are there as integers already."""
        self.even: set[str] = set()
        """Inputs whose channels are evened out where they are made."""

    def product(self, node: onnx.NodeProto, bias: str, last: onnx.NodeProto) -> None:
        """`node` and the Add of its bias, `last`, as one integer product."""
        x, matrix = node.input
        self._quantise_input(x)
        name = self._shared(matrix)
        if name not in self.quantised:
            self.quantised.add(name)
            self._store_matrix(name, numpy_helper.to_array(self.weights[matrix]), x)
        inputs = [f"{x}.int8", f"{name}.int8", f"{x}.scale", f"{name}.scale", f"{x}.zero"]
        kind = "MatMulIntegerToFloat"
        if self.plan.inputs[x].floor is None:
            inputs += ["", bias] if bias else []
            self._node(kind, inputs, last.output, node.name, MICROSOFT)
            return
        sums, out = f"{node.output[0]}.sums", node.output if bias else last.output
        self._node(kind, inputs, [sums], sums, MICROSOFT)
        self._node("Mul", [sums, f"{x}.largest"], out, node.name)
        if bias:
            self._node("Add", [out[0], bias], last.output, last.name)

    def norm(self, node: onnx.NodeProto) -> None:
        """`node`, a norm, with the factors by which its channels are evened out."""
        factors = self.plan.inputs[node.output[0]].factors
        for name in node.input[1:]:
            self._store(f"{name}.even", numpy_helper.to_array(self.weights[name]) / factors)
        changed = onnx.NodeProto()
        changed.CopyFrom(node)
        changed.input[1:] = [f"{name}.even" for name in node.input[1:]]
        self.nodes.append(changed)
        self.even.add(node.output[0])

    def attention(self, node: onnx.NodeProto, read: Sequence[Biased]) -> None:
        """`node`, a MultiHeadAttention, and the biased products that it reads, as one operator."""
        x = read[0].product.input[0]
        name = self._shared("+".join(each.product.input[1] for each in read))
        self._quantise_input(x)
        if name not in self.quantised:
            self.quantised.add(name)
            matrices = [numpy_helper.to_array(self.weights[each.product.input[1]]) for each in read]
            biases = [numpy_helper.to_array(self.weights[each.bias]) for each in read]
            self._store_matrix(name, np.concatenate(matrices, axis=1), x)
            self._store(f"{name}.bias", np.concatenate(biases))
        inputs = [f"{x}.int8", f"{name}.int8", f"{name}.bias", f"{x}.scale", f"{name}.scale"]
        inputs += [node.input[4], f"{x}.zero"]
        heads = next(each.i for each in node.attribute if each.name == "num_heads")
        self._node("QAttention", inputs, node.output, node.name, MICROSOFT, num_heads=heads)

    def _shared(self, name: str) -> str:
        """The name of a matrix's integers. They lie in the file once, where layers share it; but of
        8 bits each has its own, which ONNX Runtime rewrites as it loads, and fails to do twice."""
        while self.plan.weight_bits == 8 and name in self.quantised:
            name += ".again"
        return name

    def _store_matrix(self, name: str, weight: Float32s, x: str) -> None:
        """The matrix (inputs, outputs) that x is multiplied with as integers, with a scale for each
        output."""
        if (factors := self.plan.inputs[x].factors) is not None:
            weight = weight * factors[:, None]
        scale = step(np.abs(weight).max(axis=0), LARGEST_WEIGHT[self.plan.weight_bits])
        self._store(f"{name}.int8", np.rint(weight / scale).astype(np.int8))
        self._store(f"{name}.scale", scale)

    def _quantise_input(self, x: str) -> None:
        if x in self.quantised:
            return
        self.quantised.add(x)
        how, read = self.plan.inputs[x], x
        if how.factors is not None and x not in self.even:
            self._store(f"{x}.factors", 1 / how.factors)
            self._node("Mul", [x, f"{x}.factors"], [f"{x}.even"], f"{x}.even")
            read = f"{x}.even"
        if how.floor is not None:
            top, largest = f"{x}.top", f"{x}.largest"
            self._store(f"{x}.floor", np.asarray(how.floor, np.float32))
            if self.opset < 18:
                self._node("ReduceMax", [read], [top], top, axes=[-1], keepdims=1)
            else:
                self._store("last_axis", np.array([-1]))
                self._node("ReduceMax", [read, "last_axis"], [top], top, keepdims=1)
            self._node("Max", [top, f"{x}.floor"], [largest], largest)
            self._node("Div", [read, largest], [f"{x}.scaled"], f"{x}.scaled")
            read = f"{x}.scaled"
        step, centre = how.affine()
        self._store(f"{x}.scale", step)
        self._store(f"{x}.zero", centre)
        self._node("QuantizeLinear", [read, f"{x}.scale", f"{x}.zero"], [f"{x}.int8"], f"{x}.int8")

    def lookup(self, node: onnx.NodeProto, bits: int) -> None:
        """`node`, a Gather of rows, from a table of integers with a scale for each block. What
        distances are to a layer has 8 bits at least."""
        name, ids = node.input
        bits = 8 if name.endswith(DISTANCES) else bits
        table = numpy_helper.to_array(self.weights[name])
        scale = f"{name}.scale"
        if name not in self.quantised:
            self.quantised.add(name)
            integers, scales = quantise_table(table, bits)
            self._store(f"{name}.int{bits}", integers)
            self._store(f"{scale}.float16", scales)
            self._node("Cast", [f"{scale}.float16"], [scale], scale, to=TensorProto.FLOAT)
        if bits == 4:
            self._node(
                "GatherBlockQuantized",
                [f"{name}.int4", ids, scale],
                node.output,
                node.name,
                MICROSOFT,
                gather_axis=0,
                quantize_axis=1,
                block_size=BLOCK,
                bits=4,
            )
            return
        rows, steps = f"{node.output[0]}.rows", f"{node.output[0]}.steps"
        self._node("Gather", [f"{name}.int8", ids], [f"{rows}.int8"], f"{rows}.int8")
        self._node("Cast", [f"{rows}.int8"], [rows], rows, to=TensorProto.FLOAT)
        self._node("Gather", [scale, ids], [steps], steps)
        self._node("Mul", [rows, steps], node.output, node.name)

    def _node(
        self, kind: str, inputs: Any, outputs: Any, name: str, domain: str = "", **attributes: Any
    ) -> None:
        self.nodes.append(
            helper.make_node(kind, inputs, outputs, name=name, domain=domain, **attributes)
        )

    def _store(self, name: str, values: NDArray[Any]) -> None:
        self.weights[name] = numpy_helper.from_array(np.asarray(values, order="C"), name)

    def finish(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """A copy of `model` with the new nodes and those initializers that they still read."""
        read = {name for node in self.nodes for name in node.input}
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        del copy.graph.node[:], copy.graph.initializer[:]
        copy.graph.node.extend(self.nodes)
        copy.graph.initializer.extend(w for w in self.weights.values() if w.name in read)
        if all(each.domain != MICROSOFT for each in copy.opset_import):
            copy.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
        return checked(copy)


def _fits(node: onnx.NodeProto, weights: dict[str, TensorProto], plan: Plan) -> bool:
    """Whether a row of the table that `node` reads fills whole bytes, and no product reads it too:
    its integers and scales would not be the table's."""
    width = weights[node.input[0]].dims[1]
    return width * (plan.embedding_bits or 0) % 8 == 0 and node.input[0] not in plan.matrices


def _opset(model: onnx.ModelProto) -> int:
    return max(int(each.version) for each in model.opset_import if each.domain in ("", "ai.onnx"))


def _weights(model: onnx.ModelProto) -> dict[str, TensorProto]:
    return {tensor.name: tensor for tensor in model.graph.initializer}


def _biases(
    model: onnx.ModelProto, weights: dict[str, TensorProto]
) -> dict[str, tuple[onnx.NodeProto, str]]:
    """Output of a product -> the Add of a stored bias that alone reads it, and the bias's name.

    A bias has a number for each output: what else a graph adds stays an Add.
    """
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    biases = {}
    for node in model.graph.node:
        reading = readers.get(node.output[0], [])
        if node.op_type != "MatMul" or len(reading) != 1 or reading[0].op_type != "Add":
            continue
        add, matrix = reading[0], weights.get(node.input[1])
        for name in add.input:
            if name in weights and matrix is not None and _is_bias(weights[name], matrix):
                biases[node.output[0]] = (add, name)
    return biases


def _attentions(
    model: onnx.ModelProto, biases: Mapping[str, tuple[onnx.NodeProto, str]], plan: Plan
) -> dict[str, list[Biased]]:
    """Outputs of the attentions whose query, key and value are products of one input with matrices
    that are quantised, and those products. The input's rows must share one scale."""
    made = {}
    for node in model.graph.node:
        if node.op_type != "MatMul" or node.input[1] not in plan.matrices:
            continue
        if node.output[0] in biases and plan.inputs[node.input[0]].floor is None:
            add, bias = biases[node.output[0]]
            made[add.output[0]] = Biased(node, add, bias)
    attentions = {}
    for node in model.graph.node:
        plain = node.op_type == "MultiHeadAttention" and not any(node.input[5:])
        if plain and all(name in made for name in node.input[:3]):
            read = [made[name] for name in node.input[:3]]
            if len({each.product.input[0] for each in read}) == 1:
                attentions[node.output[0]] = read
    return attentions


def folding(model: onnx.ModelProto, matrices: Collection[str]) -> set[str]:
    """Outputs of norms that nothing but products with these matrices reads."""
    norms = {n.output[0] for n in model.graph.node if n.op_type == "LayerNormalization"}
    for node in model.graph.node:
        if node.op_type != "MatMul" or node.input[1] not in matrices:
            norms -= {*node.input}
    return norms - {each.name for each in model.graph.output}


def _is_matrix(tensor: TensorProto | None) -> bool:
    """Whether a float matrix lies in the file."""
    return tensor is not None and len(tensor.dims) == 2 and tensor.data_type == TensorProto.FLOAT


def _is_bias(tensor: TensorProto, matrix: TensorProto) -> bool:
    """Whether `tensor` holds a float for each column of `matrix`."""
    return tensor.data_type == TensorProto.FLOAT and [*tensor.dims] == [*matrix.dims[1:]]


def _is_product(node: onnx.NodeProto, weights: dict[str, TensorProto]) -> bool:
    """Whether `node` multiplies by numbers that lie in the file."""
    return node.op_type in ("MatMul", "Gemm") and any(name in weights for name in node.input[:2])


def _is_lookup(node: onnx.NodeProto, weights: dict[str, TensorProto]) -> bool:
    """Whether `node` looks rows up in a float matrix that lies in the file.

    The position table is small, and integers would only cost time there.
    """
    if node.op_type != "Gather" or any(each.name == "axis" and each.i for each in node.attribute):
        return False
    if node.input[0] == POSITIONS:
        return False
    return _is_matrix(weights.get(node.input[0]))
