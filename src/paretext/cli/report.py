"""The verb report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paretext.cli.options import Json


def report(
    run: Annotated[Path, typer.Argument(help="A run's folder, finished or not.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Where to write (report/ in the run)."),
    ] = None,
    json: Json = False,
) -> None:
    """Write a run's page anew: one HTML file with everything in it, and the same data as JSON.

    Example: paretext report runs/emotion

    A run that was interrupted shows what there is, and what is missing.
    """
    from pydantic_core import from_json

    from paretext.cli.console import dump, line, show_verdict
    from paretext.report.run_page import write_report

    page, found = write_report(run, out)
    if json:
        dump(from_json(found.model_dump_json()))
        return
    for each in found.missing:
        line(f"missing  {each.said}")
    line(f"Wrote {page}, and the same data beside it as report.json.")
    show_verdict(found.conclusion)
