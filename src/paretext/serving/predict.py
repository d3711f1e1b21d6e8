"""POST /predict as text-embeddings-inference has it, and as the Hugging Face client sends it.

    {"inputs": "a text"}                        -> [{"label": ..., "score": ...}, ...]
    {"inputs": ["a", "b"]} or [["a"], ["b"]]    -> a list of such lists
    {"inputs": "a text", "parameters": {...}}   -> [[{"label": ..., "score": ...}, ...]]

Labels stand in the order of their scores. Where text-embeddings-inference reads ["a", "b"] as one
pair of texts, these are two texts here: a classifier of single texts has no pairs, and refuses the
one spelling that can only mean a pair, [["a", "b"]].
Sources: text-embeddings-inference, router/src/http/types.rs; huggingface_hub,
inference/_generated/types/text_classification.py.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from paretext.serving.errors import Refused, documented
from paretext.serving.json_body import JsonRoute
from paretext.serving.service import Model, Service

EXAMPLE = '{"inputs": "a text"}'
_DIRECTIONS = ("Right", "right", None)
_PAIR = (
    'inputs has a pair of texts, [["a", "b"]], and this model takes single texts; join the two, '
    'or send [["a"], ["b"]] for two answers'
)


def _texts(given: Any) -> str | list[str]:
    """One text as it is, several as a list."""
    if isinstance(given, str):
        return given
    wrong = ValueError('inputs is no text; give "a text", ["one", "two"] or [["one"], ["two"]]')
    if not isinstance(given, list):
        raise wrong
    texts = []
    for each in given:
        if isinstance(each, list) and all(isinstance(one, str) for one in each):
            if len(each) == 2:
                raise ValueError(_PAIR)
            each = each[0] if len(each) == 1 else None
        if not isinstance(each, str):
            raise wrong
        texts.append(each)
    return texts


def _right(given: Any) -> Any:
    if given in _DIRECTIONS:
        return given
    raise ValueError(
        'truncation_direction is not "Right", and the end of a text is what is cut; send "Right", '
        "or leave it out"
    )


Inputs = Annotated[
    str | list[str],
    BeforeValidator(_texts),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
                {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "array",
                        "items": {"type": "string"},
                        "minItems": 1,
                        "maxItems": 1,
                    },
                },
            ],
            "examples": ["I like you", ["I like you", "I do not"]],
        }
    ),
]


class Parameters(BaseModel):
    """What the Hugging Face client calls parameters; others are left alone, as there."""

    model_config = ConfigDict(strict=True)

    top_k: int | None = Field(None, ge=1, le=2**31, description="The most probable labels alone.")
    function_to_apply: Literal["softmax", "sigmoid", "none"] | None = Field(
        None, description="What makes scores of logits (default: softmax)."
    )


class PredictRequest(BaseModel):
    """Texts to classify."""

    model_config = ConfigDict(strict=True)

    inputs: Inputs
    raw_scores: bool = Field(False, description="Logits in place of probabilities.")
    truncate: bool | None = Field(
        None,
        description="Of a text longer than the model reads: true cuts its end, false refuses it. "
        "Where it is left out the end is cut, and the header x-truncated counts such texts.",
    )
    truncation_direction: Annotated[
        str | None, BeforeValidator(_right), WithJsonSchema({"enum": [*_DIRECTIONS]})
    ] = Field(None, description="Where a text is cut: at its end alone.")
    parameters: Parameters | None = Field(
        None, description="If it is there, one text's answer is nested in a list."
    )


class Score(BaseModel):
    """A label with its probability, or with what was asked for in its place."""

    label: str
    score: float


Scores = list[Score] | list[list[Score]]


def routes(service: Service) -> APIRouter:
    """POST /, /predict, /models/NAME and /models/NAME/predict."""
    router = APIRouter(route_class=JsonRoute, tags=["predict"])
    answered = {"model": Scores, "description": "Labels, the most probable first"}
    first = {200: answered, **documented()}
    one = {**first, **documented(404)}

    @router.post("/", responses=first, response_model=None)
    @router.post("/predict", responses=first, operation_id="predict", response_model=None)
    async def predict(asked: PredictRequest, request: Request) -> JSONResponse:
        """Labels of one or more texts by the first model."""
        return await _predict(service, service.first, asked, request)

    @router.post("/models/{name}", responses=one, response_model=None)
    @router.post(
        "/models/{name}/predict", responses=one, operation_id="predict_by", response_model=None
    )
    async def predict_by(name: str, asked: PredictRequest, request: Request) -> JSONResponse:
        """Labels of one or more texts by the model of that name."""
        return await _predict(service, service.model(name), asked, request)

    return router


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each label's probability by itself."""
    probabilities: NDArray[np.float32] = np.reciprocal(1 + np.exp(-logits))
    return probabilities


async def _predict(
    service: Service, model: Model, asked: PredictRequest, request: Request
) -> JSONResponse:
    single = isinstance(asked.inputs, str)
    texts = [asked.inputs] if isinstance(asked.inputs, str) else asked.inputs
    answered = await service.answers(request, model, texts)
    cut = int(answered.cut.sum())
    if cut and asked.truncate is False:
        place = int(answered.cut.argmax())
        raise Refused(
            413,
            f"text {place} is longer than the {model.artifact.manifest.max_length} tokens that the "
            'model reads; shorten it, or send "truncate": true.',
        )
    parameters = asked.parameters or Parameters()
    scores = answered.probabilities
    if asked.raw_scores or parameters.function_to_apply == "none":
        scores = answered.logits
    elif parameters.function_to_apply == "sigmoid":
        scores = sigmoid(answered.logits)
    order = np.argsort(-scores, axis=1, kind="stable")[:, : parameters.top_k]
    labels = model.labels
    answers = [
        [{"label": labels[place], "score": row[place]} for place in places]
        for row, places in zip(scores.tolist(), order.tolist(), strict=True)
    ]
    body = answers[0] if single and asked.parameters is None else answers
    headers = {
        "x-compute-type": "cpu",
        "x-compute-time": f"{answered.seconds * 1e3:.0f}",
        "x-compute-characters": str(sum(map(len, texts))),
        "x-queue-time": f"{answered.queued * 1e3:.0f}",
        "x-inference-time": f"{(answered.seconds - answered.queued) * 1e3:.0f}",
        "x-truncated": str(cut),
    }
    return JSONResponse(body, headers=headers)
