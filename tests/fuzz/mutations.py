"""How inputs are changed: bytes, JSON and graphs, each by what hypothesis draws (`data.draw`)."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from typing import Any

import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper

OUTSIDE = ("../outside/secret", "../../outside/secret", "/etc/hostname")
Draw = Callable[[st.SearchStrategy[Any]], Any]

numbers = st.sampled_from(
    [0, 1, -1, 2, 3, 7, 127, 255, 2**16, 2**31 - 1, 2**31, -(2**31), 2**32 - 1, 2**63 - 1, 2**63]
)
hostile = st.one_of(
    st.sampled_from([None, True, False, "", " ", "a", "\0", "\n", "\x1b[2J", "\ud800", *OUTSIDE]),
    st.sampled_from([[], {}, [[]], {"": {}}, 10**400, 10**5000, -(2**64), 1e308, 5e-324]),
    st.sampled_from([float("nan"), float("inf"), "x" * 10_000, "9" * 100, ["a"] * 1000]),
    numbers,
    st.floats(),
    st.text(max_size=20),
    st.recursive(st.integers() | st.text(max_size=5), st.lists, max_leaves=5),
    st.integers(1, 40).map(lambda depth: json.loads("[" * depth + "]" * depth)),
)


def changed_bytes(draw: Draw, content: bytes) -> bytes:
    """A few edits: bytes set, inserted, deleted, repeated; an end cut off."""
    made = bytearray(content)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(made)))
        size = draw(st.integers(1, 64))
        kind = draw(st.sampled_from(["set", "flip", "insert", "delete", "repeat", "move", "cut"]))
        if kind == "set":
            new = draw(st.binary(min_size=1, max_size=4) | st.sampled_from([b"\xff", b"\0", b'"']))
            made[at : at + len(new)] = new
        elif kind == "flip" and at < len(made):
            made[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "insert":
            made[at:at] = draw(st.binary(max_size=16))
        elif kind == "delete":
            del made[at : at + size]
        elif kind == "repeat":
            made[at:at] = made[at : at + size] * draw(st.integers(1, 20))
        elif kind == "move":
            part = made[at : at + size]
            del made[at : at + size]
            to = draw(st.integers(0, len(made)))
            made[to:to] = part
        elif kind == "cut" and draw(st.booleans()):
            del made[at:]
    return bytes(made)


def _places(value: Any, most: int = 6) -> list[tuple[Any, ...]]:
    """Paths to every part of a JSON value; of a long list or dict to its first few."""
    places: list[tuple[Any, ...]] = [()]
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        limit = len(value) if isinstance(value, dict) and len(value) < 30 else most
        for key, each in list(pairs)[:limit]:
            places += [(key, *rest) for rest in _places(each, most)]
    return places


def changed_json(draw: Draw, value: Any) -> Any:
    """One to three parts of it are replaced, deleted, renamed or put in another's place."""
    made = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        places = _places(made)
        if len(places) == 1:
            return made
        *path, last = places[draw(st.integers(1, len(places) - 1))]
        parent = made
        for key in path:
            parent = parent[key]
        kind = draw(st.sampled_from(["set", "set", "set", "delete", "rename", "swap", "grow"]))
        if kind == "set":
            parent[last] = copy.deepcopy(draw(hostile))
        elif kind == "delete":
            del parent[last]
        elif kind == "rename" and isinstance(parent, dict):
            parent[draw(st.text(max_size=8) | st.sampled_from(OUTSIDE))] = parent.pop(last)
        elif kind == "swap":
            other = made
            for key in places[draw(st.integers(0, len(places) - 1))]:
                other = other[key] if isinstance(other, dict | list) and _has(other, key) else other
            parent[last] = copy.deepcopy(other)
        elif kind == "grow" and isinstance(parent, list):
            parent.extend(copy.deepcopy(parent) * draw(st.integers(1, 3)))
        elif kind == "grow":
            parent[draw(st.text(max_size=8) | st.sampled_from(OUTSIDE))] = copy.deepcopy(
                draw(hostile)
            )
    return made


def _has(value: Any, key: Any) -> bool:
    return key in value if isinstance(value, dict) else isinstance(key, int) and key < len(value)


def dumped(value: Any) -> bytes:
    """As a stranger would write it: NaN, half characters and all. JSON has no limit on digits."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return json.dumps(value).encode("utf-8")
    finally:
        sys.set_int_max_str_digits(before)


OPERATORS = ("Loop", "If", "Scan", "Identity", "Add", "MatMul", "Gather", "Cast", "Reshape", "Tile")
OPERATORS += ("Softmax", "Concat", "Slice", "Transpose", "ReduceSum", "Squeeze", "Split", "NonZero")
OPERATORS += ("QAttention", "MultiHeadAttention", "MatMulIntegerToFloat", "GatherBlockQuantized")
OPERATORS += (
    "DynamicQuantizeLinear",
    "LSTM",
    "GRU",
    "TfIdfVectorizer",
    "ScatterND",
    "TopK",
    "Range",
)


def changed_graph(draw: Draw, content: bytes) -> bytes:
    """One to three changes of a graph that protobuf can write."""
    model = onnx.load_from_string(content)
    for _ in range(draw(st.integers(1, 3))):
        draw(st.sampled_from(_GRAPH_CHANGES))(draw, model)
    return bytes(model.SerializeToString())


def _node(draw: Draw, model: onnx.ModelProto) -> onnx.NodeProto:
    return draw(st.sampled_from(list(model.graph.node)))


def _tensor(draw: Draw, model: onnx.ModelProto) -> onnx.TensorProto:
    return draw(st.sampled_from(list(model.graph.initializer)))


def _names(model: onnx.ModelProto) -> list[str]:
    graph = model.graph
    return [each.name for each in [*graph.initializer, *graph.input]] + [
        name for node in graph.node for name in node.output
    ]


def _other_operator(draw: Draw, model: onnx.ModelProto) -> None:
    node = _node(draw, model)
    node.op_type = draw(st.sampled_from(OPERATORS))
    node.domain = draw(st.sampled_from(["", "com.microsoft", "ai.onnx", "mine"]))


def _other_input(draw: Draw, model: onnx.ModelProto) -> None:
    node = _node(draw, model)
    if node.input:
        place = draw(st.integers(0, len(node.input) - 1))
        node.input[place] = draw(st.sampled_from([*_names(model), "", "nowhere"]))


def _other_output(draw: Draw, model: onnx.ModelProto) -> None:
    node = _node(draw, model)
    node.output[0] = draw(st.sampled_from([*_names(model), ""]))


def _no_node(draw: Draw, model: onnx.ModelProto) -> None:
    del model.graph.node[draw(st.integers(0, len(model.graph.node) - 1))]


def _node_twice(draw: Draw, model: onnx.ModelProto) -> None:
    model.graph.node.append(_node(draw, model))


def _other_attribute(draw: Draw, model: onnx.ModelProto) -> None:
    having = [node for node in model.graph.node if node.attribute]
    if not having:
        return
    attribute = draw(st.sampled_from(list(draw(st.sampled_from(having)).attribute)))
    kind = draw(st.sampled_from(["i", "f", "ints", "type", "name"]))
    small = numbers.filter(lambda n: -(2**63) <= n < 2**63)
    if kind == "i":
        attribute.i = draw(small)
    elif kind == "f":
        attribute.f = draw(st.floats(width=32))
    elif kind == "ints" and attribute.ints:
        attribute.ints[draw(st.integers(0, len(attribute.ints) - 1))] = draw(small)
    elif kind == "type":
        attribute.type = draw(st.integers(0, 14))
    elif kind == "name":
        attribute.name = draw(st.sampled_from(["axis", "axes", "to", "perm", "num_heads", "x"]))


def _other_shape(draw: Draw, model: onnx.ModelProto) -> None:
    tensor = _tensor(draw, model)
    kind = draw(st.sampled_from(["more", "fewer", "set", "turn"]))
    if kind == "more":
        tensor.dims.append(draw(st.sampled_from([0, 1, 2, -1, 2**31, 2**62])))
    elif tensor.dims and kind == "fewer":
        del tensor.dims[0]
    elif tensor.dims and kind == "set":
        tensor.dims[0] = draw(st.sampled_from([0, 1, -1, 2**31, 2**62]))
    else:
        tensor.dims[:] = reversed(tensor.dims)


def _other_type(draw: Draw, model: onnx.ModelProto) -> None:
    _tensor(draw, model).data_type = draw(st.integers(0, 24))


def _other_numbers(draw: Draw, model: onnx.ModelProto) -> None:
    """Above all the few integers that say where to cut and how to reshape."""
    small = [each for each in model.graph.initializer if len(each.raw_data) <= 64]
    tensor = draw(st.sampled_from(small)) if small else _tensor(draw, model)
    size = len(tensor.raw_data)
    few = st.sampled_from([0, 1, 2, -1, -2, 3, 100]).map(
        lambda n: n.to_bytes(8, "little", signed=True)
    )
    tensor.raw_data = (
        draw(st.binary(min_size=size, max_size=size))
        if size % 8
        else b"".join(draw(few) for _ in range(size // 8))
    )


def _fewer_rows(draw: Draw, model: onnx.ModelProto) -> None:
    """A matrix loses rows, and is whole in itself."""
    matrices = [each for each in model.graph.initializer if len(each.dims) == 2 and each.raw_data]
    if matrices:
        tensor = draw(st.sampled_from(matrices))
        row = len(tensor.raw_data) // max(tensor.dims[0], 1)
        tensor.dims[0] = draw(st.integers(0, tensor.dims[0]))
        tensor.raw_data = tensor.raw_data[: row * tensor.dims[0]]


def _elsewhere(draw: Draw, model: onnx.ModelProto) -> None:
    tensor = _tensor(draw, model)
    tensor.data_location = draw(st.sampled_from([TensorProto.DEFAULT, TensorProto.EXTERNAL]))
    where = draw(st.sampled_from([*OUTSIDE, "model.onnx", "README.md"]))
    tensor.external_data.add(key="location", value=where)
    if draw(st.booleans()):
        tensor.ClearField("raw_data")


def _other_ends(draw: Draw, model: onnx.ModelProto) -> None:
    ends = draw(st.sampled_from([model.graph.input, model.graph.output]))
    name = draw(st.sampled_from(["input_ids", "attention_mask", "token_type_ids", "logits", "x"]))
    shape = draw(st.lists(st.sampled_from(["batch", "n", 1, 3, 0, None]), max_size=3))
    kind = draw(st.sampled_from([TensorProto.INT32, TensorProto.INT64, TensorProto.FLOAT]))
    made = helper.make_tensor_value_info(name, kind, shape)
    if draw(st.booleans()) and ends:
        ends[draw(st.integers(0, len(ends) - 1))].CopyFrom(made)
    else:
        ends.append(made)


def _inner_graph(draw: Draw, model: onnx.ModelProto) -> None:
    body = helper.make_graph([], "body", [], [])
    _node(draw, model).attribute.append(helper.make_attribute("body", body))


def _other_version(draw: Draw, model: onnx.ModelProto) -> None:
    if model.opset_import and draw(st.booleans()):
        model.opset_import[0].version = draw(st.sampled_from([0, 1, 6, 11, 13, 21, 25, 1000]))
    else:
        model.ir_version = draw(st.sampled_from([0, 1, 3, 7, 10, 13, 1000]))


_GRAPH_CHANGES = [
    *(_other_operator, _other_input, _other_output, _no_node, _node_twice, _other_attribute),
    *(_other_shape, _other_type, _other_numbers, _fewer_rows, _elsewhere, _other_ends),
    *(_inner_graph, _other_version, _other_attribute, _other_input, _other_numbers),
]
