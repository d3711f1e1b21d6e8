"""What a monitoring system is told (Prometheus): numbers about texts, never the texts.

A registry of its own for each service: nothing global, so that two can live in one process.
"""

from __future__ import annotations

from collections import Counter as Counted
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """The counters of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        mine = self.registry
        self.requests = Counter(
            "paretext_requests", "Requests by route and status", ["route", "status"], registry=mine
        )
        self.seconds = Histogram(
            "paretext_request_seconds",
            "From the first byte of a request to the last of its answer",
            ["route"],
            buckets=_SECONDS,
            registry=mine,
        )
        self.texts = Counter("paretext_texts", "Texts answered", ["model"], registry=mine)
        self.labels = Counter(
            "paretext_labels",
            "Texts by their answer; none where the rule leaves them unsure",
            ["model", "label"],
            registry=mine,
        )
        self.cut = Counter(
            "paretext_texts_cut",
            "Texts longer than the longest input, ends cut",
            ["model"],
            registry=mine,
        )
        self.queued = Histogram(
            "paretext_queue_seconds",
            "From arrival to the first batch",
            ["model"],
            buckets=_SECONDS,
            registry=mine,
        )
        self.batch_texts = Histogram(
            "paretext_batch_texts", "Texts of a batch", ["model"], buckets=_TEXTS, registry=mine
        )
        self.batch_seconds = Histogram(
            "paretext_batch_seconds",
            "Time of a batch, tokenisation included",
            ["model"],
            buckets=_SECONDS,
            registry=mine,
        )
        self.waiting = Gauge(
            "paretext_queue_texts", "Texts that wait now", ["model"], registry=mine
        )

    def of_batches(self, model: str) -> Callable[[int, float], None]:
        """What a model's batcher tells of each batch."""
        texts, seconds = self.batch_texts.labels(model), self.batch_seconds.labels(model)

        def observe(count: int, took: float) -> None:
            texts.observe(count)
            seconds.observe(took)

        return observe

    def answered(self, model: str, labels: list[str], cut: int, queued: float) -> None:
        """A request's texts have these labels."""
        self.texts.labels(model).inc(len(labels))
        for label, count in Counted(labels).items():
            self.labels.labels(model, label).inc(count)
        if cut:
            self.cut.labels(model).inc(cut)
        self.queued.labels(model).observe(queued)

    def written(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)
