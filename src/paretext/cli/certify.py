"""The verb certify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paretext.cli.options import Budgets, Json, LabelColumn, Labels, OnBadRow, TextColumn, Threads

HeldOut = Annotated[
    str,
    typer.Option("--eval", help="Held-out texts that neither training nor compression has seen."),
]
STATUS = {"holds": 0, "broken": 1, "undecided": 3}
"""Exit statuses; 2 is for what could not run."""


def certify(
    candidate: Annotated[Path, typer.Argument(help="The artifact to certify.")],
    against: Annotated[
        Path, typer.Option(help="The reference: an artifact, or a classifier's folder (PyTorch).")
    ],
    eval_: HeldOut,
    budget: Budgets = None,
    at: Annotated[
        list[str] | None,
        typer.Option(help="Operating point: precision=0.9 or fpr=0.01; give several."),
    ] = None,
    no_texts: Annotated[
        bool, typer.Option("--no-texts", help="List flips by row number, without their texts.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Of NAME-flips.csv (default: RUN/certificates)."),
    ] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap resamples.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Of the resamples.")] = 0,
    labels: Labels = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    on_bad_row: OnBadRow = "fail",
    threads: Threads = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Certify on texts that were trained on too; the certificate says so."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Certify what compression changed: clause by clause holds, broken or undecided.

    Exit status: 0 holds, 1 broken, 3 undecided, 2 could not run.

    Example: paretext certify runs/emotion/artifacts/int8
    --against runs/emotion/artifacts/parent --eval test.csv
    """
    from paretext.cli.console import dump, show_certificate, show_verdict
    from paretext.cli.endings import of_certificate
    from paretext.pipeline.calls import certify as certify_one

    certificate = certify_one(
        candidate,
        against,
        eval_,
        budget,
        labels=labels,
        text_column=text_column,
        label_column=label_column,
        on_bad_row=on_bad_row,
        at=at or (),
        resamples=resamples,
        seed=seed,
        threads=threads,
        texts=not no_texts,
        out=out,
        force=force,
    )
    verdict = of_certificate(certificate, candidate, against)
    if json:  # whose own verdict is a word
        found = certificate.model_dump(mode="json")
        dump({**found, "conclusion": verdict.model_dump(mode="json")})
    else:
        show_certificate(certificate, candidate, out)
        show_verdict(verdict)
    raise typer.Exit(STATUS[certificate.verdict])
