"""Collects the nodes and numbers of a graph that is written for ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from paretext.models.encoder import Linear, Norm

MICROSOFT = "com.microsoft"


class GraphWriter:
    """Collects nodes and initializers; each method adds one operator and returns its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.named: dict[Any, str] = {}
        """Tensors that several nodes read, by what they are."""
        self.zero = self.constant("zero", np.array([0]))
        self.one = self.constant("one", np.array([1]))

    def constant(self, name: str, values: NDArray[np.generic]) -> str:
        # asarray leaves a scalar a scalar, where ascontiguousarray makes an array of one number
        self.initializers.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def once(self, name: str, values: NDArray[np.generic]) -> str:
        """The constant of this name, which several nodes may ask for."""
        if name not in self.named:
            self.named[name] = self.constant(name, values)
        return name

    def node(
        self, kind: str, inputs: list[str], name: str, domain: str = "", **attributes: Any
    ) -> str:
        self.nodes.append(
            helper.make_node(kind, inputs, [name], name=name, domain=domain, **attributes)
        )
        return name

    def linear(self, x: str, linear: Linear, name: str) -> str:
        """x @ weight + bias."""
        weight = self.once(f"{linear.name}.weight", linear.weight)
        if not linear.bias.any():
            return self.node("MatMul", [x, weight], name)
        bias = self.once(f"{linear.name}.bias", linear.bias)
        product = self.node("MatMul", [x, weight], f"{name}.product")
        return self.node("Add", [product, bias], name)

    def activation(self, kind: str, x: str, name: str) -> str:
        if kind == "gelu":
            return self.node("Gelu", [x], name, MICROSOFT)
        if kind in ("gelu_new", "gelu_pytorch_tanh"):
            return self.node("FastGelu", [x], name, MICROSOFT)
        return self.node({"relu": "Relu", "tanh": "Tanh"}[kind], [x], name)

    def norm(self, x: str, norm: Norm, name: str) -> str:
        inputs = [x, self.constant(f"{name}.gamma", norm.gamma)]
        if norm.beta.any():
            inputs.append(self.constant(f"{name}.beta", norm.beta))
        return self.node("LayerNormalization", inputs, name, axis=-1, epsilon=float(norm.epsilon))

    def skip_norm(self, x: str, skip: str, norm: Norm, name: str, add: str = "Sum") -> str:
        """LayerNorm(x + skip)."""
        return self.norm(self.node(add, [x, skip], f"{name}.sum"), norm, name)
