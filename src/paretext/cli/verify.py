"""The verb verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paretext.cli.certify import STATUS
from paretext.cli.options import Json, LabelColumn, Labels, OnBadRow, TextColumn, Threads


def verify(
    artifact: Annotated[Path, typer.Argument(help="An artifact with a certificate.")],
    eval_: Annotated[
        str | None, typer.Option("--eval", help="The texts that it was certified on.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="The reference that it was certified against.")
    ] = None,
    rerun: Annotated[
        bool, typer.Option("--rerun", help="Measure every claim anew, on this machine.")
    ] = False,
    labels: Labels = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    on_bad_row: OnBadRow = "fail",
    threads: Threads = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Verify one on texts that were trained on too."),
    ] = False,
    json: Json = False,
) -> None:
    """Check a certificate: digests of all it names, the machine, and with --rerun its claims.

    Exit status: that of the verdict (0 holds, 1 broken, 3 undecided); 2 if something was changed.
    Example: paretext verify runs/emotion/artifacts/int8 --eval test.csv
    """
    from paretext.certification.verify import verify as verify_one
    from paretext.cli.console import dump, line, show_certificate, show_verdict
    from paretext.cli.endings import of_certificate
    from paretext.data.dataset import Dataset, read_label_names
    from paretext.data.reading import NamedBy

    given = None if labels is None else read_label_names(labels)
    texts = None
    if eval_ is not None:
        names = _names(artifact, against, given)
        texts = Dataset.read(
            eval_,
            text_column=text_column,
            label_column=label_column,
            label_names=names,
            named_by=NamedBy.model(against or artifact, names),
            split="test",
            on_bad_row=on_bad_row,
        )
    found = verify_one(
        artifact, texts, against, labels=given, rerun=rerun, threads=threads, force=force
    )
    certificate = found.again or found.certificate
    verdict = of_certificate(certificate, artifact, against)
    if json:
        dump(
            {
                "verdict": found.verdict,
                "checked": found.checked,
                "warnings": found.warnings,
                "certificate": certificate.model_dump(mode="json"),
                "conclusion": verdict.model_dump(mode="json"),
            }
        )
    else:
        show_certificate(certificate)
        for sentence in found.checked:
            line(f"- {sentence}")
        for sentence in found.warnings:
            line(f"- warning: {sentence}")
        show_verdict(verdict)
    raise typer.Exit(STATUS[found.verdict])


def _names(artifact: Path, against: Path | None, given: tuple[str, ...] | None) -> tuple[str, ...]:
    """The reference's label names; without it the certificate's, which are the same in order."""
    from paretext.certification.certificate import Certificate
    from paretext.certification.model import labels_of

    certificate = Certificate.of(artifact) if against is None else None
    if certificate is not None:
        return tuple(certificate.data.counts)
    return labels_of(against or artifact, given)
