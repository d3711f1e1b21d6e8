"""The verbs as Python calls: strings, paths, DataFrames and `datasets` objects in, results out.

They do what the command line does, with the same words: `paretext run --data x.csv --preset small`
is `paretext.run("x.csv", preset="small")`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

from pydantic import ConfigDict, Field, ValidationError, validate_call

from paretext.certification.budget import Budget
from paretext.certification.certificate import Certificate
from paretext.certification.certify import certify as certify_one
from paretext.certification.certify import run_of
from paretext.certification.model import labels_of
from paretext.compression.recipe import Recipe
from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.files import Stages
from paretext.core.locks import change, require_folder
from paretext.core.ownership import claim
from paretext.core.run_folder import RunFolder
from paretext.core.settings import nearest
from paretext.data.dataset import require_trainable
from paretext.data.given import Given
from paretext.data.reading import NamedBy
from paretext.data.tables import OnBadRow
from paretext.measure.comparison import Comparison
from paretext.measure.naming import check_order, output_names, some_of
from paretext.models.pretrained import label_names
from paretext.pipeline import job
from paretext.pipeline.asked import asked_recipe, asked_versions
from paretext.pipeline.finished import Finished
from paretext.pipeline.parents import check_splits, parent_of, require_model
from paretext.pipeline.sources import Measuring, Sources
from paretext.pipeline.splits import prepare
from paretext.pipeline.stages import evaluation_of, versions_to_compare
from paretext.report.comparison import compare as compare_versions
from paretext.report.run_page import renew_report
from paretext.runtime.artifact import Artifact
from paretext.runtime.manifest import Manifest

if TYPE_CHECKING:
    from paretext.tuning.result import Found

Path_ = str | Path
Limits = Path_ | Sequence[Path_] | Budget | None
"""Files and expressions of limits, or a Budget."""

Count = Annotated[int, Field(ge=1)]
_Called = TypeVar("_Called", bound=Callable[..., Any])


def _asked(call: _Called) -> _Called:
    """The call with its arguments checked first, and its progress where the caller sees it.

    ParetextError for an argument that is not known or of another kind.
    """
    hints = call.__annotations__
    call.__annotations__ = {name: kind for name, kind in hints.items() if name != "return"}
    checked = validate_call(config=ConfigDict(arbitrary_types_allowed=True))(call)
    call.__annotations__ = hints

    @functools.wraps(call)
    def asked(*given: Any, **named: Any) -> Any:
        with progress.shown():
            try:
                return checked(*given, **named)
            except ValidationError as error:
                if error.title != call.__name__:
                    raise
                raise ParetextError(_refusal(error, call)) from None

    return cast("_Called", asked)


def _refusal(error: ValidationError, call: Callable[..., Any]) -> str:
    """The first of pydantic's complaints about the arguments of a call."""
    known = list(inspect.signature(call).parameters)
    first = error.errors()[0]
    name = str(first["loc"][0])
    if first["type"] == "unexpected_keyword_argument":
        return f"{call.__name__} has no argument {name!r}{nearest(name, known)}"
    if first["type"].startswith("missing"):
        return f"{call.__name__} needs {name!r}."
    if first["type"] == "unexpected_positional_argument":
        return f"{call.__name__} takes fewer arguments without a name; name the others."
    name = known[int(name)] if name.isdecimal() else name
    value = repr(first["input"])
    value = value if len(value) <= 80 else f"{value[:77]}..."
    found = [_KINDS.get(each["type"], str(each["msg"]).lower()) for each in error.errors()]
    wanted = " or ".join(dict.fromkeys(each.removeprefix("input should be ") for each in found))
    return f"{call.__name__}: {name} is {value}; give {wanted}."


_KINDS = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "greater_than_equal": "1 or more",
    "string_type": "a string",
    "path_type": "a path",
    "is_instance_of": "a list",
    "extra_forbidden": "settings that there are",
}


@_asked
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
    threads: Count | None = None,
    rounds: Count = 5,
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


@_asked
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
    threads: Count | None = None,
    rounds: Count = 5,
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


@_asked
def compare(
    artifacts: Path_ | Sequence[Path_],
    eval: Given = None,
    *,
    out: Path_ | None = None,
    baseline: Path_ | None = None,
    labels: Path_ | Sequence[str] | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    on_bad_row: OnBadRow = "fail",
    threads: Count | None = None,
    rounds: Count = 5,
) -> Comparison:
    """Measure artifacts on the same texts: quality with paired intervals, size, memory, speed.

    artifacts: a run's folder, or artifacts; differences are taken against the first of them.
    eval: labelled texts; a run that held its own out has them in held-out.csv, the default.
    baseline: a classifier's folder, to measure in PyTorch too.
    labels: names of outputs that are called LABEL_0, LABEL_1, ...
    """
    folders = [Path(each) for each in _listed(artifacts) or ()]
    if not folders:
        raise ParetextError("there is nothing to compare; give a run's folder, or artifacts.")
    versions, folder = versions_to_compare(folders, _path(baseline), _path(out))
    eval = evaluation_of(folders[0], eval)
    first = next(each.target.folder for each in versions if each.target.kind == "artifact")
    sources = Sources(
        eval=eval,
        labels=labels,
        text_column=text_column,
        label_column=label_column,
        on_bad_row=on_bad_row,
    )
    own = Manifest.read(first).labels
    names = output_names(own, sources.names(), first)
    data = sources.evaluation(names, NamedBy.model(first, names))
    assert data is not None  # evaluation_of() gave texts
    if names != own:
        some = some_of(data)
        check_order(Artifact.load(first, threads).logits(some.texts), some, "--labels")
    with change(folder):
        Stages(folder.parent).forget(folder.name)
        found = compare_versions(versions, data, folder, threads=threads, rounds=rounds)
    if folder.parent == folders[0]:
        renew_report(folders[0])
    return found


@_asked
def certify(
    artifact: Path_,
    against: Path_,
    eval: Given,
    budget: Limits = None,
    *,
    labels: Path_ | Sequence[str] | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    on_bad_row: OnBadRow = "fail",
    at: str | Sequence[str] = (),
    resamples: int = 10_000,
    seed: int = 0,
    threads: Count | None = None,
    texts: bool = True,
    out: Path_ | None = None,
    force: bool = False,
) -> Certificate:
    """Certify what an artifact changed against its reference; written into the artifact.

    against: the reference, an artifact's or a classifier's folder (then PyTorch answers for it).
    eval: labelled texts that neither training nor compression has seen.
    budget: the limits; without them the documented ones.
    labels: names of outputs that are called LABEL_0, LABEL_1, ...
    at: operating points, such as "precision=0.9" or "fpr=0.01".
    texts: whether the list of changed answers holds the texts, or row numbers only.
    out: folder of that list, by default certificates/ in the artifact's run.
    force: certify on texts that the models were trained on too; the certificate says so.

    Raises ParetextError, one sentence, for whatever cannot be certified.
    """
    limits = _budget(budget)
    Manifest.read(Path(artifact))  # what is missing is said before the texts are read
    sources = Sources(
        eval=eval,
        labels=labels,
        text_column=text_column,
        label_column=label_column,
        on_bad_row=on_bad_row,
    )
    given = sources.names()
    names = labels_of(against, given)
    data = sources.evaluation(names, NamedBy.model(against, names))
    if data is None:
        raise ParetextError("a certificate takes labelled texts that were held out: give --eval.")
    found = certify_one(
        artifact,
        against,
        data,
        limits,
        labels=given,
        at=_names(at) or (),
        resamples=resamples,
        seed=seed,
        threads=threads,
        texts=texts,
        out=out,
        force=force,
    )
    run = run_of(Path(artifact))
    if run is not None:
        renew_report(run)
    return found


@_asked
def search(
    model: Path_,
    data: Given,
    *,
    eval: Given = None,
    budget: Limits = None,
    trials: Count = 20,
    hours: float | None = None,
    minutes: float | None = None,
    unlabelled: Given = None,
    selection: Given = None,
    labels: Path_ | Sequence[str] | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    on_bad_row: OnBadRow = "fail",
    drop_leaks: bool = False,
    out: Path_ | None = None,
    storage: str | None = None,
    resume: bool = False,
    seed: int = 0,
    threads: Count | None = None,
) -> Found:
    """Find the best recipe under a budget; without one, the Pareto front of what there is.

    model: a run's folder, or a classifier's. data: labelled texts to learn from, those of the run.
    eval: texts to certify the winner on; the search never sees them.
    budget: limits, such as "p95_latency<=1ms, size<=5MB, macro_f1_drop<=0.01".
    trials: trainings in all; hours, minutes: the most time.
    out: where to write, by default MODEL/search. Called again, it goes on where it was; resume:
    the study has to be there. storage: its database as a URL, by default SQLite in `out`.

    Raises ParetextError, one sentence, for whatever cannot be done.
    """
    source = Path(model)
    parent, name, settings = parent_of(source)
    limits = (
        budget.model_dump(include=budget.model_fields_set)  # the defaults are no wish
        if isinstance(budget, Budget)
        else Budget.given(_listed(budget) or ())
    )
    folder = _path(out) or RunFolder(source).search
    require_folder(folder)
    claim(folder, "search", {}, record=False)
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
    own = label_names(str(parent))
    names = output_names(own, sources.names(), parent)
    if names != own:
        raise ParetextError(
            f"{parent} calls its outputs {own[0]} to {own[-1]}; take it into a run under its own "
            "names first, with: paretext compress MODEL --labels NAMES --eval TEXTS; then search "
            "that run."
        )
    sources.check()
    by = NamedBy.model(parent, names)
    train = sources.train(names, by)
    if train is None:
        raise ParetextError("a search learns from labelled texts: give them with --data.")
    require_trainable(train)
    prepared = prepare(
        train,
        sources.evaluation(names, by),
        settings,
        selection=sources.chosen_by(names, by),
        leaks_dropped=drop_leaks,
    )
    check_splits(source, prepared)
    from paretext.report.front import draw_front
    from paretext.tuning.search import search as search_for  # brings PyTorch

    return search_for(
        parent,
        settings,
        prepared.train,
        prepared.selection,
        folder,
        limits=limits,
        evaluation=prepared.evaluation,
        parent_name=name,
        unlabelled=sources.texts(),
        trials=trials,
        seconds=None if hours is minutes is None else 3600 * (hours or 0) + 60 * (minutes or 0),
        storage=storage,
        seed=seed,
        threads=threads,
        resume=resume,
        draw=draw_front,
    )


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
