"""Quantisation of an exported graph: eight-bit integers in the file and in the products.

Both steps store weights as integers and differ in the activations, which are uint8 in the products.
`StaticQuantization` takes their ranges once, from calibration texts; numbers beyond them are
clipped. `DynamicQuantization` does so where rows are alike, and elsewhere gives each row a scale of
its own, by its largest number (`activations`). So an answer depends on nothing but its text, where
ONNX Runtime's own dynamic quantisation takes one scale for all texts of a call.

Weights have 7 bits by default. x86 CPUs without VNNI add two uint8 x int8 products in 16 bits,
which saturate when the weights use all 8 (ONNX Runtime's quantization.md, "When and why do I need
to try U8U8?"; what it calls reduce_range is 7 bits). With 7 the integer sums are exact on every
CPU. How the graph is rewritten: `quantised_graph`. What is kept in float32: `sensitivity`.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from paretext.core.errors import ParetextError
from paretext.core.registry import NamedStep

if TYPE_CHECKING:
    import onnx

    from paretext.graphs.activations import Input
    from paretext.graphs.calibration import Calibration
    from paretext.graphs.sensitivity import Cost, Sensitivity


class Quantization(NamedStep):
    """What the steps that quantise have in common."""

    last: ClassVar[bool] = True

    weight_bits: Literal[7, 8] = 7
    """Bits of the matrices' weights, a byte each. 8 needs a CPU with VNNI or the session option
    `session.x64quantprecision`."""
    embedding_bits: Literal[4, 8] | None = 8
    """Bits of the embedding tables' values; None leaves the tables in float32."""
    keep_fp32: tuple[str, ...] = ()
    """Products that stay float32, by their modules' names in PyTorch."""
    sensitivity_limit: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """The largest mean KL divergence, in nats, that one product may cost; those that cost more
    stay float32. None: nothing is measured."""

    rows: ClassVar[bool]
    """Whether rows may have scales of their own."""

    def apply(
        self, model: onnx.ModelProto, calibration: Calibration
    ) -> tuple[onnx.ModelProto, list[str]]:
        """The quantised copy of `model`, and sentences that count what was done."""
        from paretext.graphs.quantised_graph import Counts, Plan, rewrite
        from paretext.graphs.sensitivity import held, measure

        counts = Counts.of(model)
        kept = _named(self.keep_fp32, counts.matrices)
        matrices = frozenset(counts.matrices) - kept
        inputs = _inputs(model, matrices, self.weight_bits, calibration, self.rows)
        plan = Plan(matrices, self.weight_bits, self.embedding_bits, inputs)
        reference = calibration.log_probabilities(model)
        said = [f"{_module(name)} stays float32, as the settings ask" for name in sorted(kept)]
        alone: Mapping[str, Cost] = {}
        if self.sensitivity_limit is not None:
            sensitivity = measure(model, plan, calibration, reference, self.sensitivity_limit)
            costly = _above(sensitivity, self.sensitivity_limit)
            said += _sentences(sensitivity, costly, self.sensitivity_limit)
            alone = sensitivity.alone
            plan = dataclasses.replace(plan, matrices=plan.matrices - costly)
        plan, cost, away, whole = held(model, plan, calibration, reference, alone)
        if whole is not None:
            said.append(f"all that was asked for quantised cost {whole}; what is, {cost}")
            said += [f"{_module(name)} stays float32, so that it holds" for name in away]
            if plan.embedding_bits != self.embedding_bits:
                said.append("the embedding tables stay float32, so that it holds")
        made, bits = rewrite(model, plan), plan.embedding_bits
        if self.weight_bits == 8:
            said.append(
                "weights of 8 bits: on an x86 CPU without VNNI sums saturate, "
                "unless ONNX Runtime is given session.x64quantprecision=1"
            )
        return made.graph, [
            f"quantised {made.products} of {counts.products} matrix products with weights to int8 "
            f"({self.weight_bits} bits, per channel), "
            + _activations(plan.inputs.values(), calibration.texts),
            f"quantised {made.tables} of {counts.tables} embedding tables "
            + (f"to {bits} bits" if bits else "(not asked)"),
            *said,
        ]


class DynamicQuantization(Quantization):
    """Integer weights; where rows of activations are alike their range is stored, elsewhere each
    row has a scale of its own."""

    step: Literal["dynamic_quantization"] = "dynamic_quantization"
    rows: ClassVar[bool] = True


class StaticQuantization(Quantization):
    """Integer weights; the activations' ranges are stored, smallest to largest of calibration."""

    step: Literal["static_quantization"] = "static_quantization"
    rows: ClassVar[bool] = False


def _inputs(
    model: onnx.ModelProto,
    matrices: frozenset[str],
    weight_bits: int,
    calibration: Calibration,
    rows: bool,
) -> dict[str, Input]:
    """How each input of the products with `matrices` is quantised. Those that a matrix is shared by
    (ALBERT's layers) have factors in common: it takes them up once."""
    import numpy as np
    from onnx import numpy_helper

    from paretext.graphs.activations import choose
    from paretext.graphs.calibration import joined
    from paretext.graphs.quantised_graph import LARGEST_WEIGHT, Counts, folding

    read = {name: xs for name, xs in Counts.of(model).matrices.items() if name in matrices}
    stored = {each.name: each for each in model.graph.initializer}
    groups = _connected(read)
    seen = calibration.seen(model, sorted({x for xs, _ in groups for x in xs}))
    largest, norms = LARGEST_WEIGHT[weight_bits], folding(model, matrices)
    inputs = {}
    for xs, names in groups:
        weights = [numpy_helper.to_array(stored[name]) for name in names]
        free = norms >= {*xs}
        every = joined([seen[x] for x in xs])
        first = choose(every, weights, largest, rows=rows, even=True, free=free)
        inputs[xs[0]] = first
        if len(xs) > 1:
            even = False if first.factors is None else first.factors.astype(np.float64)
            for x in xs:
                inputs[x] = choose(seen[x], weights, largest, rows=rows, even=even, free=free)
    return inputs


def _connected(read: Mapping[str, Sequence[str]]) -> list[tuple[list[str], list[str]]]:
    """Inputs and the matrices that they are multiplied with, apart from all others."""
    groups: list[tuple[set[str], set[str]]] = []
    for name, xs in read.items():
        ours, names = set(xs), {name}
        for group in [each for each in groups if each[0] & ours]:
            groups.remove(group)
            ours |= group[0]
            names |= group[1]
        groups.append((ours, names))
    return [(sorted(xs), sorted(names)) for xs, names in groups]


def _activations(inputs: Collection[Input], texts: int) -> str:
    """What was done with the products' inputs."""
    own = sum(each.floor is not None for each in inputs)
    even = sum(each.factors is not None for each in inputs)
    return (
        f"activations to uint8: {len(inputs) - own} inputs over their ranges on {texts} texts, "
        f"{own} by each row's largest number; the channels of {even} evened out"
    )


def _named(modules: Iterable[str], matrices: Iterable[str]) -> frozenset[str]:
    """The matrices of these modules; ParetextError names the first that there is not."""
    known = {_module(name): name for name in matrices}
    for module in modules:
        if module not in known:
            near = difflib.get_close_matches(module, known, n=1, cutoff=0)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise ParetextError(f"there is no matrix product {module!r} to keep in float32{hint}")
    return frozenset(known[module] for module in modules)


def _module(matrix: str) -> str:
    """The name of a module, in PyTorch, from that of its matrix in the graph."""
    return matrix.removesuffix(".weight")


def _above(sensitivity: Sensitivity, limit: float) -> frozenset[str]:
    return frozenset(name for name, cost in sensitivity.alone.items() if cost.divergence > limit)


def _sentences(sensitivity: Sensitivity, costly: frozenset[str], limit: float) -> list[str]:
    if not sensitivity.alone:
        return [
            f"no product kept: all quantised together cost {sensitivity.together}, limit {limit:g}"
        ]
    if not costly:
        return [
            f"no product kept: none costs more than KL {limit:g} when quantised alone; "
            f"all together cost {sensitivity.together}"
        ]
    worst = sorted(costly, key=lambda name: -sensitivity.alone[name].divergence)
    return [
        f"{_module(name)} stays float32: quantised alone it costs {sensitivity.alone[name]}, "
        f"limit {limit:g}"
        for name in worst
    ]
