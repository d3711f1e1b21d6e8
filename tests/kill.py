"""Kills jobs at random moments, starts them again until they end, and compares what they leave.

python tests/kill.py [--kills 50] [--seed 0] [--minutes 15] [--job NAME] ...

Three jobs, in turn: a plain run, a run with fine-tuning after pruning and a student, a search.
Each is done once undisturbed. Then it is started and killed with SIGKILL at a moment drawn at
random, and started again, until it ends; its models must be the same byte for byte, its figures the
same but for times, and neither its folder nor the one for temporary files may hold anything else,
nor a process be left. Then the next job, until there were enough kills.

Processes are forked from one that has imported the libraries and done nothing else, which saves
most of the time. Exit status 0: all as it should be.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"

import tiny
import toy
from killed_run import LIBRARIES

TIMED = ("peak_memory_bytes", "first_answer_ms", "batch1_ms_", "batch32_ms_", "bulk_texts_")
TRAINING = "{epochs: 2, batch_size: 8, learning_rate: 5.0e-3, precision: fp32, device: cpu}"
RECIPES = {
    "plain": f"""
max_length: 32
training: {TRAINING}
""",
    "students": f"""
max_length: 32
training: {TRAINING}
versions:
  - {{name: pruned, steps: [{{step: magnitude_pruning, recovery_epochs: 2}}]}}
  - name: taught
    steps:
      - {{step: vocabulary}}
      - {{step: distillation, epochs: 2, copies: 1, batch_size: 8, learning_rate: 5.0e-3}}
      - {{step: dynamic_quantization}}
""",
}
JOBS = ["plain", "students", "search"]
LONGEST = 300.0
"""Seconds that a job may take before it counts as hanging."""


def do(job: str, folder: Path, out: Path) -> None:
    """The job itself, in a process of its own."""
    from paretext.cli import main
    from paretext.cli.bars import ConsoleSink
    from paretext.core import progress

    if job == "search":
        with progress.using(ConsoleSink()):
            _search(folder, out)
        return

    sys.argv = [
        *("paretext", "run", "--data", str(folder / "train.csv")),
        *("--eval", str(folder / "eval.csv"), "--recipe", str(folder / f"{job}.yaml")),
        *("--model", str(folder / "roberta"), "--rounds", "1", "--threads", "1", "--json"),
        *("--out", str(out)),
    ]
    main()


def _search(folder: Path, out: Path) -> None:
    from paretext.compression import Recipe
    from paretext.compression.recipe import preset
    from paretext.data.dataset import Dataset
    from paretext.training.fit import TrainingSettings
    from paretext.tuning.search import Space, search
    from paretext.tuning.space import Family, Real, Whole

    train = Dataset.read(folder / "train.csv").take(range(60))
    selection = Dataset.read(folder / "eval.csv", label_names=train.label_names).take(range(36))
    family = Family(
        recipes=preset("nano"),
        settings={
            "convolutional_student.embedding_size": Whole(low=4, high=12, step=4),
            "convolutional_student.channels": Whole(low=4, high=12, step=4),
            "convolutional_student.window": Whole(low=1, high=3, step=2),
            "distillation.epochs": Whole(low=3, high=3),
            "distillation.learning_rate": Real(low=1e-3, high=1e-2),
        },
    )
    recipe = Recipe(
        max_length=24, training=TrainingSettings(precision="fp32", device="cpu", batch_size=16)
    )
    search(
        folder / "classifier",
        recipe,
        train,
        selection,
        out,
        limits={"size": 5e6, "macro_f1_drop": 1.0},
        space=Space(families={"convolutional": family}),
        trials=3,
        threads=1,
    )


# --- what a job leaves


def left_by(job: str, out: Path) -> dict[str, Any]:
    """What must be the same however often the job was killed: names of files, digests of models,
    figures that are no times."""
    from paretext.core.files import files_below, sha256
    from paretext.runtime.manifest import Manifest

    names = {path.relative_to(out).as_posix() for path in out.rglob("*")}
    left: dict[str, Any] = {}
    for part in ("candidates", "classifiers", "teacher"):
        for path in files_below(out / part) if (out / part).is_dir() else ():
            left[path.relative_to(out).as_posix()] = sha256(path)
    for path in (out / "artifacts").glob("*/manifest.json"):
        left[path.parent.relative_to(out).as_posix()] = Manifest.read(path.parent).identity
    if job == "search":
        names = {name for name in names if not name.startswith("locks/")}  # one a try
        for trial in _taught(out):  # which of them make the front hangs on what was timed
            known = trial.user_attrs
            left[f"quality {known['recipe']}"] = [known[n] for n in ("macro_f1", "drops", "bytes")]
        winner = Manifest.read(out / "result" / "winner")
        assert winner.identity == left[f"artifacts/{winner.name}"]
    else:
        with (out / "comparison" / "comparison.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                quality = {k: v for k, v in row.items() if not k.startswith(TIMED)}
                # a certificate in it has times in it, and their number of digits varies
                del quality["bytes"]
                left[f"quality {row['version']}"] = quality
        for path in sorted((out / "certificates").iterdir()):
            left[path.name] = sha256(path)
    left["files"] = sorted(names)
    return left


def _taught(out: Path) -> list[Any]:
    import optuna

    storage = f"sqlite:///{out / 'study.db'}"
    (name,) = optuna.get_all_study_names(storage)
    trials = optuna.load_study(study_name=name, storage=storage).trials
    return [trial for trial in trials if "macro_f1" in trial.user_attrs]


def differences(killed: dict[str, Any], whole: dict[str, Any]) -> list[str]:
    wrong = [
        f"{name}: {killed.get(name)} in place of {whole.get(name)}"
        for name in sorted(killed.keys() | whole.keys())
        if name != "files" and killed.get(name) != whole.get(name)
    ]
    wrong += [f"left behind: {name}" for name in set(killed["files"]) - set(whole["files"])]
    return wrong + [f"lacks: {name}" for name in set(whole["files"]) - set(killed["files"])]


# --- started, killed, and started again


@dataclass
class Try:
    """A process that does a job."""

    job: str
    out: Path
    log: Path
    temporary: Path
    folder: Path
    pid: int = 0
    status: int | None = None

    def start(self) -> None:
        self.pid = os.fork()
        if self.pid:
            return
        os.setpgid(0, 0)
        os.environ["TMPDIR"] = tempfile.tempdir = str(self.temporary)
        status = 0
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        try:
            do(self.job, self.folder, self.out)
        except SystemExit as end:
            status = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
            status = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    def wait(self, seconds: float) -> bool:
        """Whether it ended by itself in that time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                return True
            time.sleep(0.002)
        return False

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def processes_left(self, seconds: float = 120.0) -> bool:
        """Whether one of its children lives on after it; on a busy machine one that was just
        starting takes a while to notice."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                os.killpg(self.pid, 0)
            except ProcessLookupError:
                return False
            time.sleep(0.02)
        os.killpg(self.pid, signal.SIGKILL)
        return True


@dataclass
class Killer:
    """folder: where everything lies; report: called with a line at a time."""

    folder: Path
    seed: int = 0
    report: Callable[[str], None] = print
    wrong: list[str] = field(default_factory=list)
    kills: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    last_words: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.whole: dict[str, tuple[dict[str, Any], float]] = {}

    def prepare(self) -> None:
        """Data, recipes, and models."""
        from paretext.models.classifier import Classifier

        self.folder.mkdir(parents=True, exist_ok=True)
        toy.write(self.folder / "train.csv", toy.texts_and_labels(96))
        toy.write(self.folder / "eval.csv", toy.texts_and_labels(60, seed=1))
        for name, text in RECIPES.items():
            (self.folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        # In a process of its own: what follows is forked from one that has computed nothing.
        child = os.fork()
        if not child:
            status = 1
            try:
                model = tiny.build("roberta", self.folder / "roberta", toy.dataset(60).texts)
                classifier = Classifier.from_pretrained(str(model), toy.LABELS, max_length=24)
                tiny.shake(classifier.model)
                classifier.save(self.folder / "classifier")
                status = 0
            except BaseException:
                traceback.print_exc()
            os._exit(status)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            raise SystemExit("the models could not be built")

    def undisturbed(self, job: str) -> float:
        """Do the job once without a kill; its seconds."""
        begin = time.monotonic()
        done = self._new(job, self.folder / f"{job}-whole")
        done.start()
        if not done.wait(LONGEST) or done.status:
            self._fails(done, "the undisturbed job did not end well")
            return 0.0
        seconds = time.monotonic() - begin
        self.whole[job] = (left_by(job, done.out), seconds)
        self._check_left(done)
        self.report(f"{job}: {seconds:.1f} s undisturbed")
        return seconds

    def killed(self, job: str, most: int) -> None:
        """Start the job, and again after each kill, until it ends; at most so many kills."""
        whole, seconds = self.whole[job]
        out = self.folder / f"{job}-killed"
        shutil.rmtree(out, ignore_errors=True)
        kills = 0
        while True:
            attempt = self._new(job, out)
            attempt.start()
            # At most half of it, so that a job is killed several times on its way to the end.
            moment = self.chance.uniform(0, seconds / 2) if kills < most else LONGEST
            if attempt.wait(moment):
                break
            attempt.kill()
            if kills >= most:
                self._fails(attempt, f"hangs: {LONGEST:.0f} s without an end")
                return
            kills += 1
            self.kills += 1
            if attempt.processes_left():
                self._fails(attempt, "a process lives on after the kill")
        if attempt.status:
            self._fails(attempt, f"ended with {attempt.status} after {kills} kills")
            return
        self.ends[job] += 1
        for each in differences(left_by(job, out), whole):
            self._fails(attempt, f"after {kills} kills: {each}")
        self._check_left(attempt)
        self.report(f"{job}: ended as undisturbed after {kills} kills ({self.kills} in all)")

    def _new(self, job: str, out: Path) -> Try:
        temporary = self.folder / "temporary"
        temporary.mkdir(exist_ok=True)
        return Try(job, out, out.with_suffix(".log"), temporary, self.folder)

    def _check_left(self, attempt: Try) -> None:
        if attempt.processes_left():
            self._fails(attempt, "a process lives on after the end")
        for path in attempt.temporary.iterdir():
            if path.name == ".ses":  # ONNX Runtime's own
                continue
            inside = [each.name for each in path.iterdir()] if path.is_dir() else ""
            self._fails(attempt, f"left in TMPDIR: {path.name} {inside}")
            shutil.rmtree(path, ignore_errors=True)

    def _fails(self, attempt: Try, what: str) -> None:
        text = attempt.log.read_text(encoding="utf-8", errors="replace") if what else ""
        self.wrong.append(f"{attempt.job}: {what}")
        self.report(f"WRONG {attempt.job}: {what}\n--- the end of its log\n{text[-1500:]}\n---")


def main(kills: int, seed: int, minutes: float, jobs: list[str], folder: Path) -> Killer:
    """Undisturbed once each, then in turns until there were enough kills or the time is over."""
    for library in (*LIBRARIES, "paretext.tuning.search", "sqlalchemy.dialects.sqlite"):
        importlib.import_module(library)
    begin = time.monotonic()
    killer = Killer(folder, seed, report=lambda line: print(line, flush=True))
    killer.prepare()
    for job in jobs:
        killer.undisturbed(job)
    turn = 0
    while killer.kills < kills and not killer.wrong:
        if time.monotonic() - begin > 60 * minutes:
            killer.report(f"the {minutes:g} minutes are over")
            break
        job = jobs[turn % len(jobs)]
        killer.killed(job, min(killer.chance.randint(3, 7), kills - killer.kills))
        turn += 1
    ends = ", ".join(f"{job} {count}" for job, count in killer.ends.items())
    killer.report(f"{killer.kills} kills, {len(killer.wrong)} wrong; ended as undisturbed: {ends}")
    return killer


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Kill jobs at random moments.")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--job", action="append", choices=JOBS)
    parser.add_argument("--keep", type=Path, help="Folder to work in, which stays.")
    given = parser.parse_args()
    place = given.keep or Path(tempfile.mkdtemp(prefix="kill-"))
    try:
        killer = main(
            given.kills,
            given.seed,
            given.minutes,
            given.job or ["plain", "students", "search"],
            place,
        )
    finally:
        if not given.keep:
            shutil.rmtree(place, ignore_errors=True)
    sys.exit(bool(killer.wrong or killer.kills < given.kills))
