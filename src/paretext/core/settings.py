"""What people write: settings and their base class, YAML files, the name that was meant.

A setting is declared once, whoever gives it: a class of settings is a part of the recipe, the
arguments of a Python call and the options of a command. A verb's class inherits the groups that it
shares with others, and declares anew what means something else there. Of a field says

    description     its help; without one it is no option, and for recipes and Python alone
    title           what it takes, where its type says less: FILE; with dots behind it, it may
                    repeat; the field's own name in capitals makes it an argument without a name
    kw_only=False   in Python it need not be named
    title of the class (`model_config`): the group of the help that its fields stand in
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from paretext.core.errors import ParetextError
from paretext.core.run_folder import model_of

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

    def part(self, kind: type[BaseModel]) -> dict[str, Any]:
        """What was given of the settings that `kind` has, by name; the others are as elsewhere."""
        mine = [name for name in kind.model_fields if name in self.model_fields_set]
        return {name: getattr(self, name) for name in mine}

    @classmethod
    def ordered(cls) -> list[str]:
        """The fields' names, first those that a class declares itself, anew or for the first time,
        and then those of its bases."""
        declared = (name for each in cls.__mro__ for name in inspect.get_annotations(each))
        return [name for name in dict.fromkeys(declared) if name in cls.model_fields]


_WANTED = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "string_type": "a string",
    "path_type": "a string or a path",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "is_instance_of": "a list",
    "list_type": "a list",
    "tuple_type": "a list",
    "model_type": "settings",
}
"""What a value has to be, where pydantic says it otherwise."""
_INPUT = "Input should be "


def complaint(
    error: ValidationError,
    models: Iterable[type[BaseModel]],
    called: Callable[[str], str] | None = None,
) -> str:
    """The first of pydantic's complaints in a sentence; models: whose settings may be meant.

    called: of arguments, none of which has settings of its own: how whoever gave them calls one.
    """
    errors = error.errors()
    # A name that is not known explains the one that is missing.
    first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
    place = _setting(first["loc"])
    where = called(str(place[0])) if called and place else ".".join(map(str, place))
    if first["type"] == "value_error":
        return f"{first['ctx']['error']}."
    if first["type"] == "extra_forbidden":
        return f"unknown setting {where!r}{nearest(str(first['loc'][-1]), sorted(names(*models)))}"
    if first["type"] == "missing":
        return f"{where} is missing; give it a value."
    value = repr(first["input"])
    shown = value if len(value) <= 80 else f"{value[:77]}..."
    # Of what may be one of several kinds, each complains.
    same = [each for each in errors if _setting(each["loc"])[: len(place)] == place]
    return f"{where} is {shown}; {_remedy(same)}."


def _setting(place: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Where pydantic complains, without the kind of value that it tried there: "int",
    "constrained-float", "tuple[...]"."""
    kinds = re.compile(r"(constrained-)?(int|float|str|bool)|\w+\[.*\]")
    last = place[-1] if place else None
    return place[:-1] if isinstance(last, str) and kinds.fullmatch(last) else place


def _remedy(errors: list[Any]) -> str:
    """What to give: one of what the kinds of value that may be there complain about."""
    kinds = [_WANTED.get(each["type"], str(each["msg"])) for each in errors]
    if errors[0]["type"] == "greater_than_equal":
        kinds = [f"{errors[0]['ctx']['ge']} or more"]
    if kinds[0][:1].isupper() and not kinds[0].startswith(_INPUT):
        return kinds[0][:1].lower() + kinds[0][1:]
    words = (word for kind in kinds for word in kind.removeprefix(_INPUT).split(" or "))
    return f"give {' or '.join(dict.fromkeys(words))}"


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
    bare = {each.lstrip("-"): each for each in names}  # all options are alike in their dashes
    near = difflib.get_close_matches(name.lstrip("-"), bare, n=1, cutoff=0.4)
    return f"; did you mean {bare[near[0]]!r}?" if near else f"; known are {', '.join(names)}."


def model_inside(folder: Path) -> str:
    """The end of a sentence on a folder that is no model, where one lies in it, as a candidate's
    does; "" where none does."""
    inside = model_of(folder)
    return f"; give the model in it, {inside}." if (inside / "config.json").is_file() else ""
