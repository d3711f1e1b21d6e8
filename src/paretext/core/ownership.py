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

A result that takes the place of an older one (a page, a list of flips, a comparison, an artifact)
may lie in any folder. There a file is ours if it says so itself, by a mark near its beginning.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from paretext.core.errors import ParetextError
from paretext.core.files import files_below, read_json, write_json
from paretext.core.run_folder import RECORDS

_RECORD = "made-of.json"
_BEGINNING = 4096
"""Bytes of a file in which its mark stands."""


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
        return f"the {self.job} of {'; '.join(kinds)}" if self.of else f"a {self.job}"


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
            if _holds_something(folder / name):
                raise _not_ours(folder / name, f"paretext {job}")
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


def require_free(path: Path) -> None:
    """ParetextError if a file is there, or a folder with one in it."""
    if _holds_something(path):
        raise _not_ours(path)


def require_own_file(path: Path, mark: str) -> None:
    """ParetextError if `path` is there and lacks the mark of what is to take its place."""
    if path.exists() and not (path.is_file() and _is_marked(path, mark)):
        raise _not_ours(path)


def require_own_folder(folder: Path, names: str, record: str, mark: str) -> None:
    """ParetextError if `folder`, which is to be replaced whole, holds anything but such a result.

    names: of all files in a result, as a regular expression; record: the one with the mark, which
    every result has.
    """
    if not folder.exists():
        return
    for path in folder.rglob("*") if folder.is_dir() else [folder]:
        if path != folder and path.is_dir() and not path.is_symlink():
            continue  # a folder alone is nobody's; what is in it is looked at
        own = re.fullmatch(names, path.relative_to(folder).as_posix()) is not None
        if not (own and path.is_file()):
            raise _not_ours(path)
    if _holds_something(folder) and not _is_marked(folder / record, mark):
        raise _not_ours(next(folder.iterdir()))


def _is_marked(path: Path, mark: str) -> bool:
    try:
        with path.open("rb") as file:
            return mark.encode() in file.read(_BEGINNING)
    except FileNotFoundError:
        return False


def _holds_something(path: Path) -> bool:
    """Whether there is a file that could be lost: folders alone are nobody's."""
    return any(files_below(path)) if path.is_dir() else path.exists()


def _not_ours(path: Path, by: str = "paretext") -> ParetextError:
    return ParetextError(
        f"{path} is there and was not made by {by}; move it away, or give another --out."
    )
