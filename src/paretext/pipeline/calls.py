"""The verbs as Python calls: strings, paths, DataFrames and `datasets` objects in, results out.

They do what the command line does, with the same words: `paretext run --data x.csv --preset small`
is `paretext.run("x.csv", preset="small")`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paretext.certification.budget import Budget
from paretext.compression.recipe import Recipe
from paretext.core.errors import ParetextError
from paretext.core.files import Stages
from paretext.core.locks import change
from paretext.data.dataset import Dataset
from paretext.data.given import Given
from paretext.data.reading import NamedBy
from paretext.data.tables import OnBadRow
from paretext.measure.comparison import Comparison
from paretext.measure.comparison import compare as compare_versions
from paretext.pipeline import job
from paretext.pipeline.asked import asked_recipe, asked_versions
from paretext.pipeline.finished import Finished
from paretext.pipeline.parents import require_model
from paretext.pipeline.sources import Measuring, Sources
from paretext.pipeline.stages import evaluation_of, versions_to_compare
from paretext.report.run_page import renew_report
from paretext.runtime.manifest import Manifest

Path_ = str | Path
Limits = Path_ | Sequence[Path_] | Budget | None
"""Files and expressions of limits, or a Budget."""


def run(
    data: Given,
    *,
    eval: Given = None,
    model: Path_ | Sequence[Path_] | None = None,
    preset: str | Sequence[str] | None = None,
    recipe: Path_ | Recipe | None = None,
    unlabelled: Given = None,
    selection: Given = None,
    labels: Path_ | Sequence[str] | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    on_bad_row: OnBadRow = "fail",
    drop_leaks: bool = False,
    out: Path_ | None = None,
    budget: Limits = None,
    threads: int | None = None,
    rounds: int = 5,
    max_length: int | None = None,
    **training: Any,
) -> Finished:
    """From labelled texts to the artifact to deploy: train, compress, certify, measure.

    data: a file, a hub name, a DataFrame, a `datasets` object, or a pair (texts, labels).
    eval: texts that are only measured on; without them 20% of `data` is held out.
    model: hub ids, folders or baselines; the default is distilroberta-base, and a linear model
        always runs beside it.
    out: the run's folder, by default runs/NAME. Called again with the same arguments, it goes on
        where it was.
    training: settings of training, such as epochs=3 or seed=1.

    Raises ParetextError, one sentence, for whatever cannot be done.
    """
    asked = asked_recipe(recipe, _listed(model), max_length, _names(preset), **training)
    sources = Sources(
        data=data,
        eval=eval,
        selection=selection,
        unlabelled=unlabelled,
        labels=labels,
        text_column=text_column,
        label_column=label_column,
        on_bad_row=on_bad_row,
        drop_leaks=drop_leaks,
    )
    measuring = Measuring(_budget(budget), threads, rounds)
    return Finished(job.run(sources, asked, _path(out), measuring))


def compress(
    model: Path_,
    *,
    eval: Given = None,
    data: Given = None,
    unlabelled: Given = None,
    preset: str | Sequence[str] | None = None,
    recipe: Path_ | Recipe | None = None,
    selection: Given = None,
    labels: Path_ | Sequence[str] | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    on_bad_row: OnBadRow = "fail",
    drop_leaks: bool = False,
    out: Path_ | None = None,
    budget: Limits = None,
    threads: int | None = None,
    rounds: int = 5,
) -> Finished:
    """From a fine-tuned classifier to the artifact to deploy: smaller, certified, measured.

    model: a run's folder, a Hugging Face classifier's folder, or a hub id.
    eval: labelled texts that are only measured on. With them alone the version is INT8; versions
        that learn take `data` (labelled) or `unlabelled` (texts of the same kind).
    labels: names of the outputs of a model that calls them LABEL_0, LABEL_1, ...

    Raises ParetextError, one sentence, for whatever cannot be done.
    """
    sources = Sources(
        data=data,
        eval=eval,
        selection=selection,
        unlabelled=unlabelled,
        labels=labels,
        text_column=text_column,
        label_column=label_column,
        on_bad_row=on_bad_row,
        drop_leaks=drop_leaks,
    )
    require_model(str(model))
    asked = asked_versions(str(model), recipe, _names(preset))
    measuring = Measuring(_budget(budget), threads, rounds)
    return Finished(job.compress(str(model), sources, asked, _path(out), measuring))


def compare(
    artifacts: Path_ | Sequence[Path_],
    eval: Given = None,
    *,
    out: Path_ | None = None,
    baseline: Path_ | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    on_bad_row: OnBadRow = "fail",
    threads: int | None = None,
    rounds: int = 5,
) -> Comparison:
    """Measure artifacts on the same texts: quality with paired intervals, size, memory, speed.

    artifacts: a run's folder, or artifacts; differences are taken against the first of them.
    eval: labelled texts; a run that held its own out has them in held-out.csv, the default.
    baseline: a classifier's folder, to measure in PyTorch too.
    """
    folders = [Path(each) for each in _listed(artifacts) or ()]
    if not folders:
        raise ParetextError("there is nothing to compare; give a run's folder, or artifacts.")
    versions, folder = versions_to_compare(folders, _path(baseline), _path(out))
    eval = evaluation_of(folders[0], eval)
    first = next(each.target.folder for each in versions if each.target.kind == "artifact")
    labels = Manifest.read(first).labels
    data = Dataset.read(
        eval,
        text_column=text_column,
        label_column=label_column,
        label_names=labels,
        named_by=NamedBy.model(first, labels),
        split="validation",
        on_bad_row=on_bad_row,
    )
    with change(folder):
        Stages(folder.parent).forget(folder.name)
        found = compare_versions(versions, data, folder, threads=threads, rounds=rounds)
    if folder.parent == folders[0]:
        renew_report(folders[0])
    return found


def _listed(given: Path_ | Sequence[Path_] | None) -> list[str] | None:
    if given is None:
        return None
    return [str(given)] if isinstance(given, str | Path) else [str(each) for each in given]


def _names(given: str | Sequence[str] | None) -> list[str] | None:
    return [given] if isinstance(given, str) else None if given is None else list(given)


def _path(given: Path_ | None) -> Path | None:
    return None if given is None else Path(given)


def _budget(given: Limits) -> Budget | None:
    if given is None or isinstance(given, Budget):
        return given
    return Budget.of([given] if isinstance(given, str | Path) else given)
