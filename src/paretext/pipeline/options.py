"""What each verb takes, on the command line and in Python: groups that several share, and its own.

`core.settings` says how a field becomes an option and an argument. Nothing here imports what takes
long: a help, and most refusals, need no more than this.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ConfigDict, Field

from paretext.core.settings import Settings
from paretext.data.given import Given
from paretext.pipeline.sources import (
    Budgeted,
    Cores,
    Learned,
    Limits,
    Reading,
    Several,
    Sources,
    Timed,
    Timing,
)
from paretext.training.settings import InputSettings, TrainingSettings


class ByRecipe(Settings):
    """recipe: in Python a Recipe, too."""

    model_config = ConfigDict(title="Model and versions")

    recipe: str | Path | Settings | None = Field(
        None, title="FILE", description="YAML with models, training and versions."
    )


class Models(ByRecipe):
    model: Several = Field(
        None, title="NAME...", description="Hub id, folder, tfidf, bilstm, bigru; may repeat."
    )


class Versions(ByRecipe):
    preset: str | Sequence[str] | None = Field(
        None, title="NAME...", description="int8, safe, small, tiny, nano, pruned; may repeat."
    )


class StopWords(Settings):
    model_config = ConfigDict(title="Training")

    remove_stop_words: bool | None = Field(
        None, description="In every model's tokenizer (default: bilstm and bigru remove them)."
    )


class Trains(Models, InputSettings, TrainingSettings, StopWords):
    """Which models to train, and how: a recipe, with single settings over it."""


class Run(Sources, Trains, Versions, Budgeted, Timed, Timing):
    data: Learned = Field(kw_only=False)
    eval: Given = Field(
        None, title="FILE", description="Only measured on (default: 20% of --data, held out)."
    )
    out: str | Path | None = Field(None, description="The run's folder (default: runs/NAME).")


class Train(Sources, Trains):
    data: Learned
    out: Path = Field(description="The run's folder.")
    eval: None = None
    unlabelled: None = None
    drop_leaks: bool = False


class Ablate(Sources, Trains):
    data: Learned
    eval: Given = Field(title="FILE", description="Texts that are only ever measured on.")
    unlabelled: None = None
    remove_stop_words: bool = Field(False, description="The change: one model with and without.")
    seed: tuple[int, ...] = Field(  # type: ignore[assignment]
        (0,),
        title="N...",
        description="Seed of the training; give several (0). The split is the first one's.",
    )
    out: Path = Field(description="The run's folder.")


class Compress(Sources, Versions, Budgeted, Timed, Timing):
    model: str | Path = Field(
        title="MODEL",
        kw_only=False,
        description="A classifier: its Hugging Face folder, its hub id, or a run.",
    )
    data: Given = Field(
        None, title="FILE", description="Labelled texts, for the versions that learn."
    )
    eval: Given = Field(
        None,
        title="FILE",
        description="Labelled, only measured on (default: part of the others).",
    )
    out: str | Path | None = Field(None, description="The run's folder (the run, or runs/NAME).")


class Compare(Reading, Timing):
    artifacts: Several = Field(
        title="ARTIFACTS...", kw_only=False, description="A run's folder, or artifacts."
    )
    eval: Given = Field(
        None,
        title="FILE",
        kw_only=False,
        description="To measure on (default: a run's held-out.csv).",
    )
    baseline: str | Path | None = Field(
        None, title="FOLDER", description="A classifier's folder, to measure in PyTorch."
    )
    out: str | Path | None = Field(None, description="Where to write (default: RUN/comparison).")


class Certify(Reading, Budgeted, Cores):
    artifact: str | Path = Field(
        title="ARTIFACT", kw_only=False, description="The artifact to certify."
    )
    against: str | Path = Field(
        title="FOLDER",
        kw_only=False,
        description="The reference: an artifact, or a classifier's folder (PyTorch).",
    )
    eval: Given = Field(
        title="FILE",
        kw_only=False,
        description="Held-out texts that neither training nor compression has seen.",
    )
    budget: Limits = Field(None, kw_only=False)
    at: str | Sequence[str] | None = Field(
        None,
        title="POINT...",
        description="Operating point: precision=0.9 or fpr=0.01; give several.",
    )
    resamples: int = Field(10_000, ge=100, description="Bootstrap resamples.")
    seed: int = Field(0, description="Of the resamples.")
    force: bool = Field(
        False, description="Certify on texts that were trained on too; the certificate says so."
    )
    texts: bool = Field(
        True, description="List flips with their texts, or by row number (default: with them)."
    )
    out: str | Path | None = Field(
        None, description="Of NAME-flips.csv (default: RUN/certificates)."
    )


class Threshold(Sources, Cores):
    artifact: str | Path = Field(
        title="ARTIFACT", kw_only=False, description="The artifact whose rule is set."
    )
    aim: str | Sequence[str] | None = Field(
        None, title="GOAL...", description='"joy: precision>=95%", "unsure<=5%"; may repeat.'
    )
    selection: Given = Field(None, title="FILE", description="Labelled texts to tune on.")
    eval: Given = Field(None, title="FILE", description="Held-out texts to show the rule on.")
    against: str | Path | None = Field(
        None,
        title="FOLDER",
        description="An artifact to compare with, by the same rule (default: itself without one).",
    )
    clear: bool = Field(False, description="Take the rule away.")
    data: None = None
    unlabelled: None = None
    drop_leaks: bool = False


class Search(Sources, Budgeted, Timed, Cores):
    model: str | Path = Field(
        title="MODEL", kw_only=False, description="A run's folder, or a classifier's."
    )
    data: Learned = Field(kw_only=False)
    eval: Given = Field(
        None,
        title="FILE",
        description="Texts to certify the winner on; the search never sees them.",
    )
    trials: int = Field(20, ge=1, description="Trainings in all.")
    storage: str | None = Field(
        None,
        title="URL",
        description="The study's database as a URL (default: SQLite in --out).",
    )
    resume: bool = Field(False, description="Go on with a study that has to be there.")
    seed: int = Field(0, description="Seed of the points that are tried.")
    out: str | Path | None = Field(None, description="Where to write (default: RUN/search).")
