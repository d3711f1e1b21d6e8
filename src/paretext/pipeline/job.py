"""The two whole jobs: `run` from a table of labelled texts, `compress` from somebody's model.

Both go from what they are given to a folder with the versions worth deploying, each certified and
measured on texts that nothing was learned from, and a page that says which of them to take. What a
job needs and is not given it takes from what it has, or does without, and says so:

    given                    what is made                     measured on
    --data                   all versions                     a part of --data that is held out
    --data --eval            all versions                     --eval
    --eval                   INT8, which learns nothing       most of --eval
    --unlabelled             all versions, taught by the      a part of it that is held out, by
                             model's own answers              agreement with the model
    --unlabelled --eval      the same                         --eval
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from paretext.compression.build import compress as make_versions
from paretext.compression.ladder import Allowance
from paretext.compression.recipe import Recipe
from paretext.core import progress
from paretext.core.clock import Clock
from paretext.core.errors import ParetextError
from paretext.core.files import Stages, digest_of, folder_digest
from paretext.core.locks import works_in
from paretext.core.ownership import claim
from paretext.core.run_folder import ANSWERS, WRITES, RunFolder, model_of
from paretext.data.checks import require_apart
from paretext.data.dataset import Dataset
from paretext.data.reading import NamedBy
from paretext.measure.naming import check_order, output_names, some_of
from paretext.models.pretrained import Source, source_digest
from paretext.pipeline.asked import asked_recipe, asked_versions
from paretext.pipeline.candidates import check_models, train_candidate
from paretext.pipeline.options import Compress, Run
from paretext.pipeline.parents import (
    adopt,
    check_splits,
    is_run,
    open_model,
    parent_of,
    require_model,
    was_held_out,
)
from paretext.pipeline.record import require_startable, write_record
from paretext.pipeline.sources import Sources
from paretext.pipeline.splits import Data, prepare, prepare_answered, prepare_measured, read
from paretext.pipeline.stages import (
    LINEAR,
    Trained,
    candidate_names,
    finish,
    outline_of,
)
from paretext.pipeline.stages import run as run_prepared
from paretext.pipeline.unlabelled import like_the_labelled
from paretext.report.run_page import write_report

DEFAULT_MODEL = "distilroberta-base"
LEAST_SECONDS = 30
"""Of a job's time, below which nothing can be made and measured of any model."""
RUNS = Path("runs")
"""Where runs lie whose folder is not named."""
_ANSWERED_TOGETHER = 512
_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".gz")


def run(asked: Run) -> Path:
    """From a table of labelled texts to a finished run; returns its folder, by default runs/NAME.

    Where no model is named it is DEFAULT_MODEL; where no texts to measure on are given, some of
    the others are held out.
    """
    clock, recipe, budget = _clock(asked), asked_recipe(asked), asked.limits()
    if not recipe.models:
        recipe = recipe.model_copy(update={"models": (DEFAULT_MODEL,)})
    folder = Path(asked.out or RUNS / folder_name(asked.data))
    require_startable(recipe.models, folder)
    run_prepared(
        read(asked, recipe, hold_out=True),
        recipe,
        folder,
        unlabelled=asked.texts(),
        budget=budget,
        threads=asked.threads,
        rounds=asked.rounds,
        clock=clock,
    )
    return folder


def compress(asked: Compress) -> Path:
    """From a classifier to a finished run with its versions; returns the run's folder.

    Without a recipe or presets, what is worth deploying and can be made of this model with these
    texts. The folder is by default the run that was given, or runs/NAME.
    """
    model, clock = str(asked.model), _clock(asked)
    require_model(model)
    recipe, _ = asked_versions(asked), asked.limits()  # a budget that is none is refused here
    if asked.eval is asked.data is asked.unlabelled is None:
        raise ParetextError(
            f"nothing says what {model} may lose: give labelled texts to measure on with --eval, "
            "or texts without labels with --unlabelled."
        )
    if is_run(model):
        own, _, settings = parent_of(Path(model))
        if asked.out is None or Path(asked.out).resolve() == Path(model).resolve():
            return _more(Path(model), asked, recipe or settings, clock)
        model, recipe = str(own), recipe or settings
    source = open_model(model)
    names = output_names(source.labels, asked.names(), source.name)
    folder = Path(asked.out or RUNS / folder_name(model))
    _take(source, names, asked, recipe or Recipe(), folder, clock)
    return folder


def _clock(asked: Run | Compress) -> Clock | None:
    """ParetextError for a time that is too short for any model."""
    clock = asked.clock()
    if clock is not None and clock.seconds < LEAST_SECONDS:
        raise ParetextError(
            f"--time {asked.time} is too short to make and measure anything; give 2m or more, "
            "which is enough for INT8 of a small model."
        )
    return clock


@works_in("folder")
def _take(
    source: Source,
    names: tuple[str, ...],
    asked: Compress,
    recipe: Recipe,
    folder: Path,
    clock: Clock | None,
) -> None:
    """Take somebody's model into the run `folder`, and do the rest there."""
    _claim(folder, source, record=False)
    asked.check()
    tables = _Read.of(asked, names, source.name)  # first: it takes no PyTorch, the outline does
    recipe = recipe.within(outline_of(source.name), learns=_learns(asked))
    _claim(folder, source)
    stages, name = Stages(folder), candidate_names([source.name], [LINEAR])[0]
    parent = adopt(source, names, name, stages)
    labelled = tables.evaluation or tables.train
    if names != source.labels and labelled is not None:
        from paretext.models.classifier import Classifier

        some = some_of(labelled)
        check_order(Classifier.load(parent).logits(some.texts), some, str(asked.labels))
    data = tables.split(parent, source.name, recipe, folder, hold_out=True)
    if data.held_out and tables.train is not None:
        progress.say(
            f"if {source.name} was trained on these texts too, it knows the held-out ones by heart "
            "and every figure is too good; measure on others with --eval"
        )
    write_record(recipe, data, folder)
    folders = {name: parent}
    if tables.train is not None:
        check_models([LINEAR], data, recipe)
        folders[LINEAR] = model_of(train_candidate(stages, LINEAR, LINEAR, data, recipe))
    _finish(Trained(folders, name), recipe, data, folder, tables, asked, clock)


@works_in("folder")
def _more(folder: Path, asked: Compress, recipe: Recipe, clock: Clock | None) -> Path:
    """More versions of a run's parent, in the run; measured where there are texts to do it on."""
    parent, name, _ = parent_of(folder)
    source = open_model(str(parent))
    asked.check()
    names = output_names(source.labels, asked.names(), source.name)
    tables = _Read.of(asked, names, source.name)
    recipe = recipe.within(outline_of(parent), learns=_learns(asked))
    data = tables.split(parent, name, recipe, folder, hold_out=was_held_out(folder))
    check_splits(folder, data)
    models = RunFolder(folder).models()
    if data.evaluation is not None:
        _finish(Trained(models, name), recipe, data, folder, tables, asked, clock)
        return folder
    make_versions(
        parent,
        recipe,
        data.train,
        data.selection,
        folder,
        parent_name=name,
        unlabelled=like_the_labelled(parent, data, tables.more, folder),
        allowance=None if clock is None else Allowance(clock, lambda _: lambda _: 0.0),
    )
    write_report(folder)
    progress.say("the versions are made and not certified: that takes texts to measure on, --eval")
    return folder


def _finish(
    trained: Trained,
    recipe: Recipe,
    data: Data,
    folder: Path,
    tables: _Read,
    asked: Compress,
    clock: Clock | None,
) -> None:
    finish(
        trained,
        recipe,
        data,
        folder,
        unlabelled=tables.more,
        budget=asked.limits(),
        threads=asked.threads,
        rounds=asked.rounds,
        clock=clock,
    )


def _learns(asked: Compress) -> bool:
    """Whether there are texts to learn from."""
    return asked.data is not None or asked.unlabelled is not None


@dataclass(frozen=True)
class _Read:
    """A job's tables, with the label names of its model."""

    train: Dataset | None
    evaluation: Dataset | None
    selection: Dataset | None
    texts: tuple[str, ...]
    sources: Sources
    names: tuple[str, ...]

    @classmethod
    def of(cls, sources: Sources, names: tuple[str, ...], model: str) -> _Read:
        by = NamedBy.model(model, names)
        train, evaluation = sources.train(names, by), sources.evaluation(names, by)
        texts = sources.texts()
        if evaluation is not None:
            require_apart(texts, "--unlabelled", evaluation)
        return cls(train, evaluation, sources.chosen_by(names, by), texts, sources, names)

    @property
    def more(self) -> tuple[str, ...]:
        """The texts without labels, beside the labelled ones; without those they are the training
        texts themselves."""
        return self.texts if self.train is not None else ()

    def split(self, parent: Path, name: str, recipe: Recipe, run: Path, *, hold_out: bool) -> Data:
        """What is learned from, chosen by and measured on; see the table above."""
        if self.train is not None:
            return prepare(
                self.train,
                self.evaluation,
                recipe,
                selection=self.selection,
                leaks_dropped=self.sources.drop_leaks,
                hold_out=hold_out,
            )
        if self.texts:
            labels = _answers(parent, name, self.texts, Stages(run))
            answered = Dataset(
                self.texts, labels, self.names, _called(self.sources.unlabelled), answered_by=name
            )
            return prepare_answered(answered, self.evaluation, recipe)
        if self.evaluation is None:
            raise ParetextError("there are no texts at all: give --eval, --data or --unlabelled.")
        return prepare_measured(self.evaluation, recipe)


def _answers(
    parent: Path, name: str, texts: tuple[str, ...], stages: Stages
) -> npt.NDArray[np.int64]:
    """(n,) the parent's answers in PyTorch, kept in the run's folder `answers`."""

    def work(folder: Path) -> None:
        from paretext.models.classifier import Classifier

        classifier, order = Classifier.load(parent), np.argsort([len(text) for text in texts])
        answers = np.empty(len(texts), np.int64)
        with progress.task(f"answers of {name}", len(texts)) as advance:
            for start in range(0, len(texts), _ANSWERED_TOGETHER):
                rows = order[start : start + _ANSWERED_TOGETHER]
                answers[rows] = classifier.logits([texts[i] for i in rows]).argmax(axis=1)
                advance(len(rows))
        np.save(folder / "answers.npy", answers)

    stages.finished(
        ANSWERS, {"parent": folder_digest(parent), "texts": digest_of(list(texts))}, work
    )
    answers: npt.NDArray[np.int64] = np.load(RunFolder(stages.root).answers / "answers.npy")
    return answers


def _called(texts: object) -> str:
    return str(texts) if isinstance(texts, str | Path) else "the texts without labels"


def _claim(folder: Path, source: Source, *, record: bool = True) -> None:
    """ParetextError if `folder` is of another model, or holds what no job has made."""
    if folder.resolve() == Path(source.name).resolve():
        raise ParetextError(
            f"{folder} is the model's own folder, and what is made of it must not lie in it; give "
            "another --out."
        )
    digest = source_digest(source.name)
    claim(
        folder,
        "compress",
        {"model": {digest: source.name}},
        writes=(*WRITES, ANSWERS),
        record=record,
    )


def folder_name(source: object) -> str:
    """What a run is called by the table or the model that it begins with."""
    if not isinstance(source, str | Path):
        return "run"
    source = str(source)
    name = re.split(r"[@:]", source.rstrip("/").rsplit("/", 1)[-1])[0]
    for suffix in Path(name).suffixes[::-1]:
        if suffix.lower() in _TABLES:
            name = name.removesuffix(suffix)
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).strip(".-") or "run"
