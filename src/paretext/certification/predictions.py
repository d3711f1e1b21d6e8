"""Certificates of any two models, of which nothing is known but their answers.

The clauses need two models' probabilities of the same texts and the truth. Where only the answers
are there, those that need probabilities are left out, and it is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paretext.certification.answers import Answers, Truth
from paretext.certification.budget import Budget
from paretext.certification.catalogue import unit_of
from paretext.certification.certificate import Certificate, Data, Model
from paretext.certification.certify import require_enough, with_looks
from paretext.certification.flips import MARK, find_flips, write_flips
from paretext.certification.judgement import judge
from paretext.certification.looks import looked
from paretext.certification.operating import At
from paretext.certification.verdicts import overall
from paretext.certification.wording import claim
from paretext.core import progress
from paretext.core.cores import available_cores
from paretext.core.errors import ParetextError
from paretext.core.files import sha256, write_json
from paretext.core.locks import require_folder
from paretext.core.ownership import require_own_file
from paretext.core.version import __version__
from paretext.core.wording import listed
from paretext.measure.cost import machine
from paretext.measure.intervals import quality
from paretext.measure.standing import stand
from paretext.runtime.manifest import CERTIFICATE

FLIPS = "flips.csv"


def certify_predictions(
    candidate: Answers,
    reference: Answers,
    truth: Truth,
    budget: Budget | None = None,
    *,
    at: Sequence[str] = (),
    resamples: int = 10_000,
    seed: int = 0,
    texts: bool = True,
    out: Path | None = None,
) -> Certificate:
    """The certificate of one model's answers against another's.

    out: folder for certificate.json and flips.csv; None writes nothing.

    Raises ParetextError if both are the same answers, there are too few texts, or a limit is asked
    for that answers do not tell of.
    """
    data, budget = truth.data, budget or Budget()
    if candidate.digest == reference.digest:
        raise ParetextError(
            f"{candidate.name} and {reference.name} are the same predictions "
            f"({candidate.digest[:12]}), and a certificate of a model against itself proves "
            "nothing; give the other model's with --against."
        )
    if costs := [each for each in budget.limits() if unit_of(each) in ("bytes", "ms")]:
        raise ParetextError(
            f"the budget limits {listed(costs)}, which predictions do not tell of; certify the "
            "artifact itself, or leave the limit out."
        )
    require_enough(data)
    if out is not None:
        require_folder(out)
        require_own_file(out / CERTIFICATE, '"format_version"')
        require_own_file(out / FLIPS, MARK)
    only_labels = candidate.only_labels or reference.only_labels
    if only_labels:
        budget = _without_probabilities(budget, at)
    points = [At.parse(each) for each in at]
    old, new = reference.probabilities, candidate.probabilities
    with progress.task(f"judging {candidate.name}", 2) as advance:
        settings: Any = {"resamples": resamples, "seed": seed}
        judgement = judge(data.labels, old, new, data.label_names, budget, at=points, **settings)
        advance()
        answered, classes = old.argmax(axis=1), len(data.label_names)
        own = quality(data.labels, answered, classes, **settings)
        standing = stand(reference.name, data.labels, answered, data.label_names, own)
        advance()
    flips = find_flips(data, old, new, budget.confidence)
    if not truth.has_texts:
        flips = flips.model_copy(
            update={"slices": tuple(each for each in flips.slices if each.kind == "label")}
        )
    certificate = Certificate(
        verdict=overall([clause.verdict for clause in judgement.clauses]),
        candidate=_record(candidate),
        reference=_record(reference),
        data=Data.of(data),
        budget=budget,
        clauses=judgement.clauses,
        reported=judgement.reported,
        operating_points=judgement.points,
        flips=flips,
        alike=judgement.alike and not only_labels,
        resamples=resamples,
        seed=seed,
        at=tuple(map(str, points)),
        machine=machine(available_cores()),
        version=__version__,
        standing=standing,
    )
    if out is None:
        return certificate.model_copy(update={"sentence": claim(certificate)}).sealed()
    out.mkdir(parents=True, exist_ok=True)
    listing = out / FLIPS
    write_flips(
        listing, data, old, new, texts=texts and truth.has_texts, probabilities=not only_labels
    )
    named = {"file": listing.name, "sha256": sha256(listing)}
    certificate = certificate.model_copy(update={"flips": flips.model_copy(update=named)})
    certificate = with_looks(certificate, looked(out, certificate))
    write_json(out / CERTIFICATE, certificate.model_dump(mode="json"))
    return certificate


def _record(answers: Answers) -> Model:
    return Model(name=answers.name, kind="predictions", digest=answers.digest)


def _without_probabilities(budget: Budget, at: Sequence[str]) -> Budget:
    if at:
        raise ParetextError(
            f"the operating point {at[0]} is a threshold of probabilities, and the predictions "
            "have answers alone; give their probabilities, or leave --at out."
        )
    kept = budget.without_probabilities()
    left = [each for each in budget.limits() if each not in kept.limits()]
    left = [each for each in left if not each.startswith("operating")]
    if left:
        progress.say(
            f"left out, since the predictions have answers and no probabilities: {', '.join(left)}"
        )
    return kept
