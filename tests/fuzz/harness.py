"""What every fuzz test shares: the worker, what may come of a task, and how many inputs there are.

The only outcomes are an answer or one sentence of the project's own: no other exception, no signal,
no hang over 20 seconds, no 2 GB, no file opened outside the folder. Files are watched twice: in
Python by an audit hook in the worker, and from outside by inotify on a folder of bait, which native
code (ONNX Runtime, tokenizers) cannot pass by.

`make fuzz` sets PARETEXT_FUZZ to the number of inputs in all and draws them at random; without it
there are 500, always the same.
"""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[2]
SECONDS, MEGABYTES = 20, 2048
_BEGIN = 120  # to begin a process takes seconds, and more on a busy machine
INPUTS = int(os.environ.get("PARETEXT_FUZZ", "500"))

_AT_RANDOM = "PARETEXT_FUZZ" in os.environ


def share(part: float) -> settings:
    """This part of all inputs."""
    return settings(
        max_examples=max(round(INPUTS * part), 1),
        derandomize=not _AT_RANDOM,
        print_blob=_AT_RANDOM,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


class Worker:
    """A process that is begun when it is needed, and again when it has died."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        """Tasks lie in here, and beside it what none of them may open."""
        self.bait = folder.parent / "outside"
        self.bait.mkdir(parents=True, exist_ok=True)
        (self.bait / "secret").write_bytes(b"\0" * 4096)
        self._watched = _Inotify(self.bait)
        self._process: subprocess.Popen[str] | None = None
        self._errors = (folder.parent / "errors.txt").open("w+", errors="replace")

    def ask(self, task: str, warm: Path | None = None, **about: Any) -> dict[str, Any]:
        """The answer; AssertionError if the task ended in any way that it may not.

        warm: what a new process is given first: a folder that is in order.
        """
        if self._process is None or self._process.poll() is not None:
            self._begin()
            self._warm = False
            self._exchange({"task": "nothing", "allowed": []}, _BEGIN)
        if warm and not self._warm:  # to import PyTorch and transformers is no part of any task
            self._exchange({"task": task, "allowed": ["/"], **about, "folder": warm}, _BEGIN)
            self._warm = True
        about = {"task": task, "allowed": [str(self.folder.resolve())], **about}
        answer = self._exchange(about, SECONDS)
        assert answer["ended"] != "raised", answer["said"]
        assert answer["megabytes"] < MEGABYTES, answer
        assert not answer["opened"], answer
        touched = self._watched.names()
        assert not touched, f"{touched} was opened, outside of the folder: {answer}"
        if answer["ended"] == "refused":
            check_sentence(answer["said"])
        return answer

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def close(self) -> None:
        self.end()
        self._errors.close()

    def _begin(self) -> None:
        self._errors.truncate(0)
        clean = {k: v for k, v in os.environ.items() if k != "RUST_BACKTRACE"}
        paths = [str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("worker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**clean, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        )

    def _exchange(self, about: dict[str, Any], seconds: int) -> dict[str, Any]:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(about, default=str) + "\n")
        process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            ready = selector.select(timeout=seconds)
        line = process.stdout.readline() if ready else ""
        if not line:
            self.end()
            how = f"died with status {process.returncode}" if ready else f"hangs over {seconds} s"
            raise AssertionError(f"{how}\n{self._tail()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _tail(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-2000:]


def check_sentence(said: str) -> None:
    """One sentence: one line, with an end, and not a whole file."""
    assert "\n" not in said, said
    assert said.rstrip()[-1:] in (".", "?"), said
    assert len(said) < 3000, said


class _Inotify:
    """What is opened in a folder, by whomever (Linux; elsewhere nothing is seen)."""

    _OPEN = 0x20

    def __init__(self, folder: Path) -> None:
        self._handle = -1
        if sys.platform == "linux":
            libc = ctypes.CDLL(None, use_errno=True)
            self._handle = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
            assert libc.inotify_add_watch(self._handle, os.fsencode(folder), self._OPEN) >= 0

    def names(self) -> list[str]:
        """Of the files that were opened since the last call."""
        try:
            content = os.read(self._handle, 1 << 16) if self._handle >= 0 else b""
        except BlockingIOError:
            return []
        names, at = [], 0
        while at < len(content):
            size = struct.unpack_from("iIII", content, at)[3]
            names.append(content[at + 16 : at + 16 + size].rstrip(b"\0").decode())
            at += 16 + size
        return names
