"""Verdict: what every verb ends with, in the terminal and, for a run, first on its page.

One line that says what came out and where it lies, a few short sentences that say why, and the next
step ready to copy: a command, and the line of Python that uses what was found.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from pydantic import BaseModel, ConfigDict


class Verdict(BaseModel):
    """What a verb has found, and what to do next."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    headline: str
    """One sentence, or what to deploy and its path: "Deploy int8: runs/x/artifacts/int8"."""
    sentences: tuple[str, ...] = ()
    """Why: a few short ones."""
    path: str | None = None
    """Of what was found; None where there is nothing to use."""
    command: str | None = None
    """The next one, as it is typed into a shell."""
    python: str | None = None
    """The line that uses what lies at the path."""


def shell(*words: str | Path) -> str:
    """A command of paretext as it is typed into a shell, paths quoted where they need it."""
    return shlex.join(["paretext", *map(str, words)])


def predicting(artifact: str | Path) -> str:
    """The command that uses an artifact."""
    return shell("predict", artifact, "input.csv", "-o", "output.csv")


def loading(artifact: str | Path) -> str:
    """The line of Python that uses an artifact."""
    return f'import paretext; paretext.Artifact.load({_literal(artifact)}).predict(["..."])'


def opening(classifier: str | Path) -> str:
    """The line of Python that opens a classifier."""
    return f"import paretext; paretext.Classifier.load({_literal(classifier)})"


def _literal(path: str | Path) -> str:
    return json.dumps(str(path), ensure_ascii=False)  # a string of JSON is one of Python
