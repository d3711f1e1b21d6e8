"""A model is what its folder says: every way in which a folder can contradict itself is refused."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import toy
import transformers
from safetensors.torch import load_file, save_file
from said import said_to

from paretext.core.errors import ParetextError
from paretext.data.dataset import Dataset
from paretext.models.classifier import Classifier
from paretext.pipeline.parents import open_model

Copied = Callable[..., Path]


@pytest.fixture
def copied(encoder: Any, versions: dict[str, Path], tmp_path: Path) -> Copied:
    """copied("bert", vocab_size=9) is a tiny encoder's folder with another config; "pytorch" is a
    classifier's."""

    def copy(name: str, **changes: object) -> Path:
        source = versions["pytorch"] if name == "pytorch" else encoder(name)
        folder = tmp_path / name
        shutil.copytree(source, folder)
        if changes:
            config = json.loads((folder / "config.json").read_text())
            (folder / "config.json").write_text(json.dumps({**config, **changes}))
        return folder

    return copy


def config_of(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return values


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def refused(call: Callable[[], object], *parts: str) -> str:
    with pytest.raises(ParetextError) as caught:
        call()
    sentence = str(caught.value)
    assert "\n" not in sentence
    for part in parts:
        assert part in sentence, sentence
    return sentence


def said(caplog: pytest.LogCaptureFixture, call: Callable[[], Classifier]) -> tuple[Any, str]:
    with caplog.at_level("INFO", "paretext"):
        classifier = call()
    return classifier, caplog.text


# A config that does not fit the weights


@pytest.mark.parametrize(
    ("field", "more", "tensor"),
    [
        ("vocab_size", 6, "word_embeddings"),
        ("max_position_embeddings", 88, "position_embeddings"),
        ("intermediate_size", 8, "intermediate.dense"),
    ],
)
@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_a_table_of_another_size_is_refused_by_name(
    copied: Copied, architecture: str, field: str, more: int, tensor: str
) -> None:
    folder = copied(architecture)
    before = config_of(folder)[field]
    config = {**config_of(folder), field: before + more}
    (folder / "config.json").write_text(json.dumps(config))
    sentence = refused(lambda: Classifier.from_pretrained(str(folder), toy.LABELS), tensor)
    assert str(before) in sentence
    assert str(before + more) in sentence


def test_a_trained_model_with_a_table_of_another_size_is_refused(copied: Copied) -> None:
    folder = copied("pytorch")
    (folder / "config.json").write_text(
        json.dumps({**config_of(folder), "max_position_embeddings": 600})
    )
    refused(lambda: Classifier.load(folder), "position_embeddings", "514", "600")


@pytest.mark.parametrize("name", ["bert", "pytorch"])
def test_a_missing_layer_is_refused_by_name(copied: Copied, name: str) -> None:
    folder = copied(name)

    def lose(tensors: dict[str, torch.Tensor]) -> None:
        for tensor in [each for each in tensors if "layer.1.attention" in each]:
            del tensors[tensor]

    change_weights(folder, lose)
    refused(lambda: Classifier.from_pretrained(str(folder), toy.LABELS), "lack", "layer.1.attent")
    if name == "pytorch":
        refused(lambda: Classifier.load(folder), "lack", "layer.1.attention")


@pytest.mark.parametrize("name", ["bert", "pytorch"])
def test_more_layers_than_the_config_says_are_refused(copied: Copied, name: str) -> None:
    folder = copied(name, num_hidden_layers=1)
    refused(lambda: Classifier.from_pretrained(str(folder), toy.LABELS), "hold", "layer.1.")
    if name == "pytorch":
        refused(lambda: Classifier.load(folder), "hold", "layer.1.")


@pytest.mark.parametrize("extra", ["something.weight", "bert.encoder.lora_A.weight"])
def test_a_tensor_that_no_such_model_has_is_refused(copied: Copied, extra: str) -> None:
    folder = copied("bert")
    change_weights(folder, lambda tensors: tensors.update({extra: torch.ones(3)}))
    refused(lambda: Classifier.from_pretrained(str(folder), toy.LABELS), extra)


def test_names_that_begin_with_module_are_refused_with_the_remedy(copied: Copied) -> None:
    folder = copied("pytorch")

    def wrap(tensors: dict[str, torch.Tensor]) -> None:
        for tensor in list(tensors):
            tensors[f"module.{tensor}"] = tensors.pop(tensor)

    change_weights(folder, wrap)
    refused(lambda: Classifier.load(folder), "'module.'", "model.module")
    refused(lambda: Classifier.from_pretrained(str(folder), toy.LABELS), "'module.'")


def test_the_head_of_pretraining_is_left_out_and_it_is_said(
    tmp_path: Path, encoder: Any, caplog: pytest.LogCaptureFixture
) -> None:
    plain = transformers.AutoModel.from_pretrained(encoder("roberta"))
    model = transformers.RobertaForMaskedLM(plain.config)
    model.roberta.load_state_dict(plain.state_dict(), strict=False)
    shutil.copytree(encoder("roberta"), tmp_path / "masked")
    model.save_pretrained(tmp_path / "masked")
    with caplog.at_level("INFO", "paretext"):
        classifier = Classifier.from_pretrained(str(tmp_path / "masked"), toy.LABELS)
    assert "the classification head is new" in caplog.text
    assert "left out" in caplog.text
    assert "lm_head" in caplog.text
    words = plain.embeddings.word_embeddings.weight
    assert torch.equal(classifier.model.roberta.embeddings.word_embeddings.weight, words)


# What is no classifier


@pytest.mark.parametrize("kind", ["bare", "sentence-transformers", "masked words"])
def test_what_has_no_head_is_not_compressed(
    copied: Copied, tmp_path: Path, command: Any, kind: str
) -> None:
    folder = copied("bert")
    if kind == "sentence-transformers":
        (folder / "modules.json").write_text("[]")
    if kind == "masked words":
        transformers.BertForMaskedLM.from_pretrained(folder).save_pretrained(folder)
    data = toy.write(tmp_path / "train.csv", [(t, "LABEL_0") for t, _ in toy.texts_and_labels(20)])
    with data.open("a") as file:
        file.writelines(f"another text {i},LABEL_1\n" for i in range(20))
    ended = command("compress", folder, "--data", data, "--out", tmp_path / "out")
    assert ended.status == 2
    assert "no trained classification head" in ended.err
    assert "paretext run --data TABLE --model" in ended.err
    assert not list((tmp_path / "out").rglob("*.onnx"))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"problem_type": "multi_label_classification"}, "several labels a text"),
        ({"problem_type": "regression"}, "regression"),
        ({"id2label": {"0": "score"}, "label2id": {"score": 0}}, "regression"),
    ],
)
def test_answers_that_are_not_one_label_are_refused(
    copied: Copied, changes: dict[str, Any], says: str
) -> None:
    folder = copied("pytorch", **changes)
    refused(lambda: Classifier.load(folder), says)


def test_training_may_begin_from_a_model_with_other_answers(copied: Copied) -> None:
    """Its encoder is as good as any; its head is not taken, although the labels fit."""
    folder = copied("pytorch", problem_type="multi_label_classification")
    before = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    model = Classifier.from_pretrained(str(folder), toy.LABELS).model
    assert model.config.problem_type is None
    assert not torch.equal(model.classifier.out_proj.weight, before.classifier.out_proj.weight)
    assert torch.equal(
        model.roberta.embeddings.word_embeddings.weight,
        before.roberta.embeddings.word_embeddings.weight,
    )


# Labels


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"id2label": {"0": "fear", "2": "joy"}}, "the keys 0, 2 in place of 0 to 1"),
        ({"id2label": {"x": "fear", "1": "joy"}}, "keys"),
        ({"id2label": ["fear", "joy", "sad"]}, "id2label is a list"),
        ({"id2label": {"0": "fear", "1": "fear", "2": "sad"}}, "'fear' stands twice"),
        ({"id2label": {"0": "fear", "1": " ", "2": "sad"}}, "label 1 has no name"),
        ({"num_labels": 5}, "num_labels is 5, and id2label has 3"),
        ({"label2id": {"fear": 1, "joy": 0, "sad": 2}}, "label2id says"),
    ],
)
def test_labels_that_contradict_each_other_are_refused(
    copied: Copied, changes: dict[str, Any], says: str
) -> None:
    folder = copied("pytorch", **changes)
    refused(lambda: Classifier.load(folder), says, "id2label")


# Strangers


class _Evil:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return (Path.write_text, (self.trace, "ran"))


def test_a_pickle_that_runs_code_is_refused_and_not_run(copied: Copied, tmp_path: Path) -> None:
    folder, trace = copied("pytorch"), tmp_path / "trace"
    (folder / "model.safetensors").unlink()
    with (folder / "pytorch_model.bin").open("wb") as file:
        pickle.dump(_Evil(trace), file)
    refused(lambda: Classifier.load(folder), str(folder))
    refused(lambda: Classifier.from_pretrained(str(folder), toy.LABELS), str(folder))
    assert not trace.exists()


def test_an_honest_pickle_is_read(copied: Copied, versions: dict[str, Path]) -> None:
    folder = copied("pytorch")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    texts = toy.dataset(10).texts
    np.testing.assert_array_equal(
        Classifier.load(folder).logits(texts), Classifier.load(versions["pytorch"]).logits(texts)
    )


_LOAD = """
import sys
from paretext import Classifier, ParetextError
for folder in sys.argv[1:]:
    try:
        Classifier.load(folder)
        print("loaded")
    except ParetextError as error:
        print(error)
"""
OWN_CODE = [("config", "roberta"), ("config", "their-own"), ("tokenizer", "roberta")]


@pytest.fixture(scope="module")
def loaded(
    versions: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], tuple[str, str, Path]]:
    """What one new process printed of each, all that was printed, and where their code writes.

    With `yes` on standard input, for the question that transformers would ask."""
    root, traces = tmp_path_factory.mktemp("own-code"), {}
    for where, model_type in OWN_CODE:
        folder = Path(shutil.copytree(versions["pytorch"], root / f"{where}-{model_type}"))
        trace = traces[where, model_type] = folder.with_suffix(".trace")
        (folder / "theirs.py").write_text(f"open({str(trace)!r}, 'w').write('ran')\n")
        if where == "config":
            file, changes = folder / "config.json", {"model_type": model_type}
            changes["auto_map"] = {
                "AutoConfig": "theirs.Config",
                "AutoModelForSequenceClassification": "theirs.Model",
            }
        else:
            file, changes = folder / "tokenizer_config.json", {"tokenizer_class": "Theirs"}
            changes["auto_map"] = {"AutoTokenizer": ["theirs.Theirs", "theirs.Theirs"]}
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    ended = subprocess.run(
        [sys.executable, "-c", _LOAD, *(str(root / "-".join(each)) for each in OWN_CODE)],
        input="y\n" * 100,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    lines, printed = ended.stdout.strip().splitlines(), ended.stdout + ended.stderr
    assert len(lines) == len(OWN_CODE), printed
    return {each: (line, printed, traces[each]) for each, line in zip(OWN_CODE, lines, strict=True)}


@pytest.mark.parametrize(("where", "model_type"), OWN_CODE)
def test_a_model_folder_never_runs_code_and_asks_nothing(
    loaded: Any, where: str, model_type: str
) -> None:
    said, printed, trace = loaded[where, model_type]
    assert "y/N" not in printed
    assert not trace.exists()
    if where == "config" and model_type == "their-own":
        assert "brings code of its own" in said
    else:  # transformers has an architecture, and a tokenizer, of that name itself
        assert said == "loaded"


def test_it_is_said_that_a_known_models_own_code_is_not_run(
    copied: Copied, versions: dict[str, Path]
) -> None:
    folder = copied("pytorch", auto_map={"AutoConfig": "theirs.Config"})
    expected = (
        f"{folder}: its own code (auto_map) is not run; transformers' class for roberta reads it"
    )
    for read in (
        lambda: Classifier.from_pretrained(str(folder), toy.LABELS, 24),
        lambda: open_model(str(folder)),
    ):
        with said_to() as heard:
            read()
        assert heard.messages.count(expected) == 1
    with said_to() as heard:
        open_model(str(versions["pytorch"]))
    assert heard.messages == []


def test_custom_code_is_named_as_the_reason(copied: Copied) -> None:
    folder = copied("pytorch", model_type="their-own", auto_map={"AutoConfig": "theirs.Config"})
    refused(lambda: Classifier.load(folder), "brings code of its own", "runs no code")


def test_weights_that_are_quantised_already_are_refused(copied: Copied) -> None:
    folder = copied("pytorch", quantization_config={"quant_method": "gptq", "bits": 4})
    refused(lambda: Classifier.load(folder), "quantised already")


# Tokens


def test_a_token_beyond_the_word_table_is_refused(copied: Copied) -> None:
    folder = copied("pytorch")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<user>"])
    tokenizer.save_pretrained(folder)
    refused(lambda: Classifier.load(folder), "'<user>'", "resize_token_embeddings")
    refused(lambda: Classifier.from_pretrained(str(folder), toy.LABELS), "'<user>'")


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_a_table_with_more_rows_than_tokens_takes_every_step(
    copied: Copied, architecture: str
) -> None:
    """Tables are padded to a multiple of 64, as ModernBERT's is."""
    from paretext.compression.step import Material
    from paretext.compression.steps.low_rank import LowRankEmbeddings, token_counts
    from paretext.compression.steps.vocabulary import Vocabulary
    from paretext.training.fit import TrainingSettings

    folder = copied(architecture)
    model = transformers.AutoModel.from_pretrained(folder)
    model.resize_token_embeddings(pad_to_multiple_of=64)
    model.save_pretrained(folder)
    data = toy.dataset(30)
    classifier = Classifier.from_pretrained(str(folder), toy.LABELS, 24)
    assert classifier.model.config.vocab_size > len(classifier.tokenizer)
    material = Material(train=data, selection=data, training=TrainingSettings())
    trimmed, _ = Vocabulary(minimum_count=1).apply(classifier, material)
    np.testing.assert_allclose(trimmed.logits(data.texts), classifier.logits(data.texts), atol=1e-4)
    changed, _ = LowRankEmbeddings(rank=31).apply(classifier, material)
    rows = classifier.model.config.vocab_size
    assert changed.model.words.weight.shape == (rows, 31)
    counts = token_counts(classifier, data, rows)
    assert len(counts) == rows
    assert counts.sum() == sum(map(len, classifier.tokenize(data.texts)["input_ids"]))


def test_a_model_without_padding_token_pads_with_its_end(tmp_path: Path) -> None:
    """GPT-2 has neither, and its classifier looks for the last token before the padding."""
    folder = tmp_path / "gpt2"
    tokenizer = tiny._byte_level(toy.dataset(30).texts)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    config = transformers.GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=4, n_positions=64, eos_token_id=2,
        bos_token_id=0,
    )  # fmt: skip
    transformers.GPT2Model(config).save_pretrained(folder)
    classifier = Classifier.from_pretrained(str(folder), toy.LABELS, 24)
    assert classifier.model.config.pad_token_id == 2
    texts = list(toy.dataset(8).texts)
    alone = np.concatenate([classifier.logits([text]) for text in texts])
    np.testing.assert_allclose(classifier.logits(texts), alone, atol=1e-5)


def test_two_encodings_of_a_label_are_one(copied: Copied, caplog: pytest.LogCaptureFixture) -> None:
    """An e with its accent is stored as one character or as two."""
    one, two = "\u00e9nerv\u00e9", "e\u0301nerve\u0301"
    folder = copied(
        "pytorch",
        id2label={"0": "joie", "1": two, "2": "peur"},
        label2id={"joie": 0, two: 1, "peur": 2},
    )
    _, text = said(caplog, lambda: Classifier.from_pretrained(str(folder), ("joie", one, "peur")))
    assert "goes on from its trained head" in text
    data = Dataset(("a text", "another"), np.array([0, 1]), (one, "joie"))
    turned = data.aligned((two, "joie"))
    assert (turned.label_names, turned.labels.tolist()) == ((two, "joie"), [0, 1])
