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
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from paretext.core.cores import available_cores
from paretext.core.errors import ParetextError
from paretext.runtime import text_input
from paretext.runtime.estimator import FittedClassifier
from paretext.runtime.graph_file import check_graph
from paretext.runtime.manifest import NAME, TOKENIZER, Manifest
from paretext.runtime.rule import UNSURE, answers
from paretext.runtime.sessions import Session, Sessions, one_line

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

GROUP_TOKENS = 192
CHUNK_TEXTS = 4096
_LARGEST_TOKENIZER = 2**28
_LONGEST_WORD = 1000


class Answers(NamedTuple):
    """logits: (n, classes). cut: (n,) which texts were longer than the longest input, so that their
    ends were cut."""

    logits: NDArray[np.float32]
    cut: NDArray[np.bool_]

    @property
    def truncated(self) -> int:
        """How many were cut."""
        return int(self.cut.sum())


class Artifact(FittedClassifier):
    """A classifier that predicts with ONNX Runtime. Make one with `Artifact.load`.

    It passes for a fitted scikit-learn classifier (`estimator`).
    """

    def __init__(self, folder: Path, manifest: Manifest, threads: int | None = None) -> None:
        from tokenizers import Tokenizer

        self.folder = folder.resolve()  # found again from another working directory
        self.manifest = manifest
        self.threads = threads or available_cores()
        self._threads_asked = threads
        self._tokenizer: Tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        prepare(self._tokenizer, manifest.max_length, manifest.split_special_tokens)
        self._sessions = Sessions(
            self.folder / manifest.model, self.threads, len(manifest.labels), self._check_model
        )
        self._integers = np.dtype(manifest.integers)
        self._model_seen: tuple[int, ...] | None = None

    @classmethod
    def load(cls, folder: str | Path, threads: int | None = None) -> Artifact:
        """Load and verify an artifact.

        threads: cores to use (default: those this process may run on).
        Raises ParetextError if a file is missing or differs from its digest, if the folder is not
        an artifact of a format that this version reads, or if the graph or the tokenizer is not
        what an artifact may hold (docs/threats.md).
        """
        if threads is not None and threads < 1:
            raise ParetextError(f"threads is {threads}; give at least 1.")
        folder = Path(folder)
        manifest = Manifest.read(folder)
        seen = _stamp(folder / manifest.model)
        manifest.verify(folder)
        ids = check_graph(folder / manifest.model, len(manifest.labels), manifest.integers)
        if ids is not None and manifest.pad_id >= ids:
            raise ParetextError(
                f"{folder / NAME} is damaged at pad_id: {manifest.pad_id} is beyond the {ids} ids "
                "that the graph knows; export again."
            )
        artifact = cls._with_tokenizer(folder, manifest, threads)
        artifact._model_seen = seen
        return artifact

    @classmethod
    def _with_tokenizer(cls, folder: Path, manifest: Manifest, threads: int | None) -> Artifact:
        """The artifact, once its tokenizer has been read and found bearable."""
        path, size = folder / TOKENIZER, manifest.files[TOKENIZER].bytes
        if size > _LARGEST_TOKENIZER:
            raise ParetextError(
                f"{path} has {size:,} bytes, and at most {_LARGEST_TOKENIZER:,} are read; "
                "export again."
            )
        try:
            artifact = cls(folder, manifest, threads)
        except BaseException as error:
            if not _is_of_tokenizers(error):
                raise
            raise ParetextError(
                f"{path} cannot be read ({one_line(error)}); export again."
            ) from None
        longest = getattr(artifact._tokenizer.model, "max_input_chars_per_word", 0)
        if longest > _LONGEST_WORD:
            raise ParetextError(
                f"{path} cuts words of up to {longest:,} characters into pieces, which takes the "
                f"cube of that in time; {_LONGEST_WORD:,} are allowed (100 are usual)."
            )
        return artifact

    def __reduce__(self) -> tuple[Any, ...]:
        """By folder, for pickle, joblib and copy: sessions and threads belong to one process."""
        return _again, (self.folder, self._threads_asked, self.manifest.identity)

    def __repr__(self) -> str:
        kept = self.manifest
        return (
            f"Artifact({str(self.folder)!r}, {kept.name}, {len(kept.labels)} labels, "
            f"{sum(file.bytes for file in kept.files.values()) / 1e6:.1f} MB)"
        )

    @cached_property
    def classes_(self) -> NDArray[np.str_]:
        """Label names in the order of predict_proba's columns: sorted, as scikit-learn's scorers
        take it. The graph's own order is that of `manifest.labels`."""
        return np.sort(np.array(self.manifest.labels))

    @cached_property
    def _columns(self) -> NDArray[np.int64] | None:
        """Where each of `classes_` stands in the graph's own order; None where that is the same."""
        order = np.argsort(np.array(self.manifest.labels)).astype(np.int64)
        return None if (order == np.arange(len(order))).all() else order

    def predict(self, texts: Iterable[str]) -> NDArray[np.str_]:
        """The most probable label's name for each text, (n,), an empty one too; "" (`UNSURE`) where
        the artifact's rule says that the answer does not stand (`rule`). ParetextError for what is
        missing (None, NaN) or no text."""
        return self.decide(self.probabilities(texts))

    def decide(self, probabilities: NDArray[np.float32]) -> NDArray[np.str_]:
        """The answers, (n,), that `probabilities` lead to, (n, classes) as in `manifest.labels`:
        whatever gives an answer to anybody asks here."""
        labels, rule = self.manifest.labels, self.manifest.operating
        names: NDArray[np.str_] = np.array([*labels, UNSURE])[answers(probabilities, labels, rule)]
        return names

    def predict_proba(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """Probabilities, (n, classes), columns as in `classes_`, for any iterable of texts; memory
        grows with n answers."""
        probabilities = self.probabilities(texts)
        return probabilities if self._columns is None else probabilities[:, self._columns]

    def probabilities(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """Probabilities, (n, classes), columns in the graph's own order, `manifest.labels`."""
        return softmax(self.logits(texts))

    def stream(self, texts: Iterable[str]) -> Iterator[NDArray[np.float32]]:
        """Each text's probabilities, (classes,) as in `manifest.labels`, in constant memory."""
        for each in self._chunks(texts):
            yield from softmax(each.logits)

    def logits(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """The graph's raw outputs, (n, classes)."""
        return self.answers(texts).logits

    def one_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As `logits`, of texts that share one call, each padded to the longest of them."""
        text_input.check(list(texts))
        encodings = self._tokenizer.encode_batch_fast(list(texts))
        ids = [token_ids(encoding, self.manifest.pad_id) for encoding in encodings]
        return self._run_group(self._sessions.wide, ids)

    def answers(self, texts: Iterable[str]) -> Answers:
        """The graph's raw outputs, and how many of the texts were cut."""
        chunks = list(self._chunks(texts))
        if len(chunks) == 1:
            return chunks[0]
        none = np.empty((0, len(self.manifest.labels)), np.float32)
        logits = np.concatenate([none, *(each.logits for each in chunks)])
        return Answers(logits, np.concatenate([np.zeros(0, np.bool_), *(c.cut for c in chunks)]))

    def longer(self, texts: Sequence[str]) -> int:
        """How many of the texts are longer than the longest input, so that their ends are cut."""
        remaining, first, too_long = text_input.iterate(texts), 0, 0
        while chunk := list(itertools.islice(remaining, CHUNK_TEXTS)):
            text_input.check(chunk, first)
            try:
                too_long += int(_cut(self._tokenizer.encode_batch_fast(chunk)).sum())
            except BaseException as error:
                raise self._explained(error, chunk, first) from None
            first += len(chunk)
        return too_long

    def _chunks(self, texts: Iterable[str]) -> Iterator[Answers]:
        """The answers to CHUNK_TEXTS texts at a time."""
        remaining, first = text_input.iterate(texts), 0
        while chunk := list(itertools.islice(remaining, CHUNK_TEXTS)):
            text_input.check(chunk, first)
            try:
                answers = self._run_text(chunk[0]) if len(chunk) == 1 else self._run_texts(chunk)
            except BaseException as error:
                raise self._explained(error, chunk, first) from None
            yield answers
            first += len(chunk)

    def _explained(self, error: BaseException, texts: list[str], first: int) -> BaseException:
        """The sentence for an error of the tokenizer; any other error as it is."""
        if isinstance(error, ParetextError | KeyboardInterrupt | SystemExit):
            return error
        if problem := text_input.half_character(texts, first):
            return problem
        if not _is_of_tokenizers(error):
            return error
        return ParetextError(
            f"{self.folder / TOKENIZER} cannot read one of the texts ({one_line(error)}); "
            "export again."
        )

    def _run_text(self, text: str) -> Answers:
        """One text, the call that somebody waits for: nothing to sort, to pad or to split."""
        encoding = self._tokenizer.encode(text)
        ids = np.array([token_ids(encoding, self.manifest.pad_id)], self._integers)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        return Answers(self._sessions.wide.run(["logits"], feed)[0], _cut([encoding]))

    def _run_texts(self, texts: list[str]) -> Answers:
        encodings = self._tokenizer.encode_batch_fast(texts)
        ids = [token_ids(encoding, self.manifest.pad_id) for encoding in encodings]
        groups = group_by_length([len(row) for row in ids], GROUP_TOKENS, self.threads)
        if len(groups) == 1 or self._sessions.pool is None:
            session = self._sessions.wide if len(groups) == 1 else self._sessions.narrow
            answers = [self._run_group(session, [ids[i] for i in group]) for group in groups]
        else:
            session = self._sessions.narrow
            answers = list(
                self._sessions.pool.map(
                    lambda group: self._run_group(session, [ids[i] for i in group]), groups
                )
            )
        logits = np.empty((len(texts), len(self.manifest.labels)), np.float32)
        for group, answer in zip(groups, answers, strict=True):
            logits[group] = answer
        return Answers(logits, _cut(encodings))

    def _run_group(self, session: Session, ids: list[list[int]]) -> NDArray[np.float32]:
        longest = max(map(len, ids))
        input_ids = np.full((len(ids), longest), self.manifest.pad_id, self._integers)
        mask = np.zeros((len(ids), longest), self._integers)
        for row, tokens in enumerate(ids):
            input_ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        feed = {"input_ids": input_ids, "attention_mask": mask}
        logits: NDArray[np.float32] = session.run(["logits"], feed)[0]
        return logits

    def _check_model(self) -> None:
        """The graph's file is still the one that was verified, or has its digest."""
        model = self.manifest.model
        stamp = _stamp(self.folder / model)
        if stamp != self._model_seen and model in self.manifest.files:
            self.manifest.verify_file(self.folder, model)
            self._model_seen = stamp


def _again(folder: Path, threads: int | None, identity: str) -> Artifact:
    """The artifact that was pickled or copied, from its folder; a refusal if it is another now."""
    artifact = Artifact.load(folder, threads)
    if artifact.manifest.identity != identity:
        raise ParetextError(
            f"{folder} holds another artifact now than when this one was pickled; "
            "load it with Artifact.load, or pickle anew."
        )
    return artifact


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Changes when the file does, or another takes its place; None if it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _is_of_tokenizers(error: BaseException) -> bool:
    """Whether it comes out of the tokenizer: it raises plain Exception, and panics of Rust, which
    are no Exception; OverflowError is what NumPy makes of an id that its type cannot hold."""
    return type(error) in (Exception, OverflowError) or type(error).__name__ == "PanicException"


def prepare(tokenizer: Tokenizer, max_length: int, split_special_tokens: bool) -> None:
    """Make `tokenizer` cut at `max_length`, on the side that its file says, and pad nothing.

    split_special_tokens: the name of a special token inside a text is letters like any other
        (as transformers calls it; tokenizer.json cannot say so).
    """
    side = (tokenizer.truncation or {}).get("direction", "right")
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length, direction=side)
    tokenizer.encode_special_tokens = split_special_tokens


def token_ids(encoding: Encoding, pad_id: int) -> list[int]:
    """A text's ids. A text without any token (an empty one, where the tokenizer adds no special
    tokens) is read as one padding token: a network has to read something."""
    ids: list[int] = encoding.ids
    return ids or [pad_id]


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


def _cut(encodings: Sequence[Any]) -> NDArray[np.bool_]:
    return np.array([bool(encoding.overflowing) for encoding in encodings])
