"""The verb inspect."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from paretext.cli.commands import Json
from paretext.core.settings import Settings


class Inspect(Settings):
    path: Path = Field(title="PATH", description="An artifact, a classifier's folder or a run.")


def inspect(asked: Inspect, json: Json = False) -> None:
    """Say what a folder is: labels, recipe, lineage, sizes; verify an artifact's digests.

    Example: paretext inspect runs/emotion/artifacts/int8
    """
    from paretext.cli.console import dump_with, pairs, show_verdict
    from paretext.cli.endings import of_folder
    from paretext.pipeline.inspection import describe

    description = describe(asked.path)
    verdict = of_folder(asked.path, description)
    if json:
        dump_with(verdict, description)
        return
    pairs(description, title=str(asked.path))
    show_verdict(verdict)
