"""Space: the recipes that a search chooses from.

A family is a recipe with some of its settings free: the steps and whatever is not free stay as the
recipe has them, and the recipe itself is one of the family's points. What is free falls into two
kinds. Settings of the steps before the training decide the shape, and with it size and latency;
those of the step distillation decide only how well the shape is taught.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from paretext.compression.recipe import Version, preset, validated
from paretext.compression.step import Outline
from paretext.core.files import digest_of
from paretext.core.settings import Settings

if TYPE_CHECKING:
    from optuna.trial import Trial

Point = dict[str, Any]
"""One choice of everything that is free: {"family": NAME, "NAME.STEP.SETTING": value, ...}."""

FAMILY = "family"
TAUGHT = "distillation"
_SMALLER_WHEN_MORE = ("structured_pruning.speedup", "vocabulary.minimum_count")


class _Range(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float
    high: float

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if self.high < self.low:
            raise ValueError(f"the numbers from {self.low} to {self.high} are none")
        return self


class Whole(_Range):
    """Whole numbers from `low` to `high`, `step` apart."""

    low: int = Field(ge=1)
    high: int
    step: int = Field(default=1, ge=1)


class Real(_Range):
    """Numbers from `low` to `high`, even on a log scale, with two significant digits."""

    low: float = Field(gt=0)


class Family(BaseModel):
    """recipes: of the same steps; the first one's values stand for whatever is not free, and the
    values of each are a point. settings: what is free, by "STEP.SETTING"."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipes: tuple[Version, ...] = Field(min_length=1)
    settings: dict[str, Whole | Real]

    def version(self, values: Mapping[str, Any], name: str) -> Version:
        """The first recipe with these values of "STEP.SETTING"."""
        steps = [step.model_dump(mode="json") for step in self.recipes[0].steps]
        for setting, value in values.items():
            kind, field = setting.split(".")
            next(step for step in steps if step["step"] == kind)[field] = value
        return validated(Version, {"name": name, "steps": steps}, f"the family {name}")

    def centres(self) -> list[dict[str, Any]]:
        """Each recipe's own values of what is free."""
        parts = {setting: setting.split(".") for setting in self.settings}
        return [
            {name: getattr(steps[kind], field) for name, (kind, field) in parts.items()}
            for steps in ({step.kind: step for step in each.steps} for each in self.recipes)
        ]

    def corner(self, *, smallest: bool) -> dict[str, Any]:
        """The values of the family's smallest shape, or of its largest, taught as the first recipe
        says."""
        values = self.centres()[0]
        for setting, allowed in self.settings.items():
            if setting.startswith(TAUGHT):
                continue
            more = smallest == (setting in _SMALLER_WHEN_MORE)
            values[setting] = allowed.high if more else allowed.low
        return values


def _families() -> dict[str, Family]:
    # The quickest to teach comes first, so that short searches have something to choose from.
    return {
        "convolutional": Family(
            recipes=preset("nano"),
            settings={
                "convolutional_student.embedding_size": Whole(low=16, high=192, step=16),
                "convolutional_student.channels": Whole(low=32, high=512, step=32),
                "convolutional_student.window": Whole(low=1, high=5, step=2),
                "distillation.learning_rate": Real(low=5e-4, high=5e-3),
            },
        ),
        "encoder": Family(
            recipes=(*preset("small"), *preset("tiny")),
            settings={
                "layers.keep": Real(low=0.15, high=0.85),
                "structured_pruning.neurons": Real(low=0.1, high=1),
                "low_rank_embeddings.rank": Whole(low=32, high=192, step=16),
                "distillation.learning_rate": Real(low=1e-4, high=6e-4),
            },
        ),
    }


class Space(Settings):
    """The families by name."""

    families: dict[str, Family] = Field(default_factory=_families, min_length=1)

    def within(self, parent: Outline) -> Space:
        """The part of the space that is smaller than the parent."""
        highest = {
            "layers.keep": parent.layers,
            "low_rank_embeddings.rank": parent.word_width - 1,
            "convolutional_student.embedding_size": parent.word_width,
        }
        families = {
            name: family.model_copy(
                update={
                    "settings": {
                        setting: _cut(allowed, highest[setting])
                        if isinstance(allowed, Whole) and setting in highest
                        else allowed
                        for setting, allowed in family.settings.items()
                    }
                }
            )
            for name, family in self.families.items()
        }
        return Space(families=families)

    def suggest(self, trial: Trial) -> Point:
        """A point, each value chosen by `trial`."""
        family = trial.suggest_categorical(FAMILY, tuple(self.families))
        point: Point = {FAMILY: family}
        for setting, allowed in self.families[family].settings.items():
            name = f"{family}.{setting}"
            if isinstance(allowed, Whole):
                point[name] = trial.suggest_int(name, allowed.low, allowed.high, step=allowed.step)
            else:
                point[name] = trial.suggest_float(name, allowed.low, allowed.high, log=True)
        return point

    def point(self, family: str, values: Mapping[str, Any]) -> Point:
        """These values of a family's settings as a point."""
        return {FAMILY: family} | {f"{family}.{name}": value for name, value in values.items()}

    def values(self, point: Point) -> dict[str, Any]:
        """A point's values by "STEP.SETTING", real ones rounded to two significant digits."""
        family = point[FAMILY]
        settings = self.families[family].settings
        chosen = {name: point[f"{family}.{name}"] for name in settings}
        return {
            name: _rounded(value) if isinstance(settings[name], Real) else value
            for name, value in chosen.items()
        }

    def version(self, point: Point) -> Version:
        """A point's recipe; equal recipes have equal names."""
        family = point[FAMILY]
        version = self.families[family].version(self.values(point), family)
        digest = digest_of([step.model_dump(mode="json") for step in version.steps])
        return version.model_copy(update={"name": f"{family}-{digest[:8]}"})

    def presets(self) -> list[Point]:
        """The points that the families' recipes are, where what is free can have their values."""
        return [
            self.point(name, centre)
            for name, family in self.families.items()
            for centre in family.centres()
            if _allowed(family, centre)
        ]


def _cut(allowed: Whole, highest: int) -> Whole:
    """The numbers up to `highest`; at least the one step that there is below it."""
    high = min(allowed.high, max(highest // allowed.step * allowed.step, 1))
    return allowed.model_copy(update={"low": min(allowed.low, high), "high": high})


def _allowed(family: Family, values: Mapping[str, Any]) -> bool:
    def fits(allowed: Whole | Real, value: Any) -> bool:
        inside = value is not None and bool(allowed.low <= value <= allowed.high)
        return inside and (isinstance(allowed, Real) or (value - allowed.low) % allowed.step == 0)

    return all(fits(allowed, values[name]) for name, allowed in family.settings.items())


def _rounded(value: float) -> float:
    return float(f"{value:.2g}") if math.isfinite(value) else value
