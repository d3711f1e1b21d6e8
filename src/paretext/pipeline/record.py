"""What a run's folder says it was made of: run.json, and whose folder it is (`ownership`)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paretext.compression.recipe import Recipe
from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.files import read_json, write_json
from paretext.core.locks import work_in
from paretext.core.ownership import MadeOf, claim, require_free
from paretext.core.run_folder import WRITES, RunFolder
from paretext.data.checks import DataReport
from paretext.data.tables import RowWriter
from paretext.pipeline.candidates import identities, require_models
from paretext.pipeline.parents import was_held_out
from paretext.pipeline.splits import Data

TEXTS = "training texts"
"""What `ownership` calls them."""


def require_startable(models: Sequence[str], out: Path, report: DataReport | None = None) -> None:
    """ParetextError, before PyTorch is imported, for a model that is nowhere, and where `out` is in
    use or is the folder of something else; `report` of the data, once they are read."""
    require_models(models)
    with work_in(out):
        claim_run(models, report, out, record=False)


def claim_run(
    models: Sequence[str],
    report: DataReport | None,
    out: Path,
    *,
    trained: bool = False,
    record: bool = True,
) -> None:
    """ParetextError if `out` is the folder of another run, or of something else."""
    settings, known = RunFolder(out).settings, None
    if settings.is_file():  # a run that has not put on record yet what it is made of
        with contextlib.suppress(ParetextError):
            known = read_json(
                settings, "", lambda values: _made_of({}, DataReport.model_validate(values["data"]))
            )
    asked = _made_of(identities(models), report)
    not_yet = () if trained else ("models",)
    claim(out, asked.job, asked.of, writes=WRITES, not_yet=not_yet, known=known, record=record)


def _made_of(models: Mapping[str, str], report: DataReport | None) -> MadeOf:
    kinds = {"models": dict(models)} if models else {}
    if report is not None:
        texts = f"{report.name}, {report.rows:,} texts, {report.fingerprint[:8]}"
        kinds[TEXTS] = {report.fingerprint: texts}
    return MadeOf(job="run", of=kinds)


def say_changes(record: Path, settings: Mapping[str, Any], report: DataReport) -> None:
    """What differs from the last time; what depends on it is made anew."""
    if not record.is_file():
        return

    def read(values: Any) -> tuple[dict[str, Any], DataReport]:
        return dict(values["recipe"]), DataReport.model_validate(values["data"])

    try:
        old_settings, old_report = read_json(record, "it is written anew", read)
    except ParetextError as error:
        progress.say(str(error))
        return
    changed = [
        f"{name} {old!r} -> {new!r}"
        for name, (old, new) in _differences(old_settings, settings).items()
        if name != "versions"
    ]
    old, new = old_report.evaluation, report.evaluation
    if old and new and old.fingerprint != new.fingerprint:
        changed.append(f"evaluation texts {old.name} ({old.rows:,}) -> {new.name} ({new.rows:,})")
    if changed:
        progress.say(
            f"changed since the last time: {', '.join(changed)}; what depends on it is made anew"
        )


def _differences(
    before: Mapping[str, Any], now: Mapping[str, Any], within: str = ""
) -> dict[str, tuple[Any, Any]]:
    """Setting -> its old and its new value; those of groups by "group.setting"."""
    differences: dict[str, tuple[Any, Any]] = {}
    for name, new in now.items():
        old = before.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            differences |= _differences(old, new, f"{within}{name}.")
        elif old != new:
            differences[f"{within}{name}"] = (old, new)
    return differences


def write_record(recipe: Recipe, data: Data, out: Path) -> None:
    """run.json, and the held-out texts as a file for `paretext compare` and `paretext certify`."""
    held = data.evaluation if data.held_out else None
    if held is not None and held.answered_by is not None:
        held = None
    if held is not None and not was_held_out(out):
        require_free(RunFolder(out).held_out)
    write_json(
        RunFolder(out).settings,
        {
            "recipe": recipe.model_dump(mode="json"),
            "data": data.report.model_dump(mode="json"),
            "splits": data.fingerprints(),
            "held_out": data.held_out,
        },
    )
    if held is None:
        return
    with RowWriter(RunFolder(out).held_out, ["text", "label"]) as writer:
        for text, label in zip(held.texts, held.labels, strict=True):
            writer.write({"text": text, "label": held.label_names[label]})
    progress.say(f"the texts to measure on are in {RunFolder(out).held_out}")
