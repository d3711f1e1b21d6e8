"""Folders of foreign models: what is in config.json, tokenizer files and weights is somebody's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import toy
from harness import Worker, share
from hypothesis import given
from hypothesis import strategies as st
from mutations import changed_bytes, changed_json, dumped, hostile

TEXTS = ["i am happy", "", "so sad 😀 " * 20]
FIELDS = [
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "pad_token_id"),
    *("max_position_embeddings", "type_vocab_size", "num_labels", "id2label", "label2id"),
    *("problem_type", "architectures", "model_type", "auto_map", "dtype", "torch_dtype"),
    *(
        "layer_norm_eps",
        "hidden_act",
        "quantization_config",
        "_attn_implementation",
        "pruned_heads",
    ),
]


@pytest.fixture(scope="module")
def opened(
    versions: dict[str, Path], encoder: Callable[[str], Path], worker: Worker
) -> Callable[[int, dict[str, bytes | None]], dict[str, Any]]:
    """Copies a model's folder, puts other files in (None: takes one out), and asks it."""
    folders = [versions["pytorch"], encoder("bert"), encoder("roberta")]

    def ask(which: int, files: dict[str, bytes | None]) -> dict[str, Any]:
        folder = worker.folder / "model"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(folders[which], folder)
        for name, content in files.items():
            (folder / name).unlink(missing_ok=True)
            if content is not None:
                (folder / name).write_bytes(content)
        about = {"texts": TEXTS, "labels": toy.LABELS, "trained": which == 0}
        return worker.ask("model", folders[which], folder=folder, **about)

    ask.folders = folders  # type: ignore[attr-defined]
    return ask


which = st.integers(0, 2)
weights = st.just("model.safetensors")
described = st.sampled_from(["config.json", "config.json", "tokenizer_config.json"])


def test_what_was_not_changed_is_answered(opened: Any) -> None:
    for number in range(3):
        assert opened(number, {})["ended"] == "answer"


@share(0.03)
@given(data=st.data(), which=which, name=described)
def test_configurations(opened: Any, data: Any, which: int, name: str) -> None:
    values = json.loads((opened.folders[which] / name).read_bytes())
    if data.draw(st.booleans()):
        made = changed_json(data.draw, values)
    else:
        fields = st.dictionaries(st.sampled_from(FIELDS), hostile, min_size=1, max_size=2)
        made = {**values, **data.draw(fields)}
    opened(which, {name: dumped(made)})


@share(0.01)
@given(data=st.data(), which=which)
def test_tokenizers(opened: Any, data: Any, which: int) -> None:
    content = (opened.folders[which] / "tokenizer.json").read_bytes()
    if data.draw(st.booleans()):
        made = dumped(changed_json(data.draw, json.loads(content)))
    else:
        made = changed_bytes(data.draw, content)
    opened(which, {"tokenizer.json": made})


@share(0.01)
@given(data=st.data(), which=which, name=weights | described)
def test_files_as_bytes(opened: Any, data: Any, which: int, name: str) -> None:
    content = (opened.folders[which] / name).read_bytes()
    begin = content[:4096]  # of the weights the header: what follows are numbers
    made = changed_bytes(data.draw, begin) + content[len(begin) :]
    opened(which, {name: made})


@pytest.mark.parametrize("number", [0, 1, 2])
def test_folders_that_lack_a_file(opened: Any, number: int) -> None:
    for path in sorted(opened.folders[number].iterdir()):
        opened(number, {path.name: None})
