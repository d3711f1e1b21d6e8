"""Recipe: which models to train, how, and which compressed versions to make of the best one.

A version is a list of steps that starts `from` the parent or from another version; quantisation
changes the exported graph, so it comes last. The same objects are built from Python, YAML and the
command line, and are stored unchanged in each artifact's manifest.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from paretext.compression.magnitude import MagnitudePruning
from paretext.errors import ParetextError
from paretext.export.quantisation import DynamicQuantization
from paretext.training import TrainingSettings

PARENT = "parent"

Settings = TypeVar("Settings", bound=BaseModel)
Step = Annotated[MagnitudePruning | DynamicQuantization, Field(discriminator="step")]


class Version(BaseModel):
    """One compressed version: `steps`, applied to the version `source` ("from" in YAML)."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    source: str = Field(default=PARENT, alias="from")
    steps: tuple[Step, ...]

    @property
    def classifier_steps(self) -> tuple[MagnitudePruning, ...]:
        return tuple(step for step in self.steps if isinstance(step, MagnitudePruning))

    @property
    def quantization(self) -> DynamicQuantization | None:
        last = self.steps[-1] if self.steps else None
        return last if isinstance(last, DynamicQuantization) else None

    @model_validator(mode="after")
    def _quantisation_last(self) -> Version:
        if any(isinstance(step, DynamicQuantization) for step in self.steps[:-1]):
            raise ValueError(
                f"version {self.name!r} has dynamic_quantization before another step; "
                "it changes the exported graph, so put it last"
            )
        return self


def _study_versions() -> tuple[Version, ...]:
    return (
        Version(name="pruned", steps=(MagnitudePruning(),)),
        Version(name="int8", steps=(DynamicQuantization(),)),
        Version(name="pruned-int8", source="pruned", steps=(DynamicQuantization(),)),
    )


class Recipe(BaseModel):
    """models: hub ids or folders; the best on the selection split becomes the parent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[str, ...] = ()
    max_length: int = Field(default=128, ge=4)
    selection_share: float = Field(default=0.15, gt=0, lt=1)
    training: TrainingSettings = TrainingSettings()
    versions: tuple[Version, ...] = Field(default_factory=_study_versions)

    @model_validator(mode="after")
    def _known_sources(self) -> Recipe:
        names = [PARENT]
        for version in self.versions:
            if version.name in names:
                raise ValueError(f"two versions are named {version.name!r}; rename one")
            if version.source not in names:
                raise ValueError(
                    f"version {version.name!r} comes from {version.source!r}; "
                    f"the versions before it are {', '.join(names)}"
                )
            if version.source != PARENT and self.version(version.source).quantization:
                raise ValueError(
                    f"version {version.name!r} comes from {version.source!r}, which is quantised; "
                    "start it from a version that is not"
                )
            names.append(version.name)
        return self

    def version(self, name: str) -> Version:
        return next(version for version in self.versions if version.name == name)

    @classmethod
    def read(cls, path: str | Path) -> Recipe:
        """A recipe from YAML; ParetextError names the first setting that is wrong."""
        import yaml

        path = Path(path)
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ParetextError(f"there is no recipe {path}; check the path.") from None
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise ParetextError(f"the recipe {path} cannot be read: {reason}.") from None
        if not isinstance(values, dict):
            raise ParetextError(f"the recipe {path} holds no settings; see recipes/study.yaml.")
        return validated(cls, values, str(path))


def validated(model: type[Settings], values: dict[str, Any], source: str) -> Settings:
    """`model` built from `values`; the first of pydantic's complaints as a ParetextError."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ParetextError(f"{source}: {_complaint(error, model)}") from None


def _complaint(error: ValidationError, model: Any) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "value_error":
        message = str(first["ctx"]["error"])
        return f"{message}."
    if first["type"] == "extra_forbidden":
        name, known = str(first["loc"][-1]), sorted(_settings(model))
        if name in known:
            return f"the setting {name!r} does not belong at {where}; see recipes/study.yaml."
        return f"unknown setting {where!r}{_nearest(name, known)}"
    if first["type"] == "union_tag_invalid":
        tag = str(first["ctx"]["tag"])
        known = ["magnitude_pruning", "dynamic_quantization"]
        return f"unknown step {tag!r} at {where}{_nearest(tag, known)}"
    return f"{where} is {first['input']!r}: {first['msg'].lower()}."


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}."


def _settings(model: Any) -> set[str]:
    """The names of all settings of a recipe, at any depth."""
    models = (model, Version, TrainingSettings, MagnitudePruning, DynamicQuantization)
    return {field.alias or name for each in models for name, field in each.model_fields.items()}
