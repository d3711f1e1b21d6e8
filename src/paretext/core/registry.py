"""Steps, known by name: a class that says `step: Literal["toy"] = "toy"` can be asked for.

Whoever defines such a class has registered it, in the package or elsewhere: recipes, presets and
manifests then know it, and no list anywhere has to be changed.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import PlainValidator, SerializeAsAny, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from paretext.core.settings import Settings


def import_every_file(package: str, places: Iterable[str]) -> None:
    """Import the files of a package that registers what they define."""
    for module in pkgutil.iter_modules(places):
        importlib.import_module(f"{package}.{module.name}")


STEPS: dict[str, type[NamedStep]] = {}
"""By what their field `step` says."""


class NamedStep(Settings):
    """Base of what stands in a version's list of steps."""

    last: ClassVar[bool] = False
    """Whether it changes the exported graph, so that no step comes after it."""
    only_last_after: ClassVar[str] = ""
    """Why no step but such a one may come after it, as the end of a sentence."""
    teaches: ClassVar[bool] = False
    needs_teaching: ClassVar[str] = ""
    """Why one that teaches has to come after it, as the end of a sentence."""

    @property
    def kind(self) -> str:
        return str(getattr(self, "step"))  # noqa: B009  (declared by each step)

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        field = cls.model_fields.get("step")
        if field is not None:
            STEPS[str(field.default)] = cls


def _found(value: Any) -> NamedStep:
    """The step of these values; complaints name the setting behind the step's name."""
    if isinstance(value, NamedStep):
        return value
    name = value.get("step") if isinstance(value, Mapping) else None
    if name is None:
        raise PydanticCustomError("union_tag_not_found", "a step has to say which: step: NAME")
    if name not in STEPS:
        raise PydanticCustomError("union_tag_invalid", "unknown step", {"tag": str(name)})
    try:
        return STEPS[name].model_validate(value)
    except ValidationError as error:
        raise ValidationError.from_exception_data(
            name, [_placed(name, each) for each in error.errors()]
        ) from None


def _placed(name: str, error: Any) -> InitErrorDetails:
    kind = PydanticCustomError(error["type"], error["msg"], error.get("ctx") or {})
    return InitErrorDetails(type=kind, loc=(name, *error["loc"]), input=error["input"])


AnyStep = Annotated[SerializeAsAny[NamedStep], PlainValidator(_found)]
