"""Ablation: what one change of the training does, with paired intervals.

Two arms differ in exactly one thing: whether stop words are removed, or the encoder (is one that
was pre-trained on the domain worth it?). Both are trained on the same texts, once a seed, by the
same stages as a run's candidates, and their float32 models answer the same evaluation texts.

Two sources of chance are kept apart. The interval is a bootstrap over texts, paired, of the mean
over seeds of the difference (`intervals.pooled_drop`): what other texts would show of these trained
models. How much another seed alone moves the difference is shown beside it, seed by seed (Reimers &
Gurevych 2017, "Reporting Score Distributions Makes a Difference"): where it is as large as the
difference, one training more may turn it over, whatever the interval says.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paretext.compression.recipe import Recipe
from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.files import Stages, folder_digest, read_json, write_json, write_text
from paretext.core.locks import work_in, works_in
from paretext.core.markdown import escaped, table
from paretext.core.ownership import claim
from paretext.core.records import Interval
from paretext.core.run_folder import model_of
from paretext.data.dataset import Dataset
from paretext.measure.intervals import paired_drops, pooled_drop
from paretext.measure.metrics import confusion_matrix, macro_f1
from paretext.pipeline.candidates import check_models, require_models, train_candidate
from paretext.pipeline.record import TEXTS
from paretext.pipeline.splits import Data
from paretext.pipeline.stages import candidate_names

Predictions = NDArray[np.int64]
_WRITTEN = ("ablation.json", "ablation.md")


@dataclass(frozen=True)
class Arm:
    """name: in tables and of folders; stop_words: as in `Recipe`, in place of the recipe's."""

    name: str
    model: str
    stop_words: str | None = None

    def recipe(self, recipe: Recipe, seed: int) -> Recipe:
        training = recipe.training.model_copy(update={"seed": seed})
        values: dict[str, Any] = {"training": training}
        if self.stop_words is not None:
            values["stop_words"] = self.stop_words
        return recipe.model_copy(update=values)


@dataclass(frozen=True)
class SeedResult:
    """macro_f1: of both arms; drop: the first's minus the second's; flips: share of texts that the
    two answer differently."""

    seed: int
    macro_f1: tuple[float, float]
    drop: Interval
    flips: Interval


@dataclass(frozen=True)
class Ablation:
    """What `ablate` found. drop: the mean over seeds of the first arm's macro-F1 minus the
    second's, positive where the change loses; spread: its standard deviation over seeds, None for
    one seed."""

    change: str
    arms: tuple[str, str]
    texts: int
    seeds: tuple[SeedResult, ...]
    drop: Interval
    spread: float | None

    @property
    def flips(self) -> float:
        """The mean over seeds of the share of texts that the arms answer differently."""
        return statistics.fmean(each.flips.estimate for each in self.seeds)

    @property
    def sentence(self) -> str:
        drop = self.drop
        if drop.low > 0 or drop.high < 0:
            verb = "lowers" if drop.low > 0 else "raises"
            ends = sorted((abs(drop.low), abs(drop.high)))
            effect = f"{verb} macro-F1 by {abs(drop.estimate):.3f} [{ends[0]:.3f}, {ends[1]:.3f}]"
        else:
            effect = (
                f"makes no difference in macro-F1 that these {self.texts:,} texts can show: "
                f"{-drop.estimate:+.3f} [{-drop.high:+.3f}, {-drop.low:+.3f}]"
            )
        return f"{self.change} {effect}{self._over_seeds()}."

    def _over_seeds(self) -> str:
        if self.spread is None:
            return ", with one seed"
        same = sum(each.drop.estimate * self.drop.estimate > 0 for each in self.seeds)
        return (
            f"; {same} of {len(self.seeds)} seeds point that way, with a standard deviation of "
            f"{self.spread:.3f}"
        )

    def record(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "flips": self.flips,
            "sentence": self.sentence,
        }

    def rows(self) -> list[tuple[str, ...]]:
        """Cells of text under `columns`, a row for each seed and one for their mean."""
        rows = [
            (
                str(each.seed),
                *(f"{score:.4f}" for score in each.macro_f1),
                _shown(each.drop),
                f"{each.flips.estimate:.1%}",
            )
            for each in self.seeds
        ]
        means = (statistics.fmean(each.macro_f1[i] for each in self.seeds) for i in (0, 1))
        mean = ("mean", *(f"{m:.4f}" for m in means), _shown(self.drop), f"{self.flips:.1%}")
        return [*rows, mean]

    @property
    def columns(self) -> tuple[str, ...]:
        return ("seed", *self.arms, "drop, 95% interval", "answers that differ")

    def markdown(self) -> str:
        shown = table(self.columns, self.rows())
        return f"# Ablation\n\n{escaped(self.sentence)}\n\n{shown}\n\n{_LEGEND}\n"


_LEGEND = (
    "Macro-F1 on the evaluation texts; the drop is the first arm's minus the second's. Intervals "
    "are paired\nand over texts: what other texts would show of these trained models. What another "
    "seed does is seen\nin the rows."
)


def arms_of(models: Sequence[str], remove_stop_words: bool) -> tuple[tuple[Arm, Arm], str]:
    """The two arms and, as the beginning of a sentence, the change between them.

    Raises ParetextError unless exactly one thing differs.
    """
    if remove_stop_words and len(models) == 1:
        kept, removed = ("with-stop-words", "keep"), ("without-stop-words", "remove")
        first, second = (Arm(name, models[0], setting) for name, setting in (kept, removed))
        return (first, second), "Removing stop words"
    if not remove_stop_words and len(models) == 2 and models[0] != models[1]:
        first, second = map(Arm, candidate_names(models), models)
        return (first, second), f"{second.name} in place of {first.name}"
    given = f"{len(models)} models" if len(models) != 1 else "one model"
    if len(models) == 2 and models[0] == models[1]:
        given = f"{models[0]} twice"
    also = " and --remove-stop-words" if remove_stop_words else ""
    raise ParetextError(
        f"an ablation changes exactly one thing, and was given {given}{also}; give two different "
        "--model, or one --model with --remove-stop-words."
    )


def require_startable(
    models: Sequence[str], remove_stop_words: bool, seeds: Sequence[int], out: Path
) -> None:
    """ParetextError, before data are read or PyTorch imported, for what `ablate` would refuse."""
    require_models(models)
    _, change = arms_of(models, remove_stop_words)
    _require_once(seeds)
    with work_in(out):
        claim(out, "ablate", {"change": {change: change}}, writes=_WRITTEN, record=False)


def _require_once(seeds: Sequence[int]) -> None:
    if len(set(seeds)) < len(seeds) or not seeds:
        raise ParetextError(
            f"the seeds are {', '.join(map(str, seeds)) or 'none'}; give each of them once."
        )


@works_in("out")
def ablate(
    models: Sequence[str],
    data: Data,
    recipe: Recipe,
    out: str | Path,
    *,
    remove_stop_words: bool = False,
    seeds: Sequence[int] = (0,),
) -> Ablation:
    """Train both arms with every seed, and measure them on the evaluation texts.

    Writes out/ablation.json and ablation.md, and the trained models to out/candidates; what is
    there and was made from the same inputs is kept. `recipe` says how to train; its models,
    versions and seed are not used.
    Raises ParetextError where other than one thing differs, a seed is repeated, or there are no
    evaluation texts.
    """
    arms, change = arms_of(models, remove_stop_words)
    if data.evaluation is None:
        raise ParetextError(
            "an ablation needs evaluation data that training never sees: give --eval."
        )
    _require_once(seeds)
    for arm in arms:
        check_models([arm.model], data, arm.recipe(recipe, seeds[0]))
    out, texts = Path(out), data.report
    read = {TEXTS: {texts.fingerprint: f"{texts.name}, {texts.rows:,}"}}
    claim(out, "ablate", {"change": {change: change}, **read}, writes=_WRITTEN)
    stages, evaluation = Stages(out), data.evaluation
    answers: tuple[list[Predictions], list[Predictions]] = ([], [])
    for seed in seeds:
        for arm, own in zip(arms, answers, strict=True):
            name = f"{arm.name}-seed-{seed}"
            folder = train_candidate(stages, name, arm.model, data, arm.recipe(recipe, seed))
            own.append(_answers(stages, name, model_of(folder), evaluation))
    ablation = _compared(change, (arms[0].name, arms[1].name), seeds, answers, evaluation)
    record = {**ablation.record(), "settings": recipe.model_dump(mode="json", exclude={"versions"})}
    write_json(out / "ablation.json", record)
    write_text(out / "ablation.md", ablation.markdown())
    progress.say(ablation.sentence)
    return ablation


def _answers(stages: Stages, name: str, model: Path, evaluation: Dataset) -> Predictions:
    """(n,) class ids that the float32 model in the folder gives; kept once they are there."""

    def work(partial: Path) -> None:
        from paretext.models.classifier import Classifier

        with progress.task(f"answers of {name}", 1) as advance:
            logits = Classifier.load(model).logits(evaluation.texts)
            advance()
        write_json(partial / "answers.json", logits.argmax(axis=1).tolist())

    place = f"answers/{name}"
    inputs = {"model": folder_digest(model), "evaluation": evaluation.fingerprint}
    stages.finished(place, inputs, work)
    return read_json(
        stages.root / place / "answers.json",
        f"delete {stages.root / place}, and the same command asks again",
        lambda answers: np.array(answers, dtype=np.int64),
    )


def _compared(
    change: str,
    arms: tuple[str, str],
    seeds: Sequence[int],
    answers: tuple[list[Predictions], list[Predictions]],
    evaluation: Dataset,
) -> Ablation:
    classes, labels = len(evaluation.label_names), evaluation.labels

    def score(predicted: Predictions) -> float:
        return float(macro_f1(confusion_matrix(labels, predicted, classes)))

    results = []
    for seed, first, second in zip(seeds, *answers, strict=True):
        drops = paired_drops(labels, first, second, classes)
        results.append(SeedResult(seed, (score(first), score(second)), drops.macro_f1, drops.flips))
    return Ablation(
        change=change,
        arms=arms,
        texts=len(evaluation),
        seeds=tuple(results),
        drop=pooled_drop(labels, *answers, classes),
        spread=statistics.stdev(each.drop.estimate for each in results) if len(seeds) > 1 else None,
    )


def _shown(interval: Interval) -> str:
    return f"{interval.estimate:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}]"
