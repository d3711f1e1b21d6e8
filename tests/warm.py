"""Processes that have their libraries from their beginning: forked from one that has imported them.

Importing PyTorch and transformers takes a process some four seconds of CPU, what an artifact needs
more than half a second, and every comparison of a run starts one for each version. `Forked` stands
in for `subprocess.Popen` there: the same code, with the same pipes, in a process of its own, forked
from one that has imported the libraries of its kind of version and done nothing else. (That
processes begun from nothing do the same, the runs of test_kill.py show.)
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import traceback
from contextlib import suppress
from typing import IO, Any

MODULES = {
    "artifact": ("numpy", "paretext.runtime.artifact"),
    "pytorch": ("paretext.models.classifier", "paretext.runtime.artifact"),
}
"""By kind of version; an artifact's processes have no PyTorch here either."""
_LONGEST = 1 << 20


class Origin:
    """The process that those of a kind are forked from."""

    def __init__(self, kind: str) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = [sys.executable, __file__, *MODULES[kind]]
        self._process = subprocess.Popen(words, stdin=theirs)
        theirs.close()

    def fork(self, words: list[str], env: dict[str, str], streams: tuple[int, int, int]) -> int:
        """The id of the new process, which runs `python -m words`."""
        socket.send_fds(self._ours, [json.dumps([words, env, os.getcwd()]).encode()], streams)
        return int(self._ours.recv(64))

    def end(self) -> None:
        self._ours.close()
        self._process.wait()


class Forked:
    """What `measure.cost` uses of a subprocess.Popen."""

    def __init__(self, origin: Origin, words: list[str], env: dict[str, str], stderr: Any) -> None:
        their_in, our_in = os.pipe()
        our_out, their_out = os.pipe()
        self.pid = origin.fork(words, env, (their_in, their_out, stderr.fileno()))
        os.close(their_in)
        os.close(their_out)
        self.stdin: IO[str] = os.fdopen(our_in, "w")
        self.stdout: IO[str] = os.fdopen(our_out)

    def poll(self) -> int | None:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return -1
        return None

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        """Until it has closed its output, as a process does that ends."""
        with suppress(ValueError):
            self.stdout.read()


def _serve(orders: socket.socket, modules: list[str]) -> None:
    import importlib

    for module in modules:
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    while True:
        order, streams, _, _ = socket.recv_fds(orders, _LONGEST, 3)
        if not order:
            return
        words, env, place = json.loads(order)
        child = os.fork()
        if not child:
            _become(words, env, place, streams)
        for stream in streams:
            os.close(stream)
        orders.send(str(child).encode())


def _become(words: list[str], env: dict[str, str], place: str, streams: list[int]) -> None:
    """Run `python -m words` in this process, and end."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, 1024)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(place)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = list(words)
    status = 0
    try:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = int(isinstance(end.code, str) or end.code or 0)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _serve(socket.socket(fileno=os.dup(0)), sys.argv[1:])
