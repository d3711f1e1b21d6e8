"""A search whose shapes and trainings are made up, for tests of its trials; and a driver of it.

python searching.py

Each line of its input is [OUT, TRIALS, PROCESS, ...] in JSON. Each PROCESS is DIE_IN:SECONDS: a
process of its own on the study in OUT, forked from this one, which has imported the libraries and
done nothing else; its trainings take so long, and it is killed with SIGKILL in the middle of its
DIE_INth training (0: never). Those that are joined with + run at the same time, the others one
after the other. A line of output has their statuses. What trainings begin and end goes to OUT/log.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from paretext.compression.step import Outline
from paretext.core.errors import ParetextError
from paretext.training.settings import OnEpoch
from paretext.tuning import study as search_study
from paretext.tuning.limits import Limits
from paretext.tuning.shapes import Shape, ShapeTable
from paretext.tuning.space import Point, Space
from paretext.tuning.storage import open_study
from paretext.tuning.study import Stop, Trials, turn

# Processes are killed here and no power fails, so nothing has to reach the disk.
event.listen(Engine, "connect", lambda made, _: made.execute("PRAGMA synchronous = OFF"))

PARENT = Outline("roberta", layers=6, width=384, word_width=384)
WIDTHS = ("low_rank_embeddings.rank", "convolutional_student.embedding_size")
BUDGET = Limits({"size": 400_000, "p95_latency": 0.1, "macro_f1_drop": 0.05})


@dataclass
class MadeUp:
    """As `Workshop`, but bytes are a formula, scores too, and nothing is trained."""

    out: Path
    space: Space = field(default_factory=lambda: Space().within(PARENT))
    seconds: float = 0.0
    die_in: int = 0
    trained_now: int = 0
    curve: Callable[[str, int, int], float] = lambda name, epoch, epochs: 0.5

    def __post_init__(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        self.table = ShapeTable(self.out / "shapes.json")

    def measured(self, point: Point) -> Shape:
        """Little but the word table: tokens times its width."""
        values = self.space.values(point)
        if values.get("structured_pruning.neurons", 1) < 0.15:
            raise ParetextError("so narrow it cannot be")
        size = 30_000 + 2_500 * next(values[width] for width in WIDTHS if width in values)
        shape = Shape(bytes=size, p95_ms=size / 4e6, ms_per_text=0.1)
        self.table.add(self.space.version(point).name, shape)
        return shape

    def epochs(self, point: Point) -> int:
        return 4

    def trained(self, point: Point, on_epoch: OnEpoch) -> Path:
        name = self.space.version(point).name
        self.trained_now += 1
        self._log(f"begin {name}")
        epochs = self.epochs(point)
        for epoch in range(1, epochs + 1):
            time.sleep(self.seconds / epochs)
            if self.trained_now == self.die_in and epoch == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            on_epoch(epoch, self.curve(name, epoch, epochs))
        self._log(f"end {name}")
        folder = self.out / "artifacts" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "graph.onnx").write_bytes(b"0" * self.table.shapes()[name].bytes)
        return folder

    def answers(self, name: str) -> str:
        return name

    def macro_f1(self, name: str) -> float:
        return int(name.rsplit("-", 1)[1], 16) / 16**8

    def drops(self, name: str) -> dict[str, float]:
        return {"macro_f1_drop": (1 - self.macro_f1(name)) / 10}

    def _log(self, line: str) -> None:
        with (self.out / "log").open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {line}\n")


def trials(
    workshop: MadeUp, limits: Limits = BUDGET, trials: int = 8, deadline: float | None = None
) -> Trials:
    """The trials of a study in the workshop's folder."""
    storage = f"sqlite:///{workshop.out / 'study.db'}"
    with turn(workshop.out):
        study = open_study(storage, "made up", limited=bool(limits), resume=False)
    made: Any = workshop
    return Trials(study, made, limits, workshop.out, 0, Stop(trials, deadline))


def drive(out: Path, wanted: int, *processes: str) -> Iterator[int]:
    """The status of each process, -9 of one that was killed."""
    for together in processes:
        children = []
        for each in together.split("+"):
            die_in, seconds = each.split(":")
            child = os.fork()
            if not child:
                try:
                    workshop = MadeUp(out, seconds=float(seconds), die_in=int(die_in))
                    trials(workshop, trials=wanted).run(workshop.space.presets())
                    os._exit(0)
                except BaseException:
                    traceback.print_exc()
                    os._exit(1)
            children.append(child)
        for child in children:
            yield os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    search_study.RANDOM_TRIALS = 1000  # points that do not depend on the order of the trials
    importlib.import_module("sqlalchemy.dialects.sqlite")
    for line in sys.stdin:
        place, *rest = json.loads(line)
        print(json.dumps([*drive(Path(place), *rest)]), flush=True)
