"""Checkpoints of a training: which of them can be trusted to go on from.

Trainer writes a checkpoint file by file, and deletes old ones so; a process that is killed, a full
disk or a power cut can leave one that looks whole. So each gets a list of its files' digests, last
of all, and training goes on from the last checkpoint that is as its list says.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.files import files_below, read_json, sha256, write_json

_STATE = "trainer_state.json"
_DIGESTS = "digests.json"
"""A checkpoint's last file: the digests of the others. One without it was never finished."""


def seal(checkpoint: Path) -> None:
    """Write down the digests of a checkpoint's files, when all of them are there."""
    files = {path.name: sha256(path) for path in files_below(checkpoint) if path.name != _DIGESTS}
    write_json(checkpoint / _DIGESTS, files)


def _damage(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint, if anything."""
    if not (checkpoint / _DIGESTS).is_file():
        return "was not finished"
    try:
        files = read_json(checkpoint / _DIGESTS, "it is not used", dict[str, str])
    except ParetextError:
        return f"is not whole: {_DIGESTS}"
    for name, digest in files.items():
        path = checkpoint / name
        if not path.is_file() or sha256(path) != digest:
            return f"is not whole: {name}"
    return None if _STATE in files else f"is not whole: {_DIGESTS}"


def last_whole(work: Path, label: str) -> Path | None:
    """The last checkpoint whose files are all as they were written, and those of the best one so
    far too, since its weights are the result if none gets better. The others are removed."""
    there = sorted(work.glob("checkpoint-*"), key=steps_done, reverse=True)
    whole = []
    for checkpoint in there:
        if (wrong := _damage(checkpoint)) is None:
            whole.append(checkpoint)
        else:
            progress.say(f"{label}: {checkpoint.name} {wrong}; it is not used")
            shutil.rmtree(checkpoint)
    for checkpoint in whole:
        if _best_of(checkpoint) in whole:
            return checkpoint
        progress.say(
            f"{label}: the best checkpoint before {checkpoint.name} is gone; neither is used"
        )
        shutil.rmtree(checkpoint)
    if there:
        progress.say(f"{label}: no checkpoint is whole, so it begins anew")
    return None


def _best_of(checkpoint: Path) -> Path:
    """The checkpoint with the best score up to this one; itself where no score was a number."""
    best = json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))["best_global_step"]
    return checkpoint.with_name(f"checkpoint-{best}") if best else checkpoint


def prepare_to_resume(checkpoint: Path) -> bool:
    """Whether the training had ended, at its last step or early: Trainer would go on before it
    looked.

    The last weights would stand for the best if the folder had been moved, as Trainer keeps the
    best checkpoint's path; so that is put right.
    """
    state = json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))
    best = str(_best_of(checkpoint))
    if state["best_model_checkpoint"] not in (best, None):
        write_json(checkpoint / _STATE, {**state, "best_model_checkpoint": best})
        seal(checkpoint)
    return bool(state["stateful_callbacks"]["TrainerControl"]["args"]["should_training_stop"])


def steps_done(checkpoint: Path | None) -> int:
    number = checkpoint.name.removeprefix("checkpoint-") if checkpoint else ""
    return int(number) if number.isdecimal() else 0
