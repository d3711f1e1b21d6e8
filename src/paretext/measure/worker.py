"""The process that `benchmark` starts for each version: loads it, measures it when asked.

One JSON object a line on standard input and output; the first says how long it took from before
the first library was imported to the first answer, which is what whoever starts it waits for.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretext.measure.conditions import Meter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Predict = Callable[[Sequence[str]], "NDArray[np.float32]"]


def main() -> None:
    task = json.loads(sys.argv[1])
    texts: list[str] = json.loads(Path(task["texts"]).read_text(encoding="utf-8"))
    meter = Meter()
    logits, predict = _load(task)
    predict(texts[:1])
    begun = meter.read()
    _answer({"first_answer_ms": begun["wall_seconds"] * 1e3, **begun})
    import numpy as np

    for line in sys.stdin:
        question = json.loads(line)
        some = texts[: question["texts"]]
        begin, meter = time.perf_counter(), Meter()
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
        _answer({**values, **meter.read()})


def _load(task: dict[str, Any]) -> tuple[Predict, Predict]:
    """Whatever it imports is part of what a start takes, so nothing is imported before."""
    if task["kind"] == "artifact":
        from paretext.runtime.artifact import Artifact

        artifact = Artifact.load(task["folder"], threads=task["threads"])
        return artifact.logits, artifact.probabilities
    import torch

    from paretext.models.classifier import Classifier

    torch.set_num_threads(task["threads"])
    classifier = Classifier.load(task["folder"])
    return classifier.logits, classifier.predict_proba


def _batch1(predict: Predict, texts: Sequence[str]) -> dict[str, float]:
    import numpy as np

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
