"""verify(): whether a certificate still says the truth about the artifact that it lies in.

Without a rerun it checks what can be checked by digest (certificate, artifact, data, reference) and
whether this machine is the one that was certified on. With a rerun every claim is measured anew
here, with the certificate's own budget, seed and number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paretext.certification.certificate import Certificate
from paretext.certification.certify import measure, run_of
from paretext.certification.held_out import require_sound
from paretext.certification.model import is_artifact
from paretext.certification.records import Clause
from paretext.core.cores import available_cores
from paretext.core.errors import ParetextError
from paretext.core.files import folder_digest
from paretext.core.records import Verdict
from paretext.core.run_folder import PARENT
from paretext.core.verdict import shell
from paretext.data.dataset import Dataset
from paretext.measure.cost import machine
from paretext.runtime.artifact import Artifact
from paretext.runtime.manifest import Manifest

TOLERANCE = 1e-9
"""Of a share that was measured anew on the same machine: only arithmetic may differ."""


@dataclass(frozen=True)
class Verification:
    """What was found. `again` is the certificate measured anew, None without a rerun."""

    certificate: Certificate
    checked: tuple[str, ...]
    warnings: tuple[str, ...]
    again: Certificate | None

    @property
    def verdict(self) -> Verdict:
        """The measured one where there was a rerun, else the certificate's."""
        return (self.again or self.certificate).verdict

    @property
    def gate(self) -> Verdict:
        """That verdict as a gate has it; what stopped the certificate stops its rerun."""
        measured, stopped = self.verdict, self.certificate.gate != self.certificate.verdict
        return "undecided" if stopped and measured == "holds" else measured


def verify(
    artifact: str | Path,
    data: Dataset | None = None,
    reference: str | Path | None = None,
    *,
    labels: Sequence[str] | None = None,
    rerun: bool = False,
    threads: int | None = None,
    force: bool = False,
) -> Verification:
    """Verify the certificate in an artifact's folder.

    data, reference: compared with what the certificate names, and needed for a rerun.
    labels: names for outputs that are called LABEL_0, LABEL_1, ...; for a rerun.
    threads: for a rerun (default: the certificate's, or the cores there are).
    force: verify a certificate that proves nothing too (on texts that were trained on).
    Raises ParetextError if there is no certificate, it proves nothing, or one of them was changed.
    """
    folder = Path(artifact)
    Artifact.load(folder)
    certificate = Certificate.of(folder)
    if certificate is None:
        if run_of(folder) is not None and folder.name == PARENT:
            raise ParetextError(
                f"{folder} has no certificate: it is what the others are certified against."
            )
        made = shell("certify", folder, "--against", "REFERENCE", "--eval", "TEXTS.csv")
        raise ParetextError(f"{folder} has no certificate; make one with: {made}")
    if not force:
        require_sound(certificate, folder)
    if certificate.unlabelled is not None and (rerun or data is not None):
        raise ParetextError(
            f"the certificate of {folder} was made of texts without labels, and verify reads "
            "labelled ones; make it anew with: paretext certify --unlabelled."
        )
    checked = ["artifact: every file has its digest", "certificate: unchanged, and about this one"]
    if data is not None:
        _check_data(certificate, data)
        checked.append(f"data: the {len(data):,} texts that were certified on")
    if reference is not None:
        _check_reference(certificate, Path(reference))
        checked.append(f"reference: {certificate.reference.name}, as certified")
    warnings = machine_differences(certificate.machine)
    again = None
    if rerun:
        if data is None or reference is None:
            raise ParetextError(
                "a rerun needs the texts and the reference: give --eval, --against."
            )
        cores = min(int(certificate.machine["threads"]), available_cores())
        again, _ = measure(
            folder,
            reference,
            data,
            certificate.budget,
            labels=labels,
            at=certificate.at,
            resamples=certificate.resamples,
            seed=certificate.seed,
            threads=threads or cores,
            force=force,
        )
        differences = _differences(certificate, again)
        if certificate.format_version != again.format_version:
            warnings.append(
                f"the certificate has format {certificate.format_version}, whose rules were "
                f"others; by those of format {again.format_version} it is {again.verdict}"
            )
        warnings += differences
        if not differences:
            checked.append(f"measured anew: all {len(again.clauses)} clauses as certified")
    return Verification(certificate, tuple(checked), tuple(warnings), again)


def machine_differences(certified: dict[str, Any]) -> list[str]:
    """What of this machine may make INT8 answers, or times, other than those certified."""
    here = machine(int(certified["threads"]))
    pairs = {
        "the CPU": (certified["cpu"], here["cpu"]),
        "the instruction sets": tuple(
            ", ".join(each["instruction_sets"]) or "none known" for each in (certified, here)
        ),
        "onnxruntime": tuple(each["versions"].get("onnxruntime") for each in (certified, here)),
    }
    return [
        f"{what}: {then} when certified, {now} here; INT8 answers may differ, so measure anew "
        "with --rerun"
        for what, (then, now) in pairs.items()
        if then != now
    ]


def _check_data(certificate: Certificate, data: Dataset) -> None:
    if data.fingerprint != certificate.data.fingerprint:
        raise ParetextError(
            f"{data.name} has {len(data):,} texts with the fingerprint "
            f"{data.fingerprint[:12]}, and the certificate names {certificate.data.texts:,} with "
            f"{certificate.data.fingerprint[:12]}: these are not the texts it was measured on; "
            "give those, or certify on these."
        )


def _check_reference(certificate: Certificate, folder: Path) -> None:
    digest = Manifest.read(folder).identity if is_artifact(folder) else folder_digest(folder)
    if digest != certificate.reference.digest:
        raise ParetextError(
            f"{folder} has the digest {digest[:12]}, and the certificate's reference "
            f"{certificate.reference.name} has {certificate.reference.digest[:12]}: give that one, "
            "or certify against this one."
        )


def _differences(then: Certificate, now: Certificate) -> list[str]:
    """Where measuring anew gave another number of flips, estimate or verdict."""
    differences = []
    if then.flips.flipped != now.flips.flipped:
        differences.append(
            f"flips: {then.flips.flipped:,} when certified, {now.flips.flipped:,} now"
        )
    ruled = then.format_version == now.format_version  # else only what was measured is compared
    for old, new in zip(then.clauses, now.clauses, strict=True):
        if ruled and old.verdict != new.verdict:
            differences.append(f"{old.name}: {old.verdict} when certified, {new.verdict} now")
        elif old.unit == "share" and not _alike(old, new, ruled):
            differences.append(
                f"{old.name}: {old.found.estimate:+.6f} when certified, "
                f"{new.found.estimate:+.6f} now"
            )
    return differences


def _alike(old: Clause, new: Clause, ruled: bool) -> bool:
    if old.parts and not ruled:
        return True  # another class may be the worst
    ends = ("estimate", "low", "high") if ruled else ("estimate",)
    pairs = [(getattr(old.found, name), getattr(new.found, name)) for name in ends]
    return all(abs(a - b) <= TOLERANCE for a, b in pairs)
