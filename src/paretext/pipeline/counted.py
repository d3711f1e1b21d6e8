"""What a service has counted, beside what the artifact that answered was certified on."""

from __future__ import annotations

from pathlib import Path

from paretext.certification.certificate import Certificate
from paretext.core.errors import ParetextError
from paretext.core.records import Record
from paretext.core.verdict import shell
from paretext.core.wording import first_few
from paretext.measure.drift import Drift, drift
from paretext.runtime.manifest import Manifest
from paretext.serving.counts import counted, read_counts


class Counted(Record):
    """An artifact's texts, certified and counted."""

    artifact: str
    name: str
    identity: str
    data: str
    """That it was certified on."""
    reference: str
    """What it was certified against."""
    first: str
    last: str
    """The hours (UTC) of the counts; an earlier day's stand at its midnight."""
    drift: Drift


def compare_counts(counts: str | Path, artifact: str | Path) -> Counted:
    """Whether the texts that `paretext serve --log` has counted still look like those that the
    artifact was certified on.

    Raises ParetextError if its certificate does not say what those looked like, and if the counts
    are none of this artifact's.
    """
    folder, path = Path(artifact), Path(counts)
    identity, certificate = Manifest.read(folder).identity, Certificate.of(folder)
    again = shell("certify", folder, "--against", "REFERENCE", "--eval", "TEXTS.csv")
    if certificate is None:
        raise ParetextError(
            f"{folder} has no certificate, so nothing says what its texts should look like; make "
            f"one with: {again}."
        )
    certified = certificate.data.distribution
    if certified is None:
        raise ParetextError(
            f"the certificate of {folder} is of a version of paretext that did not keep what its "
            f"texts looked like; make another with: {again}."
        )
    recorded = read_counts(path)
    hours = [key.hour for key in recorded if key.identity == identity]
    if not hours:
        others = {key.identity: key.model for key in recorded}
        named = [f"{model} ({each[:12]})" for each, model in others.items()]
        raise ParetextError(
            f"{path} counts the answers of {first_few(named, 4)}, and none of {folder} "
            f"({identity[:12]}); give the artifact that answered, or its counts."
        )
    return Counted(
        artifact=str(folder),
        name=certificate.candidate.name,
        identity=identity,
        data=certificate.data.name,
        reference=certificate.reference.name,
        first=min(hours),
        last=max(hours),
        drift=drift(certified, counted(recorded, identity)),
    )
