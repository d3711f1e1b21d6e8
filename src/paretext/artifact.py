"""Artifact: the folder that gets deployed, and the runtime that predicts from it.

Needs numpy, onnxruntime, tokenizers and pydantic; never PyTorch or transformers.

How texts become answers quickly on a CPU. A padded token costs as much as a real one, so texts are
sorted by length and cut into groups of about `GROUP_TOKENS` tokens; one call per group keeps the
activations in cache. Groups are independent, so they run side by side, one core each, which beats
one call that uses all cores (the operators are too small to be worth splitting). A single group,
above all a single text, is the exception: it gets all cores. `benchmarks/runtime.py` measures both.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from paretext.cores import available_cores
from paretext.errors import ParetextError
from paretext.manifest import Manifest

if TYPE_CHECKING:
    import onnxruntime
    from tokenizers import Tokenizer

GROUP_TOKENS = 192
CHUNK_TEXTS = 4096


class Artifact:
    """A classifier that predicts with ONNX Runtime. Make one with `Artifact.load`."""

    def __init__(self, folder: Path, manifest: Manifest, threads: int | None = None) -> None:
        from tokenizers import Tokenizer

        self.folder = folder
        self.manifest = manifest
        self.threads = threads or available_cores()
        self.truncated = 0
        """How many of the texts predicted so far were longer than the longest input."""
        self._tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(manifest.max_length)
        self._pool = ThreadPoolExecutor(self.threads) if self.threads > 1 else None

    @classmethod
    def load(cls, folder: str | Path, threads: int | None = None) -> Artifact:
        """Load and verify an artifact.

        threads: cores to use (default: those this process may run on).
        Raises ParetextError if a file is missing or differs from its digest, or if the folder is
        not an artifact of a format that this version reads.
        """
        if threads is not None and threads < 1:
            raise ParetextError(f"threads is {threads}; give at least 1.")
        folder = Path(folder)
        manifest = Manifest.read(folder)
        manifest.verify(folder)
        return cls(folder, manifest, threads)

    @property
    def classes_(self) -> NDArray[np.str_]:
        """Label names, in the order of the probabilities' columns."""
        return np.array(self.manifest.labels)

    def predict(self, texts: Iterable[str]) -> NDArray[np.str_]:
        """The most probable label's name for each text, (n,)."""
        names: NDArray[np.str_] = self.classes_[self.predict_proba(texts).argmax(axis=1)]
        return names

    def predict_proba(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """Probabilities, (n, classes), for any iterable of texts; memory grows with n answers."""
        return softmax(self.logits(texts))

    def stream(self, texts: Iterable[str]) -> Iterator[NDArray[np.float32]]:
        """Each text's probabilities, (classes,), in order and in constant memory."""
        for logits in self._chunks(texts):
            yield from softmax(logits)

    def logits(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """The graph's raw outputs, (n, classes)."""
        chunks = list(self._chunks(texts))
        if len(chunks) == 1:
            return chunks[0]
        none = np.empty((0, len(self.manifest.labels)), np.float32)
        return np.concatenate([none, *chunks])

    def longer(self, texts: Sequence[str]) -> int:
        """How many of the texts are longer than the longest input, so that their ends are cut."""
        return sum(
            bool(encoding.overflowing)
            for encoding in self._tokenizer.encode_batch_fast(list(texts))
        )

    def _chunks(self, texts: Iterable[str]) -> Iterator[NDArray[np.float32]]:
        """Logits of CHUNK_TEXTS texts at a time."""
        if isinstance(texts, str):
            raise ParetextError(
                "predict takes a list of texts, and was given one str: put it in []."
            )
        remaining = iter(texts)
        while chunk := list(itertools.islice(remaining, CHUNK_TEXTS)):
            yield self._run_text(chunk[0]) if len(chunk) == 1 else self._run_texts(chunk)

    def _run_text(self, text: str) -> NDArray[np.float32]:
        """One text, the call that somebody waits for: nothing to sort, to pad or to split."""
        encoding = self._tokenizer.encode(text)
        self.truncated += bool(encoding.overflowing)
        ids = np.array([encoding.ids], np.int32)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        logits: NDArray[np.float32] = self._wide.run(["logits"], feed)[0]
        return logits

    def _run_texts(self, texts: list[str]) -> NDArray[np.float32]:
        encodings = self._tokenizer.encode_batch_fast(texts)
        self.truncated += sum(bool(encoding.overflowing) for encoding in encodings)
        ids = [encoding.ids for encoding in encodings]
        groups = group_by_length([len(row) for row in ids], GROUP_TOKENS, self.threads)
        if len(groups) == 1 or self._pool is None:
            session = self._wide if len(groups) == 1 else self._narrow
            answers = [self._run_group(session, [ids[i] for i in group]) for group in groups]
        else:
            session = self._narrow
            answers = list(
                self._pool.map(
                    lambda group: self._run_group(session, [ids[i] for i in group]), groups
                )
            )
        logits = np.empty((len(texts), len(self.manifest.labels)), np.float32)
        for group, answer in zip(groups, answers, strict=True):
            logits[group] = answer
        return logits

    def _run_group(
        self, session: onnxruntime.InferenceSession, ids: list[list[int]]
    ) -> NDArray[np.float32]:
        longest = max(map(len, ids))
        input_ids = np.full((len(ids), longest), self.manifest.pad_id, np.int32)
        mask = np.zeros((len(ids), longest), np.int32)
        for row, tokens in enumerate(ids):
            input_ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        feed = {"input_ids": input_ids, "attention_mask": mask}
        logits: NDArray[np.float32] = session.run(["logits"], feed)[0]
        return logits

    @cached_property
    def _wide(self) -> onnxruntime.InferenceSession:
        """One call uses all cores."""
        return self._session(self.threads)

    @cached_property
    def _narrow(self) -> onnxruntime.InferenceSession:
        """One call uses one core; several calls at a time use the rest."""
        return self._wide if self.threads == 1 else self._session(1)

    def _session(self, threads: int) -> onnxruntime.InferenceSession:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Exact integer sums on x86 CPUs without VNNI, where 8-bit weights would saturate.
        options.add_session_config_entry("session.x64quantprecision", "1")
        return onnxruntime.InferenceSession(
            str(self.folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )


def group_by_length(lengths: Sequence[int], tokens: int, workers: int) -> list[NDArray[np.int64]]:
    """Cut texts, sorted by length, into groups of at most `tokens` padded tokens each.

    Padded tokens are a group's texts times the longest of them; a text with more is a group by
    itself. The number of groups is a multiple of `workers` where there are several (and enough
    texts), and they are as even as they can be, so that no core waits for the others at the end;
    the groups of the longest texts come first.
    """
    order = np.argsort(np.asarray(lengths), kind="stable")[::-1]
    sizes = np.asarray(lengths)[order].tolist()
    wanted = len(_starts(sizes, tokens))
    if wanted > 1:
        wanted = min(-(-wanted // workers) * workers, len(sizes))
    smallest = bisect_left(range(tokens), True, key=lambda t: len(_starts(sizes, t)) <= wanted)
    groups = np.split(order, _starts(sizes, smallest)[1:])
    while len(groups) < wanted:  # texts of equal length leave no such limit: halve the largest
        padded = [lengths[group[0]] * len(group) * (len(group) > 1) for group in groups]
        largest = int(np.argmax(padded))
        groups[largest : largest + 1] = np.array_split(groups[largest], 2)
    return groups


def _starts(sizes: Sequence[int], tokens: int) -> list[int]:
    """Where the groups begin if each takes as many texts, longest first, as `tokens` allow."""
    starts = [0]
    while (end := starts[-1] + max(tokens // max(sizes[starts[-1]], 1), 1)) < len(sizes):
        starts.append(end)
    return starts


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: NDArray[np.float32] = shifted / shifted.sum(axis=1, keepdims=True)
    return result
