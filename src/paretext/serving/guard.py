"""Guard: what every request passes, whatever its route: token, room, time, metrics and the log.

It stands before the body is read, so that what is refused costs no memory, and sees the status of
every answer. The log has a line of JSON for each request and never a text: a route's pattern in
place of its path, counts in place of bodies, and of a fault the places in the code, not what it
says.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import re
import time
import traceback
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from paretext.serving.batching import LOOK
from paretext.serving.errors import GONE, Refused, about_to_stop, refusal
from paretext.serving.service import NOTE, Service

logger = logging.getLogger("paretext.serving")

OPEN = frozenset({"/", "/health", "/v2/health/live", "/v2/health/ready", "/openapi.json"})
"""GET without a token: what a balancer and a browser ask before they have one."""
SOON = 1.0
"""Seconds that a body may still take to arrive when the service is about to stop."""
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Guard:
    """ASGI middleware around the routes of one service. log: whether each request is a line."""

    def __init__(self, app: ASGIApp, service: Service, log: bool = True) -> None:
        self.app, self.service, self.log = app, service, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin = time.perf_counter()
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        note: dict[str, Any] = {"request": request_id}
        scope[NOTE] = note
        status, whole = 0, False

        async def answer(message: Message) -> None:
            nonlocal status, whole
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                if self.service.draining:
                    headers["connection"] = "close"
            await send(message)
            whole = message["type"] == "http.response.body" and not message.get("more_body")

        def accept() -> None:
            self.service.accepted += 1
            note["accepted"] = True

        posted = scope["method"] == "POST"
        self.service.asking += posted
        try:
            refused = self._refused(scope)
            if refused is not None:
                await refusal(scope["path"], refused)(scope, receive, answer)
            else:
                await self.app(scope, self._bounded(receive, accept if posted else None), answer)
        except Exception as error:
            note["fault"] = type(error).__name__
            frames = traceback.extract_tb(error.__traceback__)
            note["at"] = [f"{each.filename}:{each.lineno}" for each in frames[-5:]]
            if status:  # begun, and never to be whole: the connection has to break
                raise
            said = f"this is a fault of the server; its log has it as {request_id}."
            await refusal(scope["path"], Refused(500, said))(scope, receive, answer)
        except asyncio.CancelledError:  # the time to answer in at the end is over
            if status:
                raise
            await refusal(scope["path"], about_to_stop())(scope, receive, answer)
            whole = False
        finally:
            self.service.asking -= posted
            self.service.answered += note.pop("accepted", False) and whole and status != GONE
            self._tell(scope, status, time.perf_counter() - begin)

    def _refused(self, scope: Scope) -> Refused | None:
        """Why a request is not even read."""
        headers = Headers(scope=scope)
        is_open = scope["method"] in ("GET", "HEAD", "OPTIONS") and scope["path"] in OPEN
        if self.service.token is not None and not is_open:
            kind, _, token = headers.get("authorization", "").partition(" ")
            same = hmac.compare_digest(token.strip().encode(), self.service.token.encode())
            if kind.lower() != "bearer" or not same:
                lacks = "is wrong" if token else "is missing"
                said = f"the token {lacks}; send the header Authorization: Bearer TOKEN."
                return Refused(401, said, {"WWW-Authenticate": "Bearer"})
        coding = headers.get("content-encoding", "").strip()
        if coding.lower() not in ("", "identity"):
            said = f"the body has Content-Encoding: {coding[:40]}; send it as it is, without one."
            return Refused(415, said, {"Accept-Encoding": "identity"})
        length, most = headers.get("content-length", ""), self.service.limits.max_bytes
        if length.isdecimal() and int(length) > most:
            return _too_long(most)
        most = self.service.limits.queue
        if scope["method"] == "POST" and self.service.asking > most:
            said = f"{most:,} requests wait already; try again in 1 s."
            return Refused(429, said, {"Retry-After": "1"})
        return None

    def _bounded(self, receive: Receive, accept: Callable[[], None] | None) -> Receive:
        """The same, with an end to how long a body may be, and may take to arrive."""
        if accept is None:
            return receive
        limits, whole, size = self.service.limits, False, 0
        seconds = limits.timeout
        until = time.monotonic() + seconds

        async def part() -> Message:
            """What arrives next; while the service ends it has SOON in all."""
            nonlocal until
            while True:
                now = time.monotonic()
                until = min(until, now + SOON) if self.service.draining else until
                try:
                    async with asyncio.timeout(min(until - now, LOOK)):
                        return await receive()
                except TimeoutError:
                    if time.monotonic() < until:
                        continue
                    if self.service.draining:
                        raise about_to_stop() from None
                    said = f"the body did not arrive within {seconds:g} s; send it faster, or less."
                    raise Refused(408, said) from None

        async def read() -> Message:
            nonlocal whole, size
            if whole:  # the client's farewell
                return await receive()
            message = await part()
            size += len(message.get("body", b""))
            if size > limits.max_bytes:
                raise _too_long(limits.max_bytes)
            if message["type"] == "http.request" and not message.get("more_body", False):
                whole = True
                accept()
            return message

        return read

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        metrics = self.service.metrics
        metrics.requests.labels(route, str(status)).inc()
        metrics.seconds.labels(route).observe(seconds)
        if self.log or status >= 500:
            note: dict[str, Any] = scope[NOTE]
            line = {"method": scope["method"], "route": route, "status": status}
            say("request", **line, ms=round(seconds * 1e3, 3), **note)


def _too_long(most: int) -> Refused:
    said = f"the body has more than the {most:,} bytes that are taken; send less."
    return Refused(413, said)


def say(event: str, **values: Any) -> None:
    """A line of the log."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    logger.info(json.dumps({"time": at, "event": event, **values}))
