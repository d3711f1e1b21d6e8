"""The verb inspect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paretext.cli.options import Json


def inspect(
    path: Annotated[Path, typer.Argument(help="An artifact, a classifier's folder or a run.")],
    json: Json = False,
) -> None:
    """Say what a folder is: labels, recipe, lineage, sizes; verify an artifact's digests.

    Example: paretext inspect runs/emotion/artifacts/int8
    """
    from paretext.cli.console import dump_with, pairs, show_verdict
    from paretext.cli.endings import of_folder
    from paretext.pipeline.inspection import describe

    found = describe(path)
    verdict = of_folder(path, found)
    if json:
        dump_with(verdict, found)
        return
    pairs(found, title=str(path))
    show_verdict(verdict)
