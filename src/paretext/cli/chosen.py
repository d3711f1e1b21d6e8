"""The artifact that a verb takes where it is given a run's folder."""

from __future__ import annotations

from pathlib import Path

from paretext.core.errors import ParetextError
from paretext.core.run_folder import RunFolder
from paretext.core.unfinished import unfinished


def artifact_of(given: Path, does: str) -> Path:
    """The folder itself, or of a run's the version that its page recommends, which is said: "DOES
    int8, which the run recommends"."""
    from paretext.runtime.manifest import NAME

    run, begun = RunFolder(given), unfinished(given)
    is_run = run.artifacts.is_dir() or run.candidates.is_dir() or begun is not None
    if (given / NAME).is_file() or not is_run:
        return given
    from paretext.core.progress import say
    from paretext.report.run_gather import gather

    artifacts, report = run.artifacts, gather(given)
    version = report.conclusion.version
    if version is None and begun is not None:
        raise ParetextError(
            f"the run {given} was interrupted and recommends no artifact yet; {begun.remedy}"
        )
    if version is None:
        made = [each for each in run.listed() if (each / NAME).is_file()]
        if not made:
            raise ParetextError(
                f"the run {given} has no artifact yet; make some with: {report.conclusion.command}"
            )
        listed = f"name one of {', '.join(map(str, made))}"
        lacks = next((each.said for each in report.missing if each.part == "comparison"), "")
        why = f" ({lacks.rstrip('.')})" if lacks else ""
        raise ParetextError(f"the run {given} recommends none of its artifacts{why}; {listed}.")
    say(f"{does} {version}, which the run recommends: {artifacts / version}")
    return artifacts / version
