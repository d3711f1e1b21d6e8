"""Cost of classifiers on this machine: bytes, memory, latency, throughput.

Every version runs in a process of its own, so that none pays for another's libraries or threads;
an artifact's process never imports PyTorch. The processes wait while one of them is measured, and
take turns: each round measures every version once at batch 1, at batch 32 and in bulk, so that a
change of the machine's mood meets all of them. Numbers are medians over the rounds.

What is timed is what a caller waits for, from texts to probabilities, tokenisation included.

- batch 1: one text a call; the median and the 95th percentile over the texts of a round.
- batch 32: 32 texts a call, together, in the order of the data. PyTorch pads them to the longest,
  as people do; an artifact may split the call as it likes.
- bulk: all texts at once; PyTorch takes them in batches of 32.

A start is timed, too: from before the first library is imported (Python's own start-up left out)
to the first answer. The fastest of STARTS processes counts, since the first of them finds the files
on the disk, and the others in memory. Peak memory is the most that the last of them ever had
resident (VmHWM; getrusage elsewhere): Python, libraries, weights and all calls.

`rounds` says which of these times are figures to quote.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass as record

from paretext.core import progress
from paretext.core.cores import available_cores
from paretext.core.errors import ParetextError
from paretext.core.files import folder_bytes
from paretext.core.locks import temporary_folder
from paretext.core.records import Number
from paretext.measure.rounds import (
    TIMES,
    Ratio,
    Round,
    Start,
    counted,
    made,
    ratio,
    settled,
    started,
)
from paretext.runtime.artifact import Artifact

BATCH1_TEXTS = 200
BATCH32_TEXTS = 512
ROUND_MS = 8_000
"""A round's time at batch 1 for the slowest version; slower models are timed on fewer texts."""
MORE_ROUNDS = 3
"""In place of disturbed ones, or as many as were asked for where those are fewer."""
STARTS = 2
MORE_STARTS = 1
"""Where all of STARTS were disturbed."""
_EXPECTED_TEXTS = 128


@dataclass(frozen=True)
class Target:
    """Something to measure: an artifact's folder, or a classifier's folder run by PyTorch."""

    name: str
    folder: Path
    kind: Literal["artifact", "pytorch"] = "artifact"


@record(frozen=True)
class Cost:
    """What one version costs; of each time the median over the undisturbed rounds."""

    name: str
    bytes: int
    peak_memory_bytes: int
    first_answer_ms: Number
    """From the start of loading, libraries included, to the first answer."""
    batch1_ms_p50: Number
    batch1_ms_p95: Number
    batch32_ms_per_text: Number
    bulk_texts_per_second: Number
    starts: tuple[Start, ...]
    rounds: tuple[Round, ...]
    """All that were made, of all versions in the same order."""
    unsteady: str = ""
    """Why the times are no figures to quote, as the end of a sentence; empty where they are."""

    @property
    def counted(self) -> Sequence[Round]:
        """The rounds that the medians are of."""
        return counted(self.rounds)

    @property
    def start_unsteady(self) -> str:
        """The same as `unsteady`, of the time to the first answer."""
        return next((each.disturbed for each in counted(self.starts)), "")


def times_faster(slow: Cost, fast: Cost, time: str) -> Ratio | None:
    """How many times faster `fast` is, by one of the times; None where nothing can be said."""
    estimate = float(getattr(slow, time) / getattr(fast, time))
    steady = not (slow.unsteady or fast.unsteady)
    return ratio(slow.rounds, fast.rounds, time, estimate, steady)


@dataclass(frozen=True)
class Measurement:
    """What was measured of one target: its cost, and its logits for all texts, (n, classes)."""

    cost: Cost
    logits: NDArray[np.float32]


def machine(threads: int) -> dict[str, Any]:
    """The machine that figures were measured on: they hold for no other."""
    packages = ("onnxruntime", "tokenizers", "numpy", "torch", "transformers")
    return {
        "cpu": _cpu_field("model name") or platform.processor() or platform.machine(),
        "instruction_sets": _instruction_sets(),
        "cores": available_cores(),
        "threads": threads,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {p: v for p in packages if (v := _version(p))},
    }


def machine_key(threads: int) -> dict[str, Any]:
    """What of the machine times and INT8 answers depend on: measured elsewhere, they are others."""
    here = machine(threads)
    runtime = here["versions"].get("onnxruntime")
    named = {name: here[name] for name in ("cpu", "instruction_sets", "cores", "threads")}
    return {**named, "onnxruntime": runtime}


def benchmark(
    targets: Sequence[Target],
    texts: Sequence[str],
    *,
    threads: int | None = None,
    rounds: int = 5,
) -> dict[str, Measurement]:
    """Measure all targets interleaved, on the same texts, with `threads` cores each.

    Raises ParetextError if a target cannot be loaded; the reason is the target's own.
    """
    threads = threads or available_cores()
    if not texts or rounds < 1:
        raise ParetextError(f"benchmark was given {len(texts)} texts and {rounds} rounds.")
    with ExitStack() as stack:
        shared = stack.enter_context(temporary_folder())
        (shared / "texts.json").write_text(json.dumps(list(texts)), encoding="utf-8")
        advance = stack.enter_context(
            progress.task("timing all versions", len(targets) * (rounds + 1))
        )
        workers: dict[str, _Worker] = {}
        for index, target in enumerate(targets):  # loading each takes seconds
            workers[target.name] = _started(stack, target, shared / str(index), threads)
        slowest = slowest_call = 0.0
        for worker in workers.values():  # also the warm-up
            slowest = max(slowest, worker.ask("logits")["ms_per_text"])
            slowest_call = max(slowest_call, worker.ask("batch1", texts=16)["batch1_ms_p50"])
            advance()
        few = int(np.clip(ROUND_MS / slowest_call, 32, BATCH1_TEXTS))
        many = int(np.clip(2 * ROUND_MS / slowest, 64, BATCH32_TEXTS))
        rounds_of: dict[str, list[Round]] = {name: [] for name in workers}
        names, together = list(workers), min(32, len(texts))
        more = min(MORE_ROUNDS, rounds)
        for index in range(rounds + more):
            if index >= rounds:
                if not any(settled(each, rounds)[1] for each in rounds_of.values()):
                    break
                left = rounds + more - index
                rest = "a round" if left == 1 else f"{left} rounds"
                advance(0, note=f"the machine is busy: up to {rest} more")
            turn = names[index % len(names) :] + names[: index % len(names)]
            said: dict[str, dict[str, dict[str, float]]] = {name: {} for name in names}
            for what, count in (("batch1", few), ("batch32", many), ("bulk", None)):
                for name in turn:
                    said[name][what] = workers[name].ask(what, texts=count)
                    if what == "bulk" and index < rounds:
                        advance()
            for name in names:
                rounds_of[name].append(made(said[name], together))
        return {
            name: Measurement(
                _cost(worker, *settled(rounds_of[name], rounds)),
                np.load(worker.logits),
            )
            for name, worker in workers.items()
        }


def expected(
    artifact: Path, texts: Sequence[str], rounds: int, threads: int | None = None
) -> Callable[[int], float]:
    """About how many seconds `benchmark` and what a job does before it (the agreement with PyTorch,
    certificates) will take on these texts for so many versions of this float32 artifact.

    PyTorch takes about 3.5 times as long as the artifact for one text, and twice for many; the
    versions take less than half of it.
    """
    opened, some = Artifact.load(artifact, threads), list(texts[:_EXPECTED_TEXTS])
    opened.logits(some)  # the first answers are slower
    begin = time.perf_counter()
    for text in some[:32]:
        opened.logits([text])
    middle = time.perf_counter()
    opened.logits(some)
    end = time.perf_counter()
    one = 3.5 * (middle - begin) / len(some[:32])
    many = 2 * (end - middle) / len(some)
    few = np.clip(ROUND_MS / 1e3 / one, 32, BATCH1_TEXTS)
    together = np.clip(2 * ROUND_MS / 1e3 / many, 64, BATCH32_TEXTS)
    a_round = few * one + (together + len(texts)) * many

    def seconds(versions: int) -> float:
        beside = 1.3 + 0.12 * versions  # the parent's artifact, INT8, and what is smaller
        timing = a_round * (1 + beside / 3) * (rounds + 2)  # the warm-up, and one made again
        certifying = len(texts) * many * (1 + 0.2 * versions) + 6 * versions
        return float(timing + certifying + STARTS * (6 + 1.5 * versions) + 10)

    return seconds


def _cost(worker: _Worker, made: tuple[Round, ...], unsteady: str) -> Cost:
    good = counted(made)
    return Cost(
        name=worker.target.name,
        bytes=folder_bytes(worker.target.folder),
        peak_memory_bytes=int(worker.ask("memory")["bytes"]),
        first_answer_ms=min(each.ms for each in counted(worker.starts)),
        starts=worker.starts,
        rounds=made,
        unsteady=unsteady,
        **{name: float(np.median([getattr(each, name) for each in good])) for name in TIMES},
    )


def _started(stack: ExitStack, target: Target, place: Path, threads: int) -> _Worker:
    """A worker that has answered; those that were started before it are for their times alone."""
    starts: tuple[Start, ...] = ()
    while True:
        worker = _Worker(target, place, threads, starts)
        starts = worker.starts
        asked = len(starts) >= STARTS and not counted(starts)[0].disturbed
        if asked or len(starts) >= STARTS + MORE_STARTS:
            return stack.enter_context(worker)
        worker.__exit__()


class _Worker:
    """A process that loads one target, answers a text, and measures when asked.

    before: the starts of those that were started and ended before it.
    place: where to put its files, less the suffix; a version's name may hold any character.
    """

    def __init__(
        self, target: Target, place: Path, threads: int, before: tuple[Start, ...] = ()
    ) -> None:
        self.target = target
        self.logits = place.with_suffix(".npy")
        task = {
            **asdict(target),
            "folder": str(target.folder),
            "texts": str(place.with_name("texts.json")),
            "logits": str(self.logits),
            "threads": threads,
        }
        limits = {
            name: str(threads)
            for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
        }
        self._errors = place.with_suffix(".errors").open("w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "paretext.measure.worker", json.dumps(task)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **limits, "TOKENIZERS_PARALLELISM": "true"},
        )
        self.starts = (*before, started(self._read()))

    def ask(self, what: str, texts: int | None = None) -> dict[str, float]:
        if self.process.stdin is not None and self.process.poll() is None:
            with suppress(BrokenPipeError):  # it has just ended; _read says why
                self.process.stdin.write(json.dumps({"what": what, "texts": texts}) + "\n")
                self.process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, float]:
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            self.process.wait()
            self._errors.seek(0)
            lines = self._errors.read().strip().splitlines() or ["it ended without a word"]
            raise ParetextError(f"{self.target.name} could not be measured: {lines[-1]}")
        answer: dict[str, float] = json.loads(line)
        return answer

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self._errors):
            if stream is not None:
                stream.close()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu_field(field: str) -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(field)), "")


def _instruction_sets() -> list[str]:
    """Those that decide how fast, and with which rounding, INT8 and BF16 products run."""
    wanted = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
    present = set(_cpu_field("flags").split())
    return [name for name in wanted if name in present]
