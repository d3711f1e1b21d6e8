"""What may stand in an artifact's graph, checked before ONNX Runtime is given the file.

A graph from a stranger is a program. ONNX Runtime runs what it is given: a Loop without an end, and
weights from any other file that the graph names. So the file is held against what export writes:

- operators on an allow-list (tensors in, tensors out; nothing random, no strings, no sequences), in
  ONNX's own domain and ONNX Runtime's; none with a graph inside, no functions;
- the inputs `input_ids` and `attention_mask` (and `token_type_ids`), int64, or int32 in an artifact
  of format 1, (batch, sequence); the output `logits`, float32, (batch, classes);
- every weight inside the file, as many bytes as its shape says.

The file is protobuf's wire format (protobuf.dev, "Encoding") and the field numbers are those of
onnx.proto. It is read here field by field where it lies (mmap): nothing is copied or kept but names
and shapes, and weights are stepped over, so that the check costs no memory that a file could ask
for. A field that is not listed below, that has another wire type, or that stands twice where one
is meant is refused: what is accepted is read alike by every parser.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from paretext.core.errors import ParetextError

_STANDARD = """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool
    BatchNormalization BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Celu
    Clip Concat Constant ConstantOfShape Conv ConvInteger Cos Cosh CumSum DFT DequantizeLinear Div
    DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU Gather
    GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual
    GroupNormalization HardSigmoid HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LSTM
    LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization MatMul
    MatMulInteger Max MaxPool Mean Min Mish Mod Mul Neg NonZero Not OneHot Or PRelu Pad Pow
    QLinearConv QLinearMatMul QuantizeLinear RMSNormalization RNN Range Reciprocal ReduceL1 ReduceL2
    ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare
    Relu Reshape RotaryEmbedding Round ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin
    Sinh Size Slice Softmax Softplus Softsign Split Sqrt Squeeze Sub Sum Swish Tan Tanh
    TfIdfVectorizer ThresholdedRelu Tile TopK Transpose Trilu Unsqueeze Where Xor
"""
_MICROSOFT = """
    BiasGelu FastGelu GatherBlockQuantized Gelu MatMulIntegerToFloat MultiHeadAttention QAttention
    RotaryEmbedding SkipLayerNormalization
"""
OPERATORS = {
    "": frozenset(_STANDARD.split()),
    "ai.onnx": frozenset(_STANDARD.split()),
    "com.microsoft": frozenset(_MICROSOFT.split()),
}
"""Domain -> operators that a graph may hold: ONNX's own that take tensors and give tensors, and
those of ONNX Runtime that export writes, or wrote once."""

INPUTS = ("input_ids", "attention_mask")
MORE_INPUTS = ("token_type_ids",)
OUTPUT = "logits"
_SAME_NUMBERS, _LOOKUPS = ("Cast", "Identity", "Transpose"), ("Gather", "GatherBlockQuantized")
_FLOAT, _INTEGERS = 1, {"int32": 6, "int64": 7}  # TensorProto.DataType
_BITS = {
    **{1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64},
    **{16: 16, 21: 4, 22: 4},  # bfloat16, uint4, int4
}
"""TensorProto.DataType -> bits of one number in raw_data; no text, no complex numbers."""
_MOST_FIELDS = 2_000_000  # an n-gram model lists each of its n-grams: some 100,000
_MOST_DIMENSIONS = 16

# Wire types, and what a field of each kind may have: a repeated number may also be packed.
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5


class _Field(NamedTuple):
    name: str
    wires: tuple[int, ...]
    """None: a graph that has it is refused, and `name` is what it holds."""
    repeated: bool = False


def _refused(what: str) -> _Field:
    return _Field(what, ())


def _number(name: str) -> _Field:
    return _Field(name, (_VARINT,))


def _numbers(name: str, wire: int = _VARINT) -> _Field:
    return _Field(name, (wire, _BYTES), repeated=True)


def _bytes(name: str) -> _Field:
    return _Field(name, (_BYTES,))


def _several(name: str) -> _Field:
    return _Field(name, (_BYTES,), repeated=True)


_MODEL = {
    **{1: _number("ir_version"), 2: _bytes("producer_name"), 3: _bytes("producer_version")},
    **{4: _bytes("domain"), 5: _number("model_version"), 6: _bytes("doc_string")},
    **{7: _bytes("graph"), 8: _several("opset_import"), 14: _several("metadata_props")},
    **{20: _refused("training information"), 25: _refused("functions")},
}
_GRAPH = {
    **{1: _several("node"), 2: _bytes("name"), 5: _several("initializer")},
    **{10: _bytes("doc_string"), 11: _several("input"), 12: _several("output")},
    **{13: _several("value_info"), 16: _several("metadata_props")},
    15: _refused("sparse weights"),
}
_NODE = {
    **{1: _several("input"), 2: _several("output"), 3: _bytes("name"), 4: _bytes("op_type")},
    **{5: _several("attribute"), 6: _bytes("doc_string"), 7: _bytes("domain")},
    **{8: _bytes("overload"), 9: _several("metadata_props")},
}
_ATTRIBUTE = {
    **{1: _bytes("name"), 2: _Field("f", (_FOUR,)), 3: _number("i"), 4: _bytes("s")},
    **{5: _bytes("t"), 7: _numbers("floats", _FOUR), 8: _numbers("ints"), 9: _several("strings")},
    **{10: _several("tensors"), 13: _bytes("doc_string"), 20: _number("type")},
    **{6: _refused("a graph inside an operator"), 11: _refused("graphs inside an operator")},
}
_TENSOR = {
    **{1: _numbers("dims"), 2: _number("data_type"), 4: _numbers("float_data", _FOUR)},
    **{5: _numbers("int32_data"), 7: _numbers("int64_data"), 8: _bytes("name")},
    **{9: _bytes("raw_data"), 10: _numbers("double_data", _EIGHT)},
    **{11: _numbers("uint64_data"), 12: _bytes("doc_string"), 14: _number("data_location")},
    **{6: _refused("texts as weights"), 13: _refused("weights in another file")},
    16: _several("metadata_props"),
}
_VALUE = {
    **{1: _bytes("name"), 2: _bytes("type"), 3: _bytes("doc_string")},
    4: _several("metadata_props"),
}
_TYPE = {
    **{1: _bytes("tensor_type"), 6: _bytes("denotation")},
    **{kind: _refused("an input or output that is no tensor") for kind in (4, 5, 7, 8, 9)},
}
_TENSOR_TYPE = {1: _number("elem_type"), 2: _bytes("shape")}
_SHAPE = {1: _several("dim")}
_DIMENSION = {1: _number("dim_value"), 2: _bytes("dim_param"), 3: _bytes("denotation")}

Span = tuple[int, int]


class _NotAllowed(Exception):
    """What is wrong with the graph, as the end of a sentence."""


class _Tensor(NamedTuple):
    name: str
    dims: tuple[int, ...]


def check_graph(path: Path, classes: int, integers: str) -> int | None:
    """Compare the graph file at `path`, of so many classes, with what export writes.

    integers: the type of its inputs, "int32" or "int64".

    Returns how many ids it knows: the rows of the table that it looks them up in, None where it has
    none. Raises ParetextError with the first thing that differs. The file has been verified to be a
    regular one.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Check(data, integers).model(classes)
    except (_NotAllowed, ValueError, OSError) as problem:  # mmap: an empty file
        raise ParetextError(
            f"{path} is not a graph that an artifact may hold: {problem}; "
            "export the model again, and do not trust a folder that somebody changed."
        ) from None


class _Check:
    """One file's messages; each method reads one kind, and refuses what it may not hold."""

    def __init__(self, data: mmap.mmap, integers: str) -> None:
        self.data, self.integers = data, integers
        self.left = _MOST_FIELDS
        self.ids = {INPUTS[0]}
        """Names of what holds the texts' ids, whatever their order and type."""
        self.tables: set[str] = set()
        """Names of what is looked up by ids."""

    def model(self, classes: int) -> int | None:
        graph = self._once((0, len(self.data)), _MODEL).get("graph")
        if not isinstance(graph, tuple):
            raise _NotAllowed("it has no graph")
        weights: dict[str, tuple[int, ...]] = {}
        inputs: list[str] = []
        outputs: list[str] = []
        nodes = 0
        for field, value in self._fields(graph, _GRAPH):
            if not isinstance(value, tuple):
                continue
            if field.name == "node":
                self._node(value)
                nodes += 1
            elif field.name == "initializer":
                tensor = self._tensor(value)
                weights[tensor.name] = tensor.dims
            elif field.name == "input":
                inputs.append(self._input(value))
            elif field.name == "output":
                outputs.append(self._output(value, classes))
        if not nodes:
            raise _NotAllowed("it has no operators")
        wanted = {*INPUTS}
        if len(set(inputs)) != len(inputs) or not wanted <= {*inputs} <= wanted | {*MORE_INPUTS}:
            raise _NotAllowed(f"its inputs are {_listed(inputs)}, and {_listed(INPUTS)} are read")
        if outputs != [OUTPUT]:
            raise _NotAllowed(f"its outputs are {_listed(outputs)}, and {OUTPUT!r} alone is read")
        if both := weights.keys() & {*inputs}:
            raise _NotAllowed(f"{min(both)!r} is an input and a weight")
        rows = [weights[name][0] for name in self.tables if weights.get(name)]
        return min(rows, default=None)

    def _node(self, span: Span) -> None:
        kind = domain = ""
        inputs: list[str] = []
        outputs: list[str] = []
        for field, value in self._fields(span, _NODE):
            if field.name == "input":
                inputs.append(self._text(value))
            elif field.name == "output":
                outputs.append(self._text(value))
            elif field.name == "op_type":
                kind = self._text(value)
            elif field.name == "domain":
                domain = self._text(value)
            elif field.name == "overload" and self._text(value):
                raise _NotAllowed("it calls a function of its own")
            elif field.name == "attribute" and isinstance(value, tuple):
                self._attribute(value)
        if kind not in OPERATORS.get(domain, ()):
            where = f" of the domain {_shown(domain)}" if domain else ""
            raise _NotAllowed(f"it has the operator {_shown(kind)}{where}, which export never uses")
        if kind in _SAME_NUMBERS and inputs and inputs[0] in self.ids:
            self.ids.update(outputs)
        elif kind in _LOOKUPS and len(inputs) > 1 and inputs[1] in self.ids:
            self.tables.add(inputs[0])

    def _attribute(self, span: Span) -> None:
        for field, value in self._fields(span, _ATTRIBUTE):
            if field.name in ("t", "tensors") and isinstance(value, tuple):
                self._tensor(value)

    def _tensor(self, span: Span) -> _Tensor:
        """A stored tensor: all of its numbers are here, and no more than its shape says."""
        dims: list[int] = []
        kind = stored = 0
        raw: int | None = None
        name = ""
        for field, value in self._fields(span, _TENSOR):
            if field.name == "dims":
                dims += self._integers(value)
            elif field.name == "data_type":
                kind = int(value) if isinstance(value, int) else 0
            elif field.name == "data_location" and value:
                raise _NotAllowed("it keeps weights in another file")
            elif field.name == "raw_data" and isinstance(value, tuple):
                raw = value[1] - value[0]
            elif field.name == "name":
                name = self._text(value)
            elif field.name.endswith("_data"):
                stored += value[1] - value[0] if isinstance(value, tuple) else 1
        cannot_be = len(dims) > _MOST_DIMENSIONS or any(size >= 2**31 for size in dims)
        if kind not in _BITS or cannot_be:
            raise _NotAllowed(f"the weight {_shown(name)} has a type or a shape that cannot be")
        numbers = math.prod(dims)
        if raw is not None and (stored or raw != -(-numbers * _BITS[kind] // 8)):
            raise _NotAllowed(f"the weight {_shown(name)} has not the bytes of {numbers:,} numbers")
        if raw is None and numbers > 2 * stored:  # one takes a byte, or half of one
            raise _NotAllowed(f"the weight {_shown(name)} lacks some of its {numbers:,} numbers")
        return _Tensor(name, tuple(dims))

    def _input(self, span: Span) -> str:
        name, kind, shape = self._value(span)
        wanted = _INTEGERS[self.integers]
        if kind != wanted or len(shape) != 2 or any(size is not None for size in shape):
            raise _NotAllowed(
                f"its input {_shown(name)} is not {self.integers} of any (batch, sequence)"
            )
        return name

    def _output(self, span: Span, classes: int) -> str:
        name, kind, shape = self._value(span)
        if kind != _FLOAT or len(shape) != 2 or shape[0] is not None:
            raise _NotAllowed(f"its output {_shown(name)} is not float32 of any (batch, classes)")
        if shape[1] != classes:
            raise _NotAllowed(f"it answers with {shape[1]} numbers a text for {classes} labels")
        return name

    def _value(self, span: Span) -> tuple[str, int, list[int | None]]:
        """Name, element type and shape of an input or output; a free size is None."""
        value = self._once(span, _VALUE)
        name = self._text(value.get("name", ""))
        kind = self._once(self._part(value, "type", name), _TYPE)
        tensor = self._once(self._part(kind, "tensor_type", name), _TENSOR_TYPE)
        shape: list[int | None] = []
        for _, each in self._fields(self._part(tensor, "shape", name), _SHAPE):
            size = self._once(each, _DIMENSION).get("dim_value") if isinstance(each, tuple) else 0
            shape.append(size if isinstance(size, int) else None)
        element = tensor.get("elem_type")
        return name, element if isinstance(element, int) else 0, shape

    def _part(self, message: dict[str, int | Span], part: str, name: str) -> Span:
        span = message.get(part)
        if not isinstance(span, tuple):
            raise _NotAllowed(f"its input or output {_shown(name)} has no {part}")
        return span

    # --- the wire format

    def _once(self, span: Span, known: dict[int, _Field]) -> dict[str, int | Span]:
        """The fields of a message by name; of repeated ones the last."""
        return {field.name: value for field, value in self._fields(span, known)}

    def _fields(self, span: Span, known: dict[int, _Field]) -> Iterator[tuple[_Field, int | Span]]:
        """The fields of the message in `span`: a number, or where the bytes are."""
        at, end = span
        seen: set[int] = set()
        while at < end:
            self.left -= 1
            if self.left < 0:
                raise _NotAllowed(f"it has more than {_MOST_FIELDS:,} fields")
            tag, at = self._varint(at, end)
            number, wire = tag >> 3, tag & 7
            field = known.get(number)
            if field is None:
                raise _NotAllowed(f"it has a field that is unknown here (number {number})")
            if not field.wires:
                raise _NotAllowed(f"it has {field.name}")
            if wire not in field.wires:
                raise _NotAllowed(f"its field {field.name} is damaged")
            if not field.repeated and number in seen:
                raise _NotAllowed(f"its field {field.name} stands twice")
            seen.add(number)
            if wire == _VARINT:
                value, at = self._varint(at, end)
                yield field, value
                continue
            size = {_EIGHT: 8, _FOUR: 4}.get(wire, 0)
            if wire == _BYTES:
                size, at = self._varint(at, end)
            if size > end - at:
                raise _NotAllowed("it is cut off")
            yield field, (at, at + size)
            at += size

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        """The number that begins at `at`, and where the next byte is."""
        value = shift = 0
        while at < end and shift < 70:
            byte = self.data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value, at
            shift += 7
        raise _NotAllowed("it is cut off")

    def _integers(self, value: int | Span) -> list[int]:
        """A repeated number's value, or its values where they are packed."""
        if isinstance(value, int):
            return [value]
        numbers: list[int] = []
        at, end = value
        while at < end and len(numbers) <= _MOST_DIMENSIONS:
            number, at = self._varint(at, end)
            numbers.append(number)
        return numbers

    def _text(self, value: int | str | Span) -> str:
        if isinstance(value, tuple):
            return self.data[value[0] : min(value[1], value[0] + 200)].decode("utf-8", "replace")
        return str(value)


def _shown(name: str) -> str:
    return ascii(name if len(name) <= 60 else name[:60] + "...")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(_shown(name) for name in names[:5]) or "none"
