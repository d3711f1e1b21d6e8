"""The verb search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paretext.cli.certify import STATUS
from paretext.cli.options import (
    Budgets,
    DataFile,
    DropLeaks,
    Json,
    LabelColumn,
    Labels,
    OnBadRow,
    SelectionFile,
    TextColumn,
    Threads,
    UnlabelledFile,
)


def search(
    source: Annotated[Path, typer.Argument(help="A run's folder, or a classifier's.")],
    data: DataFile,
    eval_: Annotated[
        str | None,
        typer.Option("--eval", help="Texts to certify the winner on; the search never sees them."),
    ] = None,
    budget: Budgets = None,
    trials: Annotated[int, typer.Option(min=1, help="Trainings in all.")] = 20,
    hours: Annotated[float | None, typer.Option(min=0, help="Time limit.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0, help="Time limit.")] = None,
    storage: Annotated[
        str | None, typer.Option(help="The study's database as a URL (default: SQLite in --out).")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a study that has to be there.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where to write (default: RUN/search).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the points that are tried.")] = 0,
    unlabelled: UnlabelledFile = None,
    selection: SelectionFile = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    labels: Labels = None,
    on_bad_row: OnBadRow = "fail",
    drop_leaks: DropLeaks = False,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Find the best recipe under a budget; without one, the Pareto front of what there is.

    Example: paretext search runs/emotion --data train.csv --eval held_out.csv
    --budget "p95_latency<=1ms, size<=5MB, macro_f1_drop<=0.01" --minutes 90

    Started again it goes on where it was, and started twice both processes share the work. Exit
    status: 0 the winner's certificate holds (or there is none to give), 1 it is broken or no recipe
    holds the limits, 3 it is undecided.
    """
    from paretext.cli.console import dump_with, line, show_certificate, show_verdict, table
    from paretext.cli.endings import of_search
    from paretext.pipeline.calls import search as search_for
    from paretext.report.front import COLUMNS, cells

    found = search_for(
        source,
        data,
        eval=eval_,
        budget=budget,
        trials=trials,
        hours=hours,
        minutes=minutes,
        unlabelled=unlabelled,
        selection=selection,
        labels=labels,
        text_column=text_column,
        label_column=label_column,
        on_bad_row=on_bad_row,
        drop_leaks=drop_leaks,
        out=out,
        storage=storage,
        resume=resume,
        seed=seed,
        threads=threads,
    )
    verdict = of_search(found, source)
    if json:
        certificate = found.certificate and found.certificate.model_dump(mode="json")
        dump_with(verdict, {**found.record(), "certificate": certificate})
    else:
        table(COLUMNS, cells(found), title="Pareto front on the selection split")
        if found.certificate is not None:
            show_certificate(found.certificate)
        won = " and winner/" if found.winner else ""
        line(f"Wrote {found.folder}: pareto.json, pareto.svg{won}.")
        show_verdict(verdict)
    if found.limits and found.winner is None:
        raise typer.Exit(STATUS["broken"])
    if found.certificate is not None:
        raise typer.Exit(STATUS[found.certificate.verdict])
