"""A search's trials: refused, taught, given up, interrupted and shared, on made-up shapes."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
import searching
from damage import DAMAGES, empty, garble
from optuna.storages._cached_storage import _CachedStorage
from optuna.trial import TrialState
from searching import MadeUp

from paretext.core.errors import ParetextError
from paretext.tuning.limits import Limits
from paretext.tuning.storage import open_study
from paretext.tuning.study import Stop

Drive = Callable[..., list[int]]
TIGHT = Limits({"size": 250_000, "p95_latency": 0.1, "macro_f1_drop": 0.05})


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drive]:
    """drive(out, trials, process, ...) as `searching.py` has it: its processes' statuses."""
    log = tmp_path_factory.mktemp("driver") / "errors"
    with log.open("w") as errors:
        driver = subprocess.Popen(
            [sys.executable, searching.__file__],
            **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors, "text": True},
        )
    stdin, stdout = driver.stdin, driver.stdout
    assert stdin is not None
    assert stdout is not None

    def ask(out: Path, *asked: int | str) -> list[int]:
        stdin.write(json.dumps([str(out), *asked]) + "\n")
        stdin.flush()
        answer, said = stdout.readline(), log.read_text(encoding="utf-8")
        assert "Traceback" not in said, said
        ended: list[int] = json.loads(answer)
        return ended

    yield ask
    stdin.close()
    try:
        assert driver.wait(30) == 0
    finally:
        driver.kill()  # after a test that took too long it is still at it


def _log(out: Path) -> list[tuple[str, str, str]]:
    """Process, event and recipe."""
    lines = (out / "log").read_text(encoding="utf-8").splitlines()
    return [(pid, event, name) for pid, event, name in map(str.split, lines)]


def test_only_shapes_that_hold_the_limits_are_taught(tmp_path: Path) -> None:
    workshop = MadeUp(tmp_path)
    work = searching.trials(workshop, TIGHT, trials=6)
    work.run(workshop.space.presets())
    assert len(work.taught()) == 6
    ended = work.study.get_trials()
    refused = [each for each in ended if each.user_attrs["outcome"].startswith("refused")]
    assert {each.state for each in refused} == {TrialState.PRUNED}
    assert len(ended) == 6 + len(refused)
    assert any("is not met by" in each.user_attrs["outcome"] for each in refused)

    names = {name for _, event, name in _log(tmp_path) if event == "begin"}
    assert not names & {each.user_attrs["recipe"] for each in refused if "same" not in str(each)}
    for each in work.taught():
        shape = each.user_attrs["shape"]
        assert shape["bytes"] <= TIGHT.values["size"]
        assert shape["p95_ms"] <= TIGHT.values["p95_latency"]


def test_without_limits_three_objectives_are_mapped_and_nothing_is_given_up(tmp_path: Path) -> None:
    workshop = MadeUp(tmp_path, curve=lambda name, epoch, epochs: 1 / (1 + len(name)))
    work = searching.trials(workshop, Limits({}), trials=6)
    work.run([])
    assert {each.state for each in work.taught()} == {TrialState.COMPLETE}
    front = {each.user_attrs["recipe"] for each in work.study.best_trials}
    from paretext.tuning.front import front as front_of

    assert {each.name for each in front_of(work.candidates())} == front


def test_a_hopeless_training_is_given_up_early(tmp_path: Path) -> None:
    """Trainings get worse and worse, so each is below the median of its family before it."""
    order: dict[str, int] = {}

    def worse(name: str, epoch: int, epochs: int) -> float:
        return 1 / (1 + order.setdefault(name, len(order)))

    workshop = MadeUp(tmp_path, curve=worse)
    work = searching.trials(workshop, trials=10)
    work.run([])
    given_up = [each for each in work.taught() if each.state == TrialState.PRUNED]
    assert given_up
    for each in given_up:
        assert each.user_attrs["outcome"].startswith("given up after epoch")
        same = [t for t in work.taught() if t.params["family"] == each.params["family"]]
        assert sum(t.number < each.number for t in same) >= 2
    begun = Counter(event for _, event, _ in _log(tmp_path))
    assert begun["begin"] - begun["end"] == len(given_up)
    assert {each.name for each in work.candidates()}.isdisjoint(
        each.user_attrs["recipe"] for each in given_up
    )


def test_when_the_time_is_over_a_training_stays_to_be_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over: list[int] = []
    monkeypatch.setattr(Stop, "is_over", property(lambda self: bool(over)))

    def curve(name: str, epoch: int, epochs: int) -> float:
        over.extend([epoch] * (epoch == 2))
        return 0.5

    workshop = MadeUp(tmp_path, curve=curve)
    searching.trials(workshop).run(workshop.space.presets())
    (begun,) = _log(tmp_path)
    over.clear()
    later = MadeUp(tmp_path)
    again = searching.trials(later, trials=3)  # the two presets that were waiting come first
    again.run(later.space.presets())
    events = [(event, name) for _, event, name in _log(tmp_path)[1:]]
    assert len(again.taught()) == 3
    assert sum(event == "end" and name == begun[2] for event, name in events) == 1


def test_a_space_without_new_points_ends_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paretext.tuning.study.REFUSALS", 5)
    workshop = MadeUp(tmp_path)
    only = workshop.space.families["convolutional"]
    values = only.centres()[0]
    fixed = {
        name: allowed.model_copy(update={"low": values[name], "high": values[name]})
        if hasattr(allowed, "low")
        else allowed.model_copy(update={"names": (values[name],)})
        for name, allowed in only.settings.items()
    }
    family = only.model_copy(update={"settings": fixed})
    workshop.space = workshop.space.model_copy(update={"families": {"convolutional": family}})
    work = searching.trials(workshop, trials=3)
    work.run([])
    assert len(work.taught()) == 1
    outcomes = [each.user_attrs["outcome"] for each in work.study.get_trials()[1:]]
    assert set(outcomes) == {"refused: the same recipe as trial 1"}


@pytest.mark.slow
def test_killed_and_resumed_no_finished_trial_is_repeated(drive: Drive, tmp_path: Path) -> None:
    """Killed in its second training, and again in the first after that."""
    ended = drive(tmp_path / "killed", 6, "2:0", "1:0", "0:0", "0:0")
    assert ended == [-9, -9, 0, 0]
    log = _log(tmp_path / "killed")
    begun = Counter(name for _, event, name in log if event == "begin")
    assert Counter(name for _, event, name in log if event == "end") == dict.fromkeys(begun, 1)
    assert sum(begun.values()) == 6 + 2  # only what was killed was begun again
    # An interrupted search teaches what an uninterrupted one does.
    drive(tmp_path / "whole", 6, "0:0")
    whole = [name for _, event, name in _log(tmp_path / "whole") if event == "end"]
    assert {name for _, event, name in log if event == "end"} == set(whole)


@pytest.mark.slow
def test_two_processes_share_the_trainings_and_outlive_each_other(
    drive: Drive, tmp_path: Path
) -> None:
    ended = drive(tmp_path / "two", 8, "0:0.4+0:0.4")
    assert ended == [0, 0]
    log = _log(tmp_path / "two")
    begun = Counter(name for _, event, name in log if event == "begin")
    assert len(begun) == 8
    assert set(begun.values()) == {1}
    by_process = Counter(pid for pid, event, _ in log if event == "end")
    assert len(by_process) == 2
    assert min(by_process.values()) >= 1
    # One dies in its second training: the other takes it up and does the rest.
    ended = drive(tmp_path / "one", 6, "2:0.4+0:0.4")
    assert sorted(ended) == [-9, 0]
    done = Counter(name for _, event, name in _log(tmp_path / "one") if event == "end")
    assert len(done) == 6
    assert set(done.values()) == {1}


@pytest.mark.slow
def test_a_search_killed_between_any_two_writes_tries_the_same_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While presets are queued, a point is drawn value by value, refused, or told of. What a kill
    leaves is the folder as it is before a write: without the locks, which go with the process.
    What is queued again ends later than it would have, so points are drawn that do not depend on
    the order of the trials."""
    monkeypatch.setattr("paretext.tuning.study.RANDOM_TRIALS", 1000)
    whole, writes = tmp_path / "whole", itertools.count()
    killed: list[Path] = []

    def kept(real: Callable[..., object]) -> Callable[..., object]:
        def write(*args: object, **kwargs: object) -> object:
            if (number := next(writes)) % 5 == 2:
                killed.append(Path(shutil.copytree(whole, tmp_path / str(number))))
            return real(*args, **kwargs)

        return write

    def run(out: Path) -> list[str]:
        """The recipes that were tried."""
        workshop = MadeUp(out)
        work = searching.trials(workshop, trials=len(workshop.space.presets()) + 2)
        work.run(workshop.space.presets())
        ended = (TrialState.COMPLETE, TrialState.PRUNED)
        return sorted(t.user_attrs["recipe"] for t in work.study.trials if t.state in ended)

    with monkeypatch.context() as patch:
        for name in (
            *("create_new_trial", "set_trial_param", "set_trial_state_values"),
            *("set_trial_user_attr", "set_trial_system_attr"),
        ):
            real = getattr(_CachedStorage, name)  # which every study has before its database
            patch.setattr(_CachedStorage, name, kept(real))
        expected = run(whole)
    for out in killed:
        assert run(out) == expected, out
    assert len(killed) > 10


def test_a_study_that_is_not_there_cannot_be_resumed(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    with pytest.raises(
        ParetextError, match=r"there is no trial of this parent.*leave out --resume"
    ):
        open_study(storage, "one", limited=True, resume=True)
    study = open_study(storage, "one", limited=True, resume=False)  # there, and empty
    with pytest.raises(ParetextError, match="leave out --resume"):
        open_study(storage, "one", limited=True, resume=True)
    study.add_trial(optuna.trial.create_trial(value=0.5))
    assert open_study(storage, "one", limited=True, resume=True).study_name == "one"


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_study_is_named_or_begun_anew(
    damage: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "study.db"
    storage = f"sqlite:///{path}"
    study = open_study(storage, "one", limited=True, resume=False)
    for number in range(20):
        study.add_trial(optuna.trial.create_trial(value=number / 20))
    damage(path)
    if damage is garble:  # SQLite has no checksums: what it stores may change, what it is may not
        content = bytearray(path.read_bytes())
        content[4096 * 3 : 4096 * 5] = bytes(range(256)) * 32
        path.write_bytes(content)
    if damage is empty:
        with caplog.at_level("INFO", logger="paretext"):
            assert open_study(storage, "one", limited=True, resume=False).trials == []
        assert "study.db is empty, so the study begins anew" in caplog.text
    else:
        with pytest.raises(ParetextError, match=r"study\.db is damaged .*; delete it"):
            open_study(storage, "one", limited=True, resume=False)


@pytest.mark.parametrize(
    "storage", ["study.db", "sqlite:////no/such/folder/study.db", "nosuch://user@host/study"]
)
def test_a_storage_that_cannot_be_opened_is_named(storage: str) -> None:
    with pytest.raises(ParetextError, match=r"storage .* cannot be opened .*sqlite:///study\.db"):
        open_study(storage, "one", limited=True, resume=False)
