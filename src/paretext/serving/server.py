"""The process: a socket, uvicorn, signals, and an end at which nothing accepted is lost.

On SIGTERM (or Ctrl-C) it says at /health and /v2/health/ready that it is about to stop, takes no
new connections, answers every request whose body it has read, and ends with status 0. uvicorn does
most of that; the last line of the log counts what was accepted and what was answered. Where that
takes longer than it may, and on a second Ctrl-C, the rest is told that it is not answered (503).
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
from types import FrameType

import uvicorn

from paretext.core.errors import ParetextError
from paretext.serving.app import application
from paretext.serving.guard import logger, say
from paretext.serving.service import Service

SWITCH = 0.0005
"""Seconds after which a thread that computes lets another have Python: the batcher waits for it
after every batch."""
_BACKLOG = 2048


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self.service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """As uvicorn's, but the process does not end by the signal: it ends well, and a second
        Ctrl-C ends only the wait, so that whoever is not answered is told so."""
        self.service.draining = True
        if self.should_exit and sig == signal.SIGINT:
            for task in list(self.server_state.tasks):
                task.get_loop().call_soon_threadsafe(task.cancel)
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """A socket there; ParetextError if it cannot be had. Port 0: one that is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ParetextError(
            f"port {port} of {host} cannot be used ({reason}); give another with --port, or "
            "another address with --host."
        ) from None


def address(at: socket.socket) -> str:
    """Where it is answered."""
    host, port = at.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    service: Service,
    at: socket.socket,
    origins: tuple[str, ...] = (),
    log: bool = True,
    drain: float = 30.0,
) -> None:
    """Answer requests until a signal ends it.

    drain: seconds that what was accepted may take then.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    sys.setswitchinterval(SWITCH)
    config = uvicorn.Config(
        application(service, origins, log),
        access_log=False,
        log_level="critical",
        server_header=False,
        timeout_graceful_shutdown=drain,  # type: ignore[arg-type]  # it is asyncio.wait_for's
        timeout_keep_alive=75,
        lifespan="on",
    )
    # What was made until here stays: looking through all of it for garbage takes 60 ms, in which
    # nobody is answered.
    gc.collect()
    gc.freeze()
    say("listening", address=address(at), models=list(service.models))
    server = _Server(config, service)
    try:
        server.run(sockets=[at])
    finally:
        say("stopped", accepted=service.accepted, answered=service.answered)
        logger.removeHandler(handler)
        at.close()
