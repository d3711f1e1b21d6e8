"""The FastAPI application of a service: routes, refusals, and the document that describes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from paretext.core.errors import ParetextError
from paretext.core.version import __version__
from paretext.serving import classify, kserve, page, predict
from paretext.serving.counts import SECONDS, Counts
from paretext.serving.errors import Refused, complaint, documented, refusal
from paretext.serving.guard import Guard, say
from paretext.serving.service import Service

_SAID = {
    404: "there is nothing at this address; /openapi.json lists what there is.",
    405: "this address does not take that method; /openapi.json lists what there is.",
}


class Information(BaseModel):
    """What serves here, under the names that text-embeddings-inference gives them."""

    model_id: str
    model_sha: str
    model_type: dict[str, Any]
    max_input_length: int
    max_client_batch_size: int
    max_concurrent_requests: int
    version: str


def application(service: Service, origins: Sequence[str] = (), log: bool = True) -> FastAPI:
    """The service over ASGI. origins: whose pages may ask it from a browser ("*": all)."""

    @asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        keeping = asyncio.create_task(_keep(service))
        yield
        keeping.cancel()
        service.stop()
        if service.counts is not None:
            await _write(service.counts)

    app = FastAPI(
        title="paretext",
        version=__version__,
        description="Text classification by certified artifacts.",
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        lifespan=living,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.include_router(page.routes())
    app.include_router(predict.routes(service))
    app.include_router(classify.routes(service))
    app.include_router(kserve.routes(service))
    _about(app, service)
    _refusals(app)
    app.add_middleware(Guard, service=service, log=log)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type"],
        )
    return app


async def _keep(service: Service) -> None:
    """Write the counts now and then."""
    while service.counts is not None:
        await asyncio.sleep(SECONDS)
        if service.counts.is_new:
            await _write(service.counts)


async def _write(counts: Counts) -> None:
    try:
        await asyncio.to_thread(counts.write, counts.so_far())
    except ParetextError as error:  # a full disk stops no answers
        say("counts", error=str(error))


def _about(app: FastAPI, service: Service) -> None:
    @app.get("/health", responses=documented(503), response_model=None)
    async def health() -> Response:
        """Whether it takes requests."""
        kserve.require_ready(service)
        return JSONResponse({"status": "ok"})

    @app.get("/info", responses=documented(401))
    async def info() -> Information:
        """The first model, and the limits."""
        manifest = service.first.artifact.manifest
        names = {str(place): label for place, label in enumerate(manifest.labels)}
        ids = {label: place for place, label in enumerate(manifest.labels)}
        return Information(
            model_id=service.first.name,
            model_sha=manifest.identity,
            model_type={"classifier": {"id2label": names, "label2id": ids}},
            max_input_length=manifest.max_length,
            max_client_batch_size=service.limits.max_texts,
            max_concurrent_requests=service.limits.queue,
            version=__version__,
        )

    @app.get("/metrics", response_class=PlainTextResponse, responses=documented(401))
    async def metrics() -> Response:
        """Counters in Prometheus' text format."""
        return Response(service.metrics.written(), media_type="text/plain; version=0.0.4")


def _refusals(app: FastAPI) -> None:
    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        if not isinstance(error, Refused):
            detail = _SAID.get(error.status_code, error.detail)
            error = Refused(error.status_code, detail, error.headers)
        return refusal(request.url.path, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        declared = request.headers.get("content-type", "")
        if isinstance(error.body, bytes) and "json" not in declared:
            said = "the body is not declared as JSON; send Content-Type: application/json."
            return refusal(request.url.path, Refused(415, said))
        classifies = request.url.path.endswith("/classify")
        example = classify.EXAMPLE if classifies else predict.EXAMPLE
        return refusal(request.url.path, Refused(422, complaint(error.errors(), example)))
