"""Certificates of all versions of a run, against one reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from paretext import progress
from paretext.benchmark import machine
from paretext.certification.budget import Budget
from paretext.certification.certificate import Certificate
from paretext.certification.certify import certify
from paretext.cores import available_cores
from paretext.data import Dataset
from paretext.errors import ParetextError
from paretext.manifest import Manifest
from paretext.report.certificate import headline

SEED, RESAMPLES = 0, 10_000


def certify_versions(
    artifacts: Sequence[Path],
    reference: Path,
    data: Dataset,
    out: Path,
    *,
    budget: Budget | None = None,
    threads: int | None = None,
) -> None:
    """Certify each artifact against the artifact `reference`; their flips are listed in `out`.

    A certificate that says the same already (same models, data, budget and machine) is kept. Where
    the data cannot carry a certificate, that is said, and none is made.
    """
    budget = budget or Budget()
    threads = threads or available_cores()
    for folder in artifacts:
        if _is_current(folder, reference, data, budget, threads):
            progress.say(f"certificate of {folder.name}: kept, its inputs have not changed")
            continue
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
            )
        except ParetextError as error:
            progress.say(f"no certificate for {folder.name}: {error}")
        else:
            progress.say(f"certificate of {folder.name}: {headline(certificate)}")


def _is_current(folder: Path, reference: Path, data: Dataset, budget: Budget, threads: int) -> bool:
    found = Certificate.of(folder)
    return found is not None and (
        found.candidate.digest == Manifest.read(folder).identity
        and found.reference.digest == Manifest.read(reference).identity
        and found.data.fingerprint == data.fingerprint
        and found.budget == budget
        and (found.resamples, found.seed, found.at) == (RESAMPLES, SEED, ())
        and found.machine == machine(threads)
    )
