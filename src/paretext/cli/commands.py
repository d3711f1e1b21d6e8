"""A verb as typer has it: an option for each field of the class that the verb takes.

`core.settings` says what a field means here. typer splits the command line, and the class checks
it, so that a value is refused in the same sentence as in Python and in a recipe.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from paretext.cli.helping import LAST, Verb
from paretext.core.errors import ParetextError
from paretext.core.settings import Settings, complaint

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
_SHORT = {"out": "-o"}
_KINDS: dict[Any, str] = {int: "N", float: "X", Path: "PATH"}
"""What an option takes, by its type."""


def command(verb: Callable[..., None]) -> Any:
    """The command of a verb whose first parameter is its class of settings."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(cls=Verb)(_spread(verb))
    return typer.main.get_command(app)


def _spread(verb: Callable[..., None]) -> Callable[..., None]:
    first, *own = inspect.signature(verb, eval_str=True).parameters.values()
    kind: type[Settings] = first.annotation
    fields = {name: kind.model_fields[name] for name in kind.ordered()}
    options = {name: field for name, field in fields.items() if field.description}

    @functools.wraps(verb)
    def call(**given: Any) -> None:
        values = {name: given.pop(name) for name in options}
        values = {name: value for name, value in values.items() if value not in (None, [], ())}
        try:
            asked = kind.model_validate(values)
        except ValidationError as error:
            help_ = f"paretext {verb.__name__} --help"
            said = complaint(error, [kind], lambda name: _called(name, fields[name]))
            raise ParetextError(f"{said.rstrip('.')}; see {help_}.") from None
        verb(asked, **given)

    parameters = [
        *(_parameter(name, field, _group(kind, name)) for name, field in options.items()),
        *own,
    ]
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    )
    call.__annotations__ = {each.name: each.annotation for each in parameters}
    return call


def _parameter(name: str, field: FieldInfo, group: str) -> inspect.Parameter:
    takes = field.title or ""
    kind: Any = list[str] if takes.endswith("...") else str
    help_ = _help(field)
    if _is_argument(name, field):
        option: Any = typer.Argument(help=help_)
    elif bool in _parts(field.annotation):
        kind, option = bool, typer.Option(_flag(name, field), help=help_, rich_help_panel=group)
    else:
        option = typer.Option(
            *(f"--{name.replace('_', '-')}", *filter(None, [_SHORT.get(name)])),
            help=help_,
            metavar=takes.rstrip(".") or _takes(field.annotation),
            rich_help_panel=group,
        )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if field.is_required() else None,
        annotation=Annotated[kind if field.is_required() else kind | None, option],
    )


def _is_argument(name: str, field: FieldInfo) -> bool:
    return (field.title or "").rstrip(".") == name.upper()


def _called(name: str, field: FieldInfo) -> str:
    return name.upper() if _is_argument(name, field) else f"--{name.replace('_', '-')}"


def _flag(name: str, field: FieldInfo) -> str:
    """--this, and where it may be taken back --no-this; --keep-it takes --remove-it back."""
    words = name.replace("_", "-")
    if field.default is False:
        return f"--{words}"
    taken_back = words.replace("remove-", "keep-") if "remove-" in words else f"no-{words}"
    return f"--{words}/--{taken_back}"


def _help(field: FieldInfo) -> str:
    """What the field says of itself, with what it is where it is not given."""
    said, plain = field.description or "", field.default
    if isinstance(plain, bool) or not isinstance(plain, int | float | str | Path):
        return said
    return f"{said.rstrip('.')} (default: {f'{plain:,}' if isinstance(plain, int) else plain})."


def _parts(kind: Any) -> list[Any]:
    """The type itself, or those of a union."""
    return [each for part in get_args(kind) for each in _parts(part)] or [kind]


def _takes(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "|".join(map(str, get_args(kind)))
    return next((_KINDS[each] for each in _parts(kind) if each in _KINDS), "TEXT")


def _group(kind: type[Settings], name: str) -> str:
    """The title of the group that the field comes from; what is the verb's own stands last."""
    bases = [each for each in reversed(kind.__mro__) if issubclass(each, Settings)]
    declared = next(each for each in bases if name in inspect.get_annotations(each))
    return LAST if declared is kind else declared.model_config.get("title") or LAST
