"""Runs the command line again and again, and kills it each time at another point, with SIGKILL.

python killed_run.py POINT:OUT POINT:OUT ... -- run --data ...

Each run is a process of its own. What it says goes to the file N.log, and its status (-9 if it was
killed) to standard output. The point "never" kills nothing. The processes are forked from one that
has imported the libraries and done nothing else, which saves most of the time.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

EPOCH = 13  # steps
LIBRARIES = (
    *("accelerate", "datasets", "scipy.stats", "sklearn.feature_extraction.text"),
    *("sklearn.linear_model", "transformers.trainer", "paretext.graphs"),
    *("paretext.pipeline.stages", "paretext.profile.build", "paretext.training.fit"),
)
"""What a run imports: once here, and not in every process."""


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: Any, name: str, when: Callable[..., bool] = lambda *_: True) -> None:
    """Die instead of calling owner.name, where `when` of its arguments says so."""
    real = getattr(owner, name)

    def replaced(*args: Any, **kwargs: Any) -> Any:
        if when(*args):
            die()
        return real(*args, **kwargs)

    setattr(owner, name, replaced)


def in_the_middle_of_epoch_2() -> None:
    """Of a training, of the fine-tuning after pruning or a distillation: which comes first."""
    from transformers import Trainer

    steps = iter(range(EPOCH + 6))
    before(Trainer, "training_step", lambda *_: next(steps, None) is None)


def while_the_second_checkpoint_is_written() -> None:
    """Its weights are written, and a part of its optimizer's state."""
    import torch

    def when(value: Any, path: Any, *_: Any) -> bool:
        path = Path(str(path))
        if path.parts[-2:] != (f"checkpoint-{2 * EPOCH}", "optimizer.pt"):
            return False
        path.write_bytes(b"PK and no more")
        return True

    before(torch, "save", when)


def when_training_is_over_and_not_saved() -> None:
    import paretext.pipeline.candidates

    before(paretext.pipeline.candidates, "learning_curves")


def in_the_middle_of_an_export() -> None:
    """The graph and the tokenizer are written, the manifest is not."""
    from paretext.graphs import artifact_writer

    before(artifact_writer, "model_card")


def between_the_record_and_the_rename() -> None:
    from paretext.core.files import Stages

    before(Stages, "_settle", lambda stages, name: name == "classifiers/pruned")


def in_the_middle_of_the_comparison() -> None:
    """Everything is timed, and one of the files is written."""
    import paretext.report.comparison

    before(paretext.report.comparison, "confusion")


def never() -> None:
    pass


def run(point: str, arguments: list[str], log: Path) -> int:
    """Its exit status, or minus the signal that ended it."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    from paretext.cli import main

    sys.argv = ["paretext", *arguments]
    with log.open("w", encoding="utf-8", buffering=1) as sys.stderr:
        try:
            globals()[point]()
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
            status = 1
    os._exit(status)


if __name__ == "__main__":
    for library in LIBRARIES:
        importlib.import_module(library)

    steps, rest = sys.argv[1 : sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1 :]
    for number, step in enumerate(steps):
        point, out = step.split(":")
        print(run(point, [*rest, "--out", out], Path(f"{number}.log")), flush=True)
