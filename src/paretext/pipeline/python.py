"""The verbs as Python calls: strings, paths, DataFrames and `datasets` objects in, results out.

They do what the command line does, with the same words: `paretext run --data x.csv --preset small`
is `paretext.run("x.csv", preset="small")`. Of each call the arguments are the fields of one class
in `options`, which the signature and the documentation show; errors name what a caller wrote.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.settings import Settings, complaint, nearest
from paretext.pipeline import calls, operating, options

_Asked = TypeVar("_Asked", bound=Settings)
_Returned = TypeVar("_Returned")


def _called(kind: type[_Asked], verb: Callable[[_Asked], _Returned]) -> Callable[..., _Returned]:
    """The verb as a call with an argument for each field of the class `kind`.

    It raises ParetextError for an argument that is not known or of another kind; None is as if it
    were not given. Its progress is shown where the caller sees it.
    """
    name = verb.__name__
    fields = {each: kind.model_fields[each] for each in kind.ordered()}
    places = [each for each, field in fields.items() if field.kw_only is False]

    def call(*given: Any, **named: Any) -> Any:
        if len(given) > len(places):
            raise ParetextError(f"{name} takes fewer arguments without a name; name the others.")
        values = dict(zip(places, given, strict=False))
        if wrong := next((each for each in named if each not in fields or each in values), None):
            known = f"two values for {wrong!r}; give one." if wrong in fields else ""
            raise ParetextError(
                f"{name} has {known or f'no argument {wrong!r}{nearest(wrong, fields)}'}"
            )
        values = {each: value for each, value in (values | named).items() if value is not None}
        for each, field in fields.items():
            if field.is_required() and each not in values:
                raise ParetextError(f"{name} needs {each!r}.")
        try:
            asked = kind.model_validate(values)
        except ValidationError as error:
            raise ParetextError(f"{name}: {complaint(error, [kind], str)}") from None
        with progress.shown():
            try:
                return verb(asked)
            except ParetextError as error:
                error.args = (_in_python(str(error), fields),)
                raise

    call.__name__ = call.__qualname__ = name
    call.__doc__ = _documentation(verb, fields)
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [_parameter(each, fields[each]) for each in dict.fromkeys((*places, *fields))],
        return_annotation=inspect.signature(verb).return_annotation,
    )
    return call


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(
        name,
        kind if field.kw_only is False else inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if field.is_required() else field.default,
        annotation=field.annotation,
    )


def _documentation(verb: Callable[..., object], fields: Mapping[str, FieldInfo]) -> str:
    """What the verb says of itself, and of each argument the help of its option."""
    helps = (
        f"{name}: {_in_python(field.description, fields)}"
        for name, field in fields.items()
        if field.description
    )
    return "\n".join((inspect.cleandoc(verb.__doc__ or ""), "", *helps))


def _in_python(said: str, known: Mapping[str, object]) -> str:
    """A sentence of the command line with the arguments as a Python caller writes them; a command
    in it stays one."""

    def called(option: re.Match[str]) -> str:
        name = str(option[1]).replace("-", "_")
        return repr(name) if name in known else option[0]

    return re.sub(r"paretext [a-z]+ [^;:]*|--([a-z][a-z-]*[a-z])", called, said)


run = _called(options.Run, calls.run)
compress = _called(options.Compress, calls.compress)
compare = _called(options.Compare, calls.compare)
certify = _called(options.Certify, calls.certify)
search = _called(options.Search, calls.search)
threshold = _called(options.Threshold, operating.threshold)
