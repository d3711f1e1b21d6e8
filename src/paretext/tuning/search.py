"""search(): the best recipe under a budget, or the front of what there is without one.

1. The smallest shape of every family is built, untrained, and measured: a limit on size or time
   that even that does not hold cannot be met, and the search ends there (`corners`).
2. Points are drawn, and their shapes measured untrained; those that cannot hold the limits are
   refused, the others taught (`shapes`, `study`).
3. What was taught makes a Pareto front, measured once more in turns, and a winner (`front`).
4. The winner is certified on texts that the search never saw (`result`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from paretext.certification.certify import require_enough
from paretext.compression.recipe import Recipe
from paretext.compression.step import Outline, require_encoder
from paretext.core import progress
from paretext.core.cores import available_cores
from paretext.core.errors import ParetextError
from paretext.core.files import digest_of, folder_digest
from paretext.core.locks import require_folder
from paretext.core.ownership import claim
from paretext.core.run_folder import PARENT
from paretext.data.checks import require_apart
from paretext.data.dataset import Dataset
from paretext.measure.cost import machine
from paretext.measure.standing import say_standing
from paretext.models.pretrained import Source
from paretext.tuning.corners import possible
from paretext.tuning.limits import Limits
from paretext.tuning.result import Draw, SearchResult, settle
from paretext.tuning.shapes import ShapeTable
from paretext.tuning.space import Space
from paretext.tuning.storage import open_study
from paretext.tuning.study import Stop, Trials, turn
from paretext.tuning.workshop import Workshop

__all__ = ["SearchResult", "Space", "search"]

TRIALS = 20
_RESERVE = 0.05
"""Share of the time that is kept for measuring the front and certifying the winner."""


def search(
    parent: str | Path,
    recipe: Recipe,
    train: Dataset,
    selection: Dataset,
    out: str | Path,
    *,
    limits: Mapping[str, float] | None = None,
    evaluation: Dataset | None = None,
    parent_name: str | None = None,
    unlabelled: Sequence[str] = (),
    space: Space | None = None,
    trials: int = TRIALS,
    seconds: float | None = None,
    storage: str | None = None,
    seed: int = 0,
    threads: int | None = None,
    resume: bool = False,
    draw: Draw | None = None,
) -> SearchResult:
    """Search for recipes that compress the classifier in the folder `parent`.

    limits: by clause in base units (`certification.budget.parse_limits`); none: map the front.
    evaluation: texts to certify the winner on, which are looked at for nothing else.
    trials: how many trainings the study shall have in all, those of earlier and other processes
        among them. seconds: begin none that would end later.
    storage: the study's database as a URL; default: SQLite in `out`.
    resume: the study has to be there. draw: draws the front.

    Everything is written below `out`. A search that was interrupted goes on where it was; one with
    another budget takes over the shapes and trainings that it has in common with the first.
    Processes that share a study have to share `out`.

    ParetextError, before any training, if no shape can hold the limits on size and time.
    """
    begin = time.monotonic()
    out, parent = Path(out), Path(parent)
    if trials < 1:
        raise ParetextError(f"trials is {trials}; give at least 1.")
    opened = Source.open(str(parent))
    opened.require_classifier()
    train, selection = (each.aligned(opened.labels) for each in (train, selection))
    evaluation = evaluation and evaluation.aligned(opened.labels)
    require_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    threads = threads or available_cores()
    asked, given = Limits(limits or {}), space or Space()
    if evaluation is not None:
        require_enough(evaluation)
        require_apart([*train.texts, *selection.texts, *unlabelled], "those trained on", evaluation)
    for clause in asked.unseen():
        progress.say(f"{clause} cannot be seen while searching; only the certificate judges it")
    inputs: dict[str, Any] = {
        "parent": folder_digest(parent),
        "data": [train.fingerprint, selection.fingerprint, digest_of(list(unlabelled))],
        "training": recipe.training.model_dump(mode="json"),
        "machine": machine(threads),
    }
    config = opened.config
    require_encoder(config)
    outline = Outline.of(config)
    workshop = Workshop(
        parent=parent,
        parent_name=parent_name or parent.name,
        recipe=recipe,
        train=train,
        selection=selection,
        unlabelled=tuple(unlabelled),
        space=given.within(outline),
        table=ShapeTable(out / f"shapes-{digest_of(inputs)[:8]}.json"),
        out=out,
        threads=threads,
    )
    read = digest_of(inputs["data"])
    said = f"{train.name}, {len(train):,} texts, and {len(selection):,} to select on, {read[:8]}"
    name = digest_of([inputs, dict(asked.values), given.model_dump(mode="json")])[:16]
    with turn(out):
        claim(
            out,
            "search",
            {
                "parent": {inputs["parent"]: f"{workshop.parent_name}, {inputs['parent'][:8]}"},
                "texts": {read: said},
            },
        )
        study = open_study(
            storage or f"sqlite:///{(out / 'study.db').resolve()}",
            name,
            limited=bool(asked),
            resume=resume,
        )
        if "space" not in study.user_attrs:
            study.set_user_attr("space", possible(workshop, outline, asked).model_dump(mode="json"))
        workshop = replace(workshop, space=Space.model_validate(study.user_attrs["space"]))
        say_standing(workshop.reference(), PARENT, selection)
    deadline = None if seconds is None else begin + seconds * (1 - _RESERVE)
    work = Trials(study, workshop, asked, out, seed, Stop(trials, deadline))
    work.run(workshop.space.presets())
    with turn(out):
        return settle(workshop, work.candidates(), asked, evaluation, draw)
