"""An answer depends on its text alone, for every kind of graph; what breaks that is not written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tiny
import toy
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from test_compact import convolutional, recurrent

from paretext.compression import LowRankEmbeddings, Material
from paretext.core.errors import ParetextError
from paretext.graphs import export
from paretext.graphs.calibration import Calibration
from paretext.graphs.quantisation import DynamicQuantization
from paretext.graphs.quantised_graph import Counts
from paretext.models.classifier import Classifier
from paretext.runtime.artifact import Artifact, softmax
from paretext.runtime.independence import INTEGERS, EachWay, each_way
from paretext.runtime.manifest import Manifest
from paretext.training.baselines import Tfidf
from paretext.training.fit import TrainingSettings

Encoder = Callable[[str], Path]
TEXTS = ["", "no", *toy.dataset(12, 5).texts, *(" ".join(toy.dataset(n, n).texts) for n in (3, 6))]


def classifier(encoder: Encoder) -> Classifier:
    made = Classifier.from_pretrained(str(encoder("bert")), toy.LABELS, max_length=64)
    tiny.shake(made.model)
    return made


@pytest.fixture(scope="module")
def artifacts(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    """The kinds of graph that test_quantisation has not: narrow tables, students, n-grams."""
    origin, folder = classifier(encoder), tmp_path_factory.mktemp("artifacts")
    training = TrainingSettings(batch_size=8, epochs=1, precision="fp32", device="cpu")
    material = Material(toy.dataset(48), toy.dataset(24, 1), training)
    narrow, _ = LowRankEmbeddings(rank=8).apply(origin, material)
    output = DynamicQuantization(keep_fp32=("output",))
    fitted = Tfidf().fit(toy.dataset(60), toy.dataset(30, 1), TrainingSettings(), max_length=32)
    made = {
        "low-rank": (narrow, DynamicQuantization()),
        "convolutional": (convolutional(origin, 3), output),
        "gru": (recurrent(origin, "gru", 1), output),
        "lstm": (recurrent(origin, "lstm", 2), output),
        "n-grams": (fitted.classifier, None),
    }
    return {
        name: export(model, folder / name, TEXTS, quantization=step)
        for name, (model, step) in made.items()
    }


@pytest.mark.parametrize("kind", ["low-rank", "convolutional", "gru", "lstm", "n-grams"])
def test_the_same_text_the_same_answer(artifacts: dict[str, Artifact], kind: str) -> None:
    artifact = artifacts[kind]
    alone = np.concatenate([artifact.logits([text]) for text in TEXTS])

    @given(rows=st.lists(st.integers(0, len(TEXTS) - 1), min_size=1, max_size=20))
    @settings(max_examples=25, deadline=None)
    def in_any_company(rows: list[int]) -> None:
        texts = [TEXTS[row] for row in rows]
        for answers in (artifact.logits(texts), artifact.one_batch(texts)):
            np.testing.assert_allclose(answers, alone[rows], rtol=0, atol=1e-5)

    in_any_company()
    independence = artifact.manifest.independence
    assert independence is not None
    assert independence.texts > len(TEXTS)  # odd ones are among them
    assert independence.largest_probability_difference < 1e-5
    assert independence.changed_labels == 0


def test_what_is_said_is_what_was_answered(artifacts: dict[str, Artifact]) -> None:
    artifact = artifacts["low-rank"]
    ways = each_way(artifact, TEXTS)
    for way in ways:
        np.testing.assert_allclose(way, artifact.logits(TEXTS), atol=1e-5)
    assert each_way(artifact, []).record().texts == 0
    moved = ways.alone.copy()
    moved[3] = np.roll(moved[3], 1)
    record = EachWay(ways.alone, ways.bulk, moved).record()
    differences = np.abs(softmax(moved) - softmax(ways.alone))
    assert record.largest_probability_difference == pytest.approx(differences[3].max(), abs=1e-5)
    assert record.changed_labels == (moved[3].argmax() != ways.alone[3].argmax())
    assert record.texts == len(TEXTS)


def one_scale_a_call(
    self: DynamicQuantization, model: onnx.ModelProto, calibration: Calibration
) -> tuple[onnx.ModelProto, list[str]]:
    """As ONNX Runtime's own dynamic quantisation rounds what its products read."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    read = {x for inputs in Counts.of(model).matrices.values() for x in inputs}
    del made.graph.node[:]
    for node in model.graph.node:
        made.graph.node.append(node)
        for x in read & {*node.output}:
            parts = [f"{x}.int8", f"{x}.scale", f"{x}.zero"]
            made.graph.node[-1].output[:] = [f"{x}.exact"]
            made.graph.node.append(helper.make_node("DynamicQuantizeLinear", [f"{x}.exact"], parts))
            made.graph.node.append(helper.make_node("DequantizeLinear", parts, [x]))
    return made, ["rounded"]


def test_one_scale_for_all_texts_of_a_call_is_refused(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DynamicQuantization, "apply", one_scale_a_call)
    with pytest.raises(ParetextError, match=f"other texts share its call .*{INTEGERS} is allowed"):
        export(classifier(encoder), tmp_path / "x", TEXTS, quantization=DynamicQuantization())
    assert not (tmp_path / "x").exists()


def test_an_older_manifest_says_nothing_and_keeps_its_identity(
    artifacts: dict[str, Artifact],
) -> None:
    newer = artifacts["gru"].manifest
    values: dict[str, Any] = newer.model_dump(mode="json")
    del values["independence"]
    older = Manifest.model_validate(values)
    assert older.independence is None
    assert "independence" not in older._values()
    assert older.identity != newer.identity
