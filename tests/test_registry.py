"""A step and a file format that this file alone defines: whatever takes one knows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, ClassVar, Literal

import pytest
import toy
import yaml

from paretext.compression.build import compress
from paretext.compression.recipe import Recipe
from paretext.compression.step import Material, Step
from paretext.core.errors import ParetextError
from paretext.data.dataset import Dataset
from paretext.data.formats.base import FORMATS, BadRow, Format, OnBadRow, Row, Sink
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


@pytest.fixture
def dashes() -> Iterator[None]:
    """A format with lines such as "joy - what a lovely day"."""

    class Dashes(Format):
        name = "dashes"
        suffixes = (".dashes",)

        def columns(self, path: Path, on_bad_row: OnBadRow) -> list[str]:
            return ["label", "text"]

        def rows(
            self, path: Path, on_bad_row: OnBadRow, names: Sequence[str] | None
        ) -> Iterator[Row | BadRow]:
            for line in path.read_text("utf-8").splitlines():
                label, dash, text = line.partition(" - ")
                yield {"label": label, "text": text} if dash else BadRow("no dash")

        def sink(self, binary: IO[bytes], fields: list[str], types: Mapping[str, Any]) -> Sink:
            return DashesSink(binary)

    class DashesSink:
        def __init__(self, binary: IO[bytes]) -> None:
            self.binary = binary

        def write(self, row: Row) -> None:
            self.binary.write(" - ".join(map(str, row.values())).encode() + b"\n")

        def finish(self) -> None: ...

        def close(self) -> None:
            self.binary.close()

    yield
    del FORMATS[".dashes"]


@pytest.mark.usefixtures("dashes")
def test_a_file_of_the_format_is_read_and_written(
    versions: dict[str, Path], tmp_path: Path, command: Any
) -> None:
    rows = toy.texts_and_labels(12)
    path = tmp_path / "texts.dashes"
    path.write_text("".join(f"{label} - {text}\n" for text, label in rows), "utf-8")
    data = Dataset.read(path)
    assert list(data.texts) == [text for text, _ in rows]
    with path.open("a", encoding="utf-8") as file:
        file.write("nothing\n")
    with pytest.raises(ParetextError, match=r"1 with no dash \(row 13\)"):
        Dataset.read(path)
    out = tmp_path / "answers.dashes"
    ended = command("predict", versions["int8"], path, "-o", out)
    assert ended.status == 0, ended.err
    assert len(out.read_text("utf-8").splitlines()) == 13


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
