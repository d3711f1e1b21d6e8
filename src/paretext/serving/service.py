"""Service: the models of one process, and what it does with a request's texts, whatever the route.

It knows nothing of certificates: whoever starts it hands over a `Claim` for each model, what its
certificate promises, to be shown beside the answers.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from paretext.core.errors import ParetextError
from paretext.runtime.artifact import Artifact
from paretext.serving.batching import Answered, Batcher, Full, Gone
from paretext.serving.counts import Counts
from paretext.serving.errors import GONE, Refused
from paretext.serving.metrics import Metrics
from paretext.serving.settings import Limits

if TYPE_CHECKING:
    from paretext.core.records import Verdict

NOTE = "paretext.note"
"""Where a request's scope keeps what the log says of it."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Claim:
    """What a certificate promises of a model.

    thresholds: operating point ("precision=0.9") -> label -> the least probability that counts.
    """

    verdict: Verdict
    sentence: str
    thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Model:
    """One artifact under the name that its routes have."""

    name: str
    artifact: Artifact
    batcher: Batcher
    claim: Claim | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of the answers' columns."""
        return self.artifact.manifest.labels

    def decided(self, answered: Answered) -> list[str]:
        """The answer to each text, "" where the artifact's rule says that it does not stand."""
        names: list[str] = self.artifact.decide(answered.probabilities).tolist()
        return names

    @cached_property
    def described(self) -> dict[str, Any]:
        """What a client may want to know before it asks."""
        manifest = self.artifact.manifest
        claim = self.claim
        return {
            "name": self.name,
            "identity": manifest.identity,
            "labels": list(manifest.labels),
            "max_tokens": manifest.max_length,
            "rule": manifest.operating and manifest.operating.sentences(),
            "certificate": claim and {"verdict": claim.verdict, "sentence": claim.sentence},
            "thresholds": {at: dict(each) for at, each in claim.thresholds.items()}
            if claim
            else {},
        }


class Service:
    """Models by name; the first is the one that is asked where no name is given."""

    def __init__(
        self,
        artifacts: Mapping[str, Artifact],
        claims: Mapping[str, Claim | None],
        limits: Limits,
        token: str | None = None,
        counts: Counts | None = None,
    ) -> None:
        self.limits, self.token, self.counts = limits, token, counts
        self.metrics = Metrics()
        self.draining = False
        """Whether it is about to end: what it has accepted it answers, and says so."""
        self.asking = 0
        """Requests that are being read or answered."""
        self.accepted = self.answered = 0
        """Requests whose bodies were read, and those of them whose answers were handed on whole."""
        self.models: dict[str, Model] = {}
        for name, artifact in artifacts.items():
            batcher = Batcher(artifact, limits.queue, self.metrics.of_batches(name))
            self.models[name] = Model(name, artifact, batcher, claims.get(name))
            if counts is not None:
                counts.begin(name, artifact.manifest.identity)
            self.metrics.waiting.labels(name).set_function(partial(getattr, batcher, "waiting"))
        self.first = next(iter(self.models.values()))

    def start(self) -> None:
        for model in self.models.values():
            model.batcher.start()

    def stop(self) -> None:
        for model in self.models.values():
            model.batcher.stop()

    def model(self, name: str) -> Model:
        """The model of that name; Refused where there is none."""
        if name not in self.models:
            raise Refused(
                404, f"there is no model {name[:60]!r}; there are {', '.join(self.models)}."
            )
        return self.models[name]

    async def answers(self, request: Request, model: Model, texts: Sequence[str]) -> Answered:
        """The answers to a request's texts. Refused for what is too much, too long or no text."""
        self._check(texts)
        await asyncio.sleep(0)  # whoever came at the same time is counted now
        try:
            answered = await model.batcher.answers(
                texts, self.limits.timeout, self.asking == 1, request.is_disconnected
            )
        except Gone:
            raise Refused(GONE, "whoever asked has gone.") from None
        except Full as full:
            raise Refused(
                429,
                f"{full}, and {model.batcher.most:,} may; try again in {full.seconds} s.",
                {"Retry-After": str(full.seconds)},
            ) from None
        except TimeoutError:
            raise Refused(
                503,
                f"not answered within {self.limits.timeout:g} s; try again, with fewer texts.",
                {"Retry-After": "1"},
            ) from None
        except ParetextError as error:
            raise Refused(424, str(error)) from None
        labels = model.decided(answered)
        cut = int(answered.cut.sum())
        self.metrics.answered(model.name, labels, cut, answered.queued)
        if self.counts is not None:
            confidence = answered.probabilities.max(axis=1).tolist()
            identity = model.described["identity"]
            self.counts.add(model.name, identity, texts, labels, confidence, cut)
        request.scope[NOTE] |= {
            "model": model.name,
            "texts": len(texts),
            "characters": sum(map(len, texts)),
            "cut": cut,
            "queue_ms": round(answered.queued * 1e3, 3),
            "answer_ms": round((answered.seconds - answered.queued) * 1e3, 3),
        }
        return answered

    def _check(self, texts: Sequence[str]) -> None:
        if not texts:
            raise Refused(422, "there is no text in the request; give at least one.")
        if len(texts) > self.limits.max_texts:
            raise Refused(
                413,
                f"the request has {len(texts):,} texts, and {self.limits.max_texts:,} are taken "
                "at once; send several requests.",
            )
        for place, text in enumerate(texts):
            if len(text) > self.limits.max_characters:
                raise Refused(
                    413,
                    f"text {place} has {len(text):,} characters, and "
                    f"{self.limits.max_characters:,} are taken; shorten it.",
                )


def named(given: Sequence[str]) -> dict[str, Path]:
    """NAME=FOLDER or FOLDER, each once: names in routes -> folders."""
    folders: dict[str, Path] = {}
    for each in given:
        name, equals, folder = each.partition("=")
        path = Path(folder if equals else each)
        name = name if equals else path.resolve().name
        if not _NAME.fullmatch(name):
            raise ParetextError(
                f"{name!r} is no name for a route (letters, digits, '.', '_' and '-'); "
                f"give one: NAME={path}."
            )
        if name in folders:
            raise ParetextError(
                f"{folders[name]} and {path} would both be called {name}; give names: "
                f"one={folders[name]} other={path}."
            )
        folders[name] = path
    return folders
