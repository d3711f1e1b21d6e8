"""A run's folder: one run's, one process's, and nothing in it is trusted that is not as it was."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import toy
from damage import DAMAGES, garble

import paretext.certification.versions
import paretext.graphs.artifact_writer
import paretext.pipeline.candidates
import paretext.pipeline.profiled
import paretext.pipeline.stages
import paretext.training.fit
from paretext.certification.model import open_model
from paretext.compression import DynamicQuantization, Recipe, Version, Vocabulary, compress
from paretext.core.errors import ParetextError
from paretext.core.files import files_below, sha256
from paretext.core.locks import work_in
from paretext.core.ownership import claim
from paretext.core.run_folder import RunFolder, called
from paretext.data.dataset import Dataset
from paretext.demo.job import run_demo
from paretext.measure.comparison import Comparison
from paretext.models.classifier import Classifier
from paretext.pipeline.ablation import ablate
from paretext.pipeline.candidates import best_epoch
from paretext.pipeline.inspection import describe
from paretext.pipeline.parents import check_splits, parent_of
from paretext.pipeline.splits import Data, prepare
from paretext.pipeline.stages import run, train
from paretext.report.run_gather import gather
from paretext.runtime.manifest import NAME as MANIFEST
from paretext.runtime.manifest import QUANTIZED_MODEL, Manifest
from paretext.training.fit import TrainingSettings
from paretext.tuning.search import search

TRAINING = TrainingSettings(
    epochs=1, batch_size=8, learning_rate=5e-3, precision="fp32", device="cpu"
)
VERSIONS = (
    Version(name="trimmed", steps=(Vocabulary(),)),
    Version(name="int8", steps=(DynamicQuantization(),)),
)


class MadeAgain(BaseException):
    """A stage began its work, which would take a while."""


@dataclass(frozen=True)
class Finished:
    out: Path
    recipe: Recipe
    data: Data

    def copy(self, to: Path) -> Path:
        return Path(shutil.copytree(self.out, to))

    def again(self, out: Path) -> None:
        run(self.data, self.recipe, out, threads=1, rounds=1)


@pytest.fixture(scope="module")
def finished(encoder: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("finished")
    training = Dataset.read(toy.write(folder / "train.csv", toy.texts_and_labels(60)))
    evaluation = Dataset.read(
        toy.write(folder / "eval.csv", toy.texts_and_labels(60, seed=1)),
        label_names=training.label_names,
    )
    models = (str(encoder("roberta")), "tfidf")
    recipe = Recipe(models=models, max_length=32, training=TRAINING, versions=VERSIONS)
    made = Finished(folder / "out", recipe, prepare(training, evaluation, recipe))
    made.again(made.out)
    return made


@pytest.fixture
def nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def again(*args: Any, **kwargs: Any) -> Any:
        raise MadeAgain

    for place, name in (
        *((paretext.pipeline.profiled, "profile"), (paretext.training.fit, "fit")),
        *((paretext.pipeline.stages, "compare"), (paretext.graphs.artifact_writer, "export")),
        *((Classifier, "load"),),
        *((paretext.certification.versions, "certify"),),
    ):
        monkeypatch.setattr(place, name, again)
    monkeypatch.setattr(paretext.pipeline.candidates.BASELINES["tfidf"].__class__, "fit", again)


def outcome_of(job: Callable[[], object]) -> str:
    """ "ended", "made again", or the sentence that refuses it."""
    try:
        job()
    except MadeAgain:
        return "made again"
    except ParetextError as error:
        return str(error)
    return "ended"


def digests(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files_below(folder)}


# --- nothing that was half written is trusted


def test_a_run_with_any_damaged_file_says_which_or_makes_it_again(
    finished: Finished,
    nothing_is_made: None,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What may have cost a training is not thrown away unasked; what every restart writes, is."""
    kept = ("candidates/", "classifiers/", "comparison/", "profile/", ".stages/")
    rewritten = ("run.json", "parent.json", "certificates/", ".stages/lock")
    out = finished.copy(tmp_path / "out")
    finished.again(out)  # as it is, nothing is made
    # Both take a while; the second looks at the models that were given, and not at the folder.
    monkeypatch.setattr(paretext.pipeline.stages, "write_report", lambda run: (run, None))
    monkeypatch.setattr(paretext.pipeline.stages, "check_models", lambda *_: None)
    monkeypatch.setattr(paretext.pipeline.stages, "check_versions", lambda *_: None)
    seen, turn = set(), itertools.cycle(DAMAGES)
    for path in files_below(out):
        name, content = path.relative_to(out).as_posix(), path.read_bytes()
        seen.add(name)
        # A file that is only compared with its digest needs no more than one.
        read = path.suffix in (".json", ".done") and path.name != "tokenizer.json"
        for damage in DAMAGES if read else [next(turn)]:
            damage(path)
            caplog.clear()
            with caplog.at_level("INFO", logger="paretext"):
                outcome = outcome_of(lambda: finished.again(out))
            if name.startswith((*rewritten, "report/")):
                assert outcome == "ended", (name, damage)
                if name == "run.json" and damage is not garble:
                    assert "run.json is damaged" in caplog.text
            elif name.startswith(kept):
                assert str(path) in outcome, (name, damage)
                assert "delete" in outcome, (name, damage)
            else:
                assert name.startswith("artifacts/")
                assert outcome == "made again", (name, damage)
                assert f"is made again: {path.parent}" in caplog.text
            path.write_bytes(content)
            shutil.rmtree(path.parent.with_name(f"{path.parent.name}.partial"), ignore_errors=True)
    for name in (
        *("run.json", "parent.json", ".stages/made-of.json", ".stages/candidates--roberta.done"),
        *("candidates/tfidf/history.json", "classifiers/trimmed/steps.json"),
        *("profile/profile.json", "comparison/comparison.json", "artifacts/int8/certificate.json"),
    ):
        assert name in seen


def test_verbs_that_read_a_run_never_end_in_a_traceback(
    finished: Finished, tmp_path: Path, command: Any
) -> None:
    out = finished.copy(tmp_path / "out")
    readers: tuple[Callable[[], object], ...] = (
        lambda: parent_of(out),
        lambda: check_splits(out, finished.data),
        lambda: describe(out),
        lambda: describe(out / "candidates" / "roberta" / "model"),
        lambda: describe(out / "artifacts" / "int8"),
        lambda: best_epoch(out / "candidates" / "roberta"),
        lambda: Comparison.read(out / "comparison"),
        lambda: gather(out),
    )
    opens = [_opened(read) for read in readers]
    damaged = 0
    for path in files_below(out):
        if path.suffix != ".json" or path.name in ("report.json", "tokenizer.json"):
            continue
        # Whoever does not open a file cannot see what is in it.
        concerned = [read for read, seen in zip(readers, opens, strict=True) if path in seen]
        content = path.read_bytes()
        for damage in (*DAMAGES, *_inside(path)):
            damage(path)
            for read in concerned:
                if (outcome := outcome_of(read)) != "ended":
                    assert str(path) in outcome or str(path.parent) in outcome
                    damaged += 1
        path.write_bytes(content)
    assert damaged > 50
    for read in readers:
        read()
    (out / "comparison" / "comparison.json").write_text("[", encoding="utf-8")
    shown = command("inspect", out / "comparison")
    assert shown.status == 2


def _opened(read: Callable[[], object]) -> set[Path]:
    """The files that it opens; Python tells its hooks of each (PEP 578), and they cannot be taken
    away again."""
    seen: set[Path] = set()
    listening = True

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if listening and event == "open" and isinstance(args[0], str | os.PathLike):
            seen.add(Path(args[0]))

    sys.addaudithook(hook)
    read()
    listening = False
    return seen


def _inside(path: Path) -> Iterator[Callable[[Path], None]]:
    """Each value of an object in turn is null, or a list."""
    values = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(values, list):
        yield lambda path: path.write_text("[[1, 2]]", encoding="utf-8")
    for name in values if isinstance(values, dict) else ():
        for other in (None, [], "text"):
            text = json.dumps({**values, name: other})
            yield lambda path, text=text: path.write_text(text, encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    "lost", [f"artifacts/int8/{QUANTIZED_MODEL}", "artifacts/parent/manifest.json"]
)
def test_a_damaged_artifact_is_made_again_as_it_was(
    lost: str, finished: Finished, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = finished.copy(tmp_path / "out")
    path = out / lost
    path.write_bytes(path.read_bytes()[:100])
    with caplog.at_level("INFO", logger="paretext"):
        finished.again(out)
    assert f"{'/'.join(Path(lost).parts[:2])} is made again: " in caplog.text
    for name in ("parent", "trimmed", "int8"):
        now, then = (Manifest.read(root / "artifacts" / name) for root in (out, finished.out))
        assert now.identity == then.identity
    assert digests(out).keys() == digests(finished.out).keys()


# --- whose folder it is


def other(finished: Finished, **changes: Any) -> tuple[Recipe, Data]:
    """The same job with some things changed."""
    recipe = finished.recipe.model_copy(update=changes.pop("recipe", {}))
    given, evaluation = finished.data.given or (finished.data.train, None)
    train_, evaluation = changes.get("train", given), changes.get("evaluation", evaluation)
    return recipe, prepare(train_, evaluation, recipe)


def test_a_run_into_another_runs_folder_is_refused_and_both_are_named(
    finished: Finished, encoder: Callable[[str], Path], versions: dict[str, Path], tmp_path: Path
) -> None:
    out = finished.copy(tmp_path / "out")
    before = digests(out)
    model, bert = str(encoder("roberta")), str(encoder("bert"))
    stranger = toy.dataset(60, seed=7)
    relabelled = Dataset(
        finished.data.given[0].texts,  # type: ignore[index]
        (finished.data.given[0].labels + 1) % 3,  # type: ignore[index]
        toy.LABELS,
        "relabelled",
    )
    cases = (
        ({"train": stranger}, ("60 texts", finished.data.report.name, "toy 7")),
        ({"train": relabelled}, ("60 texts", "relabelled")),
        ({"recipe": {"models": (bert, "tfidf")}}, (model, bert)),  # only the baseline in common
        ({"recipe": {"models": ("tfidf",)}}, (model, "tfidf")),
    )
    for changes, said in cases:
        recipe, data = other(finished, **changes)
        for job in (
            lambda recipe=recipe, data=data: run(data, recipe, out, threads=1, rounds=1),
            lambda recipe=recipe, data=data: train(recipe.models, data, recipe, out),
        ):
            with pytest.raises(ParetextError) as refused:
                job()
            message = str(refused.value)
            assert all(words in message for words in (*said, str(out), "give another --out")), said
            assert digests(out) == before
    recipe, data = other(finished)
    with pytest.raises(ParetextError, match=r"the run of .* and this is another, the ablate of"):
        ablate((model, bert), data, recipe, out)
    with pytest.raises(ParetextError, match=r"the run of .* and this is another, the compress of"):
        compress(versions["pytorch"], recipe, data.train, data.selection, out)
    assert digests(out) == before


def test_the_same_run_goes_on_with_more_models_other_settings_and_evaluation_texts(
    finished: Finished,
    encoder: Callable[[str], Path],
    nothing_is_made: None,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    out = finished.copy(tmp_path / "out")
    model, bert = str(encoder("roberta")), str(encoder("bert"))
    moved = Path(shutil.copytree(model, tmp_path / "moved"))
    other_texts = toy.dataset(30, seed=3)
    for changes, said in (
        ({"recipe": {"models": (model, bert)}}, "models"),
        ({"recipe": {"models": (str(moved), "tfidf")}}, "models"),
        ({"recipe": {"models": (model,)}}, "models"),
        ({"evaluation": other_texts}, "evaluation texts"),
        ({"recipe": {"training": TRAINING.model_copy(update={"seed": 5})}}, "training.seed 0 -> 5"),
        ({"recipe": {"max_length": 24}}, "max_length 32 -> 24"),
    ):
        recipe, data = other(finished, **changes)
        with work_in(out), caplog.at_level("INFO", logger="paretext"):
            # only what is new is made, which is where this test ends
            outcome = outcome_of(lambda r=recipe, d=data: train(r.models, d, r, out))
            assert outcome in ("ended", "made again"), changes
        assert "changed since the last time: " in caplog.text, changes
        assert said in caplog.text, changes
        caplog.clear()
        shutil.rmtree(out)
        finished.copy(out)
    with caplog.at_level("INFO", logger="paretext"):
        finished.again(out)
    assert "changed since" not in caplog.text


def test_a_candidates_classifier_is_called_as_the_candidate_is(tmp_path: Path) -> None:
    assert called(RunFolder(tmp_path).model("roberta-base")) == "roberta-base"
    assert called(tmp_path / "mine") == "mine"


def test_what_is_given_in_place_of_a_model_is_named_with_the_one_that_was_meant(
    tmp_path: Path, command: Any
) -> None:
    run = RunFolder(tmp_path / "run")
    for name in ("parent", "int8"):
        run.artifact(name).mkdir(parents=True)
        (run.artifact(name) / MANIFEST).touch()
    for verb in (("compress", "--eval", "texts.csv"), ("search", "--data", "texts.csv")):
        ended = command(verb[0], run.artifact("int8"), *verb[1:])
        assert ended.status == 2
        assert f"is an artifact, which learns no more; give its run, {run.root}." in ended.err
    with pytest.raises(ParetextError, match=f"is a run, .* its parent is {run.artifact()}"):
        open_model(run.root, threads=1)


def test_a_folder_from_before_the_record_is_known_by_its_run_json(
    finished: Finished, nothing_is_made: None, tmp_path: Path
) -> None:
    out = finished.copy(tmp_path / "out")
    (out / ".stages" / "made-of.json").unlink()
    recipe, data = other(finished, train=toy.dataset(60, seed=7))
    with pytest.raises(ParetextError, match="holds the run of training texts: "):
        run(data, recipe, out)
    finished.again(out)
    assert (out / ".stages" / "made-of.json").is_file()


def test_a_run_that_was_refused_may_be_started_with_another_model(
    finished: Finished, encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    """The model was damaged, say, and is copied again; only what is trained is protected."""
    out, model = tmp_path / "out", Path(shutil.copytree(encoder("bert"), tmp_path / "model"))
    (model / "model.safetensors").write_bytes(b"no weights")
    recipe, data = other(finished, recipe={"models": (str(model),)})
    with pytest.raises(Exception, match=r"(?i)safetensors|header|weights"):
        train(recipe.models, data, recipe, out)
    shutil.copy(encoder("bert") / "model.safetensors", model)
    assert train(recipe.models, data, recipe, out).parent == "model"
    (model / "notes.txt").write_text("other contents, so another model", encoding="utf-8")
    with pytest.raises(ParetextError, match="holds the run of models: "):
        train(recipe.models, data, recipe, out)


@pytest.mark.parametrize(
    "theirs", ["run.json", "parent.json", "profile/notes.txt", "candidates/roberta/weights.bin"]
)
def test_nobodys_files_are_overwritten_or_deleted(
    theirs: str, finished: Finished, nothing_is_made: None, tmp_path: Path
) -> None:
    path = tmp_path / "out" / theirs
    path.parent.mkdir(parents=True)
    path.write_text("theirs", encoding="utf-8")
    with pytest.raises((ParetextError, MadeAgain)) as refused:
        finished.again(tmp_path / "out")
    if refused.type is MadeAgain:  # the profile comes before the candidates
        with pytest.raises(ParetextError) as refused:
            train(finished.recipe.models, finished.data, finished.recipe, tmp_path / "out")
    assert "move it away, or give another --out" in str(refused.value)
    assert path.read_text(encoding="utf-8") == "theirs"


def test_a_classifiers_own_folder_takes_no_versions(finished: Finished, tmp_path: Path) -> None:
    model = Path(shutil.copytree(finished.out / "candidates/roberta/model", tmp_path / "model"))
    recipe, data = finished.recipe, finished.data
    before = digests(model)
    with pytest.raises(ParetextError, match="give another --out"):
        compress(model, recipe, data.train, data.selection, model)
    assert digests(model) == before


def test_every_job_asks_whose_the_folder_is(
    finished: Finished, encoder: Callable[[str], Path], versions: dict[str, Path], tmp_path: Path
) -> None:
    out, recipe = tmp_path / "out", finished.recipe
    own, chosen = finished.data.train, finished.data.selection
    jobs: dict[str, Callable[[], object]] = {
        "demo": lambda: run_demo(out),
        "search": lambda: search(versions["pytorch"], recipe, own, chosen, out),
        "compress": lambda: compress(versions["pytorch"], recipe, own, chosen, out),
        "ablate": lambda: ablate(recipe.models, finished.data, recipe, out),
        "train": lambda: train(recipe.models, finished.data, recipe, out),
    }
    (out / ".stages").mkdir(parents=True)
    of = {"parent": {"0": "another"}, "training texts": {"0": "others"}, "change": {"0": "another"}}
    for job, start in jobs.items():
        for verb in ("run", "search", "compress", "ablate"):
            (out / ".stages" / "made-of.json").unlink(missing_ok=True)
            claim(out, verb, of)
            (out / ".stages" / "stage.done").write_text("0" * 64, encoding="utf-8")
            before = digests(out)
            with pytest.raises(ParetextError, match=f"holds the {verb} of .* and this is another"):
                start()
            assert digests(out).keys() - {".stages/lock"} == before.keys() - {".stages/lock"}, job
            (out / ".stages" / "stage.done").unlink()


def test_the_demo_deletes_nobodys_data(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dear.csv").write_text("theirs", encoding="utf-8")
    with pytest.raises(ParetextError, match=r"data is there .* move it away"):
        run_demo(tmp_path)
    assert (tmp_path / "data" / "dear.csv").read_text(encoding="utf-8") == "theirs"


# --- one process at a time


SECOND = """
import sys
sys.argv = ["paretext", *sys.argv[1:]]
from paretext.cli import main
main()
"""


@pytest.mark.slow
def test_the_second_command_on_a_run_says_who_has_it_and_the_first_ends_well(
    encoder: Callable[[str], Path], tmp_path: Path, command: Any
) -> None:
    toy.write(tmp_path / "train.csv", toy.texts_and_labels(120))
    out = tmp_path / "out"
    arguments = [
        *("train", "--data", str(tmp_path / "train.csv"), "--model", str(encoder("roberta"))),
        *("--out", str(out), "--epochs", "2", "--max-length", "32", "--device", "cpu", "--json"),
    ]
    start = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    first = subprocess.Popen([sys.executable, "-c", SECOND, *arguments], **start)  # type: ignore[call-overload]
    lock = out / ".stages" / "lock"
    while first.poll() is None and not (lock.is_file() and lock.read_text(encoding="utf-8")):
        time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)  # so that it is there for as long as it takes
    try:
        for verb in (arguments, ["report", str(out)]):
            second = command(*verb)
            said = second.err.splitlines()[-1]
            assert second.status == 2, second.err
            assert f"{out} is in use by process {first.pid} on " in said or "holds no run" in said
        expected = f"process {first.pid} .*: paretext train --data"
        with pytest.raises(ParetextError, match=expected), work_in(out):
            pass
    finally:
        first.send_signal(signal.SIGCONT)
    printed, complaint = first.communicate(timeout=120)
    assert first.returncode == 0, complaint
    assert json.loads(printed)["parent"] == "roberta"
