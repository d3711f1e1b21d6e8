"""The verb demo."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from paretext.cli.commands import Json
from paretext.core.run_folder import RunFolder
from paretext.pipeline.sources import Cores


class Demo(Cores):
    out: Path = Field(Path("runs/demo"), description="The run's folder.")
    seed: int = Field(0, description="Seed of the corpus and of training.")


def demo(asked: Demo, json: Json = False) -> None:
    """The whole job in a few minutes, offline: generated texts, a small RoBERTa from scratch.

    Example: paretext demo
    """
    from paretext.cli.console import show_comparison
    from paretext.cli.endings import of_run
    from paretext.demo.job import run_demo

    run_demo(asked.out, seed=asked.seed, threads=asked.threads)
    show_comparison(RunFolder(asked.out).comparison, of_run(asked.out), json)
