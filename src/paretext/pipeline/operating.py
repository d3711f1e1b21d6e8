"""threshold(): when an artifact's answers stand, tuned on texts to choose by, shown on others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paretext.certification.certify import run_of
from paretext.certification.decided import Decided, decided
from paretext.core.errors import ParetextError
from paretext.data.dataset import Dataset
from paretext.data.reading import NamedBy
from paretext.measure.aims import Aim, tune
from paretext.measure.naming import check_order, output_names
from paretext.measure.seen import overlap, say_seen
from paretext.pipeline.options import Threshold
from paretext.pipeline.sources import listed
from paretext.report.run_page import renew_report
from paretext.runtime.artifact import Artifact
from paretext.runtime.manifest import Manifest
from paretext.runtime.rewriting import set_rule
from paretext.runtime.rule import Rule, answers


@dataclass(frozen=True)
class Tuned:
    """The artifact's rule now, and what users get: a name of texts and the figures, those that it
    was tuned on first, then held-out ones where there were any."""

    folder: Path
    rule: Rule | None
    against: str = ""
    """The artifact that it is compared with; empty where that is itself without a rule."""
    figures: tuple[tuple[str, Decided], ...] = ()


def threshold(asked: Threshold) -> Tuned:
    """Tune when an artifact answers, and when it is unsure; written into it, without a new export.

    Another artifact (`against`) is compared by the same rule. Raises ParetextError, one sentence,
    for an aim that no threshold reaches; the artifact stays as it was.
    """
    folder = Path(asked.artifact)
    manifest = Manifest.read(folder)
    aims = listed(asked.aim) or []
    if asked.clear:
        if aims:
            raise ParetextError(
                "--clear takes the rule away and --aim tunes one; give one of them."
            )
        return _set(Tuned(folder, None))
    names = output_names(manifest.labels, asked.names(), folder)
    wanted = [Aim.parse(each, names) for each in aims]
    if not wanted:
        raise ParetextError(
            'threshold needs what to aim at: --aim "precision>=95%", --aim "LABEL: '
            'precision>=95%" or --aim "unsure<=5%"; --clear takes a rule away.'
        )
    asked.check()
    by = NamedBy.model(folder, names)
    selection, evaluation = asked.chosen_by(names, by), asked.evaluation(names, by)
    if selection is None:
        raise ParetextError("threshold tunes on labelled texts to choose by: give --selection.")
    if evaluation is not None and (seen := overlap(evaluation, [manifest])) is not None:
        say_seen(seen, evaluation)
    loaded = Artifact.load(folder, asked.threads)
    reference = None if asked.against is None else _of_same_task(asked, manifest)
    probabilities = loaded.probabilities(selection.texts)
    if names != manifest.labels:
        check_order(probabilities, selection, "--labels")
    rule = tune(selection.labels, probabilities, names, wanted, selection.fingerprint)

    def figures(data: Dataset, own: np.ndarray) -> tuple[str, Decided]:
        others = own if reference is None else reference.probabilities(data.texts)
        before = answers(others, names, rule if reference else None)
        after = answers(own, names, rule)
        return Path(data.name).name, decided(data.labels, before, after, names)

    shown = [figures(selection, probabilities)]
    if evaluation is not None:
        shown.append(figures(evaluation, loaded.probabilities(evaluation.texts)))
    against = "" if asked.against is None else str(asked.against)
    return _set(Tuned(folder, rule.renamed(names, manifest.labels), against, tuple(shown)))


def _of_same_task(asked: Threshold, manifest: Manifest) -> Artifact:
    assert asked.against is not None
    reference = Artifact.load(asked.against, asked.threads)
    if reference.manifest.labels != manifest.labels:
        raise ParetextError(
            f"{asked.against} has the labels {', '.join(reference.manifest.labels)}, and "
            f"{asked.artifact} has {', '.join(manifest.labels)}; give an artifact of the same task "
            "with --against."
        )
    return reference


def _set(tuned: Tuned) -> Tuned:
    set_rule(tuned.folder, tuned.rule)
    if (run := run_of(tuned.folder)) is not None:
        renew_report(run)
    return tuned
