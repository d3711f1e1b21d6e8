"""A text is read alike by transformers, by Classifier and by the artifact, whatever the settings.

The reference is transformers alone, from the folder: AutoTokenizer, AutoModel, one text at a time.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import transformers
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, processors

from paretext.compression.methods.batches import batches
from paretext.compression.step import Material, compact
from paretext.compression.steps.vocabulary import Vocabulary
from paretext.core.errors import ParetextError
from paretext.core.files import digest_of
from paretext.data.dataset import Dataset
from paretext.graphs import agreement, artifact_writer, export
from paretext.graphs.quantisation import DynamicQuantization, Quantization, StaticQuantization
from paretext.models.classifier import Classifier, with_backend
from paretext.models.families.base import read_encoder
from paretext.models.tokenization import check_tokenizer
from paretext.runtime import artifact as runtime
from paretext.runtime.artifact import Artifact
from paretext.runtime.manifest import Manifest
from paretext.training.fit import TrainingSettings, fit

LABELS = ("anger", "joy", "sadness")
LONGEST = 24
NAMES = {"bert": ("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]")}
NAMES |= {"roberta": ("<s>", "</s>", "<pad>", "<unk>", "<mask>")}


def texts_for(architecture: str) -> list[str]:
    """Plain and odd texts: with the names of special tokens in them, at every length."""
    first, last, pad, unknown, mask = NAMES.get(architecture, NAMES["bert"])
    words = [word for text in tiny.TEXTS[:5] for word in text.split()]
    lengths = [" ".join(words[i % len(words)] for i in range(n)) for n in range(1, 2 * LONGEST)]
    return [
        "i am sad and nothing helps",
        "",
        "   ",
        "\n\t\u00a0",
        f"i am {pad} happy {pad}{pad} again",
        f"{pad} i am happy",
        pad,
        f"i am happy{last} again {first} and {last}",
        f"what {unknown} a {mask} lovely {mask}surprise",
        f"{pad} " * 60,
        "i am joyful joyfuly joyful, JOYFUL and  <new>  <new>x",
        "caf\u00e9 cafe\u0301 \u4f60\u597d \U0001f602\U0001f44d\U0001f3fd",
        "sad " * 25_000 + "happy",
        "a" * 5_000,
        *lengths,
    ]


def no_special_tokens(tokenizer: Any) -> None:
    tokenizer.backend_tokenizer.post_processor = processors.Sequence([])


def only_at_the_end(tokenizer: Any) -> None:
    last = tokenizer.sep_token
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {last} {last}", special_tokens=[(last, tokenizer.sep_token_id)]
    )


def added(**flags: bool) -> Callable[[Any], None]:
    def add(tokenizer: Any) -> None:
        tokenizer.add_tokens([AddedToken("joyful", **flags), AddedToken("<new>", **flags)])

    return add


def mask_with_blanks(tokenizer: Any) -> None:
    """As RoBERTa's own folder has it: the blank before belongs to the token."""
    mask = AddedToken(tokenizer.mask_token, lstrip=True, special=True, normalized=False)
    tokenizer.backend_tokenizer.add_special_tokens([mask])


SETTINGS: dict[str, dict[str, Any] | Callable[[Any], None]] = {
    "plain": {},
    "truncation left": {"truncation_side": "left"},
    "special tokens split": {"split_special_tokens": True},
    "both": {"truncation_side": "left", "split_special_tokens": True},
    "padding left": {"padding_side": "left"},
    "token types given": {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]},
    "no mask given": {"model_input_names": ["input_ids"]},
    "no special tokens": no_special_tokens,
    "another template": only_at_the_end,
    "added tokens": added(),
    "added, lstrip": added(lstrip=True),
    "added, rstrip": added(rstrip=True),
    "added, single word": added(single_word=True),
    "added, not normalized": added(normalized=False),
    "added, special": added(special=True),
    "mask with blanks": mask_with_blanks,
}


def make(architecture: str, setting: str, folder: Path) -> Path:
    """A classifier's folder as transformers leaves it, with that setting of its tokenizer."""
    change = SETTINGS[setting]
    tiny.build(architecture, folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
    if callable(change):
        change(tokenizer)
        tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        str(folder), id2label=dict(enumerate(LABELS))
    )
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    tiny.shake(model).save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    values = json.loads(path.read_text()) | {"model_max_length": LONGEST}
    path.write_text(json.dumps(values if callable(change) else values | change))
    return folder


@torch.inference_mode()
def by_transformers(folder: Path, texts: list[str]) -> NDArray[np.float32]:
    """Logits of each text alone; where there is no token, those of one padding token."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
    model = transformers.AutoModelForSequenceClassification.from_pretrained(str(folder)).eval()
    rows = []
    for text in texts:
        inputs = tokenizer(text, truncation=True, max_length=LONGEST, return_tensors="pt")
        if not inputs["input_ids"].numel():
            inputs = {"input_ids": torch.tensor([[tokenizer.pad_token_id]])}
        rows.append(model(**inputs).logits[0].numpy())
    return np.array(rows)


@pytest.mark.parametrize(
    ("architecture", "setting"),
    [
        *itertools.product(("bert", "roberta"), SETTINGS),
        *itertools.product(("electra", "distilbert"), ("plain", "both", "no special tokens")),
    ],
)
def test_every_route_reads_a_text_as_transformers_does(
    architecture: str, setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, texts = make(architecture, setting, tmp_path / "model"), texts_for(architecture)
    expected = by_transformers(folder, texts)
    assert len(np.unique(expected.round(3), axis=0)) > 20  # the texts are told apart
    classifier = Classifier.load(folder)
    assert classifier.max_length == LONGEST
    np.testing.assert_allclose(classifier.logits(texts), expected, atol=1e-4)
    for batch in batches(classifier, texts):  # as training and the compression steps feed it
        with torch.inference_mode():
            logits = classifier.model(input_ids=batch.ids, attention_mask=batch.mask).logits
        np.testing.assert_allclose(logits.numpy(), expected[batch.rows], atol=1e-4)

    export(classifier, tmp_path / "artifact", texts[:1])
    made = Artifact.load(tmp_path / "artifact")
    np.testing.assert_allclose(made.logits(texts), expected, atol=1e-4)
    alone = np.concatenate([made.logits([text]) for text in texts])
    np.testing.assert_allclose(alone, expected, atol=1e-4)
    monkeypatch.setattr(runtime, "GROUP_TOKENS", 10**6)
    np.testing.assert_allclose(made.logits(texts), expected, atol=1e-4)

    # saved again, and with another tokenizers.Tokenizer inside (trimming, stop words): the same
    backend = Tokenizer.from_str(classifier.tokenizer.backend_tokenizer.to_str())
    other = Classifier(
        classifier.model, with_backend(classifier.tokenizer, backend), LABELS, LONGEST
    )
    other.save(tmp_path / "again")
    np.testing.assert_allclose(by_transformers(tmp_path / "again", texts), expected, atol=1e-4)
    np.testing.assert_allclose(
        Classifier.load(tmp_path / "again").logits(texts), expected, atol=1e-4
    )


# What the steps make of it --------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["plain", "both", "no special tokens"])
def test_a_step_leaves_the_reading_as_it_is(setting: str, tmp_path: Path) -> None:
    """The network of other shapes leaves padding out as it counts, as RoBERTa does, also where
    trimming gives the padding token another id."""
    folder, texts = make("roberta", setting, tmp_path / "model"), texts_for("roberta")
    classifier, expected = Classifier.load(folder), by_transformers(folder, texts)
    other = compact(classifier)
    assert other.model.config.skips_padding
    np.testing.assert_allclose(other.logits(texts), expected, atol=1e-4)
    words = tuple(text for text in texts if text.strip())
    data = Dataset(words, np.arange(len(words)) % 3, LABELS)
    trimmed, _ = Vocabulary(minimum_count=1).apply(
        classifier, Material(data, data, TrainingSettings())
    )
    assert len(trimmed.tokenizer) < len(classifier.tokenizer)
    np.testing.assert_allclose(trimmed.logits(texts), expected, atol=1e-4)
    trimmed.save(tmp_path / "trimmed")
    again = Classifier.load(tmp_path / "trimmed")
    np.testing.assert_allclose(again.logits(texts), expected, atol=1e-4)
    made = export(again, tmp_path / "artifact", texts[:1])
    np.testing.assert_allclose(made.logits(texts), expected, atol=1e-4)


def test_training_reads_texts_without_any_token(tmp_path: Path) -> None:
    folder = make("bert", "no special tokens", tmp_path / "model")
    data = Dataset(("\ufffd", "\ufffd\ufffd", "i am sad", "happy"), np.array([0, 1, 2, 0]), LABELS)
    settings = TrainingSettings(epochs=1, batch_size=2, precision="fp32", device="cpu")
    fitted = fit(Classifier.load(folder), data, data, settings).classifier
    assert np.isfinite(fitted.logits(data.texts)).all()


@pytest.mark.parametrize("quantization", [DynamicQuantization(), StaticQuantization()])
def test_a_quantised_artifact_answers_a_text_without_any_token(
    quantization: Quantization, tmp_path: Path
) -> None:
    folder = make("roberta", "no special tokens", tmp_path / "model")
    texts, classifier = ["", "i am sad", "  ", "happy"], Classifier.load(folder)
    made = export(classifier, tmp_path / "artifact", texts, quantization=quantization)
    assert np.abs(made.logits(texts) - by_transformers(folder, texts)).max() < 0.3
    assert made.logits([""]).shape == (1, len(LABELS))
    assert made.longer(texts) == classifier.longer(texts) == 0


# What cannot be read --------------------------------------------------------------------------


def refused(classifier: Classifier, folder: Path) -> str:
    """The sentence, once nothing has been written."""
    with pytest.raises(ParetextError) as caught:
        check_tokenizer(classifier.model, classifier.tokenizer)
    with pytest.raises(ParetextError) as again:
        export(classifier, folder, tiny.TEXTS)
    assert str(again.value) == str(caught.value)
    assert not folder.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_added_token_without_a_row(tmp_path: Path) -> None:
    """Its first text would end a whole file's prediction."""
    classifier = Classifier.load(make("bert", "plain", tmp_path / "model"))
    rows = len(classifier.tokenizer)
    classifier.tokenizer.add_tokens(["<new>"])
    said = refused(classifier, tmp_path / "artifact")
    assert f"the token '<new>' with the id {rows}, and the embedding table" in said
    assert f"has {rows} rows; call model.resize_token_embeddings({rows + 1})" in said
    classifier.model.resize_token_embeddings(rows + 1, mean_resizing=False)
    made = export(classifier, tmp_path / "artifact", tiny.TEXTS)
    texts = ["i am <new>", "<new>"]
    np.testing.assert_allclose(made.logits(texts), classifier.logits(texts), atol=1e-4)


def test_a_template_with_an_id_of_its_own(tmp_path: Path) -> None:
    classifier = Classifier.load(make("roberta", "plain", tmp_path / "model"))
    classifier.tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A [END]", special_tokens=[("[END]", 9999)]
    )
    assert "with the id 9999" in refused(classifier, tmp_path / "artifact")


def test_token_types_that_are_not_zero(tmp_path: Path) -> None:
    classifier = Classifier.load(make("bert", "token types given", tmp_path / "model"))
    check_tokenizer(classifier.model, classifier.tokenizer)
    backend = classifier.tokenizer.backend_tokenizer
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    said = refused(classifier, tmp_path / "artifact")
    assert "gives BertForSequenceClassification token types other than 0 (1)" in said
    classifier.tokenizer.model_input_names = ["input_ids", "attention_mask"]
    export(classifier, tmp_path / "artifact", tiny.TEXTS)  # then they are not given to the model


def test_a_tokenizer_that_reads_at_random(tmp_path: Path) -> None:
    classifier = Classifier.load(make("roberta", "plain", tmp_path / "model"))
    classifier.tokenizer.backend_tokenizer.model.dropout = 0.1
    assert "at random (dropout 0.1" in refused(classifier, tmp_path / "artifact")


def test_a_network_without_a_mask(tmp_path: Path) -> None:
    classifier = Classifier.load(make("bert", "plain", tmp_path / "model"))
    config = transformers.FNetConfig(**tiny.SHAPE, vocab_size=len(classifier.tokenizer))
    model = transformers.FNetForSequenceClassification(config).eval()
    other = Classifier(model, classifier.tokenizer, LABELS, LONGEST)
    assert "FNetForSequenceClassification takes no attention mask" in refused(
        other, tmp_path / "artifact"
    )


@pytest.mark.parametrize("kind", ["XLNet", "ConvBert"])
def test_a_network_that_padding_disturbs(kind: str, tmp_path: Path) -> None:
    classifier = Classifier.load(make("bert", "plain", tmp_path / "model"))
    config = getattr(transformers, f"{kind}Config")(
        **tiny.SHAPE,
        **({"d_model": 32, "n_layer": 2, "n_head": 4} if kind == "XLNet" else {}),
        embedding_size=32,
        vocab_size=len(classifier.tokenizer),
        num_labels=len(LABELS),
    )
    model = getattr(transformers, f"{kind}ForSequenceClassification")(config).eval()
    other = Classifier(model, classifier.tokenizer, LABELS, LONGEST)
    said = refused(other, tmp_path / "artifact")
    assert f"{kind}ForSequenceClassification answers a text in another way" in said


# The agreement check sees it by itself --------------------------------------------------------


def always_right(tokenizer: Tokenizer, max_length: int, split_special_tokens: bool) -> None:
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    tokenizer.encode_special_tokens = split_special_tokens


def never_split(tokenizer: Tokenizer, max_length: int, split_special_tokens: bool) -> None:
    runtime.prepare(tokenizer, max_length, False)


@pytest.mark.parametrize(
    ("setting", "prepare"),
    [("truncation left", always_right), ("special tokens split", never_split)],
)
def test_a_runtime_that_reads_otherwise_is_seen_whatever_the_data_holds(
    setting: str, prepare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = Classifier.load(make("bert", setting, tmp_path / "model"))
    monkeypatch.setattr(artifact_writer.Artifact, "__init__", reading_by(prepare))
    with pytest.raises(ParetextError, match=r"differs from PyTorch by .* \(the text '"):
        export(classifier, tmp_path / "artifact", ["happy"])
    assert not (tmp_path / "artifact").exists()


def reading_by(prepare: Any) -> Any:
    """Artifact.__init__ with another `prepare` after its own."""
    own = Artifact.__init__

    def start(self: Artifact, folder: Path, manifest: Manifest, threads: Any = None) -> None:
        own(self, folder, manifest, threads)
        prepare(self._tokenizer, manifest.max_length, manifest.split_special_tokens)

    return start


def test_positions_that_count_padding_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_index(model: Any) -> Any:
        encoder = read_encoder(model)
        return dataclasses.replace(encoder, positions=encoder.positions[1:], padding_id=None)

    classifier = Classifier.load(make("roberta", "plain", tmp_path / "model"))
    monkeypatch.setattr(artifact_writer, "read_encoder", by_index)
    with pytest.raises(ParetextError, match=r"the text '.*<pad>"):
        export(classifier, tmp_path / "artifact", ["happy"])


def test_the_reference_is_transformers_and_nothing_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make("bert", "both", tmp_path / "model")
    classifier, texts = Classifier.load(folder), texts_for("bert")
    for name in ("tokenize", "logits", "pad"):
        monkeypatch.setattr(Classifier, name, None)
    logits = agreement.plain_logits(classifier, texts)
    np.testing.assert_allclose(logits, by_transformers(folder, texts), atol=1e-5)


def test_what_the_odd_texts_are(tmp_path: Path) -> None:
    classifier = Classifier.load(make("roberta", "added tokens", tmp_path / "model"))
    odd = agreement.odd_texts(classifier, ["one text"])
    assert len(odd) < 25
    assert "" in odd
    for name in ("<s>", "</s>", "<pad>", "<mask>", "<new>"):
        assert any(name in text for text in odd)
    ids = classifier.tokenizer(odd[-1])["input_ids"]
    assert len(ids) > 2 * LONGEST
    assert ids[1 : LONGEST // 2] != ids[-LONGEST // 2 : -1]


def test_a_classifier_that_answers_no_number(tmp_path: Path) -> None:
    classifier = Classifier.load(make("bert", "plain", tmp_path / "model"))
    with torch.no_grad():
        classifier.model.classifier.bias[0] = float("nan")
    with pytest.raises(ParetextError, match=r"one finite number for each .* train it again"):
        export(classifier, tmp_path / "artifact", tiny.TEXTS)


# What is written ------------------------------------------------------------------------------


def test_a_setting_that_is_not_used_changes_no_manifest(tmp_path: Path) -> None:
    """Manifests from before it keep their identity, which certificates name."""
    plain = Classifier.load(make("bert", "plain", tmp_path / "plain"))
    split = Classifier.load(make("bert", "special tokens split", tmp_path / "split"))
    export(plain, tmp_path / "a", tiny.TEXTS)
    export(split, tmp_path / "b", tiny.TEXTS)
    written = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert "split_special_tokens" not in written
    about = {name: record for name, record in written["files"].items() if name != "README.md"}
    assert Manifest.read(tmp_path / "a").identity == digest_of(written | {"files": about})
    manifest = Manifest.read(tmp_path / "b")
    assert manifest.split_special_tokens
    changed = manifest.model_copy(update={"split_special_tokens": False})
    assert manifest.identity != changed.identity
