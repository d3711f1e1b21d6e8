"""Certificates from texts without labels: only those that two models answer differently need one.

What changes (flips, size, time) is known without any label. What a flip costs is asked of a random
part of the flips (`labelling`), and joined with their share among all texts: accuracy by
`measure.flipped`, every label's recall and macro-F1 by `flipped_classes`, where some labelled texts
of the same source are given beside. Clauses on probabilities need the truth of all texts, and are
left out.

Labels may be given as they come. Each time with more of them is another look at the same texts,
which is counted (`looks`); whoever looks after every label and stops at the first that holds is
wrong more often than the certificate says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from paretext.certification.budget import Budget
from paretext.certification.catalogue import CATALOGUE, rules
from paretext.certification.certificate import Certificate, Data, attach
from paretext.certification.certify import check_pair, flips_folder, require_enough, with_looks
from paretext.certification.evidence import Deployed
from paretext.certification.flipped_classes import (
    Beside,
    Flips,
    macro_f1_clause,
    recall_clause,
)
from paretext.certification.flips import MARK, find_flips, write_flips
from paretext.certification.held_out import require_held_out
from paretext.certification.judgement import judge
from paretext.certification.kept_answers import kept_answers
from paretext.certification.labelling import Asked
from paretext.certification.looks import Looks, looked
from paretext.certification.model import Opened, open_pair
from paretext.certification.records import Clause, Rate, Unlabelled
from paretext.certification.verdicts import overall, simple
from paretext.certification.ways import Ways, ask_each_way
from paretext.core import progress
from paretext.core.cores import available_cores
from paretext.core.files import digest_of, sha256
from paretext.core.locks import changes, require_folder
from paretext.core.ownership import require_own_file
from paretext.core.version import __version__
from paretext.data.dataset import Dataset
from paretext.measure.cost import machine
from paretext.measure.flipped import Flipped, flipped_interval, labels_needed
from paretext.measure.intervals import quality
from paretext.measure.metrics import FloatArray, IntArray
from paretext.measure.naming import check_order
from paretext.measure.standing import Standing, stand

FLIPS, TO_LABEL, ANSWERS = "{}-flips.csv", "{}-to_label.csv", "{}-answers.npz"
"""Clauses of labels that flips can carry; the last two with labelled texts beside."""


@dataclass(frozen=True)
class Traffic:
    """Texts without labels, and the row of each in its source."""

    name: str
    texts: tuple[str, ...]
    rows: tuple[int, ...]


@changes("candidate")
def certify_unlabelled(
    candidate: str | Path,
    reference: str | Path,
    traffic: Traffic,
    labelled: Dataset | None = None,
    budget: Budget | None = None,
    *,
    labels: Sequence[str] | None = None,
    labels_for: str | Path | None = None,
    resamples: int = 10_000,
    seed: int = 0,
    threads: int | None = None,
    texts: bool = True,
    out: str | Path | None = None,
    unlike: float | None = None,
) -> Certificate:
    """Certify an artifact on texts without labels; the certificate is written into the artifact.

    labelled: texts of the same source that have labels, for recall and macro-F1.
    labels_for: the file of flips that an earlier call wrote, with labels filled in.
    out: folder for NAME-flips.csv, NAME-to_label.csv and the answers (default: `flips_folder`).
    unlike: how well a classifier tells the labelled texts from the others.

    Raises ParetextError as `certify` does, and for a file of labels that is not of these flips.
    """
    folder, threads = Path(candidate), threads or available_cores()
    before, after, renamed = open_pair(folder, reference, labels, threads)
    names, place = before.labels, Path(out) if out else flips_folder(folder)
    own = folder.resolve().name
    paths = {each: place / each.format(own) for each in (FLIPS, TO_LABEL, ANSWERS)}
    require_folder(place)
    require_own_file(paths[FLIPS], MARK)
    place.mkdir(parents=True, exist_ok=True)
    data = Dataset(
        traffic.texts,
        np.zeros(len(traffic.texts), np.int64),
        names,
        traffic.name,
        answered_by=before.record.name,
        rows=np.array(traffic.rows, np.int64),
    )
    check_pair(before, after, data)
    manifests = [each.artifact.manifest for each in (before, after) if each.artifact]
    require_held_out(data, manifests)
    if before.rule or after.rule:
        progress.say(
            "labels are asked for where the likeliest labels differ; the rule that says when an "
            "answer stands is judged on labelled texts, with --eval alone"
        )
    ours = (before.record.digest, after.record.digest)
    key = digest_of([*ours, names, traffic.texts])
    old, new = kept_answers(
        paths[ANSWERS], key, lambda: _answers((before, after), traffic.texts, names)
    )
    data = replace(data, labels=old.argmax(axis=1))
    beside = standing = None
    if labelled is not None:
        require_enough(labelled)
        seen = require_held_out(labelled, manifests)
        theirs = _answers((before, after), labelled.texts, names)
        if renamed:
            check_order(theirs[0], labelled, "--labels")
        beside = Beside(labelled.labels, *(each.argmax(axis=1) for each in theirs))
        good = quality(labelled.labels, beside.before, len(names), resamples=resamples, seed=seed)
        standing = stand(before.record.name, labelled.labels, beside.before, names, good, seen=seen)
    asked = Asked(data, np.flatnonzero(old.argmax(axis=1) != new.argmax(axis=1)), seed)
    told = asked.read(labels_for) if labels_for is not None else np.empty(0, np.int64)
    if labels_for is None and asked.rows:
        asked.write(paths[TO_LABEL])
    assert after.artifact is not None  # as was asked above
    ways = ask_each_way(after.artifact, traffic.texts, None, seed)
    certificate = _certificate(
        (before, after),
        data,
        (old, new),
        asked,
        told,
        beside,
        budget or Budget(),
        deployed=Deployed(folder, before.folder, data.texts, threads),
        ways=ways,
        labelled=labelled,
        standing=standing,
        resamples=resamples,
        seed=seed,
        threads=threads,
        file=paths[TO_LABEL].name,
        unlike=unlike,
    )
    truth = np.full(len(data), -1)
    truth[asked.order[: len(told)]] = told
    write_flips(paths[FLIPS], data, old, new, texts=texts, truth=truth)
    named = {"file": paths[FLIPS].name, "sha256": sha256(paths[FLIPS])}
    certificate = certificate.model_copy(
        update={"flips": certificate.flips.model_copy(update=named)}
    )
    looks = Looks(number=1)
    if len(told):
        looks = looked(place, certificate, labels=len(told))
    certificate = with_looks(certificate, looks)
    before_this = Certificate.of(folder)
    if before_this is not None and before_this.unlabelled is None:
        progress.say(
            f"warning: {folder} had a certificate by {before_this.data.texts:,} labelled texts, of "
            f"{len(before_this.clauses)} clauses, whose place this one takes; to have it back: "
            "paretext certify with --eval"
        )
    attach(certificate, folder)
    return certificate


def _answers(
    models: Sequence[Opened], texts: Sequence[str], names: Sequence[str]
) -> tuple[FloatArray, FloatArray]:
    with progress.task(f"answers to {len(texts):,} texts", len(models)) as advance:
        answers = []
        for model in models:
            answers.append(model.probabilities(model.logits(texts), names))
            advance()
    return answers[0], answers[1]


def _certificate(
    models: tuple[Opened, Opened],
    data: Dataset,
    answers: tuple[FloatArray, FloatArray],
    asked: Asked,
    told: IntArray,
    beside: Beside | None,
    budget: Budget,
    *,
    deployed: Deployed,
    ways: Ways,
    labelled: Dataset | None,
    standing: Standing | None,
    resamples: int,
    seed: int,
    threads: int,
    file: str,
    unlike: float | None,
) -> Certificate:
    old, new = answers
    names, tail = data.label_names, (1 - budget.confidence) / 2
    old_answers, new_answers = old.argmax(axis=1), new.argmax(axis=1)
    counts = [np.bincount(each, minlength=len(names)) for each in (old_answers, new_answers)]
    flips = Flips(
        len(data), old_answers[asked.order], new_answers[asked.order], told, (counts[0], counts[1])
    )
    judgement = judge(
        data.labels,
        old,
        new,
        names,
        budget.model_copy(update={each.name: None for each in rules() if each.needs_labels}),
        resamples=resamples,
        seed=seed,
        labelled=False,
        deployed=deployed,
        ways=ways,
    )
    of_flips, counted = _of_flips(flips), budget.limits()
    clauses, needed = list(judgement.clauses), None
    judges: list[Callable[[float], Clause]] = []
    if "accuracy_drop" in counted:
        limit = counted["accuracy_drop"]
        needed = _labels_needed(of_flips, limit, tail)
        judges.append(partial(_accuracy, of_flips, limit, needed))
    if beside is not None and "recall_drop" in counted:
        judges.append(partial(recall_clause, flips, beside, names, counted["recall_drop"]))
    if beside is not None and "macro_f1_drop" in counted:
        limit, k = counted["macro_f1_drop"], len(names)
        judges.append(partial(macro_f1_clause, flips, beside, k, limit, resamples, seed))
    together = len(judges) + sum(each.unit == "share" for each in clauses)
    clauses += [_surely(each, tail, together) for each in judges]
    judged = {clause.name for clause in clauses}
    unjudged = [name for name in counted if name not in judged and CATALOGUE[name].needs_labels]
    left = tuple(name for name in unjudged if "operating" not in name)
    order = {name: CATALOGUE[name].rank for name in judged}
    clauses.sort(key=lambda clause: order[clause.name])
    seen = find_flips(data, old, new, budget.confidence)
    return Certificate(
        verdict=overall([clause.verdict for clause in clauses]),
        candidate=models[1].record,
        reference=models[0].record,
        data=Data.of(data, models[1].distribution(data.texts, new, names)),
        budget=budget.model_copy(update={name: None for name in counted if name not in judged}),
        clauses=tuple(clauses),
        reported=judgement.reported,
        operating_points=(),
        flips=seen.model_copy(update={"lost": of_flips.lost, "won": of_flips.won}),
        alike=judgement.alike,
        resamples=resamples,
        seed=seed,
        at=(),
        machine=machine(threads),
        version=__version__,
        standing=standing,
        ways=ways,
        unlabelled=Unlabelled(
            labelled=len(told),
            unclear=of_flips.unclear,
            labels_needed=needed,
            largest_drop=flipped_interval(Flipped(len(data), of_flips.flips), tail, tail).high,
            rates=tuple(
                Rate(label=name, reference=int(a), candidate=int(b))
                for name, a, b in zip(names, *counts, strict=True)
            ),
            left_out=left,
            beside=Path(labelled.name).name if labelled else None,
            beside_texts=len(labelled) if labelled else None,
            beside_fingerprint=labelled.fingerprint if labelled else None,
            unlike=unlike,
            seed=seed,
            file=file,
            asked=asked.digest,
        ),
    )


def _of_flips(flips: Flips) -> Flipped:
    s, told = len(flips.labels), flips.labels
    return Flipped(
        texts=flips.texts,
        flips=len(flips.before),
        labelled=s,
        lost=int((told == flips.before[:s]).sum()),
        won=int((told == flips.after[:s]).sum()),
        unclear=int((told == -1).sum()),
    )


def _surely(judge_at: Callable[[float], Clause], tail: float, clauses: int) -> Clause:
    """The clause; broken only where it is with all of them asked at once (Bonferroni)."""
    clause = judge_at(tail)
    if clause.verdict != "broken" or judge_at(tail / clauses).verdict == "broken":
        return clause
    why = f"it looks broken, but not for sure with {clauses} clauses asked at once"
    return clause.model_copy(update={"verdict": "undecided", "why": why})


def _labels_needed(flipped: Flipped, limit: float, tail: float) -> int | None:
    """About how many would decide the clause of accuracy, where it is undecided."""
    undecided = _accuracy(flipped, limit, None, tail).verdict == "undecided"
    return labels_needed(flipped, limit, tail) if undecided else None


def _accuracy(flipped: Flipped, limit: float, needed: int | None, tail: float) -> Clause:
    """needed: about how many labels would decide it, if so many would."""
    interval = flipped_interval(flipped, tail, tail)
    clause = simple(CATALOGUE["accuracy_drop"], limit, interval, flipped.texts)
    if clause.verdict != "undecided":
        return clause
    if needed is not None:
        would = f"about {needed:,} would decide"
    elif np.isnan(interval.estimate):
        would = "those of all would not decide, so give more texts"
    else:
        would = "as it looks, those of all would not let it hold"
    have = f"{flipped.labelled:,} of {flipped.flips:,} flipped texts have labels"
    return clause.model_copy(update={"why": f"{have}, and {would}"})
