"""The verb run."""

from __future__ import annotations

from paretext.cli.commands import Json
from paretext.core.run_folder import RunFolder
from paretext.pipeline.options import Run


def run(asked: Run, json: Json = False) -> None:
    """From a table of labelled texts to the folder to deploy, trained and certified.

    Example: paretext run --data tickets.csv

    Default model: distilroberta-base; a linear one runs too. Can be resumed.
    """
    from paretext.cli.console import show_comparison
    from paretext.cli.endings import of_run
    from paretext.pipeline import calls

    folder = calls.run(asked).folder
    show_comparison(RunFolder(folder).comparison, of_run(folder), json)
