"""Attention as ONNX Runtime has it, and how it knows where tokens are.

One `MultiHeadAttention` takes query, key and value, the mask, and what is added to the scores.
Rotary positions are a `RotaryEmbedding` of query and of key, from tables of sines and cosines; a
query of the first token is not turned. What distances add is made once a call where layers share
it: a bias is looked up for every distance; a window adds a large negative number beyond itself, and
is left out where no input is longer.

Embeddings of distances (DeBERTa) are multiplied with a layer's matrices once, as the graph is
written; a call takes the rows of the distances that its texts have, -(n - 1) to n for n tokens, and
multiplies queries, or keys, with all of them. Row i of that product holds what it wants from column
n - 1 - i on, so that, read as one long row that begins n - 1 later and is broken every 2n - 1
numbers, it is what is added to the scores (the "skewing" of Huang et al. 2018, "Music Transformer",
section 3.4.1). transformers gathers it number by number, from the products with all distances that
there are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from paretext.graphs.writer import MICROSOFT, GraphWriter
from paretext.models.encoder import Array, Attention, Encoder, Linear, Norm, rotary_angles

DISTANCES = ".distances"
"""How the tables of what distances are to a layer end."""
_MASK = "attention.mask"
_UNSEEN = -1e9
"""Added to a score, whose share of attention is 0 then."""


def attention(
    w: GraphWriter, part: Attention, distances: Distances, x: str, rows: str, name: str
) -> str:
    """The state after the part, of the tokens `rows`: x, or the first one of each text."""
    first = distances.encoder.norm_first
    read = asked = x
    if first and part.norm is not None:
        read = asked = w.norm(x, part.norm, f"{name}.attention_norm")
    if rows != x:
        asked = rows
        if first and part.norm is not None:  # a norm of its own, which costs less than a slice
            asked = w.norm(rows, part.norm, f"{name}.asked_norm")
    q = w.linear(asked, part.query, f"{name}.query")
    k = w.linear(read, part.key, f"{name}.key")
    v = w.linear(read, part.value, f"{name}.value")
    if part.theta is not None:
        if rows == x:
            q = distances.rotated(q, part, f"{name}.query_turned")
        k = distances.rotated(k, part, f"{name}.key_turned")
    added = distances.added(part, q, k, rows != x, name)
    context = w.node(
        "MultiHeadAttention",
        [q, k, v, "", _mask(w), *([added] if added else [])],
        f"{name}.attention",
        MICROSOFT,
        num_heads=part.heads,
    )
    out = w.linear(context, part.output, f"{name}.attention_output")
    if first:
        return w.node("Sum", [out, rows], f"{name}.attention_sum")
    assert part.norm is not None
    return w.skip_norm(out, rows, part.norm, f"{name}.attention_norm")


def _mask(w: GraphWriter) -> str:
    """The mask as MultiHeadAttention takes it: in int32 alone."""
    if _MASK not in w.named:
        w.named[_MASK] = w.node("Cast", ["attention_mask"], _MASK, to=TensorProto.INT32)
    return _MASK


class Distances:
    """What layers read of the distances between tokens. Everything is made when a layer asks for
    it the first time."""

    def __init__(self, w: GraphWriter, encoder: Encoder) -> None:
        self.w = w
        self.encoder = encoder

    def rotated(self, x: str, part: Attention, name: str) -> str:
        size = part.query.weight.shape[1] // part.heads
        angles = rotary_angles(part.theta or 0, size, self.encoder.longest or 1)
        tables = [
            self.w.once(f"rotary.{kind.__name__}.{part.theta:g}.{size}", kind(angles))
            for kind in (np.cos, np.sin)
        ]
        return self.w.node(
            "RotaryEmbedding",
            [x, self.w.zero, *tables],
            name,
            MICROSOFT,
            num_heads=part.heads,
            rotary_embedding_dim=0,
        )

    def added(self, part: Attention, q: str, k: str, first: bool, name: str) -> str:
        """What is added to the scores of all tokens, or of the first one of each text, (batch or 1,
        heads or 1, rows, sequence); "" where nothing is."""
        terms = []
        if part.bias is not None:
            terms.append(self._bias(part.bias, first))
        if self.encoder.relative is not None:
            terms.append((self._one_row if first else self._every_row)(part, q, k, name))
        if part.window is not None:
            terms.append(self._window(part.window, first))
        if len(terms) < 2:
            return terms[0] if terms else ""
        return self.w.node("Sum", terms, f"{name}.added")

    def _kept(self, key: object) -> str | None:
        return self.w.named.get(key)

    def _keep(self, key: object, name: str) -> str:
        self.w.named[key] = name
        return name

    def _length(self) -> str:
        name = "distances.length"
        return self._kept(name) or self._keep(
            name, self.w.node("Shape", ["input_ids"], name, start=1, end=2)
        )

    def _between(self, first: bool) -> str:
        """From query to key, (sequence, sequence), or from the first token, (1, sequence)."""
        w, key = self.w, f"distances.first_{first}"
        if kept := self._kept(key):
            return kept
        start = w.once("distances.start", np.array(0))
        step = w.once("distances.step", np.array(1))
        length = w.node("Squeeze", [self._length()], f"{key}.end")
        order = w.node("Range", [start, length, step], f"{key}.order")
        row = w.node("Unsqueeze", [order, w.zero], f"{key}.row")
        if first:
            return self._keep(key, row)
        column = w.node("Unsqueeze", [order, w.one], f"{key}.column")
        return self._keep(key, w.node("Sub", [row, column], key))

    def _window(self, window: int, first: bool) -> str:
        w, key = self.w, f"window.{window}.first_{first}"
        if kept := self._kept(key):
            return kept
        far = w.node("Abs", [self._between(first)], f"{key}.far")
        seen = w.node("LessOrEqual", [far, w.once(f"{key}.size", np.array(window))], f"{key}.seen")
        none = w.once("window.none", np.array(0, np.float32))
        unseen = w.once("window.unseen", np.array(_UNSEEN, np.float32))
        added = w.node("Where", [seen, none, unseen], f"{key}.added")
        axes = w.once("distances.axes", np.array([0, 1]))
        return self._keep(key, w.node("Unsqueeze", [added, axes], key))

    def _bias(self, bias: Array, first: bool) -> str:
        w, key = self.w, (bias.tobytes(), first)
        if kept := self._kept(key):
            return kept
        rows = self._rows()
        name = f"bias.{len(w.named)}"
        table = w.constant(f"{name}.table", bias[:, rows])
        centre = w.once("distances.centre", np.array(len(rows) // 2))
        index = w.node("Add", [self._between(first), centre], f"{name}.index")
        scores = w.node("Gather", [table, index], f"{name}.scores", axis=1)
        return self._keep(key, w.node("Unsqueeze", [scores, w.zero], name))

    def _rows(self) -> NDArray[np.int64]:
        rows = self.encoder.distance_rows
        assert rows is not None
        return rows

    # Embeddings of distances ------------------------------------------------------------------

    def _wanted(self, kind: str) -> str:
        """Rows of the distances that a call has, (1, distances): "rising" from -(n - 1) to n,
        "falling" the other way round, or those "from_first", 0 to n - 1."""
        w, key = self.w, f"relative.{kind}"
        if kept := self._kept(key):
            return kept
        rows = np.unique(self._rows(), return_inverse=True)[1]
        centre = len(rows) // 2
        table = w.constant(f"{key}.rows", (rows[::-1] if kind == "falling" else rows).copy())
        middle = w.once("relative.centre", np.array([centre]))
        after = w.once("relative.after", np.array([centre + 1]))
        start = middle if kind == "from_first" else self._offset("Sub", after)
        end = self._offset("Add", middle if kind == "from_first" else after)
        flat = w.node("Slice", [table, start, end, w.zero], f"{key}.flat")
        return self._keep(key, w.node("Unsqueeze", [flat, w.zero], key))

    def _offset(self, kind: str, base: str) -> str:
        key = f"{base}.{kind}"
        return self._kept(key) or self._keep(key, self.w.node(kind, [base, self._length()], key))

    def _looked_up(self, linear: Linear, part: Attention, wanted: str, name: str) -> str:
        """What the matrix makes of the distances, over the square root of the head size, (1,
        distances, heads x head size)."""
        encoder = self.encoder
        assert encoder.relative is not None
        used = encoder.relative[np.unique(self._rows())]
        if encoder.relative_norm is not None:
            used = _normed(used, encoder.relative_norm)
        scale = np.float32((part.query.weight.shape[1] // part.heads) ** -0.5)
        table = self.w.constant(f"{name}{DISTANCES}", (used @ linear.weight + linear.bias) * scale)
        return self.w.node("Gather", [table, wanted], name)  # `wanted` is one text's

    def _by_head(self, x: str, part: Attention, name: str) -> str:
        """(texts, rows, heads, size), of rows as a matrix gives them."""
        size = part.query.weight.shape[1] // part.heads
        shape = self.w.once(f"relative.by_{part.heads}", np.array([0, 0, part.heads, size]))
        return self.w.node("Reshape", [x, shape], name)

    def _every_row(self, part: Attention, q: str, k: str, name: str) -> str:
        """Queries with the keys of distances, and keys with their queries."""
        w, scores = self.w, []
        for x, linear, kind in ((q, part.key, "rising"), (k, part.query, "falling")):
            own = f"{name}.{kind}"
            looked_up = self._looked_up(linear, part, self._wanted(kind), f"{own}.looked_up")
            columns = self._by_head(looked_up, part, f"{own}.by_head")
            columns = w.node("Transpose", [columns], f"{own}.columns", perm=[0, 2, 3, 1])
            content = self._by_head(x, part, f"{own}.content_by_head")
            content = w.node("Transpose", [content], f"{own}.content", perm=[0, 2, 1, 3])
            scores.append(self._skewed(w.node("MatMul", [content, columns], f"{own}.all"), own))
        turned = w.node("Transpose", [scores[1]], f"{name}.turned", perm=[0, 1, 3, 2])
        return w.node("Add", [scores[0], turned], f"{name}.by_distance")

    def _skewed(self, x: str, name: str) -> str:
        """(batch, heads, n, n) of (batch, heads, n, 2n)."""
        w, n = self.w, self._length()
        one, two, last = (w.once(f"relative.{i}", np.array([i])) for i in (1, 2, 3))
        if (end := self._kept("relative.end")) is None:
            before = self._keep("relative.before", w.node("Sub", [n, one], "relative.before"))
            width = w.node("Add", [before, n], "relative.width")
            size = w.node("Mul", [n, width], "relative.size")
            end = self._keep("relative.end", w.node("Add", [before, size], "relative.end"))
            kept = w.once("relative.kept", np.array([0, 0, -1]))
            shape = w.node("Concat", [kept, width], "relative.shape", axis=0)
            self._keep("relative.shape", shape)
        flat = w.node("Reshape", [x, w.once("relative.flat", np.array([0, 0, -1]))], f"{name}.flat")
        bounds = [self.w.named["relative.before"], end, two]
        long = w.node("Slice", [flat, *bounds], f"{name}.long")
        broken = w.node("Reshape", [long, self.w.named["relative.shape"]], f"{name}.broken")
        return w.node("Slice", [broken, w.zero, n, last], name)

    def _one_row(self, part: Attention, q: str, k: str, name: str) -> str:
        """The same for the first token of each text, number by number."""
        w, wanted, products = self.w, self._wanted("from_first"), []
        for x, linear, kind in ((q, part.key, "to_distance"), (k, part.query, "from_distance")):
            looked_up = self._looked_up(linear, part, wanted, f"{name}.{kind}")
            products.append(w.node("Mul", [x, looked_up], f"{name}.{kind}.product"))
        total = w.node("Add", products, f"{name}.products")
        by_head = self._by_head(total, part, f"{name}.products_by_head")
        last, two = (w.once(f"relative.{i}", np.array([i])) for i in (3, 2))
        sums = w.node("ReduceSum", [by_head, last], f"{name}.sums", keepdims=0)
        turned = w.node("Transpose", [sums], f"{name}.sums_by_head", perm=[0, 2, 1])
        return w.node("Unsqueeze", [turned, two], f"{name}.by_distance")


def _normed(x: Array, norm: Norm) -> Array:
    exact = x.astype(np.float64)
    exact -= exact.mean(axis=1, keepdims=True)
    exact /= np.sqrt((exact**2).mean(axis=1, keepdims=True) + norm.epsilon)
    normed: Array = (exact * norm.gamma + norm.beta).astype(np.float32)
    return normed
