"""certify(): measure a candidate against its reference on held-out texts, and write the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from paretext.certification.budget import Budget
from paretext.certification.certificate import Certificate, Data, attach
from paretext.certification.evidence import Deployed
from paretext.certification.flips import MARK, find_flips, write_flips
from paretext.certification.held_out import require_held_out
from paretext.certification.judgement import judge
from paretext.certification.looks import Looks, looked
from paretext.certification.model import Opened, open_pair
from paretext.certification.operating import At
from paretext.certification.records import Ruled
from paretext.certification.verdicts import overall
from paretext.certification.ways import ask_each_way
from paretext.certification.wording import claim
from paretext.core import progress
from paretext.core.cores import available_cores
from paretext.core.errors import ParetextError
from paretext.core.files import sha256
from paretext.core.locks import changes, require_folder
from paretext.core.ownership import require_own_file
from paretext.core.records import Interval
from paretext.core.run_folder import ARTIFACTS, PARENT, RunFolder
from paretext.core.version import __version__
from paretext.data.dataset import Dataset
from paretext.measure.cost import machine
from paretext.measure.intervals import quality
from paretext.measure.metrics import FloatArray
from paretext.measure.naming import check_order
from paretext.measure.standing import stand
from paretext.runtime.manifest import NAME as MANIFEST
from paretext.runtime.rule import Rule

LEAST_TEXTS = 10
"""With fewer, one text more or less moves every share by over ten points."""


@changes("candidate")
def certify(
    candidate: str | Path,
    reference: str | Path,
    data: Dataset,
    budget: Budget | None = None,
    *,
    labels: Sequence[str] | None = None,
    at: Sequence[str] = (),
    resamples: int = 10_000,
    seed: int = 0,
    threads: int | None = None,
    texts: bool = True,
    out: str | Path | None = None,
    force: bool = False,
    sequence: Sequence[str] = (),
    stopped_at: str | None = None,
    looks_in: Path | None = None,
) -> Certificate:
    """Certify an artifact against a reference, and write the certificate into the artifact.

    candidate: an artifact's folder. It gets certificate.json and a section in its README.md.
    reference: an artifact's or a classifier's folder (then PyTorch in float32 answers).
    data: texts that neither training nor compression has seen, with the reference's labels. Where
        the labels are a model's own answers, only the clauses that need no labels are judged.
    labels: names for the outputs of models that call them LABEL_0, LABEL_1, ...
    at: operating points, such as "precision=0.9" or "fpr=0.01".
    threads: cores to use (default: those this process may run on).
    texts: whether the list of flips holds the texts, or row numbers only.
    out: folder for NAME-flips.csv (default: `flips_folder`).
    force: certify on texts that the models were trained on too; the certificate says so.
    sequence, stopped_at: of `looks`, where several versions are asked in an order.
    looks_in: folder where looks are counted (default: that of the flips).

    Raises ParetextError if the labels differ, there are fewer than LEAST_TEXTS texts, the two are
    one model, the texts are not held out, or another file has the name of the flips.
    """
    folder = Path(candidate)
    place = Path(out) if out else flips_folder(folder)
    listed = place / f"{folder.resolve().name}-flips.csv"
    require_folder(place)
    require_own_file(listed, MARK)
    certificate, answers = measure(
        candidate,
        reference,
        data,
        budget,
        labels=labels,
        at=at,
        resamples=resamples,
        seed=seed,
        threads=threads,
        force=force,
    )
    place.mkdir(parents=True, exist_ok=True)
    write_flips(listed, data, *answers, texts=texts)
    flips = certificate.flips.model_copy(update={"file": listed.name, "sha256": sha256(listed)})
    looks = looked(looks_in or place, certificate, sequence, stopped_at)
    certificate = with_looks(certificate.model_copy(update={"flips": flips}), looks)
    attach(certificate, folder)
    return certificate


def with_looks(certificate: Certificate, looks: Looks) -> Certificate:
    """It with its sentence, which says them."""
    certificate = certificate.model_copy(update={"looks": looks})
    return certificate.model_copy(update={"sentence": claim(certificate)}).sealed()


def measure(
    candidate: str | Path,
    reference: str | Path,
    data: Dataset,
    budget: Budget | None = None,
    *,
    labels: Sequence[str] | None = None,
    at: Sequence[str] = (),
    resamples: int = 10_000,
    seed: int = 0,
    threads: int | None = None,
    force: bool = False,
) -> tuple[Certificate, tuple[FloatArray, FloatArray]]:
    """What `certify` finds, written nowhere; and both models' probabilities, (n, K) each."""
    budget = (budget or Budget()).for_labels_of(data.answered_by)
    points = [At.parse(each) for each in at]
    threads = threads or available_cores()
    folder = Path(candidate)
    before, after, renamed = open_pair(folder, reference, labels, threads)
    check_pair(before, after, data)
    manifests = [each.artifact.manifest for each in (before, after) if each.artifact]
    seen = require_held_out(data, manifests, force)
    with progress.task(f"answers to {len(data):,} texts", 3) as advance:
        logits = []
        for model in (before, after):
            logits.append(model.logits(data.texts))
            advance()
        assert after.artifact is not None  # as was asked above
        ways = ask_each_way(after.artifact, data.texts, logits[1], seed)
        advance()
    old, new = (
        model.probabilities(each, data.label_names)
        for model, each in zip((before, after), logits, strict=True)
    )
    rule = after.rule or before.rule
    if renamed and data.answered_by is None:
        check_order(old, data, "--labels")
    with progress.task(f"judging {folder.name}", 2) as advance:
        judgement = judge(
            data.labels,
            old,
            new,
            data.label_names,
            budget,
            at=points,
            resamples=resamples,
            seed=seed,
            labelled=data.answered_by is None,
            deployed=Deployed(folder, before.folder, data.texts, threads),
            rule=rule,
            ways=ways,
        )
        advance()
        standing = None
        if data.answered_by is None:
            answered, classes = old.argmax(axis=1), len(data.label_names)
            own = quality(data.labels, answered, classes, resamples=resamples, seed=seed)
            standing = stand(
                before.record.name, data.labels, answered, data.label_names, own, seen=seen
            )
        advance()
    certificate = Certificate(
        verdict=overall([clause.verdict for clause in judgement.clauses]),
        candidate=after.record,
        reference=before.record,
        data=Data.of(data, after.distribution(data.texts, new, data.label_names)),
        budget=budget,
        clauses=judgement.clauses,
        reported=judgement.reported,
        operating_points=judgement.points,
        flips=find_flips(data, old, new, budget.confidence),
        alike=judgement.alike,
        resamples=resamples,
        seed=seed,
        at=tuple(map(str, points)),
        machine=machine(threads),
        version=__version__,
        standing=standing,
        ruled=_ruled(after.rule is not None, rule, judgement.unsure),
        ways=ways,
    )
    certificate = certificate.model_copy(update={"sentence": claim(certificate)}).sealed()
    return certificate, (old, new)


def _ruled(own: bool, rule: Rule | None, unsure: tuple[Interval, Interval] | None) -> Ruled | None:
    """own: whether it is the candidate's."""
    if rule is None or unsure is None:
        return None
    return Ruled(
        rule=rule,
        of="candidate" if own else "reference",
        reference_unsure=unsure[0],
        candidate_unsure=unsure[1],
    )


def check_pair(reference: Opened, candidate: Opened, data: Dataset) -> None:
    """ParetextError unless they are two models with the labels of the data, which is enough."""
    if reference.record.digest == candidate.record.digest:
        raise ParetextError(
            f"{candidate.folder} and {reference.folder} are the same artifact "
            f"({reference.record.digest[:12]}), and a certificate of a model against itself proves "
            "nothing; give the one that it was made from with --against."
        )
    if set(reference.labels) != set(candidate.labels):
        raise ParetextError(
            f"{candidate.folder} has the labels {', '.join(candidate.labels)}, and its reference "
            f"{reference.folder} has {', '.join(reference.labels)}; a certificate compares two "
            "models of one task."
        )
    if data.label_names != reference.labels:
        raise ParetextError(
            f"{data.name} has the labels {', '.join(data.label_names)}, and the reference has "
            f"{', '.join(reference.labels)}; read the data with the reference's label names."
        )
    require_enough(data)


def run_of(artifact: Path) -> Path | None:
    """The run that an artifact lies in, RUN/artifacts/NAME; None for one that lies elsewhere."""
    place = artifact.resolve().parent
    is_run = place.name == ARTIFACTS and (place / PARENT / MANIFEST).is_file()
    return _as_given(place.parent, artifact) if is_run else None


def flips_folder(artifact: Path) -> Path:
    """Where the list of an artifact's flips is written: certificates/ beside artifacts/, so that
    what stands in there are artifacts; for a stray one, the folder that it lies in."""
    place = artifact.resolve().parent
    beside = RunFolder(place.parent).certificates if place.name == ARTIFACTS else place
    return _as_given(beside, artifact)


def _as_given(place: Path, artifact: Path) -> Path:
    """A place as whoever named an artifact would name it: from here, if they did, and it is below
    here."""
    here = Path.cwd()
    below = here in place.parents and not artifact.is_absolute()
    return place.relative_to(here) if below else place


def require_enough(data: Dataset) -> None:
    """ParetextError if there are fewer than LEAST_TEXTS texts, or all have one label.

    Labels with few texts are no reason to refuse: their recall is left undecided, and it is said.
    """
    if len(data) < LEAST_TEXTS:
        raise ParetextError(
            f"{data.name} has {len(data)} texts, and a certificate needs {LEAST_TEXTS} or more; "
            "give more texts that were held out."
        )
    present = np.unique(data.labels)
    if len(present) < 2 and data.answered_by is None:
        raise ParetextError(
            f"all {len(data):,} texts of {data.name} have the label "
            f"{data.label_names[present[0]]!r}, and a certificate needs texts of two or more "
            "labels; give texts of the others too."
        )
