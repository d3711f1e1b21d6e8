"""The verb serve."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field

from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.locks import keep
from paretext.pipeline.sources import Cores
from paretext.serving.settings import Limits

if TYPE_CHECKING:
    from paretext.serving.service import Claim


class Address(Cores):
    model_config = ConfigDict(title="Service")

    host: str = Field("127.0.0.1", description="Address to listen at; 0.0.0.0: all.")
    port: int | None = Field(
        None, ge=0, le=65_535, description="Port to listen at (default: 8080); 0: one that is free."
    )
    token_file: Path | None = Field(
        None, title="FILE", description="A token that requests must bring; its first line."
    )
    cors: tuple[str, ...] = Field(
        (), title="ORIGIN...", description="A page's origin that may ask; may repeat."
    )
    require_certificate: bool = Field(
        False, description="Refuse an artifact without a certificate that holds here."
    )
    drain: float = Field(
        30.0, gt=0, le=3600, description="Seconds to answer what was accepted at the end."
    )
    log: Path | None = Field(
        None,
        title="FILE",
        description="Table that keeps counts of labels, confidences and lengths, no texts.",
    )
    request_log: bool = Field(True, description="Log a line of JSON for each request, no texts.")


class Serve(Limits, Address):
    artifacts: tuple[str, ...] = Field(
        title="ARTIFACTS...",
        min_length=1,
        description="Folders of artifacts or of runs, or NAME=FOLDER; the first answers where none "
        "is named.",
    )


def serve(asked: Serve) -> None:
    """Answer texts over HTTP, and show a page to try it. No PyTorch needed.

    It speaks as text-embeddings-inference does (POST /predict), to the Hugging Face client, in
    KServe's protocol (/v2), and has routes and a page of its own. SIGTERM ends it when all that it
    has accepted is answered.

    Example: paretext serve runs/emotion/artifacts/int8 --port 8080

    Example: curl localhost:8080/predict --json '{"inputs": "i feel wonderful"}'
    """
    from paretext.core.extras import require_serving

    require_serving()
    from paretext.cli.chosen import artifact_of
    from paretext.runtime.artifact import Artifact
    from paretext.serving.counts import Counts
    from paretext.serving.server import address, listen, serve
    from paretext.serving.service import Service, named

    folders = {name: artifact_of(given, "serves") for name, given in named(asked.artifacts).items()}
    artifacts = {
        name: Artifact.load(folder, threads=asked.threads) for name, folder in folders.items()
    }
    claims = {name: claim_of(folder, asked.require_certificate) for name, folder in folders.items()}
    limits = Limits(**asked.part(Limits))
    port = 8080 if asked.port is None else asked.port
    # Held before it is read: of two services with one file, the last to write would have it alone.
    with contextlib.nullcontext() if asked.log is None else keep(asked.log):
        counts = None if asked.log is None else Counts(asked.log)
        service = Service(artifacts, claims, limits, token_of(asked.token_file), counts)
        if counts is not None:
            counts.write(counts.so_far())  # refused now, not in a minute
        socket = listen(asked.host, port)
        if sys.stderr.isatty():  # the log of a service is lines of JSON alone
            progress.say(f"answering at {address(socket)} (Ctrl-C ends it)")
        serve(service, socket, asked.cors, asked.request_log, asked.drain)


def claim_of(folder: Path, required: bool) -> Claim | None:
    """What the artifact's certificate promises; ParetextError if one is required that does not
    hold, or not on this machine."""
    from paretext.certification.certificate import Certificate
    from paretext.certification.gate import check_certificate, check_machine
    from paretext.certification.wording import claim
    from paretext.serving.service import Claim

    check_certificate(folder, required)
    certificate = Certificate.of(folder)
    if certificate is None:
        return None
    if required:
        check_machine(certificate, folder)
    thresholds: dict[str, Any] = {}
    for point in certificate.operating_points:
        if point.threshold is not None:
            thresholds.setdefault(point.at, {})[point.label] = point.threshold
    return Claim(certificate.verdict, certificate.sentence or claim(certificate), thresholds)


def token_of(file: Path | None) -> str | None:
    """The first line of a file; ParetextError where there is none."""
    if file is None:
        return None
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ParetextError(
            f"the token's file {file} cannot be read ({reason}); mend it."
        ) from None
    token = lines[0].strip() if lines else ""
    if len(token) < 8:
        raise ParetextError(
            f"the token in {file} has {len(token)} characters; give one of 8 or more, such as that "
            "of: openssl rand -hex 32."
        )
    return token
