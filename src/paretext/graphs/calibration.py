"""Calibration: real texts, as the graph reads them, and what a graph answers to them.

Two things are measured on them. What reaches each product, by channel and by row (`activations`):
ranges go from the smallest number to the largest. On three fine-tuned six-layer RoBERTas the means
of the calls' extremes did as well, and ranges of least squared error moved the answers over 20
times as far: they cut the few large activations that carry the answer. And answers: how far the
class probabilities of a quantised graph are from the float32 graph's, as their mean
Kullback-Leibler divergence, which moves long before a prediction flips.

Texts are grouped by equal length, so no call has padding: a padded token's activations belong to
no text, and would widen the ranges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper
from tokenizers import Tokenizer

from paretext.core.cores import available_cores
from paretext.core.errors import ParetextError, first_line
from paretext.graphs.activations import Floats, Seen
from paretext.runtime.artifact import GROUP_TOKENS, token_ids
from paretext.runtime.sessions import session_options

Feed = dict[str, NDArray[np.int64]]


@dataclass(frozen=True)
class Calibration:
    """feeds: calls of the graph, each `input_ids` and `attention_mask`, (texts, tokens), int64.

    Raises ParetextError if there is none.
    """

    feeds: tuple[Feed, ...]

    def __post_init__(self) -> None:
        if not self.feeds:
            raise ParetextError(
                "the calibration set is empty; give at least one text (128 to 256 are enough)."
            )

    @classmethod
    def from_texts(cls, texts: Iterable[str], tokenizer: Tokenizer, pad_id: int) -> Calibration:
        """Feeds of `texts` by a tokenizer as `artifact.prepare` leaves it."""
        by_length: dict[int, list[list[int]]] = {}
        for encoding in tokenizer.encode_batch_fast(list(texts)):
            row = token_ids(encoding, pad_id)
            by_length.setdefault(len(row), []).append(row)
        feeds = []
        for length, rows in sorted(by_length.items()):
            size = max(GROUP_TOKENS // length, 1)
            for start in range(0, len(rows), size):
                ids = np.array(rows[start : start + size], np.int64)
                feeds.append({"input_ids": ids, "attention_mask": np.ones_like(ids)})
        return cls(tuple(feeds))

    @property
    def texts(self) -> int:
        return sum(len(next(iter(feed.values()))) for feed in self.feeds)

    def seen(self, model: onnx.ModelProto, names: Sequence[str]) -> dict[str, Seen]:
        """What there is of each of these float tensors of `model` on all texts."""
        if not names:
            return {}
        probe = onnx.ModelProto()
        probe.CopyFrom(model)
        del probe.graph.output[:]
        probe.graph.output.extend(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names
        )
        by_call = self._run(probe, lambda values: [_seen(each) for each in values])
        return {name: joined([each[i] for each in by_call]) for i, name in enumerate(names)}

    def log_probabilities(self, model: onnx.ModelProto) -> Floats:
        """The graph's answers, (texts, classes), in the order of the feeds."""
        logits = np.concatenate(self._run(model, lambda values: values[0]))
        shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
        result: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return result

    def _run(self, model: onnx.ModelProto, reduce: Callable[[list[Any]], Any]) -> list[Any]:
        """What `reduce` makes of the graph's outputs for each feed; one core runs one feed."""
        try:
            session = onnxruntime.InferenceSession(
                model.SerializeToString(), session_options(), providers=["CPUExecutionProvider"]
            )
            with ThreadPoolExecutor(available_cores()) as pool:
                return list(pool.map(lambda feed: reduce(session.run(None, feed)), self.feeds))
        except Exception as error:  # ONNX Runtime raises kinds of its own
            raise ParetextError(
                f"ONNX Runtime cannot run the graph that is to be quantised ({first_line(error)}); "
                "leave the quantisation out."
            ) from None


def _seen(values: NDArray[np.float32]) -> Seen:
    """What one call holds of a tensor."""
    rows = values.reshape(-1, values.shape[-1])
    squares = np.einsum("rc,rc->c", rows, rows, dtype=np.float64) / len(rows)
    statistics = (rows.min(axis=0), rows.max(axis=0), squares, rows.max(axis=1))
    return Seen(*(each.astype(np.float64) for each in statistics))


def joined(parts: Sequence[Seen]) -> Seen:
    """What is there of all of them together."""
    rows = [len(each.tops) for each in parts]
    return Seen(
        low=np.min([each.low for each in parts], axis=0),
        high=np.max([each.high for each in parts], axis=0),
        squares=np.average([each.squares for each in parts], axis=0, weights=rows),
        tops=np.concatenate([each.tops for each in parts]),
    )


def divergence(reference: Floats, answers: Floats) -> float:
    """The mean over texts of KL(reference || answers) in nats; both hold log-probabilities."""
    return float((np.exp(reference) * (reference - answers)).sum(axis=1).mean())


def flips(reference: Floats, answers: Floats) -> int:
    """How many texts get another most probable class."""
    return int((reference.argmax(axis=1) != answers.argmax(axis=1)).sum())
