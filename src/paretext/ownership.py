"""Whose folder it is: work on something else must not overwrite what is there.

A folder that is worked in has on record what it was made of. Work goes on in it, with more models,
more versions or other settings, as long as it is the same job on the same things:

    run, train     the same training texts (as they were given) and at least one encoder in common;
                   where there are only baselines, one baseline in common
    search         the same parent, training and selection texts; other budgets share one folder
    compress       the same parent, where it is not the run's own
    ablate         the same change, on the same training texts

Anything else is refused, and both are named, once a stage is finished: before, there is nothing to
lose. Evaluation texts are not part of it: they are what a run is measured on, and measuring it on
others is said and done.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from paretext.errors import ParetextError
from paretext.files import read_json, write_json
from paretext.locks import RECORDS

_RECORD = "made-of.json"


class MadeOf(BaseModel):
    """job: the verb; of: by kind ("models"), what tells each thing from others (a digest) and what
    it is called."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    job: str
    of: dict[str, dict[str, str]]

    def is_the_same_as(self, other: MadeOf) -> bool:
        """Whether the job is, and of each kind that both know, at least one thing."""
        both = self.of.keys() & other.of.keys()
        return self.job == other.job and all(self.of[kind].keys() & other.of[kind] for kind in both)

    def __str__(self) -> str:
        kinds = (f"{kind}: {', '.join(names.values())}" for kind, names in self.of.items())
        return f"the {self.job} of {'; '.join(kinds)}"


def claim(
    folder: Path,
    job: str,
    of: Mapping[str, Mapping[str, str]],
    *,
    writes: Iterable[str] = (),
    not_yet: Collection[str] = (),
    known: MadeOf | None = None,
    record: bool = True,
) -> None:
    """Put on record what `folder` is made of; ParetextError if it was made of something else.

    writes: files that will be written into the folder, refused where somebody else's stand.
    not_yet: kinds of which nothing is made yet, so that others may still take their place.
    known: what a folder without a record was made of.
    record: False only asks, with what is known of the work before its data are read.
    """
    asked = MadeOf(job=job, of={kind: dict(names) for kind, names in of.items()})
    records = folder / RECORDS
    path, any_finished = records / _RECORD, any(records.glob("*.done"))
    if path.exists() and any_finished:
        known = read_json(
            path,
            f"delete it if {folder} is that of the same {job}, and start again, or give another "
            "--out",
            MadeOf.model_validate,
        )
    elif known is None and not any_finished and not path.exists():
        for name in writes:
            if (folder / name).exists():
                raise ParetextError(
                    f"{folder / name} is there and was not made by paretext {job}; move it away, "
                    "or give another --out."
                )
    if known is not None and not known.is_the_same_as(asked):
        raise ParetextError(
            f"{folder} holds {known}, and this is another, {asked}; give another --out, or delete "
            f"{folder} to begin anew."
        )
    if not record:
        return
    before = known.of if known is not None else {}
    kinds = {kind: names for kind, names in asked.of.items() if kind not in not_yet}
    kinds |= {kind: before[kind] for kind in not_yet if kind in before}
    made_of = MadeOf(job=job, of=kinds)
    if known != made_of or not path.exists():
        records.mkdir(parents=True, exist_ok=True)
        write_json(path, made_of.model_dump(mode="json"))
