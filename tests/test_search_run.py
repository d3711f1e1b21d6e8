"""The search with real steps, exports and trainings, on a tiny parent; and its bad input."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy
from filelock import FileLock
from test_endings import KEYS

from paretext.certification.certificate import Certificate
from paretext.cli.endings import of_search
from paretext.compression import Distillation, DynamicQuantization, Layers, LowRankEmbeddings
from paretext.compression.recipe import Recipe, Version, preset
from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.files import folder_bytes
from paretext.report.front import draw_front
from paretext.training.fit import TrainingSettings
from paretext.tuning.front import Candidate, front
from paretext.tuning.search import SearchResult, Space, search
from paretext.tuning.space import Family, Real, Whole

LIMITS = {"size": 5e6, "p95_latency": 5000.0, "macro_f1_drop": 1.0}
RECIPE = Recipe(
    max_length=24, training=TrainingSettings(precision="fp32", device="cpu", batch_size=16)
)
SPACE = Space(
    families={
        "convolutional": Family(
            recipes=preset("nano"),
            settings={
                "convolutional_student.embedding_size": Whole(low=4, high=12, step=4),
                "convolutional_student.channels": Whole(low=4, high=12, step=4),
                "convolutional_student.window": Whole(low=1, high=3, step=2),
                "distillation.epochs": Whole(low=3, high=3),
                "distillation.learning_rate": Real(low=1e-3, high=1e-2),
            },
        ),
        "shallow": Family(
            recipes=(
                Version(
                    name="shallow",
                    steps=(
                        Layers(keep=1),
                        LowRankEmbeddings(rank=16),
                        Distillation(epochs=3, copies=1),
                        DynamicQuantization(),
                    ),
                ),
            ),
            settings={
                "layers.keep": Whole(low=1, high=2),
                "low_rank_embeddings.rank": Whole(low=8, high=24, step=8),
                "distillation.epochs": Whole(low=3, high=3),
            },
        ),
    }
)


class Heard:
    """A sink that keeps what is said, and what is noted beside a task's bar."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)

    @contextlib.contextmanager
    def task(self, label: str, total: int) -> Iterator[progress.Advance]:
        def advance(n: int = 1, note: str = "") -> None:
            if note:
                self.lines.append(f"{label}: {note}")

        yield advance

    def count(self, words: str) -> int:
        return sum(words in line for line in self.lines)


def _search(parent: Path, out: Path, **settings: object) -> tuple[SearchResult, Heard]:
    heard = Heard()
    given: Any = {"limits": LIMITS, "space": SPACE, "threads": 1, "trials": 3, **settings}
    with progress.using(heard):
        texts = toy.dataset(60), toy.dataset(36, seed=1)
        searched = search(parent, RECIPE, *texts, out, draw=draw_front, **given)
    return searched, heard


class Died(BaseException):
    pass


@pytest.mark.slow
def test_a_search_that_died_goes_on_ends_with_a_certificate_and_repeats_nothing(
    versions: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import Trainer

    real, steps = Trainer.training_step, iter(range(17))  # an epoch has 3 or 4 steps

    def training_step(self: Trainer, *args: object, **kwargs: object) -> object:
        if next(steps, None) is None:
            raise Died
        return real(self, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "training_step", training_step)
        with pytest.raises(Died):
            _search(versions["pytorch"], tmp_path)

    searched, heard = _search(
        versions["pytorch"], tmp_path, evaluation=toy.dataset(90, seed=2), resume=True
    )
    assert heard.count("was interrupted; it is taken up again") == 1
    assert heard.count("distillation: goes on from checkpoint") == 1
    assert heard.count("distillation: epoch 1:") == 1  # of the one that had not begun

    values = json.loads((tmp_path / "result" / "pareto.json").read_text(encoding="utf-8"))
    assert values.keys() >= KEYS["search"] - {"certificate", "verdict"}  # which the verb adds
    assert values["taught"] == 3
    again = [Candidate(**{k: each[k] for k in vars(searched.parent)}) for each in values["front"]]
    assert front(again) == list(searched.front) == again
    assert "(winner)" in (tmp_path / "result" / "pareto.svg").read_text("utf-8")

    assert searched.winner is not None
    winner = tmp_path / "result" / "winner"
    assert searched.certificate == Certificate.of(winner)
    assert searched.certificate is not None
    assert {clause.name for clause in searched.certificate.clauses} == set(LIMITS)
    # Where more texts would decide, the next command names the parent that it searched.
    certificate = searched.certificate.model_copy(update={"verdict": "undecided"})
    verdict = of_search(replace(searched, certificate=certificate), versions["pytorch"])
    assert f"--against {versions['pytorch']} " in (verdict.command or "")
    # The untrained shape had the bytes of the trained artifact, but for a longer manifest.
    shapes = json.loads(next(tmp_path.glob("shapes-*.json")).read_text(encoding="utf-8"))["shapes"]
    for each in searched.front:
        assert each.bytes == folder_bytes(tmp_path / "artifacts" / each.name)
        assert any(0 <= each.bytes - shape["shape"]["bytes"] < 6000 for shape in shapes)

    # Asked once more, it has nothing to do; without limits it maps the front.
    once_more, heard = _search(
        versions["pytorch"], tmp_path, evaluation=toy.dataset(90, seed=2), resume=True
    )
    assert once_more == searched
    assert heard.count("distillation") == heard.count("certifying") == 0
    mapped, _ = _search(versions["pytorch"], tmp_path, limits=None, trials=2)
    assert mapped.winner is None
    assert mapped.sentence.endswith("on the Pareto front; with --budget one is chosen.")


def test_a_training_waits_while_another_process_measures(
    versions: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import Trainer

    real, steps, when_released = Trainer.training_step, [], []
    held = threading.Event()

    def measure() -> None:
        with FileLock(tmp_path / "locks" / "measuring.lock"):
            held.set()
            time.sleep(0.5)
            when_released.append(len(steps))

    def training_step(self: Trainer, *args: object, **kwargs: object) -> object:
        steps.append(1)
        if len(steps) == 2:
            threading.Thread(target=measure).start()
            assert held.wait(10)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Trainer, "training_step", training_step)
    _search(versions["pytorch"], tmp_path, trials=1)
    assert when_released == [2]
    assert len(steps) > 2


def test_an_impossible_budget_is_refused_before_any_training(
    versions: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(ParetextError) as error:
        _search(versions["pytorch"], tmp_path, limits={"size": 3000.0, "macro_f1_drop": 0.5})
    sizes = [
        each["shape"]["bytes"]
        for each in json.loads(next(tmp_path.glob("shapes-*.json")).read_text("utf-8"))["shapes"]
    ]
    assert str(error.value).startswith(
        "size <= 3 kB cannot be met: the smallest shape that is tried has "
        f"{min(sizes) / 1000:.3g} kB"
    )
    assert len(sizes) == 2  # one a family
    made = [path.name for path in (tmp_path / "classifiers").iterdir()]
    assert all(name.startswith("untrained-") for name in made)
    assert not (tmp_path / "artifacts").exists()  # not even the teacher's


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--budget", "sise<=5MB"), "unknown clause 'sise'; did you mean 'size'?"),
        (("--budget", "size<=5"), "size is limited to '5', which has no unit"),
        (("--budget", "p95_latency<=5MB"), "which has the unit 'MB'"),
        (("--budget", "size=5MB"), "the limit 'size=5MB' is not understood"),
        (("--resume",), "there is no trial of this parent, data, machine and budget to resume"),
        (("--storage", "study.db"), "the study's storage study.db cannot be opened"),
        (("--eval", "few.csv"), "has 8 texts, and a certificate needs 10"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_made(
    options: tuple[str, ...],
    sentence: str,
    versions: dict[str, Path],
    command: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    toy.write(tmp_path / "train.csv", toy.texts_and_labels(60))
    toy.write(tmp_path / "few.csv", toy.texts_and_labels(8, seed=2))
    ended = command("search", versions["pytorch"], "--data", "train.csv", "--out", "out", *options)
    assert ended.status == 2
    last = ended.err.strip().splitlines()[-1]
    assert last.startswith("paretext: ")
    assert sentence in last
    assert not (tmp_path / "out" / "classifiers").exists()


def test_a_folder_without_a_parent_is_named(command: Any, tmp_path: Path) -> None:
    toy.write(tmp_path / "train.csv", toy.texts_and_labels(60))
    ended = command("search", tmp_path, "--data", tmp_path / "train.csv")
    assert ended.status == 2
    assert "is neither a run (it has no parent.json) nor a classifier's folder" in ended.err
