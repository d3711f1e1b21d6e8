"""ONNX Runtime's sessions of one graph in one process, and the pool that feeds them.

A session starts threads when it is made, and a fork takes memory along and no threads: in the child
a call to an inherited session waits for ever, and so may its destruction, at the latest when the
child ends (seen with 1.32: a hang, or a segmentation fault in pthread_join from 8 threads on). So a
child forgets what it has inherited, without destroying it, and makes sessions of its own when it is
asked. What only inherits and never asks (a data loader's worker) ends as it should.

The graph's file is the one that was verified: if it has been replaced since, its digest is compared
again before a session is made of it.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from paretext.core.errors import ParetextError

if TYPE_CHECKING:
    import onnxruntime

Logits = NDArray[np.float32]


def session_options(threads: int = 1) -> onnxruntime.SessionOptions:
    """As every graph of ours is run: by so many threads, and with exact integer sums also on x86
    CPUs without VNNI, where those of 8-bit weights would saturate."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.x64quantprecision", "1")
    return options


class Session:
    """An InferenceSession whose errors are one sentence, and whose answers have the shape that the
    labels ask for."""

    def __init__(self, path: Path, threads: int, classes: int) -> None:
        import onnxruntime

        self._path, self._classes = path, classes
        options = session_options(threads)
        options.log_severity_level = 4  # what is wrong with a graph comes as an exception as well
        try:
            self._session: onnxruntime.InferenceSession = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its own kinds, all of them straight from Exception
            raise ParetextError(
                f"ONNX Runtime cannot load {path} ({one_line(error)}); export the model again."
            ) from None

    def run(self, names: list[str], feed: dict[str, NDArray[Any]]) -> list[Logits]:
        """As InferenceSession.run, for the one output that there is."""
        try:
            answers: list[Logits] = self._session.run(names, feed)
        except Exception as error:
            raise ParetextError(
                f"ONNX Runtime cannot run {self._path} ({one_line(error)}); export the model again."
            ) from None
        wanted = (len(feed["input_ids"]), self._classes)
        if answers[0].shape != wanted:
            raise ParetextError(
                f"{self._path} answers {answers[0].shape} where {wanted} is needed, a number for "
                "each text and label; export the model again."
            )
        if not np.vdot(answers[0], answers[0]) < np.inf:  # the quickest way to see them all
            raise ParetextError(
                f"{self._path} answers with what is no number (NaN or infinite); "
                "export the model again."
            )
        return answers


class Sessions:
    """wide: one call uses all cores; narrow: one call uses one, and `pool` runs several.

    check: called before a session is made; raises ParetextError if the file is another one now.
    """

    def __init__(self, path: Path, threads: int, classes: int, check: Callable[[], None]) -> None:
        self._path, self._threads, self._classes, self._check = path, threads, classes, check
        self._begin()
        _watch_forks()
        _living.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()  # made anew in a child: somebody may have held it
        self._made: dict[int, Session] = {}
        self._pool: ThreadPoolExecutor | None = None

    @property
    def wide(self) -> Session:
        return self._made.get(self._threads) or self._make(self._threads)

    @property
    def narrow(self) -> Session:
        return self._made.get(1) or self._make(1)

    @property
    def pool(self) -> ThreadPoolExecutor | None:
        """None where there is only one core."""
        if self._pool is None and self._threads > 1:
            with self._lock:
                if self._pool is None:
                    self._pool = ThreadPoolExecutor(self._threads)
        return self._pool

    def _make(self, threads: int) -> Session:
        with self._lock:
            if threads not in self._made:
                self._check()
                self._made[threads] = Session(self._path, threads, self._classes)
            return self._made[threads]

    def forget(self) -> None:
        """Begin anew in a child; what was inherited is kept for ever, since it cannot be ended."""
        for inherited in (*self._made.values(), self._pool):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))
        self._begin()


_living: weakref.WeakSet[Sessions] = weakref.WeakSet()


@functools.cache
def _watch_forks() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_begin_anew)


def _begin_anew() -> None:
    for each in list(_living):
        each.forget()
    # Without this variable `tokenizers` uses one thread in a child of a process where it used
    # several. Whoever set it to "true" would wait for threads that are not there.
    if "TOKENIZERS_PARALLELISM" in os.environ:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"


def one_line(error: BaseException) -> str:
    """What an exception says, on one line and not too long."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = "".join(each if each.isprintable() else "?" for each in text)
    return (text if len(text) <= 300 else f"{text[:300]}...").rstrip(".")
