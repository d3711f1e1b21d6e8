"""Our side of a worker: starts it in its environment, asks, and gives up after a time limit."""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from job import Job

WORKER = Path(__file__).with_name("worker.py")


class PeerFailed(Exception):
    """The peer's own reason, in one line."""


class Process:
    """A worker. Close it, or use it in a `with`."""

    def __init__(self, python: Path, job: Job, folder: Path, texts: Path, log: Path) -> None:
        self._log = log.open("a", encoding="utf-8")
        self._process = subprocess.Popen(
            [str(python), str(WORKER), job.to_json(), str(folder), str(texts)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=_variables(os.environ, job.threads, python),
        )

    def ask(self, what: str, limit: float = 1800, **values: Any) -> dict[str, Any]:
        """limit: seconds. Raises PeerFailed with the peer's reason."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        with suppress(BrokenPipeError):  # it has just died; the empty answer says so
            stdin.write(json.dumps({"what": what, **values}) + "\n")
            stdin.flush()
        # An answer is one line and comes whole, so nothing is ever left in our buffer.
        if not select.select([stdout], [], [], limit)[0]:
            raise PeerFailed(f"{what} took longer than {limit:.0f} s")
        line = stdout.readline()
        if not line:
            status = self._process.wait()
            raise PeerFailed(f"{what} ended its process (status {status}): {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerFailed(f"{what} failed: {answer['error']}")
        return answer

    def _last_words(self) -> str:
        lines = Path(self._log.name).read_text(encoding="utf-8", errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "no word")[:300]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _variables(base: Mapping[str, str], threads: int, python: Path) -> dict[str, str]:
    """The same cores for everybody, and nobody asks a hub for what is not here."""
    count = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {
        **{name: value for name, value in base.items() if name != "PYTHONPATH"},
        **dict.fromkeys(count, str(threads)),
        "PATH": f"{python.parent}{os.pathsep}{base.get('PATH', '')}",
        "TOKENIZERS_PARALLELISM": "true",
        "HF_HUB_OFFLINE": "1",
        "PYTHONHASHSEED": "0",
    }
