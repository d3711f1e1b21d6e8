"""A run that was killed, at any point, and started again ends as one that never was."""

from __future__ import annotations

import csv
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import toy

from paretext.core import files
from paretext.core.files import SCRATCH, Stages, files_below, sha256

DRIVER = Path(__file__).with_name("killed_run.py")
TIMED = ("peak_memory_bytes", "first_answer_ms", "batch1_ms_", "batch32_ms_", "bulk_texts_")
RECIPE = """
max_length: 32
training: {epochs: 2, batch_size: 8, learning_rate: 5.0e-3, precision: fp32, device: cpu}
versions:
  - {name: pruned, steps: [{step: magnitude_pruning, recovery_epochs: 2}]}
  - {name: pruned-int8, from: pruned, steps: [{step: dynamic_quantization}]}
  - name: taught
    steps:
      - {step: vocabulary}
      - {step: distillation, epochs: 2, copies: 0, batch_size: 8, learning_rate: 5.0e-3}
      - {step: dynamic_quantization}
"""

# Each kill, and the words that the process after it (killed at the next point) must say, and not.
KILLS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (
        "in_the_middle_of_epoch_2",
        ("training roberta: goes on from checkpoint-13",),
        ("training roberta: epoch 1",),
    ),
    (
        "while_the_second_checkpoint_is_written",
        ("training roberta: goes on from checkpoint-13", "training roberta: epoch 2"),
        ("training roberta: epoch 1",),
    ),
    (
        "when_training_is_over_and_not_saved",
        ("training roberta: goes on from checkpoint-26", "roberta: trained"),
        ("training roberta: epoch",),
    ),
    (
        "in_the_middle_of_an_export",
        ("roberta: kept", "artifact parent: made", "recovery after pruning: epoch 1"),
        ("training roberta",),
    ),
    (
        "in_the_middle_of_epoch_2",  # now of the fine-tuning after pruning
        ("artifact parent: kept", "recovery after pruning: goes on from checkpoint-13"),
        ("recovery after pruning: epoch 1",),
    ),
    (
        "between_the_record_and_the_rename",
        ("pruned: kept", "artifact pruned: made", "artifact pruned-int8: made"),
        ("recovery after pruning",),
    ),
    (
        "in_the_middle_of_epoch_2",  # now of the distillation
        ("taught.1-vocabulary: kept", "distillation: goes on from checkpoint-13"),
        ("distillation: epoch 1", "teacher's answers", "pruned: made"),
    ),
    (
        "in_the_middle_of_the_comparison",
        ("roberta: kept", "pruned: kept", "taught.2-distillation: kept", "artifact taught: kept"),
        ("made", "comparison: kept"),
    ),
    ("never", ("comparison: kept",), ("made",)),
)


@pytest.mark.slow
def test_a_run_killed_in_every_stage_ends_as_one_that_never_was(
    encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    toy.write(tmp_path / "train.csv", toy.texts_and_labels(120))
    toy.write(tmp_path / "eval.csv", toy.texts_and_labels(60, seed=1))
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    model = encoder("roberta")

    points = [*(point for point, *_ in KILLS), "never"]
    steps = ["never:whole", *(f"{point}:killed" for point in points)]
    ended = subprocess.run(
        [
            *(sys.executable, str(DRIVER), *steps, "--", "run"),
            *("--data", "train.csv", "--eval", "eval.csv", "--recipe", "recipe.yaml"),
            *("--model", str(model), "--rounds", "1", "--threads", "1", "--json"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=580,
    )
    logs = sorted(tmp_path.glob("*.log"), key=lambda path: int(path.stem))
    said = [path.read_text(encoding="utf-8") for path in logs]
    statuses = [line for line in ended.stdout.splitlines() if line in ("-9", "0", "1", "2")]
    assert statuses == ["0", *["-9"] * (len(points) - 2), "0", "0"], said
    for (point, expected, unexpected), log in zip(KILLS, said[2:], strict=True):
        for words in expected:
            assert words in log, point
        for words in unexpected:
            assert words not in log, point

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for part in ("candidates", "classifiers", "artifacts"):
        assert _digests(killed / part) == _digests(whole / part)
    assert _digests(killed).keys() == _digests(whole).keys()  # nothing is left over
    assert _quality(killed) == _quality(whole)


def _digests(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files_below(folder)}


def _quality(run: Path) -> list[dict[str, str]]:
    """comparison.csv without what is timed."""
    with (run / "comparison" / "comparison.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    return [{k: v for k, v in row.items() if not k.startswith(TIMED)} for row in rows]


@pytest.mark.slow
def test_jobs_killed_at_random_moments_leave_what_undisturbed_ones_do(tmp_path: Path) -> None:
    """A few of the many kills of `make kill`."""
    ended = subprocess.run(
        [
            *(sys.executable, str(DRIVER.with_name("kill.py")), "--kills", "3", "--seed", "1"),
            *("--job", "search", "--keep", str(tmp_path / "kill")),
        ],
        capture_output=True,
        text=True,
        timeout=580,
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    assert "search: ended as undisturbed" in ended.stdout


# --- the bookkeeping alone, killed before each of its operations


class Killed(BaseException):
    pass


class Executioner:
    """Raises Killed before the nth operation on what is below a place; of a deletion it lets one
    file go. Elsewhere nothing is counted: what other processes leave where temporary files go is
    cleared away by whoever comes next, and that is never the same twice."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
        self.left, self.place = 0, place
        monkeypatch.setattr(os, "fsync", lambda file: None)
        for owner, name in (
            *((files, "write_text"), (Path, "rename"), (Path, "unlink"), (Path, "mkdir")),
        ):
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))
        monkeypatch.setattr(shutil, "rmtree", self._counted_rmtree(shutil.rmtree))

    def count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed

    def _counted(self, real: Any) -> Any:
        def operation(path: Path, *args: Any, **kwargs: Any) -> Any:
            if self.place in path.parents:
                self.count()
            return real(path, *args, **kwargs)

        return operation

    def _counted_rmtree(self, real: Any) -> Any:
        def rmtree(folder: Path, *args: Any, **kwargs: Any) -> None:
            if self.place not in Path(folder).parents:
                return real(folder, *args, **kwargs)
            self.count()
            below = files_below(folder)
            if len(below) > 1:
                below[0].unlink()
                self.count()
            real(folder, *args, **kwargs)

        return rmtree


@pytest.mark.parametrize("then", ["new", "old", "new, the folder removed", "never made before"])
def test_a_stage_killed_before_any_operation_is_whole_the_next_time(
    then: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executioner = Executioner(monkeypatch, tmp_path)
    half_made = 0
    for nth in itertools.count(1):
        root = tmp_path / str(nth)
        stages, worked = Stages(root), []

        def work(inputs: str, folder: Path, worked: list[str] = worked) -> None:
            """Two pieces; the first is kept while the stage is not finished."""
            executioner.left, left = 0, executioner.left
            (folder / SCRATCH).mkdir(exist_ok=True)
            executioner.left = left
            first = folder / SCRATCH / "first"
            if not first.exists():
                worked.append(f"{inputs} first")
                executioner.count()
                first.write_text(inputs, encoding="utf-8")
            executioner.count()
            for name in ("one", "two"):
                (folder / name).write_text(first.read_text("utf-8"), encoding="utf-8")

        def make(inputs: str, stages: Stages = stages, work: Any = work) -> bool:
            return stages.finished("stage", inputs, lambda folder: work(inputs, folder))

        if then != "never made before":
            assert make("old")
        executioner.left = nth
        try:
            make("new")
            killed = False
        except Killed:
            killed = True
        executioner.left = 0
        if not killed:
            break
        if then == "new, the folder removed":
            shutil.rmtree(root / "stage", ignore_errors=True)
        last = "old" if then == "old" else "new"
        half_made += worked.count("new first") == 1
        make(last)
        assert _contents(root / "stage") == {"one": last, "two": last}
        assert not make(last)
        assert {path.name for path in root.iterdir()} == {"stage", ".stages"}
        # the first piece is not made again once it is there, whatever came after it
        assert worked.count("new first") <= 2
    assert half_made >= 4


def _contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in files_below(folder)}
