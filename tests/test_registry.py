"""A step that this file alone defines: recipes, errors and artifacts know it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
import toy
import yaml

from paretext.compression.build import compress
from paretext.compression.recipe import Recipe
from paretext.compression.step import Material, Step
from paretext.core.errors import ParetextError
from paretext.models.classifier import Classifier
from paretext.runtime.manifest import Manifest


class LouderHead(Step):
    """factor: what the last layer's weights are multiplied by."""

    only_last_after: ClassVar[str] = "which would deafen it"

    step: Literal["louder_head"] = "louder_head"
    factor: float = 2.0

    def apply(self, classifier: Classifier, data: Material) -> tuple[Classifier, list[str]]:
        changed = classifier.copy()
        head: Any = changed.model
        head.classifier.out_proj.weight.data *= self.factor
        return changed, [f"the last layer is {self.factor:g} times as loud"]


RECIPE = """
versions:
- name: loud
  steps:
  - step: louder_head
    factor: 3
  - step: dynamic_quantization
"""


def test_a_recipe_makes_it(versions: dict[str, Path], tmp_path: Path) -> None:
    recipe = Recipe.parse(RECIPE, "toy.yaml")
    (version,) = recipe.versions
    assert version.steps[0] == LouderHead(factor=3)
    texts = toy.dataset(60), toy.dataset(36, seed=1)
    compress(versions["pytorch"], recipe, *texts, tmp_path / "out")
    made = Manifest.read(tmp_path / "out" / "artifacts" / "loud")
    assert {"step": "louder_head", "factor": 3.0} in [dict(each) for each in made.recipe]
    assert "the last layer is 3 times as loud" in made.done
    written = yaml.safe_dump(recipe.model_dump(mode="json", by_alias=True))
    assert Recipe.parse(written, "again") == recipe


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([{"step": "louder_haed"}], "'louder_haed' at versions.0.steps.0; did you mean 'louder_h"),
        ([{"step": "louder_head", "facotr": 2}], "louder_head.facotr'; did you mean 'factor'?"),
        ([{"step": "louder_head", "factor": "x"}], "versions.0.steps.0.louder_head.factor is 'x'"),
        ([{"step": "louder_head"}, {"step": "layers", "keep": 1}], "which would deafen it"),
        ([{"factor": 2}], "say which"),
    ],
)
def test_what_is_wrong_with_it_is_said_as_of_any_other(
    steps: list[dict[str, Any]], said: str
) -> None:
    with pytest.raises(ParetextError) as raised:
        Recipe.parse(yaml.safe_dump({"versions": [{"name": "x", "steps": steps}]}), "toy.yaml")
    assert said in str(raised.value)
