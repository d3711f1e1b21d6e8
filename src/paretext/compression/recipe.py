"""Recipe: which models to train, how, and which compressed versions to make of the best one.

A version is a list of steps that starts `from` the parent or from another version; quantisation
changes the exported graph, so it comes last. The same objects are built from Python, YAML and the
command line, and are stored unchanged in each artifact's manifest. Presets are recipes that come
with the package.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from paretext.compression.step import Outline, Step
from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.registry import STEPS, AnyStep
from paretext.core.run_folder import PARENT
from paretext.core.settings import Settings, complaint, names, nearest, parse_yaml, read_yaml
from paretext.core.wording import listed
from paretext.data.stop_words import LANGUAGES, unknown_language
from paretext.graphs.quantisation import Quantization
from paretext.training.settings import InputSettings, TrainingSettings

Made = TypeVar("Made", bound=BaseModel)


class Version(Settings):
    """One compressed version: `steps`, applied to the version `source` ("from" in YAML)."""

    model_config = ConfigDict(populate_by_name=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    source: str = Field(default=PARENT, alias="from")
    steps: tuple[AnyStep, ...] = Field(min_length=1)

    @property
    def classifier_steps(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if isinstance(step, Step))

    @property
    def quantization(self) -> Quantization | None:
        last = self.steps[-1]
        return last if isinstance(last, Quantization) else None

    def stages(self) -> list[tuple[str, AnyStep]]:
        """Each step with the name of what it makes; the last one makes the version itself."""
        *before, last = self.steps
        numbered = [(f"{self.name}.{i}-{step.kind}", step) for i, step in enumerate(before, 1)]
        return [*numbered, (self.name, last)]

    def plan(self, outline: Outline) -> Outline:
        """What all steps leave of `outline`; ParetextError names the version and the problem."""
        for step in self.classifier_steps:
            try:
                outline = step.plan(outline)
            except ParetextError as error:
                raise ParetextError(f"version {self.name!r}: {error}") from None
        return outline

    @model_validator(mode="after")
    def _possible_order(self) -> Version:
        for place, step in enumerate(self.steps):
            after = self.steps[place + 1 :]
            if step.last and after:
                raise ValueError(
                    f"version {self.name!r} has {step.kind} before another step; "
                    "it changes the exported graph, so put it last"
                )
            others = [each.kind for each in after if not each.last]
            if step.only_last_after and others:
                raise ValueError(
                    f"version {self.name!r} has {others[0]} after {step.kind}, "
                    f"{step.only_last_after}; put it before that"
                )
            if step.needs_teaching and not any(each.teaches for each in after):
                raise ValueError(
                    f"version {self.name!r} has {step.kind} without distillation after it; "
                    f"{step.needs_teaching}, so add that step"
                )
        return self


_EXAMPLE = "see recipes/study.yaml"


RUNGS = ("int8", "safe", "small", "tiny", "nano")
"""The presets that are made by default, each smaller and faster than the one before. (Zeros in a
dense matrix buy no speed: the preset `pruned` shows it.)"""


@cache
def _rungs() -> tuple[Version, ...]:
    return tuple(version for name in RUNGS for version in preset(name))


class Recipe(InputSettings):
    """models: hub ids, folders or baselines; the best encoder on the selection split becomes the
    parent. ladder: make the versions one after the other, and stop after the first that loses more
    on the selection split than its certificate would let it (default: where no version was named).
    stop_words: remove those of `language`, keep them, or (auto) what each model does by
    itself: the recurrent baselines remove them, all others keep them."""

    models: tuple[str, ...] = ()
    selection_share: float = Field(default=0.15, gt=0, lt=1)
    stop_words: Literal["auto", "keep", "remove"] = "auto"
    training: TrainingSettings = TrainingSettings()
    versions: tuple[Version, ...] = Field(default_factory=_rungs)
    ladder: bool | None = None

    @field_validator("language")
    @classmethod
    def _known_language(cls, value: str) -> str:
        if value not in LANGUAGES:
            raise ValueError(unknown_language(value))
        return value

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

    def plan(self, parent: Outline) -> None:
        """ParetextError if a step cannot be applied where it stands: asked before any training."""
        outlines = {PARENT: parent}
        for version in self.versions:
            outlines[version.name] = version.plan(outlines[version.source])

    def within(self, parent: Outline, *, learns: bool = True) -> Recipe:
        """The recipe that can be had of `parent`; learns: whether there are texts to learn from.

        Of the default versions, those that cannot be made are left out, and it is said why. A
        version that was asked for is never left out: ParetextError.
        """
        by_default, kept = self.versions == _rungs(), []
        without: dict[str, str] = {}
        for version in self.versions:
            try:
                if version.classifier_steps and not learns:
                    raise ParetextError(
                        f"version {version.name!r} learns from texts: give labelled ones with "
                        "--data, or texts without labels with --unlabelled."
                    )
                if version.source == PARENT:
                    version.plan(parent)
            except ParetextError as error:
                if not by_default:
                    raise
                without[version.name] = str(error)
            else:
                kept.append(version)
        if without:
            are = "is" if len(without) == 1 else "are"
            reason = next(iter(without.values()))
            progress.say(f"of the ladder {listed([*without])} {are} left out: {reason}")
        ladder = by_default if self.ladder is None else self.ladder
        recipe = self.model_copy(update={"versions": tuple(kept), "ladder": ladder})
        if not by_default:
            recipe.plan(parent)
        return recipe

    @classmethod
    def read(cls, path: str | Path) -> Recipe:
        """A recipe from YAML; ParetextError names the first setting that is wrong."""
        return cls._of(read_yaml(path, "recipe"), str(path))

    @classmethod
    def parse(cls, text: str, source: str) -> Recipe:
        """A recipe from the text of a YAML file."""
        return cls._of(parse_yaml(text, f"the recipe {source}"), source)

    @classmethod
    def _of(cls, values: Any, source: str) -> Recipe:
        if not isinstance(values, dict):
            raise ParetextError(f"the recipe {source} holds no settings; {_EXAMPLE}.")
        return validated(cls, values, source)


def preset(name: str) -> tuple[Version, ...]:
    """The versions of a preset that comes with the package; ParetextError if it is unknown."""
    if name == "gru":
        raise ParetextError("the preset gru is gone: nano is faster and nearer to the parent.")
    files = resources.files("paretext.compression") / "presets"
    known = sorted(Path(file.name).stem for file in files.iterdir() if file.name.endswith(".yaml"))
    if name not in known:
        raise ParetextError(f"there is no preset {name!r}{nearest(name, known)}")
    text = (files / f"{name}.yaml").read_text(encoding="utf-8")
    return Recipe.parse(text, f"the preset {name}").versions


def validated(model: type[Made], values: dict[str, Any], source: str) -> Made:
    """`model` built from `values`; the first of pydantic's complaints as a ParetextError."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ParetextError(f"{source}: {_complaint(error, model)}") from None


_CALLED = {
    "embeddings": "embedding_bits",
    "model": "models",
    "preset": "versions",
    "remove_stop_words": "stop_words",
}
"""What a setting was called, or is on the command line -> its name in a recipe."""


def _complaint(error: ValidationError, model: type[BaseModel]) -> str:
    errors = error.errors()
    first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][-1])
        if name in _CALLED:
            return f"{where} is called {_CALLED[name]!r} in a recipe; write that in its place."
        step = next((STEPS[part] for part in first["loc"] if part in STEPS), None)
        if step is not None:
            return complaint(error, [step])
        known: list[type[BaseModel]] = [model, Version, TrainingSettings, *STEPS.values()]
        if name in names(*known):
            home = "training." if name in names(TrainingSettings) else ""
            there = f"write {home}{name}" if home or name in names(model) else _EXAMPLE
            return f"the setting {name!r} does not belong at {where}; {there}."
        return complaint(error, [TrainingSettings] if first["loc"][0] == "training" else known)
    if first["type"] == "union_tag_invalid":
        tag = str(first["ctx"]["tag"])
        if tag == "recurrent_student":
            return (
                f"the step recurrent_student at {where} is gone: write convolutional_student in "
                "its place, with embedding_size and channels"
            )
        return f"unknown step {tag!r} at {where}{nearest(tag, list(STEPS))}"
    return complaint(error, [model])
