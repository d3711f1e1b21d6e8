"""Certificates of all versions of a run, against one reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from paretext.certification.budget import Budget
from paretext.certification.certificate import FORMATS, Certificate, attach
from paretext.certification.certify import certify, with_looks
from paretext.certification.clauses.size import deployed_bytes
from paretext.certification.looks import looked
from paretext.certification.model import open_model
from paretext.certification.wording import headline
from paretext.core import progress
from paretext.core.cores import available_cores
from paretext.core.errors import ParetextError
from paretext.data.dataset import Dataset
from paretext.measure.agreement import is_export_of, require_agreement
from paretext.measure.cost import machine
from paretext.runtime.manifest import Manifest

SEED, RESAMPLES = 0, 10_000


def certify_versions(
    artifacts: Sequence[Path],
    reference: Path,
    data: Dataset,
    out: Path,
    *,
    budget: Budget | None = None,
    threads: int | None = None,
    classifier: Path | None = None,
) -> None:
    """Certify each artifact against the artifact `reference`; their flips are listed in `out`.

    They are asked in a fixed sequence, from the largest to the smallest (`looks`).

    classifier: the folder that `reference` was exported from. Before the first certificate is made,
    the two have to answer alike: ParetextError if not, for then the reference is another model.

    A certificate that says the same already (same models, data, budget and machine) is kept; the
    looks before it are written into it anew. Where the data cannot carry a certificate, that is
    said, and none is made.
    """
    budget = (budget or Budget()).for_labels_of(data.answered_by)
    threads = threads or available_cores()
    order = sorted(artifacts, key=deployed_bytes, reverse=True)
    sequence, stopped_at = tuple(each.name for each in order), None
    for folder in order:
        if certificate := _current(folder, reference, data, budget, threads):
            progress.say(f"certificate of {folder.name}: kept, its inputs have not changed")
            looks = looked(out, certificate, sequence, stopped_at)
            if certificate.looks != looks:
                certificate = with_looks(certificate, looks)
                attach(certificate, folder)
        else:
            if classifier is not None:
                _require_agreement(reference, classifier, data, threads)
                classifier = None  # once is enough
            try:
                certificate = certify(
                    folder,
                    reference,
                    data,
                    budget,
                    resamples=RESAMPLES,
                    seed=SEED,
                    threads=threads,
                    out=out,
                    sequence=sequence,
                    stopped_at=stopped_at,
                )
            except ParetextError as error:
                progress.say(f"no certificate for {folder.name}: {error}")
            else:
                progress.say(f"certificate of {folder.name}: {headline(certificate)}")
        if stopped_at is None and (certificate is None or certificate.verdict != "holds"):
            stopped_at = folder.name


def _require_agreement(reference: Path, classifier: Path, data: Dataset, threads: int) -> None:
    if is_export_of(reference, classifier):
        progress.say(f"checking {reference.name} against PyTorch on {len(data):,} texts")
        expected, logits = (
            open_model(each, threads).logits(data.texts) for each in (classifier, reference)
        )
        require_agreement(reference, expected, logits)


def _current(
    folder: Path, reference: Path, data: Dataset, budget: Budget, threads: int
) -> Certificate | None:
    """The certificate that there is, if it says what one that is made now would."""
    certificate = Certificate.of(folder)
    same = certificate is not None and (
        certificate.format_version == FORMATS[-1]
        and certificate.candidate.digest == Manifest.read(folder).identity
        and certificate.reference.digest == Manifest.read(reference).identity
        and certificate.data.fingerprint == data.fingerprint
        and certificate.budget == budget
        and certificate.data.answered_by == data.answered_by
        and (  # older ones did not look
            certificate.standing is not None or data.answered_by is not None
        )
        and certificate.is_held_out
        and (certificate.resamples, certificate.seed, certificate.at) == (RESAMPLES, SEED, ())
        and certificate.machine == machine(threads)
    )
    return certificate if same else None
