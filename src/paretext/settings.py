"""What people write: settings in YAML files, and the name or folder that they meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from paretext.errors import ParetextError


def read_yaml(path: str | Path, what: str) -> Any:
    """The values of a YAML file; `what` it is stands in the error: "the recipe"."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ParetextError(f"there is no {what} {path}; check the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ParetextError(f"the {what} {path} cannot be read: {reason}.") from None
    return parse_yaml(text, f"the {what} {path}")


def parse_yaml(text: str, source: str) -> Any:
    """The values of a YAML text; ParetextError names `source` where it is not YAML."""
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ParetextError(f"{source} cannot be read: {reason}.") from None


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence on an unknown name: the nearest known one, or all of them."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(names)}."


def model_inside(folder: Path) -> str:
    """The end of a sentence on a folder that is no model, where one lies in it, as a candidate's
    does; "" where none does."""
    inside = folder / "model"
    return f"; give the model in it, {inside}." if (inside / "config.json").is_file() else ""
