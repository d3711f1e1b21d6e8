"""The verb demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paretext.cli.options import Json, Threads
from paretext.core.run_folder import RunFolder


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="The run's folder.")] = Path("runs/demo"),
    seed: Annotated[int, typer.Option(help="Seed of the corpus and of training.")] = 0,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """The whole job in a few minutes, offline: generated texts, a small RoBERTa from scratch.

    Example: paretext demo
    """
    from paretext.cli.console import show_comparison
    from paretext.cli.endings import of_run
    from paretext.demo.job import run_demo

    run_demo(out, seed=seed, threads=threads)
    show_comparison(RunFolder(out).comparison, of_run(out), json)
