"""A full disk: one sentence, nothing half-written, and the same command goes on afterwards."""

# ruff: noqa: F401, F811  (a fixture comes by import)

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import toy
from test_bad_input import ROWS, SHORT, Job, job, refused


class FullDisk:
    """In place of a function that writes: fails until there is space."""

    def __init__(self, real: Any, error: Exception) -> None:
        self.real, self.error, self.full = real, error, True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.full:
            raise self.error
        return self.real(*args, **kwargs)


def no_space(path: str = "somewhere") -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


def test_a_full_disk_in_export(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    from paretext.graphs import artifact_writer

    disk = FullDisk(artifact_writer.model_card, no_space())
    monkeypatch.setattr(artifact_writer, "model_card", disk)
    (job.folder / "recipe.yaml").write_text("versions: []", encoding="utf-8")
    arguments = ("train", "--data", job.train, "--model", job.model, "--out", job.out)
    assert job.command(*arguments, *SHORT).status == 0
    compress = (
        *("compress", job.out, "--data", job.train),
        *("--recipe", job.folder / "recipe.yaml"),
    )
    refused(job.command(*compress), "the disk is full while writing somewhere", "free some space")
    assert not (job.out / "artifacts" / "parent").exists()
    disk.full = False
    assert job.command(*compress).status == 0
    assert [path.name for path in (job.out / "artifacts").iterdir()] == ["parent"]


@pytest.mark.parametrize("error", ["safetensors", "torch", "os"])
def test_a_full_disk_in_training(error: str, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what the libraries raise on a full file system; only one of them is an OSError."""
    import torch
    from safetensors import SafetensorError
    from transformers import modeling_utils

    import paretext.pipeline.candidates

    owner, name = {
        "safetensors": (modeling_utils, "safe_save_file"),
        "torch": (torch, "save"),
        "os": (paretext.pipeline.candidates, "learning_curves"),
    }[error]
    raised = {
        "safetensors": SafetensorError(
            "Error while serializing: I/O error: No space left on device (os error 28)"
        ),
        "torch": RuntimeError(
            "[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"
        ),
        "os": no_space(),
    }[error]
    disk = FullDisk(getattr(owner, name), raised)
    monkeypatch.setattr(owner, name, disk)
    arguments = ("train", "--data", job.train, "--model", job.model, "--out", job.out, *SHORT)
    refused(job.command(*arguments), "the disk is full", "run the same command again")
    assert not (job.out / "candidates" / "roberta").exists()
    disk.full = False
    ended = job.command(*arguments)
    assert ended.status == 0, ended.err
    # the epoch is not trained again if its checkpoint was whole
    assert ("goes on from checkpoint" in ended.err) == (error == "os")
    assert [path.name for path in (job.out / "candidates").iterdir()] == ["roberta"]
    assert not list((job.out / ".stages").glob("*.begun"))


def test_a_full_disk_in_predict(
    tmp_path: Path, versions: dict[str, Path], command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from paretext.data.formats import delimited

    texts = toy.write(tmp_path / "texts.csv", ROWS)
    disk = FullDisk(delimited.DelimitedSink.write, no_space())
    monkeypatch.setattr(delimited.DelimitedSink, "write", lambda *args: disk(*args))
    arguments = ("predict", versions["int8"], texts, "-o", tmp_path / "answers.csv")
    refused(command(*arguments), "full")
    assert [path.name for path in tmp_path.iterdir()] == ["texts.csv"]
    disk.full = False
    assert command(*arguments).status == 0
