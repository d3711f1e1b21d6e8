"""Texts that come one by one, answered together: dynamic batching without waiting for company.

While a batch is being answered, whatever arrives waits; then all of it is the next batch. So a text
that finds the model idle starts at once and alone, as a direct call would, and the busier it gets
the larger the batches: no timer to tune, and nobody waits for texts that may never come (what
Triton calls dynamic batching with no delay; Clipper, NSDI 2017, section 4.3, is the origin of
batches that adapt). Inside a batch `Artifact` does what it does in bulk: groups of like length, one
core each. The text of a request that is the only one at all is answered where it is, if that takes
no longer than LOOP: handing it to a thread and back can cost as much as a small model does.

A request of many texts is taken a slice at a time and goes back behind the others, so that a short
one waits for a batch at most, however long the others are. A batch that fails is answered again
request by request: what nobody else can answer fails alone. An artifact whose answers may depend on
their neighbours (its manifest says so, or does not say) gets its texts one by one.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from paretext.runtime.artifact import Artifact, softmax
from paretext.runtime.independence import INTEGERS

TEXTS, CHARACTERS = 32, 4096
"""Of a batch, for each core: some ten milliseconds of a small model's time."""
LOOP = 0.003
"""Seconds for which the event loop may compute an answer itself."""
LOOK = 0.25
"""Seconds after which whoever waits is looked at: it may have gone."""


class Full(Exception):
    """So many texts wait already. `seconds` is when there may be room again."""

    def __init__(self, waiting: int, seconds: int) -> None:
        super().__init__(f"{waiting:,} texts wait already")
        self.waiting, self.seconds = waiting, seconds


class Gone(Exception):
    """Nobody waits for the answer any more."""


async def _stays() -> bool:
    return False


@dataclass(frozen=True)
class Answered:
    """Of n texts: logits (n, classes), whether each was cut, and seconds in the queue and in all.

    Labels stand in the order of `manifest.labels`.
    """

    logits: NDArray[np.float32]
    cut: NDArray[np.bool_]
    queued: float
    seconds: float

    @cached_property
    def probabilities(self) -> NDArray[np.float32]:
        """(n, classes)."""
        return softmax(self.logits)


@dataclass(eq=False)
class _Job:
    """One request's texts. Only the batcher's thread writes to it once it waits."""

    texts: Sequence[str]
    future: asyncio.Future[Answered]
    logits: NDArray[np.float32]
    cut: NDArray[np.bool_]
    arrived: float = field(default_factory=time.perf_counter)
    begun: float = 0.0
    taken: int = 0
    answered: int = 0


_Part = tuple[_Job, int, int]
"""A job's texts from here to there."""


def _unobserved(texts: int, seconds: float) -> None:
    pass


class Batcher:
    """Answers one artifact's texts on a thread of its own.

    most: texts that may wait. observe: is told each batch's texts and seconds, on that thread.
    """

    def __init__(
        self,
        artifact: Artifact,
        most: int,
        observe: Callable[[int, float], None] = _unobserved,
    ) -> None:
        self.artifact, self.most, self.observe = artifact, most, observe
        self.shares = is_independent(artifact)
        """Whether texts of several requests may share a call."""
        self.waiting = 0
        self._lone = 1.0
        """Seconds of this thread's own for one text by itself, the last time."""
        self._rate = 1000.0
        """Texts a second, a moving average."""
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Answer some texts, so that the first request finds everything made, and begin."""
        for _ in range(3):
            self._alone("")
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="paretext-batches", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Return when all that waits is answered."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    async def answers(
        self,
        texts: Sequence[str],
        seconds: float,
        only: bool = False,
        gone: Callable[[], Awaitable[bool]] = _stays,
    ) -> Answered:
        """The answers to some texts within so many seconds.

        only: nobody else has asked for anything. gone: whether whoever asked has gone; it is asked
        only where the answer takes long.
        Raises Full, at once; TimeoutError; Gone; ParetextError for what the artifact cannot answer.
        """
        short = len(texts) == 1 and len(texts[0]) <= CHARACTERS
        if only and short and self._lone < LOOP and not self.waiting:
            answered = self._alone(texts[0])
            self.observe(1, answered.seconds)
            return answered
        shape = len(texts), len(self.artifact.manifest.labels)
        future: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        job = _Job(texts, future, np.empty(shape, np.float32), np.zeros(len(texts), np.bool_))
        with self._changed:
            if self.waiting + len(texts) > self.most:
                raise Full(self.waiting, min(max(math.ceil(self.waiting / self._rate), 1), 30))
            self.waiting += len(texts)
            self._jobs.append(job)
            self._changed.notify()
        try:
            left = seconds
            while not (await asyncio.wait((future,), timeout=min(left, LOOK)))[0]:
                left = seconds - (time.perf_counter() - job.arrived)
                if left <= 0:
                    raise TimeoutError
                if await gone():
                    raise Gone
            return future.result()
        finally:
            self._drop(job)

    def _alone(self, text: str) -> Answered:
        begin, own = time.perf_counter(), time.thread_time()
        answers = self.artifact.answers([text])
        self._lone = time.thread_time() - own
        seconds = time.perf_counter() - begin
        return Answered(answers.logits, answers.cut, 0.0, seconds)

    def _drop(self, job: _Job) -> None:
        """Whoever asked has gone, or has what they asked for."""
        job.future.cancel()
        with self._changed:
            self.waiting -= len(job.texts) - job.taken
            job.taken = len(job.texts)

    def _work(self) -> None:
        while parts := self._take():
            begin, own = time.perf_counter(), time.thread_time()
            for job, first, _ in parts:
                job.begun = job.begun if first else begin
            self._answer(parts)
            texts, seconds = sum(last - first for _, first, last in parts), time.perf_counter()
            seconds -= begin
            if texts == 1:
                self._lone = time.thread_time() - own
            self._rate += 0.1 * (texts / max(seconds, 1e-6) - self._rate)
            self.observe(texts, seconds)

    def _take(self) -> list[_Part]:
        """The next batch; nothing when there will be none."""
        cores = self.artifact.threads
        room, characters = (TEXTS * cores, CHARACTERS * cores) if self.shares else (1, 1)
        parts: list[_Part] = []
        with self._changed:
            while not parts:
                while not self._jobs:
                    if self._ended:
                        return []
                    self._changed.wait()
                unfinished = []
                while self._jobs and room > 0 and characters > 0:
                    job = self._jobs.popleft()
                    first = job.taken
                    while job.taken < len(job.texts) and room > 0 and characters > 0:
                        room -= 1
                        characters -= len(job.texts[job.taken])
                        job.taken += 1
                    if job.taken > first:
                        parts.append((job, first, job.taken))
                    if job.taken < len(job.texts):
                        unfinished.append(job)
                self._jobs.extend(unfinished)
            self.waiting -= sum(last - first for _, first, last in parts)
        return parts

    def _answer(self, parts: list[_Part]) -> None:
        texts = [text for job, first, last in parts for text in job.texts[first:last]]
        try:
            answers = self.artifact.answers(texts)
        except BaseException as error:
            if len(parts) > 1:
                for part in parts:
                    self._answer([part])
                return
            _settle(parts[0][0], error)
            return
        begin = 0
        for job, first, last in parts:
            end = begin + last - first
            job.logits[first:last] = answers.logits[begin:end]
            job.cut[first:last] = answers.cut[begin:end]
            job.answered += last - first
            if job.answered == len(job.texts):
                now = time.perf_counter()
                waited = job.begun - job.arrived
                _settle(job, Answered(job.logits, job.cut, waited, now - job.arrived))
            begin = end


def is_independent(artifact: Artifact) -> bool:
    """Whether export measured that an answer does not move with the texts that share its call."""
    measured = artifact.manifest.independence
    return measured is not None and measured.largest_probability_difference <= INTEGERS


def _settle(job: _Job, result: Answered | BaseException) -> None:
    """Hand a result to the loop that waits for it, which may be gone."""

    def hand() -> None:
        if job.future.done():
            return
        if isinstance(result, Answered):
            job.future.set_result(result)
        else:
            job.future.set_exception(result)

    loop = job.future.get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(hand)
