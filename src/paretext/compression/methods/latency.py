"""What each width of each part costs on this machine, and the best widths for a time limit.

Operators do not get faster in proportion to what they compute, so the time of every part is
measured and not derived: attention with 0 to all heads, feed-forward parts of some widths, as
graphs that the export writes and the runtime of the artifacts runs. A part's time is that of a
graph with `_COPIES` of it, less that of one without layers; the last layer of an encoder that pools
the first token computes one row a text, so it is measured for itself. All parts are scaled to add
up to the whole network, whose weights fit the caches less well than theirs.

All graphs take turns, in an order drawn anew each round, each one called twice: the first call
brings its weights back to the cache. A part's time is the median of the thread's own processor time
on one core, which other processes hardly lengthen; so a text that is answered on several cores is
faster than this says.

Widths are then chosen to lose the least importance in the time there is: one option for each part,
a knapsack with groups, solved by dynamic programming over the time in `_BINS` steps, each part's
time rounded up. Source: Kurtic et al. 2023, "ZipLM: Inference-Aware Structured Pruning of Language
Models", section 3.2.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from paretext.core import progress
from paretext.models.encoder import Encoder, Layer, Linear
from paretext.runtime.artifact import GROUP_TOKENS
from paretext.runtime.sessions import session_options

if TYPE_CHECKING:
    from paretext.graphs.calibration import Feed

Runtime = Literal["int8", "fp32"]
Call = Literal["group", "text"]
Curve = dict[int, float]
"""Milliseconds of a call by width; 0 is free."""

_COPIES = 4
_WORDS = 1000
_WIDTHS = 12
_SECONDS = 10.0
_ROUNDS = (5, 100)
_BINS = 4000


@dataclass(frozen=True)
class LatencyTable:
    """Milliseconds of one call of `texts` texts with `tokens` tokens each: of every layer's parts
    by their width, and of the rest (embeddings and head)."""

    texts: int
    tokens: int
    rest: float
    attention: tuple[Curve, ...]
    feed_forward: tuple[Curve, ...]

    @property
    def parts(self) -> list[Curve]:
        """Attention and feed-forward part of each layer in turn."""
        pairs = zip(self.attention, self.feed_forward, strict=True)
        return [curve for pair in pairs for curve in pair]

    def milliseconds(self, widths: Sequence[int]) -> float:
        """A text's share of a call, with these widths of `parts`."""
        costs = (curve[width] for curve, width in zip(self.parts, widths, strict=True))
        return (self.rest + sum(costs)) / self.texts


def measure(
    encoder: Encoder, tokens: int, runtime: Runtime, call: Call, multiple: int
) -> LatencyTable:
    """Measure all parts of `encoder` for texts of `tokens` tokens.

    call: "group" is what bulk work consists of, about `GROUP_TOKENS` tokens; "text" is one text.
    multiple: widths of feed-forward parts are multiples of it.
    """
    texts = max(GROUP_TOKENS // tokens, 1) if call == "group" else 1
    random = np.random.default_rng(0)
    small = replace(encoder.up_to(tokens), words=encoder.words[:_WORDS])
    graphs: dict[Any, Encoder] = {"rest": replace(small, layers=()), "whole": small}
    keys = []
    for index, layer in enumerate(small.layers):
        one_row = encoder.pooling == "first" and index == len(small.layers) - 1
        for part in (replace(layer, feed_forward=None), replace(layer, attention=None)):
            key = (one_row, *_size(part))
            keys.append(key)
            for width in _widths(part, multiple):
                graphs.setdefault((key, width), _repeated(small, _narrow(part, width), one_row))
    feed = {
        "input_ids": random.integers(len(small.words), size=(texts, tokens), dtype=np.int64),
        "attention_mask": np.ones((texts, tokens), np.int64),
    }
    sessions = {name: _session(graph, runtime, feed) for name, graph in graphs.items()}
    times = _time(sessions, feed, random)
    rest = times.pop("rest")
    layers = times.pop("whole") - rest
    curves = []
    for key in keys:
        copies = 1 if key[0] else _COPIES
        by_width = {name[1]: ms for name, ms in times.items() if name[0] == key}
        curves.append({0: 0.0, **{w: max(ms - rest, 0) / copies for w, ms in by_width.items()}})
    # Together the parts take as long as the layers of the whole network do, one after the other.
    scale = layers / (sum(curve[max(curve)] for curve in curves) or 1)
    curves = [{width: ms * scale for width, ms in curve.items()} for curve in curves]
    return LatencyTable(texts, tokens, rest, tuple(curves[0::2]), tuple(curves[1::2]))


def _size(part: Layer) -> tuple[str, int, int, int | None]:
    """Kind, outputs of the first matrix, heads, window: parts that are alike in them share their
    measurements."""
    if part.attention is not None:
        own = part.attention
        return "attention", own.query.weight.shape[1], own.heads, own.window
    if part.feed_forward is not None:
        return "feed_forward", part.feed_forward.inner.weight.shape[1], 0, None
    return "none", 0, 0, None


def _widths(part: Layer, multiple: int) -> list[int]:
    if part.attention is not None:
        return list(range(1, part.attention.heads + 1))
    neurons = _size(part)[1]
    step = multiple * max(round(neurons / multiple / _WIDTHS), 1)
    return [*range(step, neurons, step), neurons] if neurons else []


def _narrow(part: Layer, width: int) -> Layer:
    """The part with its first `width` heads or neurons: which ones they are costs the same."""
    if part.attention is not None:
        whole = part.attention
        columns = whole.query.weight.shape[1] // whole.heads * width
        attention = replace(
            whole,
            heads=width,
            query=_first_outputs(whole.query, columns),
            key=_first_outputs(whole.key, columns),
            value=_first_outputs(whole.value, columns),
            output=replace(whole.output, weight=whole.output.weight[:columns]),
            bias=None if whole.bias is None else whole.bias[:width],
        )
        return Layer(attention, None)
    assert part.feed_forward is not None
    outer, gate = part.feed_forward.outer, part.feed_forward.gate
    inner = _first_outputs(part.feed_forward.inner, width)
    outer = replace(outer, weight=outer.weight[:width])
    gate = None if gate is None else _first_outputs(gate, width)
    return Layer(None, replace(part.feed_forward, inner=inner, outer=outer, gate=gate))


def _first_outputs(linear: Linear, outputs: int) -> Linear:
    return replace(linear, weight=linear.weight[:, :outputs], bias=linear.bias[:outputs])


def _repeated(encoder: Encoder, part: Layer, one_row: bool) -> Encoder:
    if one_row:
        return replace(encoder, layers=(part,))
    layers = tuple(_renamed(part, f"copy.{index}.") for index in range(_COPIES))
    return replace(encoder, layers=layers, pooling="mean")


def _renamed(part: Layer, prefix: str) -> Layer:
    """A copy whose matrices are initializers of their own."""

    def renamed(group: Any) -> Any:
        linears = {k: v for k, v in vars(group).items() if isinstance(v, Linear)}
        return replace(group, **{k: replace(v, name=prefix + v.name) for k, v in linears.items()})

    attention, feed_forward = part.attention, part.feed_forward
    return Layer(attention and renamed(attention), feed_forward and renamed(feed_forward))


def _session(encoder: Encoder, runtime: Runtime, feed: Feed) -> Any:
    import onnxruntime

    from paretext.graphs.calibration import Calibration
    from paretext.graphs.graph import write_graph
    from paretext.graphs.quantisation import DynamicQuantization

    graph = write_graph(encoder)
    if runtime == "int8":
        graph, _ = DynamicQuantization().apply(graph, Calibration((feed,)))
    return onnxruntime.InferenceSession(
        graph.SerializeToString(), session_options(), providers=["CPUExecutionProvider"]
    )


def _time(sessions: dict[Any, Any], feed: Feed, random: np.random.Generator) -> dict[Any, float]:
    """Median milliseconds of each session's call."""
    names = list(sessions)
    milliseconds: dict[Any, list[float]] = {name: [] for name in names}
    end = time.perf_counter() + _SECONDS
    with progress.task("timing the parts on this machine", _ROUNDS[1]) as advance:
        for done in range(_ROUNDS[1]):
            if done >= _ROUNDS[0] and time.perf_counter() > end:
                break
            for index in random.permutation(len(names)):
                sessions[names[index]].run(["logits"], feed)  # its weights come back to the cache
                start = time.thread_time()
                sessions[names[index]].run(["logits"], feed)
                milliseconds[names[index]].append((time.thread_time() - start) * 1000)
            advance()
    return {name: float(np.median(times)) for name, times in milliseconds.items()}


def cheapest(
    costs: Sequence[Sequence[float]], losses: Sequence[Sequence[float]], budget: float
) -> list[int] | None:
    """For each part the number of its option, so that the sum of the losses is least and the sum
    of the costs at most `budget`; None if no choice costs so little."""
    least: NDArray[np.float64] = np.zeros(_BINS + 1)
    chosen = []
    for cost, loss in zip(costs, losses, strict=True):
        # Rounded up, but for the rounding error of the division itself.
        bins = np.ceil(np.asarray(cost) / budget * _BINS - 1e-6).astype(int)
        totals = np.full((len(cost), _BINS + 1), np.inf)
        for option, used in enumerate(bins):
            if used <= _BINS:
                totals[option, used:] = least[: _BINS + 1 - used] + loss[option]
        chosen.append((totals.argmin(axis=0), bins))
        least = totals.min(axis=0)
    if not np.isfinite(least[_BINS]):
        return None
    left, widths = _BINS, []
    for best, bins in reversed(chosen):
        option = int(best[left])
        widths.append(option)
        left -= int(bins[option])
    return widths[::-1]
