"""The trials of a search, on Optuna: chosen one at a time, refused, taught, and shared.

Points are drawn by the tree-structured Parzen estimator (Bergstra et al. 2011, "Algorithms for
Hyper-Parameter Optimization"). Under limits it maximises macro-F1 with the limits as constraints;
without, it maps the trade-off of macro-F1, bytes and time. A draw depends on the seed and on the
trials before it alone, so that a search that is resumed draws as one that never stopped.

Under limits a training is given up when its best macro-F1 is below the median of what others of its
family had at the same quarter of theirs (Golovin et al. 2017, "Google Vizier", section 3.2.2).

Several processes may work on one study if they see one folder: a lock lets one at a time choose a
point and measure its shape (while it measures, the trainings of the others wait), and each process
holds the lock of its trial, so that a trial without a process is known at once (it was killed) and
taken up again by whoever comes next.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.trial import FrozenTrial, Trial, TrialState

from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.files import folder_bytes
from paretext.core.locks import work_in
from paretext.training.fit import OnEpoch
from paretext.tuning.front import Candidate
from paretext.tuning.limits import Limits
from paretext.tuning.shapes import Shape
from paretext.tuning.space import FAMILY, Point
from paretext.tuning.workshop import Workshop

QUARTERS = 4
RANDOM_TRIALS = 8
REFUSALS = 200
TRIES = 3
_POLL_SECONDS = 1.0


class Hopeless(ParetextError):
    """A training that is given up; nothing of it is kept."""


class OutOfTime(Exception):
    """The search's time is over in the middle of a training, which can go on another time."""


@dataclass(frozen=True)
class Stop:
    """When to stop: after so many taught trials in the study, or at a time of the clock
    `time.monotonic`."""

    trials: int
    deadline: float | None = None

    def seconds_left(self) -> float | None:
        return None if self.deadline is None else self.deadline - time.monotonic()

    @property
    def is_over(self) -> bool:
        left = self.seconds_left()
        return left is not None and left <= 0


@contextmanager
def turn(out: Path) -> Iterator[None]:
    """One process at a time, of those that search in the folder `out`; the others wait."""
    (out / "locks").mkdir(parents=True, exist_ok=True)
    with work_in(out, wait=True):
        yield


@dataclass(frozen=True)
class Trials:
    """One process's part in a study."""

    study: optuna.Study
    workshop: Workshop
    limits: Limits
    out: Path
    seed: int
    stop: Stop

    def run(self, first: Sequence[Point]) -> None:
        """Refuse and teach points, those of `first` before all, until the study has its trials or
        the time is over; then wait for other processes' trainings."""
        with turn(self.out):
            for point in first:
                self._enqueue(point)
        refused = 0
        while not self.stop.is_over:
            with turn(self.out):
                self._revive()
                running = self._running()
                wanted = self.stop.trials - len(self.taught()) - len(running)
                if wanted > 0 and (reason := self._enough(refused)):
                    progress.say(reason)
                    return
                chosen = self._choose() if wanted > 0 else None
            if chosen is not None:
                refused = 0
                self._teach(*chosen)
            elif wanted > 0:
                refused += 1
            elif running:
                time.sleep(_POLL_SECONDS)  # one of them may die and be left to us
            else:
                return

    def taught(self) -> list[FrozenTrial]:
        """The trials that a training was spent on, whether it came to its end or not."""
        ended = self.study.get_trials(
            deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)
        )
        return [trial for trial in ended if trial.user_attrs.get("taught")]

    def candidates(self) -> list[Candidate]:
        """What was taught to its end, a recipe each."""
        by_recipe = {}
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            known = trial.user_attrs
            by_recipe[known["recipe"]] = Candidate(
                name=known["recipe"],
                family=trial.params[FAMILY],
                values=self.workshop.space.values(trial.params),
                macro_f1=known["macro_f1"],
                drops=known["drops"],
                bytes=known["bytes"],
                p95_ms=known["p95_ms"],
                ms_per_text=known["ms_per_text"],
            )
        return list(by_recipe.values())

    # --- what happens to a trial

    def _choose(self) -> tuple[Trial, Point, FileLock] | None:
        """A new trial whose shape holds the limits, with its lock; None if it does not."""
        self.study.sampler = self._sampler()
        trial = self.study.ask()
        lock = self._lock(trial.number)
        lock.acquire(timeout=0)
        point = self.workshop.space.suggest(trial)
        name = self.workshop.space.version(point).name
        again = next((t for t in self._others(trial) if t.user_attrs.get("recipe") == name), None)
        trial.set_user_attr("recipe", name)
        reason = f"the same recipe as trial {again.number + 1}" if again else None
        reason = reason or self._refusal(trial, point)
        if reason is None:
            return trial, point, lock
        trial.set_user_attr("outcome", f"refused: {reason}")
        self.study.tell(trial, state=TrialState.PRUNED)
        lock.release()
        return None

    def _refusal(self, trial: Trial, point: Point) -> str | None:
        """Why the point's shape cannot hold the limits; its excess goes to the sampler."""
        try:
            shape = self.workshop.measured(point)
        except ParetextError as error:
            trial.set_constraint("possible", 1.0)
            return str(error)
        for clause, excess in self.limits.excess_of_costs(shape.bytes, shape.p95_ms).items():
            trial.set_constraint(clause, excess)
        trial.set_user_attr("shape", shape.model_dump(mode="json"))
        return "; ".join(self.limits.broken_costs(shape.bytes, shape.p95_ms)) or None

    def _teach(self, trial: Trial, point: Point, lock: FileLock) -> None:
        """Train the point's student, export it, and measure the artifact on the selection split."""
        name = self.workshop.space.version(point).name
        progress.say(
            f"training {len(self.taught()) + 1} of {self.stop.trials}{self._left()}: {name}, "
            + described(self.workshop.space.values(point))
        )
        begin = time.monotonic()
        try:
            folder = self.workshop.trained(point, self._watch(trial, point))
            measured = self._measured(trial, name, folder)
            self._note(trial, {**measured, "taught": True, "seconds": time.monotonic() - begin})
            single = len(self.study.directions) == 1
            values = [measured["macro_f1"], measured["bytes"], measured["p95_ms"]]
            self.study.tell(trial, values[0] if single else values)
            progress.say(
                f"{name}: macro-F1 {measured['macro_f1']:.4f} on selection, "
                f"{measured['bytes'] / 1e6:.2f} MB, p95 {measured['p95_ms']:.3g} ms"
                + (f"; {measured['outcome']}" if self.limits else "")
            )
        except Hopeless as reason:
            seconds = time.monotonic() - begin
            self._note(trial, {"outcome": str(reason), "taught": True, "seconds": seconds})
            self.study.tell(trial, state=TrialState.PRUNED)
            progress.say(f"{name}: {reason}")
        except OutOfTime:
            progress.say(f"the time is over; {name} goes on next time from its last whole epoch")
        finally:
            lock.release()

    def _measured(self, trial: Trial, name: str, folder: Path) -> dict[str, Any]:
        """What is known of a taught artifact; its excess over the limits goes to the sampler."""
        answers = self.workshop.answers(name)
        drops = self.workshop.drops(answers)
        shape = Shape.model_validate(trial.user_attrs["shape"])
        for clause, excess in self.limits.excess_of_drops(drops).items():
            trial.set_constraint(clause, excess)
        size = folder_bytes(folder)
        broken = self.limits.broken_costs(size, shape.p95_ms) + self.limits.broken_drops(drops)
        return {
            "macro_f1": self.workshop.macro_f1(answers),
            "drops": drops,
            "bytes": size,
            "p95_ms": shape.p95_ms,
            "ms_per_text": shape.ms_per_text,
            "outcome": "; ".join(broken) or "holds every limit",
        }

    def _note(self, trial: Trial, values: dict[str, Any]) -> None:
        for name, value in values.items():
            trial.set_user_attr(name, value)

    def _watch(self, trial: Trial, point: Point) -> OnEpoch:
        """What is asked after each epoch: is there time, and is there hope?"""
        family = point[FAMILY]
        epochs = self.workshop.epochs(point)
        # Optuna compares equal steps, and only quarters of one family's trainings are alike.
        offset = 10 * list(self.workshop.space.families).index(family)
        single = len(self.study.directions) == 1
        reported = 0

        def on_epoch(epoch: int, score: float) -> None:
            nonlocal reported
            trial.set_user_attr("epoch", epoch)
            if epoch >= epochs:
                return
            if self.stop.is_over:
                raise OutOfTime
            quarter = QUARTERS * epoch // epochs
            if single and quarter > reported:
                reported = quarter
                trial.report(score, offset + quarter)
                if trial.should_prune():
                    raise Hopeless(
                        f"given up after epoch {epoch} of {epochs}: macro-F1 {score:.4f} is below "
                        f"the median of the family {family} there"
                    )

        return on_epoch

    # --- time

    def _seconds(self) -> float | None:
        """How long a training took so far, on average."""
        seconds = [trial.user_attrs["seconds"] for trial in self.taught()]
        return mean(seconds) if seconds else None

    def _enough(self, refused: int) -> str | None:
        """Why no further point is tried, if so."""
        if refused >= REFUSALS:
            return f"{REFUSALS} points in a row were refused; no more are tried"
        left, needed = self.stop.seconds_left(), self._seconds()
        if left is not None and needed is not None and left < needed:
            return f"{left:.0f} s are left, and a training takes about {needed:.0f} s"
        return None

    def _left(self) -> str:
        """About how long the search goes on, as far as that can be said."""
        each, left = self._seconds(), self.stop.seconds_left()
        known = [] if left is None else [left]
        if each is not None:
            known.append(each * (self.stop.trials - len(self.taught())))
        return f" (about {max(min(known), 0) / 60:.0f} min left)" if known else ""

    # --- the others

    def _running(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def _others(self, trial: Trial) -> list[FrozenTrial]:
        """Trials that are being taught, or were."""
        return [each for each in (*self._running(), *self.taught()) if each.number != trial.number]

    def _revive(self) -> None:
        """Queue again the trials whose process has died."""
        for trial in self._running():
            lock = self._lock(trial.number)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            known = trial.user_attrs
            if "recipe" not in known:
                # Killed while its point was drawn: what was queued is queued again, and what was
                # not is drawn again, the same, since the draw depends on the trials that ended.
                self._enqueue(_queued(trial), again=known)
            else:
                # Whoever got further than the last time was not killed by its own point.
                further = known.get("epoch", 0) > known.get("reached", 0)
                tries = 1 if further else known.get("tries", 1)
                if tries < TRIES:
                    progress.say(f"trial {trial.number + 1} was interrupted; it is taken up again")
                    reached = max(known.get("epoch", 0), known.get("reached", 0))
                    again = {"tries": tries + 1, "reached": reached}
                    self._enqueue(trial.params, again=again)
            self.study.tell(trial.number, state=TrialState.FAIL)
            lock.release()

    def _enqueue(self, point: Point | None, again: Mapping[str, Any] | None = None) -> None:
        """Queue a point, unless it was queued before: by a process that was killed after it.

        again: what is to be known of a point that waits for another try."""
        states = None if again is None else (TrialState.WAITING,)
        there = self.study.get_trials(deepcopy=False, states=states)
        if point is not None and point not in map(_queued, there):
            self.study.enqueue_trial(dict(point), user_attrs=dict(again or {}))

    def _lock(self, number: int) -> FileLock:
        return FileLock(self.out / "locks" / f"{self.study.study_name}-{number}.lock")

    def _sampler(self) -> optuna.samplers.BaseSampler:
        ended = self.study.get_trials(
            deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # group
            return optuna.samplers.TPESampler(
                seed=self.seed + len(ended),
                n_startup_trials=RANDOM_TRIALS,
                multivariate=True,
                group=True,
            )


def _queued(trial: FrozenTrial) -> Point | None:
    """The point that a trial was queued with; None if it was drawn."""
    point: Point | None = trial.system_attrs.get("fixed_params")
    return point


def described(values: Mapping[str, Any]) -> str:
    """A point's values in words: "speedup 2.2, rank 128"."""
    return ", ".join(f"{name.split('.')[1]} {value}" for name, value in values.items())
