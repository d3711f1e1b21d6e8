"""Requests that do not end as they began: a body that never comes, a client that leaves, a service
that stops meanwhile. The ASGI application is told each message by hand."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from pathlib import Path
from typing import Any

import pytest
import toy

pytest.importorskip("fastapi", reason="paretext[serve] is not installed")
import uvicorn

from paretext.runtime.artifact import Artifact
from paretext.serving.app import application
from paretext.serving.guard import logger
from paretext.serving.server import _Server
from paretext.serving.service import Service
from paretext.serving.settings import Limits

TEXTS = list(toy.dataset(6, seed=7).texts)


@pytest.fixture(scope="module")
def artifact(versions: dict[str, Path]) -> Artifact:
    return Artifact.load(versions["int8"], threads=1)


class Asked:
    """A request to /predict, told in messages, and what it was answered.

    The service's models do not answer: nothing has started them.
    """

    def __init__(self, service: Service, *told: bytes | None) -> None:
        """told: pieces of the body; None: there is more to come. Then nothing, until `go`."""
        self.service, self.gone = service, asyncio.Event()
        self.told = [
            {"type": "http.request", "body": each, "more_body": told[-1] is None}
            for each in told
            if each is not None
        ]
        self.heard: list[Any] = []
        headers = [(b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/predict", "headers": headers}
        scope |= {"query_string": b"", "http_version": "1.1", "scheme": "http"}
        self.task = asyncio.ensure_future(application(service)(scope, self._receive, self._send))

    async def _receive(self) -> Any:
        if self.told:
            return self.told.pop(0)
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.heard.append(message)

    async def waits(self) -> None:
        """Returns when the model is asked."""
        while not self.service.first.batcher.waiting:
            await asyncio.sleep(0)

    def answer(self) -> tuple[int, dict[bytes, bytes], Any]:
        start, body = self.heard
        return start["status"], dict(start["headers"]), json.loads(body["body"])


def test_a_body_that_does_not_come_is_not_waited_for(artifact: Artifact) -> None:
    async def ask() -> Asked:
        asked = Asked(Service({"toy": artifact}, {}, Limits(timeout=0.05)), b'{"inputs":', None)
        await asked.task
        return asked

    status, _, body = asyncio.run(ask()).answer()
    assert status == 408
    assert body["error"].startswith("the body did not arrive within 0.05 s")


def test_the_end_waits_for_no_body(artifact: Artifact) -> None:
    service = Service({"toy": artifact}, {}, Limits())

    async def ask() -> list[Asked]:
        never, whole = Asked(service, b'{"inputs":', None), Asked(service, b'{"inputs": "a"}')
        await whole.waits()
        service.draining = True
        async with asyncio.timeout(20):  # its own time to arrive is 30 s
            await never.task
        service.start()
        await whole.task
        return [never, whole]

    never, whole = asyncio.run(ask())
    service.stop()
    status, headers, body = never.answer()
    assert (status, headers[b"retry-after"]) == (503, b"1")
    assert body["error"] == "the server is about to stop; ask another one."
    assert whole.answer()[0] == 200
    assert (service.accepted, service.answered) == (1, 1)


def test_what_the_end_does_not_wait_for_is_told_so(
    artifact: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    """uvicorn cancels it when the time to answer is over, and on a second Ctrl-C."""
    service = Service({"toy": artifact}, {}, Limits())

    async def ask() -> Asked:
        asked = Asked(service, b'{"inputs": "a"}')
        await asked.waits()
        server = _Server(uvicorn.Config("none"), service)
        server.server_state.tasks.add(asked.task)
        server.handle_exit(signal.SIGINT, None)
        await asyncio.sleep(0)
        assert service.draining
        assert not asked.task.cancelling()
        server.handle_exit(signal.SIGINT, None)
        await asked.task
        return asked

    with caplog.at_level(logging.INFO, logger=logger.name):
        status, headers, body = asyncio.run(ask()).answer()
    assert (status, headers[b"retry-after"], headers[b"connection"]) == (503, b"1", b"close")
    said = "the server is about to stop; ask another one."
    assert body == {"error": said, "error_type": "Unhealthy"}
    assert [json.loads(each.message)["status"] for each in caplog.records] == [503]
    assert (service.accepted, service.answered, service.asking) == (1, 0, 0)
    assert service.first.batcher.waiting == 0


def test_what_a_client_asked_that_has_gone_is_not_computed(
    artifact: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service({"toy": artifact}, {}, Limits())

    async def ask() -> None:
        gone = Asked(service, b'{"inputs": ["a", "b"]}')
        await gone.waits()
        gone.gone.set()
        stays = Asked(service, b'{"inputs": ["c"]}')
        await gone.task
        assert service.first.batcher.waiting == 1
        service.start()
        await stays.task
        assert stays.answer()[0] == 200

    with caplog.at_level(logging.INFO, logger=logger.name):
        asyncio.run(ask())
    service.stop()
    assert [json.loads(each.message)["status"] for each in caplog.records] == [499, 200]
    assert (service.accepted, service.answered, service.asking) == (2, 1, 0)
    assert b'paretext_batch_texts_sum{model="toy"} 1.0' in service.metrics.written()
