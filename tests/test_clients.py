"""An artifact in other people's hands: plain ONNX Runtime, transformers' tokenizer and config, and,
where they are installed, transformers.js in Node.

`benchmarks/clients` has all of them, each in an environment of its own. What it installs for Node
is used here if PARETEXT_NODE names that folder.
"""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import toy
import transformers

from paretext.graphs import export
from paretext.models.classifier import Classifier
from paretext.models.compact import from_encoder
from paretext.models.families.base import read_encoder
from paretext.models.ngrams import NgramClassifier
from paretext.models.recurrent import RecurrentClassifier, RecurrentConfig
from paretext.runtime.artifact import Artifact
from paretext.runtime.browser.page import PROBES
from paretext.runtime.card import model_card
from paretext.runtime.manifest import Manifest

CLIENTS = Path(__file__).parents[1] / "benchmarks" / "clients" / "tools"
TEXTS = [*toy.dataset(20).texts, *PROBES]


@pytest.fixture
def lines() -> Iterator[Any]:
    """The code of docs/artifact.md, as `benchmarks/clients` runs it."""
    sys.path.insert(0, str(CLIENTS))
    yield runpy.run_path(str(CLIENTS / "plain.py"))["lines"]
    sys.path.remove(str(CLIENTS))
    sys.modules.pop("answer", None)


@pytest.mark.parametrize("name", ["fp32", "int8"])
def test_the_lines_of_the_docs_answer_as_we_do(
    name: str, versions: dict[str, Path], lines: Any
) -> None:
    code = lines(str(versions[name]))
    assert len([line for line in code.splitlines() if line.strip()]) == 15
    names: dict[str, Any] = {}
    exec(code, names)
    ours = Artifact.load(versions[name])
    alone = np.concatenate([names["classify"]([text])[1] for text in TEXTS])
    expected = np.concatenate([ours.logits([text]) for text in TEXTS])
    np.testing.assert_allclose(alone, expected, atol=1e-4)
    labels, together = names["classify"](TEXTS)
    assert labels == ours.predict(TEXTS).tolist()
    np.testing.assert_allclose(together, expected, atol=1e-4 if name == "fp32" else 0.1)


@pytest.mark.parametrize("name", ["fp32", "int8"])
def test_transformers_reads_a_text_as_we_do(name: str, versions: dict[str, Path]) -> None:
    theirs = transformers.AutoTokenizer.from_pretrained(str(versions[name]))
    ours = Artifact.load(versions[name])
    read = theirs(TEXTS, truncation=True)["input_ids"]
    assert read == [each.ids for each in ours._tokenizer.encode_batch(TEXTS)]
    assert theirs.pad_token_id == ours.manifest.pad_id
    assert theirs.model_max_length == ours.manifest.max_length == 24


def config_of(folder: Path) -> dict[str, Any]:
    """config.json, which transformers' AutoConfig opens too."""
    values: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
    opened = transformers.AutoConfig.from_pretrained(str(folder))
    assert (opened.model_type, opened.id2label) == (
        values["model_type"],
        dict(enumerate(toy.LABELS)),
    )
    assert opened.problem_type == "single_label_classification"
    return values


def test_a_config_says_what_the_graph_takes(versions: dict[str, Path]) -> None:
    for name, file in (("fp32", "fp32"), ("int8", "q8")):
        values = config_of(versions[name])
        assert values["architectures"] == ["RobertaForSequenceClassification"]
        assert (values["model_type"], values["pad_token_id"]) == ("roberta", 1)
        # RoBERTa counts from behind the padding's id, and 24 tokens are the longest input
        assert values["max_position_embeddings"] == 24 + 1 + 1
        assert values["transformers.js_config"] == {"dtype": file}


@pytest.mark.parametrize(("architecture", "called"), [("bert", "bert"), ("roberta", "roberta")])
def test_a_compact_network_is_called_as_its_family_is(
    architecture: str, called: str, tmp_path: Path
) -> None:
    source = tiny.build(architecture, tmp_path / "encoder", toy.dataset(20).texts)
    whole = Classifier.from_pretrained(str(source), toy.LABELS, max_length=24)
    labels = {"id2label": whole.model.config.id2label, "label2id": whole.model.config.label2id}
    network = from_encoder(read_encoder(whole.model), pad_token_id=whole.pad_id, **labels)
    small = Classifier(network, whole.tokenizer, toy.LABELS, 24)
    export(small, tmp_path / "artifact", TEXTS[:5])
    values = config_of(tmp_path / "artifact")
    assert (values["model_type"], values["num_hidden_layers"]) == (called, 2)
    assert values["architectures"] == ["CompactForSequenceClassification"]
    assert len(values["shapes"]) == 2


def test_a_recurrent_network_says_that_it_is_one(tmp_path: Path) -> None:
    source = tiny.build("bert", tmp_path / "encoder", toy.dataset(20).texts)
    encoder = Classifier.from_pretrained(str(source), toy.LABELS, max_length=24)
    config = RecurrentConfig(
        vocab_size=len(encoder.tokenizer),
        embedding_size=8,
        hidden_size=8,
        id2label=dict(enumerate(toy.LABELS)),
        label2id={label: index for index, label in enumerate(toy.LABELS)},
    )
    network = RecurrentClassifier(config).eval()
    export(Classifier(network, encoder.tokenizer, toy.LABELS, 24), tmp_path / "artifact", TEXTS[:5])
    values = config_of(tmp_path / "artifact")
    assert values["architectures"] == ["RecurrentForSequenceClassification"]
    assert (values["model_type"], values["max_position_embeddings"]) == ("bert", 24)


def test_a_card_says_who_opens_the_folder(versions: dict[str, Path]) -> None:
    manifest = Manifest.read(versions["fp32"])
    assert "opens in optimum-onnx and transformers.js" in model_card(manifest)
    ngrams = manifest.model_copy(update={"architecture": NgramClassifier.__name__})
    assert "clients that go by `model_type` refuse it" in model_card(ngrams)
    former = model_card(manifest.model_copy(update={"format_version": 1}))
    assert "transformers.js" not in former
    assert "`model.onnx` are int32 " in former


def test_transformers_js_answers_as_we_do(versions: dict[str, Path], tmp_path: Path) -> None:
    node, modules = shutil.which("node"), os.environ.get("PARETEXT_NODE")
    if not node or not modules:
        pytest.skip("PARETEXT_NODE names no folder with transformers.js (benchmarks/clients)")
    ours = Artifact.load(versions["int8"])
    short = [text for text in TEXTS if not ours.longer([text])]  # it cuts otherwise
    (tmp_path / "texts.json").write_text(json.dumps(short))
    for name in ("answer.mjs", "transformers_js.mjs"):
        shutil.copy(CLIENTS / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(Path(modules) / "node_modules")
    command = [node, "transformers_js.mjs", versions["int8"], "texts.json", "answers.json"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    theirs = json.loads((tmp_path / "answers.json").read_text())
    np.testing.assert_allclose(
        theirs["logits"], np.concatenate([ours.logits([text]) for text in short]), atol=1e-4
    )
    assert theirs["labels"] == ours.predict(short).tolist()
