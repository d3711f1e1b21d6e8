"""What people write: settings and their base class, YAML files, the name that was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from paretext.core.errors import ParetextError

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)


class _Settings(ModelMetaclass):
    """Makes of pydantic's complaint about what a Python caller wrote one of the project's own."""

    def __call__(cls, *args: Any, **values: Any) -> Any:
        try:
            return super().__call__(*args, **values)
        except ValidationError as error:
            raise ParetextError(
                f"{cls.__name__}: {complaint(error, (cast('type[BaseModel]', cls),))}"
            ) from None


class Settings(BaseModel, metaclass=_Settings):
    """Base of all settings: frozen, and checked once, when they are made.

    Raises ParetextError for a value that no such setting has, or a name that is not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


def complaint(error: ValidationError, models: Iterable[type[BaseModel]]) -> str:
    """The first of pydantic's complaints in a sentence; models: whose settings may be meant."""
    errors = error.errors()
    # A name that is not known explains the one that is missing.
    first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "value_error":
        return f"{first['ctx']['error']}."
    if first["type"] == "extra_forbidden":
        return f"unknown setting {where!r}{nearest(str(first['loc'][-1]), sorted(names(*models)))}"
    if first["type"] == "missing":
        return f"{where} is missing; give it a value."
    value = repr(first["input"])
    shown = value if len(value) <= 80 else f"{value[:77]}..."
    return f"{where} is {shown}: {first['msg'].lower()}."


def names(*models: type[BaseModel]) -> set[str]:
    """The names of these models' settings."""
    return {field.alias or name for each in models for name, field in each.model_fields.items()}


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
