"""The process that `benchmark` starts for each version: loads it, measures it when asked.

One JSON object a line on standard input and output.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paretext.runtime.artifact import Artifact

Predict = Callable[[Sequence[str]], NDArray[np.float32]]


def main() -> None:
    task = json.loads(sys.argv[1])
    texts: list[str] = json.loads(Path(task["texts"]).read_text(encoding="utf-8"))
    logits, predict = _load(task)
    _answer({"loaded": True})
    for line in sys.stdin:
        question = json.loads(line)
        some = texts[: question["texts"]]
        begin, ran = time.perf_counter(), time.process_time()
        if question["what"] == "logits":
            np.save(task["logits"], logits(texts))
            values = {"ms_per_text": _ms(begin, len(texts))}
        elif question["what"] == "batch1":
            values = _batch1(predict, some)
        elif question["what"] == "batch32":
            for start in range(0, len(some), 32):
                predict(some[start : start + 32])
            values = {"batch32_ms_per_text": _ms(begin, len(some))}
        elif question["what"] == "bulk":
            predict(texts)
            values = {"bulk_texts_per_second": 1e3 / _ms(begin, len(texts))}
        else:
            values = {"bytes": _peak_memory()}
        # CPU seconds of all threads for each second: a process that nothing disturbs has 1 or more.
        cores = (time.process_time() - ran) / (time.perf_counter() - begin)
        _answer({**values, "cores": cores})


def _load(task: dict[str, Any]) -> tuple[Predict, Predict]:
    if task["kind"] == "artifact":
        artifact = Artifact.load(task["folder"], threads=task["threads"])
        return artifact.logits, artifact.probabilities
    import torch

    from paretext.models.classifier import Classifier

    torch.set_num_threads(task["threads"])
    classifier = Classifier.load(task["folder"])
    return classifier.logits, classifier.predict_proba


def _batch1(predict: Predict, texts: Sequence[str]) -> dict[str, float]:
    times = []
    for text in texts:
        begin = time.perf_counter()
        predict([text])
        times.append(_ms(begin, 1))
    p50, p95 = np.percentile(times, [50, 95])
    return {"batch1_ms_p50": float(p50), "batch1_ms_p95": float(p95)}


def _ms(begin: float, texts: int) -> float:
    """Milliseconds per text since `begin`."""
    return (time.perf_counter() - begin) * 1e3 / texts


def _peak_memory() -> int:
    """The most bytes this process has had resident."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _answer(values: dict[str, Any]) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    from paretext.core.errors import ParetextError

    try:
        main()
    except ParetextError as error:
        sys.exit(str(error))
