"""The tables that a file, a folder or a glob names, with the partitions that folders say.

Names that begin with a dot or an underscore are passed over, as Spark and Arrow do (`_SUCCESS`,
hidden parts). A folder called `key=value` is a partition in the manner of Hive, and gives each row
below it the column `key`, also where the call names that folder itself.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from glob import iglob
from pathlib import Path
from urllib.parse import unquote

from paretext.core.errors import ParetextError
from paretext.core.places import is_remote, place
from paretext.core.wording import listed
from paretext.data.tables import FORMATS, existing

_WILD = frozenset("*?[")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class Inputs:
    """The tables in order of their names, each with its path below `root`; of one file that is its
    name."""

    given: str
    root: Path
    tables: tuple[Path, ...]
    single: bool
    """Whether one file was named."""

    def below(self, table: Path, target: Path) -> str:
        """The table's path in the folder `target`: that below `root`, in the partitions that the
        path of `root` says and that of `target` does not."""
        kept = [each for each in self.root.parts if "=" in each and each not in target.parts]
        return "/".join([*kept, table.relative_to(self.root).as_posix()])

    def partition(self, table: Path) -> dict[str, str | None]:
        """The columns that the folders of the table's path say."""
        if self.single:
            return {}
        pairs = (each.split("=", 1) for each in table.parent.parts if "=" in each)
        return {unquote(key): None if said == _NO_VALUE else unquote(said) for key, said in pairs}

    def refuse_as_target(self, target: Path) -> None:
        """ParetextError for a place where a second call would find the answers among its texts."""
        if self.single:
            return
        inside = _whole(target).is_relative_to(_whole(self.root))
        wild = _WILD & set(self.given)
        if inside and wild and _is_table(target):
            inside = fnmatch.fnmatch(str(_whole(target)), str(_whole(place(self.given))))
        if inside:
            raise ParetextError(
                f"-o {target} lies inside the input {self.given}, so that its answers would be read"
                " as texts the next time; write them elsewhere."
            )


def is_several(given: str) -> bool:
    """Whether it is a folder or a glob, and no file of that very name."""
    try:
        path = place(given)
        return path.is_dir() or (is_pattern(given) and not path.is_file())
    except (OSError, ValueError):
        return False


def find_inputs(given: str | Path) -> Inputs:
    """The tables there are; ParetextError where there is none."""
    named = str(given)
    path = place(given)
    if not is_several(named):
        return Inputs(named, path.parent, (existing(path),), single=True)
    root, pattern = (path, "**/*") if path.is_dir() else _pattern(path)
    paths = sorted(each for each in root.glob(pattern) if _is_shown(root, each))
    tables = [each for each in paths if _is_table(each) and each.is_file()]
    if not tables:
        what = "holds no table" if path.is_dir() else "is a pattern that matches no table"
        by_hand = (
            "" if path.is_dir() or _is_table(path) else f" (A text like that: --text '{named}'.)"
        )
        raise ParetextError(
            f"'{named}' {what}: name files that end in {listed(sorted(FORMATS), 'or')}.{by_hand}"
        )
    return Inputs(named, root, tuple(existing(each) for each in tables), single=False)


def _pattern(path: Path) -> tuple[Path, str]:
    """The folder above the first part with a wildcard, and the pattern from there."""
    parts: Sequence[str] = path.parts
    first = next(place for place, part in enumerate(parts) if _WILD & set(part))
    root = path
    for _ in parts[first:]:
        root = root.parent
    return root, "/".join(parts[first:])


def is_pattern(given: str) -> bool:
    """Whether it is a glob and no text: it ends as tables do, is one word with a *, or matches
    files."""
    if not _WILD & set(given):
        return False
    if _is_table(place(given)) or ("*" in given and not re.search(r"\s", given)):
        return True
    return any(Path(each).is_file() for each in iglob(given))


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in FORMATS


def _is_shown(root: Path, path: Path) -> bool:
    return not any(part[:1] in "._" for part in path.relative_to(root).parts)


def _whole(path: Path) -> Path:
    return path if is_remote(path) else path.resolve()
