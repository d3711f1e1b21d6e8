"""POST /classify: a batch of texts with everything that an answer has to be used by.

Beside label and probabilities: whether the probability reaches the label's threshold, and what the
model's certificate promises. The thresholds are the request's own; else those of the artifact's
rule, if it has one (`runtime.rule`); else those of the certificate's operating points (where the
reference had a precision of 90% on the certified texts, say). An answer whose label does not reach
its threshold, or does not stand by the artifact's rule, is `unsure`: better asked of a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from paretext.runtime.rule import UNSURE
from paretext.serving.errors import Refused, documented
from paretext.serving.json_body import JsonRoute
from paretext.serving.service import Model, Service

EXAMPLE = '{"texts": ["a text"]}'
Share = Annotated[float, Field(ge=0, le=1)]


class ClassifyRequest(BaseModel):
    """Texts to classify, and what makes an answer sure."""

    model_config = ConfigDict(strict=True, extra="forbid")

    # that there is none is said by the service, as of all routes
    texts: list[str] = Field(json_schema_extra={"minItems": 1}, examples=[["I like you"]])
    at: str | None = Field(
        None,
        description="An operating point of the certificate, such as precision=0.9 "
        "(default: the artifact's rule, else the certificate's first).",
    )
    thresholds: dict[str, Share] | None = Field(
        None,
        description="Label -> the least probability that counts, in place of the rule's or the "
        "certificate's.",
    )


class Certified(BaseModel):
    """What the certificate says."""

    verdict: str
    sentence: str


class Answer(BaseModel):
    """Of one text."""

    label: str
    probability: float
    unsure: bool | None = Field(description="null: no threshold is known for the label.")
    reached: list[str] = Field(description="Labels whose probability reaches their threshold.")
    probabilities: dict[str, float]
    truncated: bool = Field(description="Whether it was longer than the model reads.")


class ClassifyResponse(BaseModel):
    """Answers in the order of the texts."""

    model: str
    identity: str = Field(description="SHA-256 of the artifact.")
    certificate: Certified | None
    thresholds: dict[str, float]
    milliseconds: float = Field(description="Between the request's arrival in the queue and this.")
    answers: list[Answer]


class Described(BaseModel):
    """A model that answers here."""

    name: str
    identity: str
    labels: list[str]
    max_tokens: int
    rule: list[str] | None = Field(description="When its answers stand; null: always.")
    certificate: Certified | None
    thresholds: dict[str, dict[str, float]]


def routes(service: Service) -> APIRouter:
    """POST /classify and /models/NAME/classify, GET /models."""
    router = APIRouter(route_class=JsonRoute, tags=["classify"])
    answered = {200: {"model": ClassifyResponse}, **documented()}

    @router.get("/models", response_model=list[Described], responses=documented(401))
    async def models() -> JSONResponse:
        """The models that answer here, the first of them where no name is given."""
        return JSONResponse([each.described for each in service.models.values()])

    @router.post("/classify", response_model=None, responses=answered, operation_id="classify")
    async def classify(asked: ClassifyRequest, request: Request) -> JSONResponse:
        """Texts by the first model, with thresholds and the certificate's verdict."""
        return await _classify(service, service.first, asked, request)

    @router.post(
        "/models/{name}/classify",
        response_model=None,
        responses={**answered, **documented(404)},
        operation_id="classify_by",
    )
    async def classify_by(name: str, asked: ClassifyRequest, request: Request) -> JSONResponse:
        """Texts by the model of that name."""
        return await _classify(service, service.model(name), asked, request)

    return router


async def _classify(
    service: Service, model: Model, asked: ClassifyRequest, request: Request
) -> JSONResponse:
    rule = model.artifact.manifest.operating
    ruled = rule is not None and asked.thresholds is None and asked.at is None
    thresholds = _thresholds(model, asked)
    answered = await service.answers(request, model, asked.texts)
    answers = []
    shares, cuts = answered.probabilities.tolist(), answered.cut.tolist()
    for decided, row, cut in zip(model.decided(answered), shares, cuts, strict=True):
        probabilities = dict(zip(model.labels, row, strict=True))
        label = max(probabilities, key=lambda each: probabilities[each])
        least = thresholds.get(label)
        reached = [each for each, share in thresholds.items() if probabilities[each] >= share]
        answers.append(
            {
                "label": label,
                "probability": probabilities[label],
                "unsure": _unsure(decided, probabilities[label], least, ruled),
                "reached": reached,
                "probabilities": probabilities,
                "truncated": cut,
            }
        )
    described = model.described
    return JSONResponse(
        {
            "model": model.name,
            **{name: described[name] for name in ("identity", "certificate")},
            "thresholds": thresholds,
            "milliseconds": round(answered.seconds * 1e3, 3),
            "answers": answers,
        }
    )


def _unsure(decided: str, probability: float, least: float | None, ruled: bool) -> bool | None:
    """Whether an answer does not stand; None where nothing says when it does."""
    if ruled:
        return decided == UNSURE
    return None if least is None else probability < least


def _thresholds(model: Model, asked: ClassifyRequest) -> Mapping[str, float]:
    """Those of the request, of the artifact's rule, or of an operating point; or none."""
    if asked.thresholds is not None:
        if unknown := set(asked.thresholds) - set(model.labels):
            raise Refused(
                422,
                f"thresholds has {min(unknown)[:60]!r}, which is no label; there are "
                f"{', '.join(model.labels[:10])}{', ...' if len(model.labels) > 10 else ''}.",
            )
        return asked.thresholds
    known = model.claim.thresholds if model.claim else {}
    rule = model.artifact.manifest.operating
    if asked.at is None and rule is not None:
        return {label: rule.least(label) for label in model.labels if rule.least(label)}
    if asked.at is None:
        return next(iter(known.values()), {})
    if asked.at not in known:
        there = f"there are {', '.join(known)}" if known else "its certificate has none"
        raise Refused(422, f"at is no operating point of this model: {there}; or give thresholds.")
    return known[asked.at]
