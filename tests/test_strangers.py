"""An artifact from a stranger: refused in one sentence, whatever was changed in it.

Every digest here is made to fit: digests show damage, and not what somebody meant.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from graphs import graph_file
from onnx import TensorProto, helper, numpy_helper
from strangers import change_graph, change_manifest, change_tokenizer, refit

from paretext.core.errors import ParetextError
from paretext.pipeline.inspection import describe
from paretext.runtime.artifact import Artifact
from paretext.runtime.graph_file import check_graph
from paretext.runtime.manifest import MODEL

Versions = dict[str, Path]


@pytest.fixture
def folder(versions: Versions, tmp_path: Path) -> Path:
    return Path(shutil.copytree(versions["fp32"], tmp_path / "artifact"))


def table(model: onnx.ModelProto) -> onnx.TensorProto:
    return next(t for t in model.graph.initializer if t.name == "embeddings.words")


def opened(folder: Path, texts: tuple[str, ...] | None) -> None:
    artifact = Artifact.load(folder, threads=1)
    if texts is not None:
        artifact.predict(texts)


def refused(folder: Path, match: str, *, texts: tuple[str, ...] | None = None) -> None:
    """Loading (and, if there are texts, predicting them) ends in one sentence."""
    with pytest.raises(ParetextError, match=match) as caught:
        opened(folder, texts)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith((".", ")."))
    assert len(str(caught.value)) < 1000


# The manifest ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "/etc/hostname",
        "sub/model.onnx",
        "onnx/other.onnx",
        "onnx/../model.onnx",
        "..",
        ".",
        "",
        "a\\b",
        "c:x",
        "a\0b",
        "x" * 300,
    ],
)
def test_a_file_is_named_plainly(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_text("secret")
    record = {"sha256": "0" * 64, "bytes": 6}
    change_manifest(folder, lambda values: values["files"].update({name: record}))
    refused(folder, "damaged at files: .*is not the plain name")
    with pytest.raises(ParetextError, match="plain name"):
        describe(folder)


@pytest.mark.parametrize("name", [MODEL, "onnx", "tokenizer.json", "README.md", "manifest.json"])
def test_a_link_is_no_file_of_the_artifact(folder: Path, name: str) -> None:
    (folder / name).rename(folder.parent / "elsewhere")
    (folder / name).symlink_to(folder.parent / "elsewhere")
    refused(folder, f"{name} is a link")


@pytest.mark.parametrize("name", [MODEL, "README.md", "manifest.json"])
def test_a_pipe_or_a_folder_is_no_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)  # to open it would wait for somebody to write
    refused(folder, f"{name} is not a regular file")
    (folder / name).unlink()
    (folder / name).mkdir()
    refused(folder, f"{name} is not a regular file")


def test_a_certificate_that_is_not_listed(folder: Path) -> None:
    (folder / "certificate.json").symlink_to("nowhere")
    refused(folder, "certificate.json is not listed")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"labels": ["a", "b", "a"]}, "labels: two labels are 'a'"),
        ({"labels": ["a", " ", "b"]}, "labels: a label is ' '"),
        ({"labels": ["a", "", "b"]}, "labels"),
        ({"labels": ["a", "a\0", "b"]}, r"labels: a label is 'a\\x00'"),
        ({"labels": ["a"]}, "labels"),
        ({"labels": [f"{i}" for i in range(100_001)]}, "labels"),
        ({"labels": ["a", "b", "c", "d"]}, "answers with 3 numbers a text for 4 labels"),
        ({"labels": ["a", "b"]}, "answers with 3 numbers a text for 2 labels"),
        ({"pad_id": 10**6}, "damaged at pad_id: 1000000 is beyond the 400 ids"),
        ({"pad_id": -1}, "damaged at pad_id"),
        ({"pad_id": 10**400}, "damaged at pad_id"),
        ({"max_length": 0}, "damaged at max_length"),
        ({"max_length": 2**40}, "damaged at max_length"),
        ({"max_length": 1e30}, "damaged at max_length"),
        ({"padding_side": "left"}, "damaged at padding_side"),
        ({"matrices": {"weights": -1, "zeros": 0}}, "damaged at matrices.weights"),
        ({"versions": {"a\x1b[2J": 1}}, r"damaged at versions.'a\\x1b\[2J'"),
        ({"format_version": [1] * 1000}, "has artifact format"),
    ],
)
def test_values_that_cannot_be(folder: Path, change: dict[str, Any], match: str) -> None:
    refused(change_manifest(folder, lambda values: values.update(change)), match)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ('"max_length": ', '"max_length": NaN, "x": ', "NaN is not a number"),
        ('"max_length": ', '"x": 1e999, "max_length": ', "Out of range float"),
        ('"max_length": ', '"max_length": 1' + "0" * 5000 + ', "x": ', "4300 digits"),
        ('"name": ', '"name": "twice", "name": ', "a name twice"),
        ('"name": "', '"name": "\\ud800', "surrogates not allowed"),
        ('"recipe": [', '"recipe": [{"a": ' + "[" * 40 + "]" * 40 + "},", "32 deep"),
        ('"recipe": [', '"recipe": [{"a": ' + "[" * 100_000, "recursion"),
        ('"name": "', '"name": "' + "x" * 2**22, "more than 4,194,304 bytes"),
        ('"name": "', '"name": "\x00', "control character"),
    ],
)
def test_json_that_no_manifest_has(folder: Path, old: str, new: str, match: str) -> None:
    path = folder / "manifest.json"
    text = json.dumps(json.loads(path.read_text())).replace('"recipe": []', '"recipe": [{}]')
    assert old in text
    path.write_text(text.replace(old, new, 1))
    refused(folder, match)


def test_a_file_larger_than_it_says_is_not_read(folder: Path, monkeypatch: Any) -> None:
    with (folder / "README.md").open("ab") as file:
        file.truncate(2**40)  # takes no room on the disk, and hours to read
    refused(folder, "README.md differs from the digest")
    change_manifest(folder, lambda v: v["files"]["README.md"].update(bytes=2**40))
    refused(folder, "damaged at files.README.md.bytes")


# The graph ------------------------------------------------------------------------------------


def loop(model: onnx.ModelProto) -> None:
    """The logits pass through a loop that never ends."""
    make, boolean, number = helper.make_tensor_value_info, TensorProto.BOOL, TensorProto.FLOAT
    copied = [("on", "go_on"), ("x", "y")]
    body = helper.make_graph(
        [helper.make_node("Identity", [before], [after]) for before, after in copied],
        "body",
        [make("i", TensorProto.INT64, []), make("on", boolean, []), make("x", number, None)],
        [make("go_on", boolean, []), make("y", number, None)],
    )
    last = model.graph.node[-1]
    last.output[0] = "before"
    true = helper.make_node(
        "Constant", [], ["true"], value=helper.make_tensor("t", TensorProto.BOOL, [], [True])
    )
    looped = helper.make_node("Loop", ["", "true", "before"], ["logits"], body=body)
    model.graph.node.extend([true, looped])


def instead(kind: str, domain: str = "", **attributes: Any) -> Callable[[onnx.ModelProto], None]:
    """The last operator gives way to another one."""

    def change(model: onnx.ModelProto) -> None:
        last = model.graph.node[-1]
        new = helper.make_node(kind, last.input, last.output, domain=domain, **attributes)
        last.CopyFrom(new)

    return change


def function(model: onnx.ModelProto) -> None:
    made = helper.make_function("mine", "f", ["x"], ["y"], [], [helper.make_opsetid("", 17)])
    model.functions.append(made)


def input_of(kind: int, shape: list[Any]) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        made = helper.make_tensor_value_info("input_ids", kind, shape)
        model.graph.input[0].CopyFrom(made)

    return change


def output_of(name: str, kind: int, shape: list[Any]) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node[-1].output[0] = name
        model.graph.output[0].CopyFrom(helper.make_tensor_value_info(name, kind, shape))

    return change


def sequence_input(model: onnx.ModelProto) -> None:
    made = helper.make_tensor_sequence_value_info("input_ids", TensorProto.INT32, ["a", "b"])
    model.graph.input[0].CopyFrom(made)


def optional_input(model: onnx.ModelProto) -> None:
    kind = helper.make_optional_type_proto(helper.make_tensor_type_proto(TensorProto.INT32, None))
    model.graph.input[0].CopyFrom(helper.make_value_info("input_ids", kind))


def external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, "../secret")
    tensor.ClearField("raw_data")


def only_located_elsewhere(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL


def huge(model: onnx.ModelProto) -> None:
    """A weight of 4 TB that has its few bytes."""
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend([2**20, 2**20])


def empty_of_huge(model: onnx.ModelProto) -> None:
    huge(model)
    model.graph.initializer[0].ClearField("raw_data")


def negative(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[0] = -1


def text_weight(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(helper.make_tensor("s", TensorProto.STRING, [1], [b"x"]))


def sparse(model: onnx.ModelProto) -> None:
    values = helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])
    indices = helper.make_tensor("i", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (loop, "a graph inside an operator|the operator 'Loop'"),
        (instead("If"), "the operator 'If', which export never uses"),
        (instead("SequenceMap"), "the operator 'SequenceMap'"),
        (instead("RandomNormal", shape=[1, 3]), "the operator 'RandomNormal'"),
        (instead("StringNormalizer"), "the operator 'StringNormalizer'"),
        (instead("Gelu", "their.domain"), "the operator 'Gelu' of the domain 'their.domain'"),
        (instead("BeamSearch", "com.microsoft"), "the operator 'BeamSearch' of the domain"),
        (instead("Add", "com.microsoft"), "the operator 'Add' of the domain 'com.microsoft'"),
        (instead("Add", overload="x"), "function of its own"),
        (instead("Add\x1b[2J"), r"the operator 'Add\\x1b\[2J'"),
        (function, "it has functions"),
        (input_of(TensorProto.INT32, ["a", "b"]), "'input_ids' is not int64"),
        (input_of(TensorProto.STRING, ["a", "b"]), "'input_ids' is not int64"),
        (input_of(TensorProto.INT64, ["a"]), "'input_ids' is not int64"),
        (input_of(TensorProto.INT64, [1, 8]), "'input_ids' is not int64"),
        (input_of(TensorProto.INT64, ["a", "b", "c"]), "'input_ids' is not int64"),
        (sequence_input, "that is no tensor"),
        (optional_input, "that is no tensor"),
        (lambda m: m.graph.input.pop(), "its inputs are 'input_ids', and"),
        (lambda m: m.graph.input.append(m.graph.input[0]), "its inputs are"),
        (output_of("answers", TensorProto.FLOAT, ["a", 3]), "its outputs are 'answers'"),
        (output_of("logits", TensorProto.FLOAT16, ["a", 3]), "'logits' is not float32"),
        (output_of("logits", TensorProto.FLOAT, ["a", 4]), "answers with 4 numbers a text for 3"),
        (output_of("logits", TensorProto.FLOAT, ["a", "b"]), "answers with None numbers"),
        (output_of("logits", TensorProto.FLOAT, [1, 3]), "'logits' is not float32"),
        (external, "weights in another file"),
        (only_located_elsewhere, "weights in another file"),
        (huge, "has not the bytes"),
        (empty_of_huge, "lacks some of its"),
        (negative, "a type or a shape that cannot be"),
        (text_weight, "texts as weights"),
        (sparse, "sparse weights"),
        (lambda m: m.graph.ClearField("node"), "no operators"),
        (lambda m: m.ClearField("graph"), "no graph"),
    ],
)
def test_a_graph_that_export_never_writes(
    folder: Path, change: Callable[[onnx.ModelProto], object], match: str
) -> None:
    (folder.parent / "secret").write_bytes(b"\0" * 100_000)
    refused(change_graph(folder, change), match)


def test_weights_in_a_second_file_that_no_digest_covers(folder: Path) -> None:
    path = graph_file(folder)
    onnx.save(
        onnx.load(path),
        path,
        save_as_external_data=True,
        location="model.onnx.data",
        size_threshold=0,
    )
    assert path.with_name("model.onnx.data").is_file()
    refused(refit(folder), "weights in another file")


def test_a_second_reading_of_the_same_bytes(folder: Path) -> None:
    """Parsers of protobuf merge a message that stands twice; this one would see one of them."""
    path = graph_file(folder)
    twice = onnx.ModelProto()
    loop_graph = onnx.load(path)
    loop(loop_graph)
    twice.graph.node.append(loop_graph.graph.node[-1])
    content = path.read_bytes()
    path.write_bytes(twice.SerializeToString() + content)
    for both in (twice.SerializeToString() + content, content + twice.SerializeToString()):
        path.write_bytes(both)
        assert [node.op_type for node in onnx.load(path).graph.node].count("Loop") == 1
        refused(refit(folder), "its field graph stands twice|a graph inside an operator")


def test_a_file_that_is_cut_off_anywhere(folder: Path) -> None:
    path = graph_file(folder)
    content = path.read_bytes()
    rows, known = table(onnx.load(path)).dims[0], len(content)
    for size in [*range(0, 300), *range(300, known, known // 500)]:
        path.write_bytes(content[:size])
        with pytest.raises(ParetextError, match="not a graph that an artifact may hold"):
            check_graph(path, 3, "int64")
    path.write_bytes(content)
    assert check_graph(path, 3, "int64") == rows == 400


def test_what_onnx_runtime_refuses_is_one_sentence(folder: Path) -> None:
    def unread(model: onnx.ModelProto) -> None:
        model.graph.node[-1].input[0] = "nowhere"

    refused(change_graph(folder, unread), r"ONNX Runtime cannot load .*model.onnx", texts=("a",))


def test_what_fails_in_a_run_is_one_sentence(folder: Path, capfd: Any) -> None:
    def beyond(model: onnx.ModelProto) -> None:
        words = table(model)
        words.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(words)[:40], words.name))

    refused(change_graph(folder, beyond), "ONNX Runtime cannot run .* out of", texts=("happy",))
    refused(folder, "ONNX Runtime cannot run .* out of", texts=("happy",) * 100)
    assert capfd.readouterr().err == ""


def test_an_answer_of_another_shape_is_none(folder: Path) -> None:
    """What the file says of its output need not be so."""

    def narrower(model: onnx.ModelProto) -> None:
        cut = [helper.make_tensor(n, TensorProto.INT64, [1], [v]) for n, v in (("a", 0), ("b", 1))]
        model.graph.initializer.extend(cut)
        last = model.graph.node[-1]
        last.output[0] = "all"
        model.graph.node.append(helper.make_node("Slice", ["all", "a", "b", "b"], ["logits"]))

    refused(change_graph(folder, narrower), "ONNX Runtime cannot|where", texts=("happy", "sad"))


def test_an_answer_that_is_no_number_is_none(folder: Path) -> None:
    def nan(model: onnx.ModelProto) -> None:
        bias = next(t for t in model.graph.initializer if t.name.endswith("out_proj.bias"))
        values = np.array([0, np.nan, 0], np.float32)
        bias.CopyFrom(numpy_helper.from_array(values, bias.name))

    refused(change_graph(folder, nan), "no number", texts=("happy",))


# The tokenizer --------------------------------------------------------------------------------


def words(values: dict[str, Any], **more: Any) -> None:
    values["model"] = {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": {"[UNK]": 0, "a": 1},
        **more,
    }
    values["pre_tokenizer"] = {"type": "Whitespace"}
    values["post_processor"] = None
    values["added_tokens"] = []


def pattern(values: dict[str, Any]) -> None:
    """Takes a time that doubles with each letter."""
    values["pre_tokenizer"] = {
        "type": "Split",
        "pattern": {"Regex": "(a+)+$"},
        "behavior": "Isolated",
        "invert": False,
    }


def far_id(values: dict[str, Any]) -> None:
    values["post_processor"] = {"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 2**31]}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda v: v.clear(), "tokenizer.json cannot be read"),
        (lambda v: v.update(model=None), "tokenizer.json cannot be read"),
        (
            lambda v: v.update(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
            "charsmap",
        ),
        (lambda v: v.update(normalizer={"type": "Mine"}), "tokenizer.json cannot be read"),
        (lambda v: words(v, max_input_chars_per_word=10**9), "words of up to 1,000,000,000"),
    ],
)
def test_a_tokenizer_that_cannot_be_read(
    folder: Path, change: Callable[[dict[str, Any]], object], match: str
) -> None:
    refused(change_tokenizer(folder, change), match)


def test_a_tokenizer_of_any_size_is_not_read(folder: Path) -> None:
    with (folder / "tokenizer.json").open("ab") as file:
        file.truncate(2**28 + 1)
    refused(refit(folder), "at most 268,435,456 are read")


@pytest.mark.parametrize("many", [1, 50])
@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda v: words(v, unk_token="[NONE]"), "cannot read one of the texts"),
        (pattern, "cannot read one of the texts .*retry-limit"),
        (far_id, "ONNX Runtime cannot run"),
        (lambda v: v["model"]["vocab"].update({"x": 70_000}), "ONNX Runtime cannot run"),
    ],
)
def test_a_tokenizer_that_fails_on_a_text(
    folder: Path, change: Callable[[dict[str, Any]], object], match: str, many: int
) -> None:
    refused(change_tokenizer(folder, change), match, texts=("x " + "a" * 40 + "!",) * many)
