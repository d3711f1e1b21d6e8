"""The verb report."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from paretext.cli.commands import Json
from paretext.core.settings import Settings


class Report(Settings):
    run: Path = Field(title="RUN", description="A run's folder, finished or not.")
    out: Path | None = Field(None, description="Where to write (report/ in the run).")


def report(asked: Report, json: Json = False) -> None:
    """Write a run's page anew: one HTML file with everything in it, and the same data as JSON.

    Example: paretext report runs/emotion

    A run that was interrupted shows what there is, and what is missing.
    """
    from pydantic_core import from_json

    from paretext.cli.console import dump, line, show_verdict
    from paretext.report.run_page import write_report

    page, run_report = write_report(asked.run, asked.out)
    if json:
        dump(from_json(run_report.model_dump_json()))
        return
    for each in run_report.missing:
        line(f"missing  {each.said}")
    line(f"Wrote {page}, and the same data beside it as report.json.")
    show_verdict(run_report.conclusion)
