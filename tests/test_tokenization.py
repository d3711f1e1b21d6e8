"""A text is read alike by transformers, by Classifier and by the artifact, whatever the settings.

The reference is transformers alone, from the folder: AutoTokenizer, AutoModel, one text at a time.
"""

from __future__ import annotations

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
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors

from paretext import artifact as runtime
from paretext.artifact import Artifact
from paretext.classifier import Classifier, with_backend
from paretext.compression.batches import batches
from paretext.compression.step import compact
from paretext.compression.vocabulary import Vocabulary
from paretext.data import Dataset
from paretext.errors import ParetextError
from paretext.export import agreement, export
from paretext.export.quantisation import DynamicQuantization, StaticQuantization
from paretext.manifest import Manifest
from paretext.tokenization import check_tokenizer

LABELS = ("anger", "joy", "sadness")
LONGEST = 24
ARCHITECTURES = ("bert", "roberta", "electra", "distilbert")
NAMES = {"bert": ("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]")}
NAMES |= {"roberta": ("<s>", "</s>", "<pad>", "<unk>", "<mask>")}


def texts_for(architecture: str) -> list[str]:
    """Plain and odd texts: with the names of special tokens in them, at every length."""
    first, last, pad, unknown, mask = NAMES.get(architecture, NAMES["bert"])
    words = "i feel so happy today that i could sing he made me angry again and again".split()
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
        "sad " * 24_000 + "happy",
        "a" * 100_000,
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


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
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
            found = classifier.model(input_ids=batch.ids, attention_mask=batch.mask).logits
        np.testing.assert_allclose(found.numpy(), expected[batch.rows], atol=1e-4)

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
