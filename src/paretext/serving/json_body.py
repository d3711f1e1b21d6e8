"""How a body is read: JSON by pydantic's parser, whose refusals are sentences.

It takes UTF-8 alone, refuses what is nested too deep before the stack knows of it, and half of a
surrogate pair, which no tokenizer takes. What JSON has no word for (NaN) is none.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json

from paretext.serving.errors import Refused


class JsonRequest(Request):
    """A request whose `json()` is as above; Refused (422) says what is wrong and where."""

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            try:
                self._json = from_json(await self.body(), allow_inf_nan=False)
            except ValueError as error:
                raise Refused(422, f"the body is not valid JSON: {error}.") from None
        return self._json


class JsonRoute(APIRoute):
    """FastAPI's way to change how a request is read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(JsonRequest(request.scope, request.receive))

        return handle
