"""The verb search."""

from __future__ import annotations

from pathlib import Path

import typer

from paretext.cli.certify import STATUS
from paretext.cli.commands import Json
from paretext.pipeline.options import Search


def search(asked: Search, json: Json = False) -> None:
    """Find the best recipe under a budget; without one, the Pareto front of what there is.

    Example: paretext search runs/emotion --data train.csv --eval held_out.csv
    --budget "p95_latency<=1ms, size<=5MB, macro_f1_drop<=0.01" --time 90m

    Started again it goes on where it was, and started twice both processes share the work. Exit
    status: 0 the winner's certificate holds (or there is none to give), 1 it is broken or no recipe
    holds the limits, 3 it is undecided.
    """
    from paretext.cli.console import dump_with, line, show_certificate, show_verdict, table
    from paretext.cli.endings import of_search
    from paretext.pipeline import calls
    from paretext.report.front import COLUMNS, cells

    outcome = calls.search(asked)
    verdict = of_search(outcome, Path(asked.model))
    if json:
        certificate = outcome.certificate and outcome.certificate.model_dump(mode="json")
        dump_with(verdict, {**outcome.record(), "certificate": certificate})
    else:
        table(COLUMNS, cells(outcome), title="Pareto front on the selection split")
        if outcome.certificate is not None:
            show_certificate(outcome.certificate)
        won = " and winner/" if outcome.winner else ""
        line(f"Wrote {outcome.folder}: pareto.json, pareto.svg{won}.")
        show_verdict(verdict)
    if outcome.limits and outcome.winner is None:
        raise typer.Exit(STATUS["broken"])
    if outcome.certificate is not None:
        raise typer.Exit(STATUS[outcome.certificate.gate])
