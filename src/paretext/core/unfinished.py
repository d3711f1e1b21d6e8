"""unfinished(): the command that a folder waits for.

A job that was killed, stopped or met a fault goes on where it was when the same command is given
again, and nobody remembers one of ten options: `locks` puts it on record where it works.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from paretext.core.locks import JOB, at_work
from paretext.core.run_folder import RECORDS


@dataclass(frozen=True)
class Unfinished:
    """A job that was begun in a folder and has not ended there.

    command: the one that continues it, as it was given; None where that is not known, of a call in
    Python among others.
    """

    command: str | None

    @property
    def sentence(self) -> str:
        """What to do; the command stands below it."""
        if self.command is None:
            return "The same call goes on where it was."
        return "The command below, which is the one that was given, goes on where it was."

    @property
    def remedy(self) -> str:
        """What to do, as the end of a sentence."""
        if self.command is None:
            return "the same call goes on where it was"
        return f"go on with: {self.command}"


def unfinished(folder: Path) -> Unfinished | None:
    """What was begun in `folder` and was interrupted; None where all has ended, or is at work.

    From another place than the one where it was given, the command goes there first; of a folder
    that was copied or moved since it is not known, since it would work on the other.
    """
    path = folder / RECORDS / JOB
    if not path.is_file() or at_work(folder) is not None:
        return None
    try:
        job = json.loads(path.read_text(encoding="utf-8"))
        command, place = job["command"], Path(job["in"])
        is_here = Path(job["folder"]) == folder.resolve()
    except (OSError, ValueError, KeyError, TypeError):
        return Unfinished(None)
    if not isinstance(command, str) or not is_here:
        return Unfinished(None)
    if place != Path.cwd():
        command = f"{shlex.join(['cd', str(place)])} && {command}"
    return Unfinished(command)
