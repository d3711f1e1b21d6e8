"""The process that prepares or measures one peer, in that peer's own environment.

    python worker.py JOB FOLDER TEXTS     (started by run.py; JOB is job.Job as JSON)

One JSON object a line on standard input and output, answered in turn; what a tool prints goes to
standard error. Questions, by "what":

    prepare   the tool writes what it deploys into FOLDER
    load      it loads that; answers its settings and its packages' versions
    quality   labels of all TEXTS; also the warm-up, of one text a call as well
    batch1    one text a call, "texts" of them: the median and the 95th percentile, ms
    batch32   32 texts a call, in the file's order: ms a text
    bulk      all texts as the tool does many: texts a second; "sorted": shortest text first

These are the numbers of paretext/benchmark_worker.py: from texts to labels, tokenisation included.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import sys
import time
import traceback
from importlib import metadata
from pathlib import Path
from typing import Any, TextIO

from job import BATCH, Job, Model


class Worker:
    """One tool; `model` is there once it is loaded."""

    def __init__(self, job: Job, folder: Path, texts: list[str]) -> None:
        self.job, self.folder, self.texts = job, folder, texts
        self.tool = importlib.import_module(f"tools.{job.tool}")
        self.model: Model

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        method = getattr(self, question.pop("what"))
        result: dict[str, Any] = method(**question)
        return result

    def prepare(self) -> dict[str, Any]:
        self.tool.prepare(self.job, self.folder)
        return {}

    def load(self) -> dict[str, Any]:
        self.model = self.tool.load(self.job, self.folder)
        return {
            "settings": self.tool.SETTINGS[self.job.variant],
            "versions": {name: metadata.version(name) for name in self.tool.PACKAGES},
        }

    def quality(self) -> dict[str, Any]:
        """In batches of 32, as at batch 32: a tool may answer a little differently in another."""
        predictions = [
            label for batch in _batches(self.texts) for label in self.model.predict(batch)
        ]
        self.batch1(16)
        self.model.bulk(self.texts[:512])
        return {"predictions": predictions}

    def batch1(self, texts: int) -> dict[str, float]:
        times = []
        for text in self.texts[:texts]:
            begin = time.perf_counter()
            self.model.predict([text])
            times.append(_ms_since(begin))
        ordered = statistics.quantiles(times, n=20, method="inclusive")
        return {"batch1_ms_p50": statistics.median(times), "batch1_ms_p95": ordered[-1]}

    def batch32(self, texts: int) -> dict[str, float]:
        some = self.texts[:texts]
        begin = time.perf_counter()
        for batch in _batches(some):
            self.model.predict(batch)
        return {"batch32_ms_per_text": _ms_since(begin) / len(some)}

    def bulk(self, by_length: bool) -> dict[str, float]:
        begin = time.perf_counter()
        self.model.bulk(sorted(self.texts, key=len) if by_length else self.texts)
        name = "bulk_sorted_texts_per_second" if by_length else "bulk_texts_per_second"
        return {name: 1e3 * len(self.texts) / _ms_since(begin)}


def _batches(texts: list[str]) -> list[list[str]]:
    return [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]


def _ms_since(begin: float) -> float:
    return (time.perf_counter() - begin) * 1e3


def main() -> None:
    answers = _private_output()
    texts: list[str] = json.loads(Path(sys.argv[3]).read_text(encoding="utf-8"))
    worker = None
    for line in sys.stdin:
        try:
            worker = worker or Worker(Job.from_json(sys.argv[1]), Path(sys.argv[2]), texts)
            answer = worker.answer(json.loads(line))
        except Exception as error:  # a tool may fail in any way; the table says in which
            traceback.print_exc()
            answer = {"error": _reason(error)}
        print(json.dumps(answer), file=answers, flush=True)


def _private_output() -> TextIO:
    """Standard output for our answers alone: tools print to it, from C++ too."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _reason(error: Exception) -> str:
    """The beginning, in one line: tools write paragraphs."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}"[:250]


if __name__ == "__main__":
    main()
