"""Any sequence of kills, changed inputs, changed settings, damages and resumes of a job in stages
ends as a job that nothing ever disturbed. Killed as in test_kill.py; the job is a toy's, whose
every result says all that it was made of, so that whatever is stale shows in it.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from test_kill import Executioner, Killed

from paretext.core.errors import ParetextError
from paretext.core.files import SCRATCH, Stages, files_below, folder_digest, read_json, sha256
from paretext.core.locks import work_in
from paretext.core.ownership import claim

LEARNT, CUT, SHIPPED, MEASURED = "candidates/a", "classifiers/b", "artifacts/b", "comparison"
START = {"texts": 0, "epochs": 1, "amount": 0, "evaluation": 0}
IMPOSSIBLE = 2
"""The amount that the second stage cannot cut."""


def job(root: Path, asked: dict[str, int], executioner: Executioner | None = None) -> list[str]:
    """The stages that were made, each from the one before; the others were kept."""

    def write(path: Path, text: str) -> None:
        if executioner is not None:
            executioner.count()
        path.write_text(text, encoding="utf-8")

    def learn(folder: Path) -> None:
        """An epoch at a time; those that were learnt before a kill are taken as they are."""
        for epoch in range(asked["epochs"] + 1):
            checkpoint = folder / SCRATCH / str(epoch)
            if not checkpoint.exists():
                checkpoint.parent.mkdir(exist_ok=True)
                partial = folder / SCRATCH / "partial"
                write(partial, f"texts {asked['texts']}, {epoch} of {asked['epochs']}\n")
                partial.rename(checkpoint)
        (folder / "model").mkdir(exist_ok=True)
        write(folder / "model" / "weights", checkpoint.read_text("utf-8"))
        write(folder / "history", "".join(map(_text, files_below(folder / SCRATCH))))

    def cut(folder: Path) -> None:
        write(folder / "config", str(asked["amount"]))
        write(folder / "weights", f"{_text(root / LEARNT / 'model' / 'weights')}{asked['amount']}")
        if asked["amount"] == IMPOSSIBLE:
            raise ParetextError("so much cannot be cut; cut less.")

    def ship(folder: Path) -> None:
        write(folder / "graph", f"the graph of {_text(root / CUT / 'weights')}")
        write(folder / "manifest.json", f'{{"graph": "{sha256(folder / "graph")}"}}\n')

    def whole(folder: Path) -> None:
        expected = read_json(
            folder / "manifest.json", "make it again", lambda manifest: manifest["graph"]
        )
        if not (folder / "graph").is_file() or sha256(folder / "graph") != expected:
            raise ParetextError(f"{folder / 'graph'} is not as it was made.")

    def measure(folder: Path) -> None:
        write(folder / "table", f"{_text(root / SHIPPED / 'graph')} on {asked['evaluation']}")
        write(folder / "picture", f"of {_text(folder / 'table')}")

    with work_in(root):
        claim(root, "run", {"texts": {str(asked["texts"]): f"texts {asked['texts']}"}})
        stages, made = Stages(root), []
        inputs: Any = {"texts": asked["texts"], "epochs": asked["epochs"]}
        made += [LEARNT] * stages.finished(LEARNT, inputs, learn)
        inputs = {"of": folder_digest(root / LEARNT / "model"), "amount": asked["amount"]}
        made += [CUT] * stages.finished(CUT, inputs, cut)
        inputs = {"of": folder_digest(root / CUT)}
        made += [SHIPPED] * stages.finished(SHIPPED, inputs, ship, whole)
        inputs = {"of": folder_digest(root / SHIPPED), "evaluation": asked["evaluation"]}
        made += [MEASURED] * stages.finished(MEASURED, inputs, measure)
    return made


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def contents(root: Path) -> dict[str, str]:
    """Every file, hidden ones too, but the lock; and every folder, that none is left over."""
    paths = {path.relative_to(root).as_posix(): path for path in root.rglob("*")}
    paths.pop(".stages/lock", None)
    return {name: _text(path) if path.is_file() else "" for name, path in paths.items()}


class Job(RuleBasedStateMachine):
    """What happens to a job's folder until somebody lets it end."""

    def __init__(self, place: Path, executioner: Executioner) -> None:
        super().__init__()
        self.place, self.executioner = place, executioner
        self.root, self.asked = place / "disturbed", dict(START)
        executioner.left = 0

    @property
    def protected(self) -> bool:
        """Whether a stage is finished, so that the folder is that of these texts."""
        return any((self.root / ".stages").glob("*.done"))

    def there(self, name: str) -> Path | None:
        folder = self.root / name
        return folder if folder.is_dir() else None

    def goes_on(self) -> list[str]:
        return job(self.root, self.asked)

    @rule(name=st.sampled_from(["epochs", "amount", "evaluation"]), value=st.integers(0, 1))
    def a_setting_changes(self, name: str, value: int) -> None:
        self.asked[name] = value

    @rule()
    def too_much_is_asked(self) -> None:
        self.asked["amount"] = IMPOSSIBLE

    @rule(value=st.integers(0, 1))
    def other_texts_are_given(self, value: int) -> None:
        others = {**self.asked, "texts": value}
        if value != self.asked["texts"] and self.protected:
            before = contents(self.root)
            with pytest.raises(ParetextError, match="this is another"):
                job(self.root, others)
            assert contents(self.root) == before
        else:
            self.asked = others

    @rule(name=st.sampled_from(["epochs", "amount", "evaluation"]), operations=st.integers(1, 30))
    def a_setting_is_tried_and_given_up(self, name: str, operations: int) -> None:
        before = self.asked[name]
        self.asked[name] = 1 - before % 2
        self.it_is_killed(operations)
        self.asked[name] = before

    @rule(operations=st.integers(1, 40))
    def it_is_killed(self, operations: int) -> None:
        self.executioner.left = operations
        try:
            job(self.root, self.asked, self.executioner)
        except (Killed, ParetextError):
            pass
        finally:
            self.executioner.left = 0

    @rule(name=st.sampled_from([LEARNT, CUT, SHIPPED, MEASURED]))
    def somebody_deletes_a_result(self, name: str) -> None:
        shutil.rmtree(self.root / name, ignore_errors=True)

    @precondition(lambda self: self.there(SHIPPED))
    @rule(name=st.sampled_from(["graph", "manifest.json"]))
    def an_artifact_is_damaged(self, name: str) -> None:
        (self.root / SHIPPED / name).write_text("damaged", encoding="utf-8")

    @rule(name=st.sampled_from([f"{LEARNT}/history", f"{CUT}/weights", f"{MEASURED}/table"]))
    def a_result_is_damaged(self, name: str) -> None:
        """It is made again where its inputs have changed since; else that is for its owner."""
        path = self.root / name
        if not path.is_file():
            return
        path.write_text("damaged", encoding="utf-8")
        said = ""
        try:
            self.goes_on()
        except ParetextError as error:
            said = str(error)
        if said:
            if "cannot be cut" not in said:
                assert f"{path} is not as it was made" in said
                assert _text(path) == "damaged"
            shutil.rmtree(path.parent)  # as the sentence says

    @rule()
    def it_is_let_go_on(self) -> None:
        if self.asked["amount"] == IMPOSSIBLE:
            with pytest.raises(ParetextError, match="cannot be cut"):
                self.goes_on()
            assert not self.there(f"{CUT}.partial")
            return
        self.goes_on()
        expected = undisturbed(self.place.parent, tuple(self.asked.items()))
        now = contents(self.root)
        assert now == expected
        assert self.goes_on() == []
        assert contents(self.root) == now

    @invariant()
    def nothing_of_the_work_is_in_a_result(self) -> None:
        for name in (LEARNT, CUT, SHIPPED, MEASURED):
            assert not (self.root / name / SCRATCH).exists()


@cache
def undisturbed(place: Path, asked: tuple[tuple[str, int], ...]) -> dict[str, str]:
    root = place / "undisturbed" / "-".join(str(value) for _, value in asked)
    assert job(root, dict(asked)) == [LEARNT, CUT, SHIPPED, MEASURED]
    return contents(root)


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Path]:
    return (tmp_path / str(number) for number in itertools.count())


def test_a_job_ends_as_if_nothing_had_happened(
    places: Iterator[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executioner = Executioner(monkeypatch, tmp_path)
    run_state_machine_as_test(
        lambda: Job(next(places), executioner),
        settings=settings(
            max_examples=80,
            stateful_step_count=25,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
