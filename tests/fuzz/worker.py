"""The process that opens what the fuzzer has made: `python worker.py`, one line of JSON a task.

It can hang, be killed by a signal or eat memory, and the fuzzer (`harness.py`) sees it and begins
another. It answers one line: whether the task ended in an answer, in a sentence of the project's
own ("refused") or in any other exception ("raised"); which files outside the task's folder Python
opened; and how much memory it took at its peak.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import re
import resource
import sys
import sysconfig
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import toy

from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.data.dataset import Dataset
from paretext.data.tables import read_rows
from paretext.pipeline.inspection import describe
from paretext.runtime.artifact import Artifact
from paretext.runtime.bulk import predict_file

LARGEST = 4 << 30
"""Bytes of memory after which a task fails and the machine lives; 2 GB are too many already."""

Answer = dict[str, Any]


def artifact(task: Answer) -> Answer:
    """Opened, and asked for one text and for several."""
    folder, texts = Path(task["folder"]), task["texts"]
    with contextlib.suppress(ParetextError):
        describe(folder)
    loaded = Artifact.load(folder, threads=task["threads"])
    classes = len(loaded.classes_)
    for asked in (texts[:1], texts, []):
        probabilities = loaded.predict_proba(asked)
        assert probabilities.shape == (len(asked), classes)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-3)
    return {"labels": loaded.predict(texts).tolist()}


def table(task: Answer) -> Answer:
    """Read as rows, as labelled data, and answered; how many rows there were each time.

    What cannot be read in one way may be readable in another: each has its own sentence.
    """
    path, answer = Path(task["path"]), Answer()
    steps: dict[str, Callable[[], Answer]] = {
        "read": lambda: {"read": sum(1 for _ in read_rows(path))},
        "predicted": lambda: _predicted(task, path),
        "labelled": lambda: _labelled(path),
    }
    for name, step in steps.items():
        try:
            answer |= step()
        except ParetextError as error:
            answer.setdefault("sentences", {})[name] = str(error)
    return answer


def _predicted(task: Answer, path: Path) -> Answer:
    target = path.with_name(f"answers{task['target']}")
    target.unlink(missing_ok=True)
    said = predict_file(_loaded(task["artifact"]), path, target)
    rows = list(read_rows(target))
    return {
        "predicted": said["rows"],
        "written": len(rows),
        "answered": sum(row.get("predicted_label") in toy.LABELS for row in rows),
        "unanswered": sum(said.get("unanswered", {}).values()),
        "texts": [row.get("text") for row in rows],
    }


class _Said(progress.LogSink):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)


def _labelled(path: Path) -> Answer:
    """How many rows became data, and how many were said to be left out."""
    said = _Said()
    with progress.using(said):
        data = Dataset.read(path, on_bad_row="skip")
    left = re.search(r"left out ([\d,]+) of ", " ".join(said.lines))
    return {"labelled": len(data.texts), "left_out": int(left[1].replace(",", "")) if left else 0}


def model(task: Answer) -> Answer:
    """A foreign model's folder, as `train` takes it and as `compress` does."""
    from paretext.models.classifier import Classifier

    if task["trained"]:
        loaded = Classifier.load(task["folder"])
    else:
        loaded = Classifier.from_pretrained(task["folder"], task["labels"], max_length=16)
    answers = loaded.logits(task["texts"])
    assert answers.shape == (len(task["texts"]), len(loaded.label_names))
    return {"labels": list(loaded.label_names)}


def misbehave(task: Answer) -> Answer:
    """What no task may do; `test_harness.py` sees that it is noticed."""
    bait = Path(task["bait"])
    how: dict[str, Callable[[], object]] = {
        "raises": lambda: [][1],
        "opens": lambda: open("/etc/hostname", "rb").close(),
        "opens unseen": lambda: ctypes.CDLL(None).fopen(os.fsencode(bait), b"r"),
        "hangs": lambda: time.sleep(60),
        "dies": lambda: ctypes.string_at(0),
        "eats": lambda: bytearray(b"x") * (2200 << 20),
        "rambles": lambda: _refuse("a line\nand another."),
        "starts": lambda: os.system("true"),
    }
    how[task["how"]]()
    return {}


def _refuse(sentence: str) -> None:
    raise ParetextError(sentence)


_artifacts: dict[str, Artifact] = {}


def _loaded(folder: str) -> Artifact:
    return _artifacts.setdefault(folder, Artifact.load(folder, threads=1))


def nothing(task: Answer) -> Answer:
    """A process that has begun."""
    return {}


TASKS = {
    "nothing": nothing,
    "artifact": artifact,
    "table": table,
    "model": model,
    "misbehave": misbehave,
}


class _Watch:
    """Which files Python opens outside of a task's own folder and of what is installed."""

    def __init__(self) -> None:
        self.allowed: tuple[str, ...] | None = None
        self.seen: list[str] = []
        here = Path(__file__).resolve().parents[2]
        self.always = (
            *{str(Path(sysconfig.get_paths()[name]).resolve()) for name in ("stdlib", "purelib")},
            *(str(here / name) for name in ("src", "tests")),
            str(Path(tempfile.gettempdir()) / "paretext-"),  # what killed ones left is cleared away
            *("/proc/", "/sys/", "/dev/", "/usr/", "/lib", sys.prefix, sys.base_prefix),
            *(str(Path(each).resolve()) for each in sys.path if each),
        )
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.allowed is None:
            return
        if event == "open" and isinstance(arguments[0], str | bytes):
            given = os.fsdecode(arguments[0])
            path = os.path.realpath(given)
            # What is opened by a handle of its folder (rmtree) is named from there.
            elsewhere = not os.path.isabs(given) and not os.path.lexists(given)
            if not elsewhere and not path.startswith((*self.always, *self.allowed)):
                self.seen.append(path)
        elif event in ("socket.connect", "subprocess.Popen", "os.system", "os.exec", "os.fork"):
            self.seen.append(f"{event} {arguments!r:.200}")


def _tasks() -> Iterator[Answer]:
    for line in sys.stdin:
        yield json.loads(line)


def _kilobytes(name: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+)", status)[1])  # type: ignore[index]


def _forget_peak() -> None:
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # what libraries print is not the answer
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 2 * LARGEST,) * 2)
    watch = _Watch()
    for task in _tasks():
        _forget_peak()
        before, watch.seen = _kilobytes("VmRSS"), []
        watch.allowed = tuple(task["allowed"])
        try:
            answer = {"ended": "answer", **TASKS[task["task"]](task)}
        except ParetextError as error:
            answer = {"ended": "refused", "said": str(error)}
        except BaseException as error:
            said = io.StringIO()
            traceback.print_exception(error, limit=-6, file=said)
            answer = {"ended": "raised", "said": said.getvalue()[-4000:]}
        watch.allowed = None
        answer |= {"megabytes": (_kilobytes("VmHWM") - before) >> 10, "opened": watch.seen}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
