"""What the verbs do that train, compress and measure, each with what was asked for.

The command line calls these functions, and `python` makes the Python calls of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from paretext.certification.budget import Budget
from paretext.certification.certificate import Certificate
from paretext.certification.certify import certify as certify_one
from paretext.certification.certify import run_of
from paretext.certification.model import labels_of
from paretext.compression.recipe import Recipe
from paretext.core.clock import seconds_in
from paretext.core.errors import ParetextError
from paretext.core.files import Stages
from paretext.core.locks import change, require_folder
from paretext.core.ownership import claim
from paretext.core.run_folder import RunFolder
from paretext.data.dataset import require_trainable
from paretext.data.reading import NamedBy
from paretext.measure.comparison import Comparison
from paretext.measure.naming import check_order, output_names, some_of
from paretext.models.pretrained import label_names
from paretext.pipeline import ablation, job, stages
from paretext.pipeline.asked import asked_recipe
from paretext.pipeline.certified import certify_answers, certify_traffic
from paretext.pipeline.finished import Finished
from paretext.pipeline.options import Ablate, Certify, Compare, Compress, Run, Search, Train
from paretext.pipeline.parents import check_splits, parent_of
from paretext.pipeline.record import require_startable
from paretext.pipeline.sources import as_path, listed
from paretext.pipeline.splits import prepare, read
from paretext.report.comparison import compare as compare_versions
from paretext.report.run_page import renew_report
from paretext.runtime.artifact import Artifact
from paretext.runtime.manifest import Manifest

if TYPE_CHECKING:
    from paretext.tuning.result import SearchResult


def run(asked: Run) -> Finished:
    """From labelled texts to the artifact to deploy: train, compress, certify, measure.

    data, eval, selection, unlabelled: a file, a hub name, a DataFrame, a `datasets` object, or a
    pair (texts, labels). Without a model it is distilroberta-base; a linear model always runs
    beside it. Called again with the same arguments, it goes on where it was.

    Raises ParetextError, one sentence, for whatever cannot be done.
    """
    return Finished(job.run(asked))


def compress(asked: Compress) -> Finished:
    """From a fine-tuned classifier to the artifact to deploy: smaller, certified, measured.

    With `eval` alone the version is INT8; versions that learn take `data` (labelled) or
    `unlabelled` (texts of the same kind). Each is a file, a hub name, a DataFrame, a `datasets`
    object, or a pair (texts, labels).

    Raises ParetextError, one sentence, for whatever cannot be done.
    """
    return Finished(job.compress(asked))


def train(asked: Train) -> stages.Trained:
    """Train one or more models; the best encoder on the selection split becomes the parent."""
    recipe = asked_recipe(asked)
    require_startable(recipe.models, asked.out)
    return stages.train(recipe.models, read(asked, recipe), recipe, asked.out)


def ablate(asked: Ablate) -> tuple[ablation.Ablation, Recipe]:
    """Train twice with one thing changed; what that did, and the recipe of both."""
    change, seeds = asked.remove_stop_words, asked.seed
    own = asked.model_copy(update={"remove_stop_words": None})  # which is no setting here
    recipe = asked_recipe(own, seed=seeds[0])
    ablation.require_startable(recipe.models, change, seeds, asked.out)
    effect = ablation.ablate(
        *(recipe.models, read(asked, recipe), recipe, asked.out),
        remove_stop_words=change,
        seeds=seeds,
    )
    return effect, recipe


def compare(asked: Compare) -> Comparison:
    """Measure artifacts on the same texts: quality with paired intervals, size, memory, speed.

    Differences are taken against the first of the artifacts. A run that held texts out has them in
    held-out.csv, the default of `eval`.
    """
    folders = [Path(each) for each in listed(asked.artifacts) or ()]
    if not folders:
        raise ParetextError("there is nothing to compare; give a run's folder, or artifacts.")
    versions, folder = stages.versions_to_compare(
        folders, as_path(asked.baseline), as_path(asked.out)
    )
    texts = stages.evaluation_of(folders[0], asked.eval)
    first = next(each.target.folder for each in versions if each.target.kind == "artifact")
    own = Manifest.read(first).labels
    names = output_names(own, asked.names(), first)
    data = asked.labelled(texts, names, NamedBy.model(first, names), "validation")
    assert data is not None  # evaluation_of() gave texts
    if names != own:
        some = some_of(data)
        check_order(Artifact.load(first, asked.threads).logits(some.texts), some, "--labels")
    with change(folder):
        Stages(folder.parent).forget(folder.name)
        comparison = compare_versions(
            versions, data, folder, threads=asked.threads, rounds=asked.rounds
        )
    if folder.parent == folders[0]:
        renew_report(folders[0])
    return comparison


def certify(asked: Certify) -> Certificate:
    """Certify what an artifact changed against its reference; written into the artifact.

    Or of any two models: `predictions` and `against` are their answers to the texts of `eval`, each
    a file or a table with texts, an array of probabilities (n, K) with its columns in the order of
    `labels`, or of labels (n,). Then files are written where `out` says so.

    With `unlabelled` labels are needed of those texts only that the two answer differently.

    Raises ParetextError, one sentence, for whatever cannot be certified.
    """
    if asked.against is None:
        run = run_of(Path(asked.artifact)) if asked.artifact else None
        known = f"this run's is {RunFolder(run).artifact()}" if run else ""
        raise ParetextError(
            "certify needs --against: the reference, an artifact, a classifier's folder or "
            f"predictions; {known or 'an example is in: paretext certify --help'}."
        )
    if asked.predictions is not None:
        return certify_answers(asked)
    if asked.eval is None and asked.unlabelled is None:
        raise ParetextError(
            "certify needs --eval: labelled texts that were held out; or some without labels: "
            "--unlabelled."
        )
    if asked.artifact is None:
        raise ParetextError("certify needs an artifact, or any model's answers: --predictions.")
    Manifest.read(Path(asked.artifact))  # what is missing is said before the texts are read
    if asked.unlabelled is not None:
        return _renewed(asked, certify_traffic(asked))
    if wrong := next((each for each in ("labels_for", "label_page") if getattr(asked, each)), None):
        raise ParetextError(
            f"--{wrong.replace('_', '-')} is for texts without labels; give some: --unlabelled."
        )
    limits = asked.limits()
    given = asked.names()
    names = labels_of(asked.against, given)
    data = asked.evaluation(names, NamedBy.model(asked.against, names))
    assert data is not None
    certificate = certify_one(
        asked.artifact,
        asked.against,
        data,
        limits,
        labels=given,
        at=listed(asked.at) or (),
        resamples=asked.resamples,
        seed=asked.seed,
        threads=asked.threads,
        texts=asked.texts,
        out=asked.out,
        force=asked.force,
    )
    return _renewed(asked, certificate)


def _renewed(asked: Certify, certificate: Certificate) -> Certificate:
    """The certificate, which the page of its run shows, too."""
    run = run_of(Path(asked.artifact or ""))
    if run is not None:
        renew_report(run)
    return certificate


def search(asked: Search) -> SearchResult:
    """Find the best recipe under a budget; without one, the Pareto front of what there is.

    data: those of the run. Called again, it goes on where it was.

    Raises ParetextError, one sentence, for whatever cannot be done.
    """
    source = Path(asked.model)
    parent, name, settings = parent_of(source)
    limits = (
        asked.budget.model_dump(include=asked.budget.model_fields_set)  # the defaults are no wish
        if isinstance(asked.budget, Budget)
        else Budget.given(listed(asked.budget) or ())
    )
    folder = as_path(asked.out) or RunFolder(source).search
    require_folder(folder)
    claim(folder, "search", {}, record=False)
    own = label_names(str(parent))
    names = output_names(own, asked.names(), parent)
    if names != own:
        raise ParetextError(
            f"{parent} calls its outputs {own[0]} to {own[-1]}; take it into a run under its own "
            "names first, with: paretext compress MODEL --labels NAMES --eval TEXTS; then search "
            "that run."
        )
    asked.check()
    by = NamedBy.model(parent, names)
    train = asked.train(names, by)
    if train is None:
        raise ParetextError("a search learns from labelled texts: give them with --data.")
    require_trainable(train)
    prepared = prepare(
        train,
        asked.evaluation(names, by),
        settings,
        selection=asked.chosen_by(names, by),
        leaks_dropped=asked.drop_leaks,
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
        unlabelled=asked.texts(),
        trials=asked.trials,
        seconds=None if asked.time is None else seconds_in(asked.time),
        storage=asked.storage,
        seed=asked.seed,
        threads=asked.threads,
        resume=asked.resume,
        draw=draw_front,
    )
