"""A step, a file format, an architecture and a clause that this file alone defines, and who takes
them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, ClassVar, Literal

import numpy as np
import pytest
import tiny
import torch
import toy
import yaml
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from paretext.certification.budget import Budget, parse_limits
from paretext.certification.catalogue import CATALOGUE, Rule
from paretext.certification.certificate import Certificate
from paretext.certification.certify import certify
from paretext.certification.evidence import Evidence
from paretext.certification.records import Clause
from paretext.certification.verdicts import simple
from paretext.compression import StructuredPruning
from paretext.compression.build import compress
from paretext.compression.recipe import Recipe
from paretext.compression.step import Material, Step
from paretext.core.errors import ParetextError
from paretext.core.records import Interval
from paretext.data.dataset import Dataset
from paretext.data.formats.base import FORMATS, BadRow, Format, OnBadRow, Row, TableSink
from paretext.graphs import export
from paretext.models.classifier import Classifier
from paretext.models.encoder import Attention, Encoder, FeedForward, Layer, Linear
from paretext.models.families.base import FAMILIES, Family, array, linear_reader, norm
from paretext.runtime.manifest import Manifest
from paretext.training.settings import TrainingSettings
from paretext.tuning.limits import Limits


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

        def sink(self, binary: IO[bytes], fields: list[str], types: Mapping[str, Any]) -> TableSink:
            return DashesSink(binary)

    class DashesSink(TableSink):
        def write(self, row: Row) -> None:
            self.binary.write(" - ".join(map(str, row.values())).encode() + b"\n")

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


class StackConfig(PretrainedConfig):
    model_type = "toy-stack"


class Stack(PreTrainedModel):
    """PyTorch's own layers, which hold query, key and value in one matrix."""

    config_class = StackConfig
    _input_embed_layer = "words"

    def __init__(self, config: StackConfig) -> None:
        super().__init__(config)
        self.words, self.positions = nn.Embedding(config.vocab_size, 16), nn.Embedding(32, 16)
        self.norm = nn.LayerNorm(16)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(16, 4, 24, activation="gelu", batch_first=True)
            for _ in range(2)
        )
        self.dense, self.output = nn.Linear(16, 8), nn.Linear(8, len(toy.LABELS))

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> SequenceClassifierOutput:
        x = self.norm(self.words(input_ids) + self.positions.weight[: input_ids.shape[1]])
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=attention_mask == 0)
        logits: Any = self.output(self.dense(x[:, 0]).relu())
        return SequenceClassifierOutput(logits=logits)


@pytest.fixture
def stack(versions: dict[str, Path]) -> Classifier:
    tokenizer = Classifier.load(versions["pytorch"]).tokenizer
    names = dict(enumerate(toy.LABELS))
    config = StackConfig(vocab_size=len(tokenizer), id2label=names, pad_token_id=0)
    model = tiny.shake(Stack(config).eval())  # type: ignore[no-untyped-call]
    return Classifier(model, tokenizer, toy.LABELS, max_length=32)


@pytest.fixture
def stacks() -> Iterator[None]:
    class Stacks(Family):
        model_types = ("toy-stack",)

        def read(self, model: Any) -> Encoder:
            read = linear_reader(model)

            def layer(block: Any) -> Layer:
                whole = block.self_attn
                weights = np.split(array(whole.in_proj_weight).T, 3, axis=1)
                parts = zip("qkv", weights, np.split(array(whole.in_proj_bias), 3), strict=True)
                qkv = (Linear(f"{id(block)}.{name}", w, b) for name, w, b in parts)
                return Layer(
                    Attention(whole.num_heads, *qkv, read(whole.out_proj), norm(block.norm1)),
                    FeedForward(read(block.linear1), read(block.linear2), norm(block.norm2)),
                )

            return Encoder(
                words=array(model.words.weight),
                word_factor=None,
                positions=array(model.positions.weight),
                embedding_norm=norm(model.norm),
                projection=None,
                layers=tuple(map(layer, model.layers)),
                activation="gelu",
                head=(read(model.dense), "relu", read(model.output)),
            )

        def dropout(self, config: Any) -> float:
            return 0.1

    yield
    del FAMILIES["toy-stack"]


TEXTS = toy.dataset(12, 5).texts


@pytest.mark.usefixtures("stacks")
def test_an_architecture_is_exported_and_pruned(stack: Classifier, tmp_path: Path) -> None:
    artifact = export(stack, tmp_path / "whole", TEXTS)
    assert "graph written for ONNX Runtime" in artifact.manifest.done[0]
    np.testing.assert_allclose(artifact.logits(TEXTS), stack.logits(TEXTS), atol=1e-5)
    data = Material(toy.dataset(24), toy.dataset(12, 1), TrainingSettings())
    pruned, _ = StructuredPruning(heads=0.5, neurons=0.5, multiple=4).apply(stack, data)
    smaller = export(pruned, tmp_path / "pruned", TEXTS)
    np.testing.assert_allclose(smaller.logits(TEXTS), pruned.logits(TEXTS), atol=1e-5)
    heads, neurons = (sum(s[n] for s in pruned.model.config.shapes) for n in ("heads", "neurons"))
    assert (heads, neurons) == (4, 24)
    whole, _ = StructuredPruning(heads=1.0).apply(stack, data)
    np.testing.assert_allclose(whole.logits(TEXTS), stack.logits(TEXTS), atol=1e-5)


def test_an_architecture_that_is_not_registered_is_traced_and_not_pruned(
    stack: Classifier, tmp_path: Path
) -> None:
    artifact = export(stack, tmp_path / "whole", TEXTS)
    assert "traced by PyTorch" in artifact.manifest.done[0]
    data = Material(toy.dataset(24), toy.dataset(12, 1), TrainingSettings())
    with pytest.raises(ParetextError, match="'toy-stack'; it knows albert, bert"):
        StructuredPruning(heads=0.5).apply(stack, data)


def test_no_model_type_belongs_to_two_families() -> None:
    with pytest.raises(TypeError, match="bert is read by Bert"):

        class Another(Family):
            model_types = ("toy-another", "bert")

    assert "toy-another" not in FAMILIES


@pytest.fixture
def joylessness() -> Iterator[None]:
    """A clause: by how much the share of the answer "joy" falls."""

    class Joylessness(Rule):
        name = "joy_drop"
        also = ("gloom",)
        default = 0.5
        reason = "a toy has to be cheerful"
        judged = "its joy"

        def judge(self, evidence: Evidence, limit: float) -> Clause:
            joy = evidence.labels.index("joy")
            before, after = ((each == joy).mean() for each in (evidence.before, evidence.after))
            drop = float(before - after)
            return simple(self, limit, Interval(drop, drop - 0.5, drop + 0.5), evidence.n)

    yield
    del CATALOGUE["joy_drop"]


@pytest.mark.usefixtures("joylessness")
def test_a_budget_limits_the_clause_and_a_certificate_judges_it(
    versions: dict[str, Path], tmp_path: Path
) -> None:
    assert Budget().limits()["joy_drop"] == 0.5
    assert parse_limits("gloom<=2%") == {"joy_drop": 0.02}
    assert Limits(parse_limits("gloom<=2%")).unseen() == ["joy_drop"]
    with pytest.raises(ParetextError, match="unknown clause 'gloo'; did you mean 'gloom'"):
        Budget.of(["gloo<=2%"])
    int8 = Path(shutil.copytree(versions["int8"], tmp_path / "int8"))
    budget = Budget.of([*(f"{name}<=1" for name in ("flips", "accuracy_drop")), "gloom<=2%"])
    certify(int8, versions["fp32"], toy.dataset(60), budget, resamples=100)
    certificate = Certificate.of(int8)
    assert certificate is not None
    assert certificate.clause("joy_drop").verdict == "undecided"
    assert "60 texts are too few to judge" in str(certificate)
    assert "its joy" in str(certificate)


def test_a_certificate_outlives_the_clause(
    versions: dict[str, Path], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Whoever has not registered it can still read what was judged."""
    request.getfixturevalue("joylessness")
    int8 = Path(shutil.copytree(versions["int8"], tmp_path / "int8"))
    made = certify(int8, versions["fp32"], toy.dataset(60), Budget.of(["gloom<=9%"]), resamples=100)
    rule = CATALOGUE.pop("joy_drop")
    certificate = Certificate.of(int8)
    CATALOGUE["joy_drop"] = rule
    assert certificate is not None
    assert certificate.clause("joy_drop") == made.clause("joy_drop")
    assert certificate.budget.joy_drop == 0.09
