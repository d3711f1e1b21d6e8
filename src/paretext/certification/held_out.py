"""Whether texts are held out: a certificate on texts that a model was trained on says nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from paretext.certification.certificate import Certificate
from paretext.core.errors import ParetextError
from paretext.data.dataset import Dataset
from paretext.data.sketch import Overlap
from paretext.measure.seen import overlap, say_seen
from paretext.runtime.manifest import Manifest


def require_held_out(
    data: Dataset, manifests: Sequence[Manifest], force: bool = False
) -> Overlap | None:
    """`overlap`; ParetextError where most of the texts were trained on, unless forced."""
    seen = overlap(data, manifests)
    if seen is None:
        return None
    if seen.mostly and not force:
        raise ParetextError(
            f"{seen} of {data.name} are texts that the models have seen (trained, chosen or "
            "calibrated on): a "
            "certificate needs texts that neither training nor compression has seen, so give "
            "others (--force is only to try things out: the certificate says that it proves "
            "nothing)."
        )
    say_seen(seen, data)
    return seen


def doubts(certificate: Certificate, manifest: Manifest) -> str | None:
    """Why a certificate proves nothing, whatever its verdict; None for a sound one.

    manifest: of the artifact that it lies in. Certificates of older versions did not look.
    """
    on_training = certificate.data.fingerprint in manifest.data.values()
    if on_training or not certificate.is_held_out:
        return "it was measured on texts that the models were trained on"
    if certificate.candidate.digest == certificate.reference.digest:
        return "it compares the artifact with itself"
    return None


def require_sound(certificate: Certificate, folder: Path) -> None:
    """ParetextError for a certificate that proves nothing."""
    if doubt := doubts(certificate, Manifest.read(folder)):
        raise ParetextError(
            f"the certificate of {folder} proves nothing, since {doubt}; certify against another "
            "model on texts that were held out."
        )
