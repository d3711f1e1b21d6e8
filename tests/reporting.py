"""A run's folder that looks finished and needed no training: true statistics of made-up answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import toy

from paretext.certification.badge import badge_of
from paretext.certification.budget import Budget
from paretext.certification.certificate import Certificate, Data, Model, attach
from paretext.certification.flips import find_flips, write_flips
from paretext.certification.judgement import judge
from paretext.certification.records import Ruled
from paretext.certification.verdicts import overall
from paretext.certification.ways import Ways
from paretext.compression import Recipe
from paretext.compression.recipe import preset
from paretext.core.files import sha256, write_json
from paretext.core.records import Interval
from paretext.data.checks import check
from paretext.data.dataset import Dataset
from paretext.measure.comparison import Badge, Comparison, Row
from paretext.measure.cost import Cost
from paretext.measure.intervals import paired_drops, quality
from paretext.measure.rounds import Conditions, Round, Start
from paretext.measure.standing import Beside, Standing, stand
from paretext.profile import profile
from paretext.report.profile_page import write_profile
from paretext.report.run_data import RunReport
from paretext.report.run_page import write_report
from paretext.runtime.manifest import (
    CERTIFICATE,
    MODEL,
    Agreement,
    Ancestor,
    FileRecord,
    Manifest,
    WeightCount,
)
from paretext.runtime.rule import Rule

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\" '{{ 7 * 7 }} \x1b[31m\u202eevil"
MACHINE = {
    **{"cpu": "A CPU <b>of</b> tests", "instruction_sets": ["avx2"], "cores": 2, "threads": 2},
    **{"system": "Linux", "python": "3.11", "versions": {"onnxruntime": "1.32.0"}},
}
_QUIET = Conditions(1.0, 1.9, 0.0, 2.0, 0.0, 2.0, 0.0)
ENCODER, STEP = "RobertaForSequenceClassification", {"step": "dynamic_quantization"}


@dataclass(frozen=True)
class Made:
    """A version's name, its cost, and how often it errs otherwise than the parent."""

    name: str
    parent: str | None
    megabytes: float
    ms: float
    noise: float
    root: str = "roberta"
    architecture: str = ENCODER


VERSIONS = (
    Made("pytorch", None, 330.0, 12.0, 0),
    Made("parent", "pytorch", 328.0, 5.0, 0),
    Made("pruned", "parent", 328.0, 5.1, 0.002),
    Made("int8", "parent", 83.0, 2.4, 0.006),
    Made("small.1-width", "parent", 40.0, 1.0, 0.1),
    Made("small", "parent", 12.0, 0.9, 0.07),
    Made("tfidf", "parent", 1.1, 0.05, 0.25, "tfidf", "LinearText"),
)


def make_run(
    folder: Path,
    *,
    labels: Sequence[str] = toy.LABELS,
    versions: Sequence[Made] = VERSIONS,
    texts: Sequence[str] | None = None,
    n: int = 600,
    list_texts: bool = True,
) -> Comparison:
    """Write everything that a finished run holds and the report reads; None of it was trained."""
    data, train = _data(labels, texts, n), _data(labels, texts, 2 * n, seed=1)
    _settings(folder, train, data)
    answers = {each.name: _probabilities(data, each) for each in versions}
    rows = [_artifact(folder, each, data, answers, list_texts) for each in versions]
    made = Comparison(
        rows=tuple(rows),
        labels=data.label_names,
        data={"name": data.name, "texts": n, "fingerprint": data.fingerprint, "rounds": 5},
        machine=MACHINE,
        standing=_standing(data, rows, answers),
    )
    (folder / "comparison").mkdir()
    write_json(folder / "comparison" / "comparison.json", made.record())
    data_profile = profile(train.take(range(min(len(train), 200))), data.take(range(50)))
    write_profile(data_profile, folder / "profile")
    return made


def _standing(data: Dataset, rows: Sequence[Row], answers: dict[str, Any]) -> Standing:
    return stand(
        "parent",
        data.labels,
        answers["parent"].argmax(axis=1),
        data.label_names,
        next(row.quality for row in rows if row.version == "parent"),
        beside=[
            Beside(
                name=row.version,
                macro_f1=row.quality.macro_f1.estimate,
                drop=row.drops.macro_f1,
            )
            for row in rows
            if row.version == "tfidf" and row.drops
        ],
    )


def _data(labels: Sequence[str], texts: Sequence[str] | None, n: int, seed: int = 0) -> Dataset:
    ids = np.random.default_rng(seed).permutation(np.arange(n) % (2 * len(labels)) % len(labels))
    words = texts or [text for text, _ in toy.texts_and_labels(n, seed)]
    named = [f"{words[i % len(words)]} {seed}-{i}" for i in range(n)]
    return Dataset(tuple(named), ids, tuple(labels), f"data {seed}.csv")


def _settings(folder: Path, train: Dataset, evaluation: Dataset) -> None:
    folder.mkdir(parents=True)
    recipe = Recipe(models=("roberta-base", "tfidf"), versions=preset("pruned")[:2])
    write_json(
        folder / "run.json",
        {
            "recipe": recipe.model_dump(mode="json"),
            "data": check(train, evaluation).model_dump(mode="json"),
            "splits": {},
        },
    )
    for name in ("roberta", "tfidf"):
        (folder / "candidates" / name).mkdir(parents=True)
    history = [
        {"epoch": e, "train_loss": 1 / e, "selection_loss": 0.4 + 0.3 / e, "selection_macro_f1": f1}
        for e, f1 in ((1, 0.7), (2, 0.9), (3, 0.88))
    ]
    write_json(folder / "candidates" / "roberta" / "history.json", history)
    scores = {"roberta": 0.9, "tfidf": 0.7}
    write_json(folder / "parent.json", {"parent": "roberta", "selection_macro_f1": scores})


def _probabilities(data: Dataset, made: Made) -> Any:
    """(n, K) answers: right in 94 of 100 texts, less often the noisier the version."""
    generator, k = np.random.default_rng(7), len(data.label_names)
    wrong = generator.random(len(data)) < 0.06
    answers = np.where(wrong, (data.labels + 1) % k, data.labels)
    moved = np.random.default_rng(8).random(len(data)) < made.noise
    answers = np.where(moved, (answers + 1) % k, answers)
    logits = generator.normal(size=(len(data), k)) * 0.3
    logits[np.arange(len(data)), answers] += 3
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def _artifact(
    folder: Path, made: Made, data: Dataset, answers: dict[str, Any], list_texts: bool
) -> Row:
    place, badge = folder / "artifacts" / made.name, None
    recipe = () if made.name in ("pytorch", "parent", "tfidf") else (STEP,)
    if made.name != "pytorch":
        place.mkdir(parents=True)
        _manifest(made, recipe).write(place)
        if made.name not in ("parent", "tfidf") and ".1-" not in made.name:
            badge = _certify(folder, place, data, answers["parent"], answers[made.name], list_texts)
    own, k = answers[made.name].argmax(axis=1), len(data.label_names)
    drops = None
    if made.parent:
        drops = paired_drops(
            data.labels, answers[made.parent].argmax(axis=1), own, k, resamples=500
        )
    cost = Cost(
        name=made.name,
        bytes=int(made.megabytes * 1e6),
        peak_memory_bytes=int(made.megabytes * 2e6),
        first_answer_ms=made.megabytes * 10,
        batch1_ms_p50=made.ms,
        batch1_ms_p95=made.ms * 1.2,
        batch32_ms_per_text=made.ms / 3,
        bulk_texts_per_second=2000 / made.ms,
        starts=(Start(made.megabytes * 10, _QUIET, ""),),
        rounds=tuple(_round(made.ms * speed) for speed in (0.98, 1.0, 1.02)),
    )
    scores = quality(data.labels, own, k, resamples=500)
    return Row(made.name, made.parent, scores, drops, cost, recipe, badge)


def _round(ms: float) -> Round:
    """All versions' rounds in step, as those of one quiet machine."""
    return Round(
        batch1_ms_p50=ms,
        batch1_ms_p95=ms * 1.2,
        batch32_ms_per_text=ms / 3,
        bulk_texts_per_second=2000 / ms,
        conditions=dict.fromkeys(("batch1", "batch32", "bulk"), _QUIET),
        disturbed="",
    )


def _manifest(made: Made, recipe: tuple[dict[str, Any], ...]) -> Manifest:
    return Manifest(
        name=made.name,
        labels=("one", "two"),
        architecture=made.architecture,
        max_length=128,
        pad_id=1,
        recipe=recipe,
        done=(f"made for a test of {made.name}",),
        lineage=(Ancestor(name=made.root, digest=made.root.encode().hex().ljust(64, "0")),),
        data={},
        matrices=WeightCount(weights=100, zeros=0),
        operators={},
        agreement=Agreement(
            texts=20,
            largest_logit_difference=1e-6,
            largest_probability_difference=1e-3,
            flipped_predictions=0,
        ),
        versions={"onnxruntime": "1.32.0"},
        files={MODEL: FileRecord(sha256="0" * 64, bytes=1)},
    )


def _certify(
    run: Path, place: Path, data: Dataset, before: Any, after: Any, list_texts: bool
) -> Badge | None:
    budget, manifest = Budget(), Manifest.read(place)
    judgement = judge(data.labels, before, after, data.label_names, budget, resamples=500)
    listed = run / "certificates" / f"{place.name}-flips.csv"
    listed.parent.mkdir(exist_ok=True)
    write_flips(listed, data, before, after, texts=list_texts)
    flips = find_flips(data, before, after, budget.confidence)
    certificate = Certificate(
        verdict=overall([clause.verdict for clause in judgement.clauses]),
        candidate=Model(name=place.name, kind="artifact", digest=manifest.identity),
        reference=Model(name="parent", kind="artifact", digest="1" * 64),
        data=Data(
            name=data.name,
            texts=len(data),
            counts=dict(zip(data.label_names, data.counts().tolist(), strict=True)),
            fingerprint=data.fingerprint,
        ),
        budget=budget,
        clauses=judgement.clauses,
        operating_points=judgement.points,
        flips=flips.model_copy(update={"file": listed.name, "sha256": sha256(listed)}),
        alike=judgement.alike,
        ruled=Ruled(
            rule=Rule(least_margin=0.2),
            of="candidate",
            reference_unsure=Interval(0.04, 0.03, 0.05),
            candidate_unsure=Interval(0.05, 0.04, 0.06),
        ),
        ways=Ways(
            alone=256,
            bulk=len(data),
            largest_probability_difference=0.001,
            changed_labels=0,
            allowed=0.005,
        ),
        resamples=500,
        seed=0,
        at=(),
        machine=MACHINE,
        version="0.1.0",
    ).sealed()
    attach(certificate, place)
    assert (place / CERTIFICATE).is_file()
    return badge_of(place)


class Page(HTMLParser):
    """A page's elements, the text of its table of versions, and all of its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.values: list[list[str]] = []
        self.text = ""
        self._inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        self.elements.append((tag, own))
        if tag == "table":
            self._inside = "data-sortable" in own
        if self._inside and tag == "tr":
            self.rows.append([])
            self.values.append([])
        if self._inside and tag in ("td", "th"):
            self.rows[-1].append("")
            self.values[-1].append(own.get("data-value") or "")
        if tag in ("small", "br"):
            self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._inside and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self._inside = False

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [own for tag, own in self.elements if tag == name]


def written(run: Path, out: Path | None = None) -> tuple[Page, RunReport, str]:
    path, _ = write_report(run, out)
    html = path.read_text(encoding="utf-8")
    stored = RunReport.model_validate_json((path.parent / "report.json").read_text("utf-8"))
    return Page(html), stored, html
