"""What is refused, in the shape that the client's protocol has for it: one sentence and a kind.

text-embeddings-inference and what copies it: {"error": ..., "error_type": ...}. KServe (everything
beneath /v2): {"error": ...}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

KSERVE = "/v2"
GONE = 499
"""The status, in the log and the metrics alone, of a request whose client has gone (nginx's)."""
_KINDS = {
    401: "Unauthorized",
    404: "NotFound",
    405: "MethodNotAllowed",
    408: "Timeout",
    413: "Validation",
    415: "Validation",
    422: "Validation",
    424: "Backend",
    429: "Overloaded",
    503: "Unhealthy",
}


class Error(BaseModel):
    """A refusal."""

    error: str = Field(description="One sentence: what is wrong, and what to do.")
    error_type: str = Field(description="Its kind, as text-embeddings-inference calls it.")


class KServeError(BaseModel):
    """A refusal in KServe's shape."""

    error: str = Field(description="One sentence: what is wrong, and what to do.")


class Refused(HTTPException):
    """A request that is not answered, and why."""

    def __init__(self, status: int, said: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, said, headers)


def about_to_stop() -> Refused:
    """What is said while the service ends to whom it does not answer."""
    return Refused(503, "the server is about to stop; ask another one.", {"Retry-After": "1"})


def refusal(path: str, error: HTTPException) -> JSONResponse:
    """The response for it, in the shape of the protocol that `path` belongs to."""
    body = {"error": error.detail}
    if not path.startswith(KSERVE):
        body["error_type"] = _KINDS.get(error.status_code, "Backend")
    return JSONResponse(body, error.status_code, headers=error.headers)


_WANTED = {
    "bool_type": "true or false",
    "dict_type": "a JSON object",
    "float_type": "a number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_attributes_type": "a JSON object",
    "model_type": "a JSON object",
    "string_type": "a text",
}


def complaint(errors: Sequence[Any], example: str) -> str:
    """The first of pydantic's complaints about a body, in a sentence that does not quote it.

    example: a body that the route takes.
    """
    first = errors[0]
    where = ".".join(map(str, first["loc"][1:]))
    if first["type"] == "missing":
        return f"{where or 'the body'} is missing; give it a value."
    if first["type"] == "value_error":
        return f"{first['ctx']['error']}."
    if not where:
        return f"the body is no JSON object; send one, such as {example}."
    if first["type"] == "extra_forbidden":
        return f"{where} is nothing that is known here; leave it out."
    if first["type"] in _WANTED:
        return f"{where} is of another type; give {_WANTED[first['type']]}."
    said = str(first["msg"])
    return f"{where} is wrong: {said[:1].lower()}{said[1:]}."


def documented(*statuses: int, model: type[BaseModel] = Error) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route, for the OpenAPI document."""
    asked = statuses or (400, 401, 408, 413, 415, 422, 424, 429, 503)
    return {status: {"model": model, "description": _meaning(status)} for status in asked}


def _meaning(status: int) -> str:
    return {
        400: "The request could not be read",
        401: "The token is missing or wrong",
        404: "There is no such model",
        408: "The body did not arrive in time",
        413: "The body, a text or the list of texts is too long",
        415: "The body is not application/json, or is compressed",
        422: "The body is not what the route takes",
        424: "The model could not answer",
        429: "Too many texts wait; try again after Retry-After seconds",
        503: "Not answered in time, or about to stop",
    }[status]
