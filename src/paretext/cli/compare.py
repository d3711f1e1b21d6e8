"""The verb compare."""

from __future__ import annotations

from pathlib import Path

from paretext.cli.commands import Json
from paretext.core.run_folder import RunFolder
from paretext.pipeline.options import Compare
from paretext.pipeline.sources import listed


def compare(asked: Compare, json: Json = False) -> None:
    """Measure artifacts on the same texts: quality with paired intervals, size, memory, speed.

    Differences are taken against the first artifact.

    Example: paretext compare runs/emotion --eval test.csv
    """
    from paretext.cli.console import show_comparison
    from paretext.cli.endings import of_comparison
    from paretext.pipeline import calls
    from paretext.pipeline.stages import artifacts_of

    comparison = calls.compare(asked)
    artifacts = [Path(each) for each in listed(asked.artifacts) or ()]
    run = artifacts[0]
    folder = Path(asked.out or RunFolder(run).comparison)
    made = artifacts_of(run) if RunFolder(run).artifacts.is_dir() else artifacts
    show_comparison(folder, of_comparison(comparison, made, folder), json)
