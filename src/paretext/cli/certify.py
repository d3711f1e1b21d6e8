"""The verb certify."""

from __future__ import annotations

from pathlib import Path

import typer

from paretext.cli.commands import Json
from paretext.pipeline.options import Certify

STATUS = {"holds": 0, "broken": 1, "undecided": 3}
"""Exit statuses; 2 is for what could not run."""


def certify(asked: Certify, json: Json = False) -> None:
    """Certify what compression changed: clause by clause holds, broken or undecided.

    Exit status: 0 holds, 1 broken, 3 undecided, 2 could not run.

    Example: paretext certify runs/emotion/artifacts/int8
    --against runs/emotion/artifacts/parent --eval test.csv

    Example: paretext certify runs/emotion/artifacts/int8
    --against runs/emotion/artifacts/parent --unlabelled traffic.csv

    Example: paretext certify --predictions new.csv --against old.csv --eval truth.csv
    """
    from paretext.cli.console import (
        dump,
        open_page,
        show_certificate,
        show_unlabelled,
        show_verdict,
    )
    from paretext.cli.endings import of_certificate, of_predictions, of_unlabelled
    from paretext.pipeline import calls
    from paretext.pipeline.certified import page_of, place_of, to_label_of
    from paretext.pipeline.sources import as_path

    certificate, artifact = calls.certify(asked), Path(asked.artifact or "")
    if certificate.unlabelled is not None:
        verdict = of_unlabelled(certificate, asked)
    elif asked.artifact is None:
        place = place_of(asked) or Path()
        verdict = of_predictions(certificate, place, asked.predictions, asked.against, asked.eval)
    else:
        verdict = of_certificate(certificate, artifact, asked.against)
    if json:  # whose own verdict is a word
        record = certificate.model_dump(mode="json")
        dump({**record, "conclusion": verdict.model_dump(mode="json")})
    else:
        show_certificate(certificate, artifact if asked.artifact else None, as_path(asked.out))
        if certificate.unlabelled is not None:
            show_unlabelled(certificate, to_label_of(asked))
            if asked.label_page:
                open_page(page_of(asked))
        show_verdict(verdict)
    raise typer.Exit(STATUS[certificate.gate])
