"""KServe's open inference protocol, version 2: health, metadata and inference by typed tensors.

Texts come as a tensor of BYTES, in JSON, or in Triton's binary form, in which a client sends them
unless it is told otherwise: the body is then JSON of the length that a header says, followed by the
tensor's bytes, before each text its length in 4 bytes, little-endian. Answers are JSON.
Sources: kserve/open-inference-protocol, specification/protocol/inference_rest.md; Triton,
docs/protocol/extension_binary_data.md.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic_core import from_json

from paretext.core.version import __version__
from paretext.serving.batching import Answered
from paretext.serving.errors import KServeError, Refused, about_to_stop, complaint, documented
from paretext.serving.service import Model, Service

INPUT, VERSION = "text", "1"
LENGTH = "inference-header-content-length"
_EXAMPLE = {"name": INPUT, "shape": [1], "datatype": "BYTES", "data": ["I like you"]}


def _flat(given: Any) -> list[Any] | None:
    """A tensor's texts, which may stand in rows of one."""
    if given is None:
        return None
    rows = given if isinstance(given, list) else [None]
    texts = [one for each in rows for one in (each if isinstance(each, list) else [each])]
    if not all(isinstance(each, str) for each in texts):
        raise ValueError('the data of a tensor are no list of texts; give one, such as ["a text"]')
    return texts


class InputTensor(BaseModel):
    """The texts."""

    model_config = ConfigDict(strict=True)

    name: str
    shape: list[int]
    datatype: str
    data: Annotated[list[str] | None, BeforeValidator(_flat)] = None
    parameters: dict[str, Any] = Field(default_factory=dict)


class OutputAsked(BaseModel):
    """One of the tensors to answer with."""

    model_config = ConfigDict(strict=True)

    name: str
    parameters: dict[str, Any] = Field(default_factory=dict)


class InferRequest(BaseModel):
    """Texts to classify, as one tensor."""

    model_config = ConfigDict(strict=True)

    id: str | None = None
    inputs: Annotated[
        list[InputTensor],
        WithJsonSchema(
            {
                "type": "array",
                "minItems": 1,
                "maxItems": 1,
                "items": {
                    "type": "object",
                    "required": ["name", "shape", "datatype", "data"],
                    "properties": {
                        "name": {"const": INPUT},
                        "shape": {"type": "array", "items": {"type": "integer"}},
                        "datatype": {"const": "BYTES"},
                        "data": {"type": "array", "items": {"type": "string"}},
                    },
                    "examples": [_EXAMPLE],
                },
            }
        ),
    ]
    outputs: Annotated[
        list[OutputAsked] | None,
        WithJsonSchema(
            {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {"name": {"enum": ["label", "probabilities", "truncated"]}},
                },
            }
        ),
    ] = None
    parameters: dict[str, Any] = Field(default_factory=dict)


class ServerMetadata(BaseModel):
    """What answers here."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(BaseModel):
    """A tensor's name, type and shape; -1: any size."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """A model's tensors, and in `parameters` its labels in the order of the probabilities."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    parameters: dict[str, Any]


class Tensor(TensorMetadata):
    """A tensor with its numbers, row after row."""

    data: list[Any]


class InferResponse(BaseModel):
    """The tensors that were asked for."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[Tensor]


class Health(BaseModel):
    """Whether it is."""

    live: bool | None = None
    ready: bool | None = None


def routes(service: Service) -> APIRouter:
    """Everything beneath /v2."""
    router = APIRouter(prefix="/v2", tags=["kserve"])
    unready = documented(503, model=KServeError)

    @router.get("/health/live", response_model_exclude_none=True)
    async def live() -> Health:
        """Whether the process runs."""
        return Health(live=True)

    @router.get("/health/ready", response_model_exclude_none=True, responses=unready)
    async def ready() -> Health:
        """Whether it takes requests: not while it is about to stop."""
        require_ready(service)
        return Health(ready=True)

    @router.get("", responses=documented(401, model=KServeError))
    async def server() -> ServerMetadata:
        """The server's name and version."""
        return ServerMetadata(name="paretext", version=__version__, extensions=[])

    async def named(name: str) -> Model:
        return service.model(name)

    async def versioned(name: str, version: str) -> Model:
        model = service.model(name)
        if version != VERSION:
            raise Refused(404, f"{name} has one version; leave it out, or ask version {VERSION}.")
        return model

    _of_a_model(router, "/models/{name}", service, named)
    _of_a_model(router, "/models/{name}/versions/{version}", service, versioned)
    return router


def _of_a_model(
    router: APIRouter, path: str, service: Service, named: Callable[..., Awaitable[Model]]
) -> None:
    """What there is of a model that is `named` by the path."""
    unready = documented(503, model=KServeError)
    unknown = documented(401, 404, model=KServeError)
    asked_for: Model = Depends(named)

    @router.get(path, responses=unknown)
    async def metadata(model: Model = asked_for) -> ModelMetadata:
        """A model's inputs and outputs."""
        return _metadata(model)

    @router.get(f"{path}/ready", responses={**unready, **unknown}, response_model_exclude_none=True)
    async def model_ready(model: Model = asked_for) -> Health:
        """Whether a model takes requests."""
        require_ready(service)
        return Health(ready=True)

    body = {"application/json": {"schema": InferRequest.model_json_schema()}}

    @router.post(
        f"{path}/infer",
        response_model=None,
        responses={
            200: {"model": InferResponse},
            **documented(model=KServeError),
            **documented(404, model=KServeError),
        },
        openapi_extra={"requestBody": {"required": True, "content": body}},
    )
    async def infer(request: Request, model: Model = asked_for) -> JSONResponse:
        """Labels and probabilities of a tensor of texts."""
        asked, binary = await _read(request)
        texts = _texts(asked, binary)
        answered = await service.answers(request, model, texts)
        outputs = _outputs(model, answered, asked)
        said = {"model_name": model.name, "model_version": VERSION}
        return JSONResponse({**said, **({"id": asked.id} if asked.id else {}), "outputs": outputs})


def require_ready(service: Service) -> None:
    """Refused (503) while the service is about to stop."""
    if service.draining:
        raise about_to_stop()


def _metadata(model: Model) -> ModelMetadata:
    count = len(model.labels)
    return ModelMetadata(
        name=model.name,
        versions=[VERSION],
        platform="paretext",
        inputs=[TensorMetadata(name=INPUT, datatype="BYTES", shape=[-1])],
        outputs=[
            TensorMetadata(name="label", datatype="BYTES", shape=[-1]),
            TensorMetadata(name="probabilities", datatype="FP32", shape=[-1, count]),
            TensorMetadata(name="truncated", datatype="BOOL", shape=[-1]),
        ],
        parameters={"labels": list(model.labels), "identity": model.artifact.manifest.identity},
    )


async def _read(request: Request) -> tuple[InferRequest, bytes]:
    """The request, and the bytes behind its JSON if there are any."""
    body = await request.body()
    length = request.headers.get(LENGTH)
    if length is None and "json" not in request.headers.get("content-type", "json"):
        raise Refused(415, "the body is not declared as JSON; send Content-Type: application/json.")
    if length is not None and (not length.isdecimal() or int(length) > len(body)):
        raise Refused(422, f"{LENGTH} is no number of bytes that the body has; mend the header.")
    end = len(body) if length is None else int(length)
    try:
        given = from_json(body[:end], allow_inf_nan=False)
    except ValueError as error:
        raise Refused(422, f"the body is not valid JSON: {error}.") from None
    try:
        return InferRequest.model_validate(given), body[end:]
    except ValidationError as error:
        errors = [{**each, "loc": ("body", *each["loc"])} for each in error.errors()]
        raise Refused(422, complaint(errors, json.dumps({"inputs": [_EXAMPLE]}))) from None


def _texts(asked: InferRequest, binary: bytes) -> list[str]:
    if len(asked.inputs) != 1 or asked.inputs[0].name != INPUT:
        names = ", ".join(each.name[:40] for each in asked.inputs[:5]) or "none"
        raise Refused(422, f'the inputs are {names}; give one tensor, "{INPUT}".')
    tensor = asked.inputs[0]
    if tensor.datatype != "BYTES":
        raise Refused(422, f"{INPUT} is of another type than BYTES, and takes texts; send those.")
    size = tensor.parameters.get("binary_data_size")
    if tensor.data is not None:
        texts = tensor.data
    elif size is None:
        raise Refused(422, f"{INPUT} has no data; give a list of texts.")
    elif size != len(binary):
        raise Refused(
            422,
            f"{INPUT} has {len(binary):,} bytes behind the JSON, and its binary_data_size is "
            f"another; mend it, or the header {LENGTH}.",
        )
    else:
        texts = _from_bytes(binary)
    wanted = math.prod(tensor.shape)
    if len(tensor.shape) not in (1, 2) or tensor.shape[1:] not in ([], [1]) or wanted != len(texts):
        raise Refused(
            422, f"{INPUT} has {len(texts):,} texts and not that shape; give [{len(texts)}]."
        )
    return texts


def _from_bytes(binary: bytes) -> list[str]:
    texts: list[str] = []
    at = 0
    try:
        while at < len(binary):
            (size,) = struct.unpack_from("<I", binary, at)
            text = binary[at + 4 : at + 4 + size]
            if len(text) < size:
                raise ValueError
            texts.append(text.decode("utf-8"))
            at += 4 + size
    except UnicodeDecodeError:
        raise Refused(422, f"text {len(texts)} is not valid UTF-8; encode it anew.") from None
    except (struct.error, ValueError):
        raise Refused(
            422, f"{INPUT} is cut off in text {len(texts)}; give each its length and its bytes."
        ) from None
    return texts


def _outputs(model: Model, answered: Answered, asked: InferRequest) -> list[dict[str, Any]]:
    """The tensors that were asked for; all of them where none was."""
    count = len(answered.cut)
    tensors: dict[str, tuple[str, list[int], list[Any]]] = {
        "label": ("BYTES", [count], model.decided(answered)),
        "probabilities": (
            "FP32",
            [count, len(model.labels)],
            answered.probabilities.ravel().tolist(),
        ),
        "truncated": ("BOOL", [count], answered.cut.tolist()),
    }
    names = [each.name for each in asked.outputs] if asked.outputs else list(tensors)
    if unknown := [name for name in names if name not in tensors]:
        raise Refused(
            422, f"there is no output {unknown[0][:40]!r}; there are {', '.join(tensors)}."
        )
    return [
        {
            "name": name,
            "datatype": tensors[name][0],
            "shape": tensors[name][1],
            "data": tensors[name][2],
        }
        for name in names
    ]
