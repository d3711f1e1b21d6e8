"""Classifier: a trainable model, its tokenizer and its label names, in PyTorch.

On disk it is a Hugging Face folder: `AutoModelForSequenceClassification` and `AutoTokenizer` open
it. The label names stand in the config (`id2label`), the longest input in the tokenizer's
`model_max_length`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import nn
from transformers import PreTrainedTokenizerFast

import paretext.models.compact
import paretext.models.convolutional
import paretext.models.factorised
import paretext.models.ngrams
import paretext.models.recurrent  # noqa: F401  (they make their classes known to AutoModel)
from paretext.core import progress
from paretext.data.stop_words import remove_first
from paretext.models.heads import with_labels
from paretext.models.pretrained import Source, longest_input, quiet


@dataclass(frozen=True)
class Classifier:
    """model: a transformers sequence classifier; max_length: longest input in tokens."""

    model: Any
    tokenizer: Any
    label_names: tuple[str, ...]
    max_length: int

    @classmethod
    def from_pretrained(
        cls, name: str, label_names: Sequence[str], max_length: int = 128, seed: int = 0
    ) -> Classifier:
        """An encoder by hub id or local folder, with a head for `label_names`.

        A trained head is kept where its outputs have these names, put into this order; what is
        new in it is drawn with `seed`, and what became of it is said. ParetextError if the name is
        neither, or its files contradict each other or lack a tensor of the encoder, or it cannot
        take `max_length` tokens.
        """
        source = Source.open(name)
        source.require_architecture()
        tokenizer = source.tokenizer()
        source.check_length(max_length, tokenizer)
        torch.manual_seed(seed)
        model, sentences = with_labels(source, tokenizer, tuple(label_names))
        source.say_own_code()
        for sentence in sentences:
            progress.say(sentence)
        tokenizer.model_max_length = max_length
        return cls(model, tokenizer, tuple(label_names), max_length)

    def __repr__(self) -> str:
        millions = sum(each.numel() for each in self.model.parameters()) / 1e6
        return (
            f"Classifier({type(self.model).__name__}, {millions:.1f} M parameters, "
            f"{len(self.label_names)} labels, {self.max_length} tokens)"
        )

    @classmethod
    def load(cls, folder: str | Path) -> Classifier:
        """A classifier that was trained and saved before, with the labels it was trained on.

        ParetextError where the folder is not whole: a tensor that is missing, left over or of
        another shape, labels that contradict each other, answers that are not one label a text.
        """
        source = Source.open(str(folder))
        source.require_classifier()
        tokenizer = source.tokenizer()
        loaded = source.weights(tokenizer)
        loaded.require_head()
        longest = int(min(tokenizer.model_max_length, longest_input(source.config)))
        source.check_length(longest, tokenizer)
        return cls(loaded.model, tokenizer, source.labels, longest)

    def save(self, folder: str | Path) -> None:
        with quiet():
            self.model.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)

    def copy(self) -> Classifier:
        """The same classifier with weights of its own."""
        return replace(self, model=copy.deepcopy(self.model))

    def tokenize(self, texts: Sequence[str]) -> dict[str, list[list[int]]]:
        """input_ids and attention_mask of each text, cut at max_length, not padded.

        A text without any token (an empty one, where the tokenizer adds no special tokens) is read
        as one padding token, as `artifact.token_ids` has it.
        """
        encoded = self.tokenizer(list(texts), truncation=True, max_length=self.max_length)
        ids = [row or [self.pad_id] for row in encoded["input_ids"]]
        return {"input_ids": ids, "attention_mask": [[1] * len(row) for row in ids]}

    def pad(self, ids: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
        """input_ids and attention_mask (batch, sequence) of these rows, padded on the right."""
        rows = [torch.tensor(row) for row in ids]
        masks = [torch.ones_like(row) for row in rows]
        stack = nn.utils.rnn.pad_sequence
        return {
            "input_ids": stack(rows, batch_first=True, padding_value=self.pad_id),
            "attention_mask": stack(masks, batch_first=True),
        }

    @property
    def pad_id(self) -> int:
        """The padding token's id; 0 where there is none, as nothing reads what is masked."""
        return int(self.tokenizer.pad_token_id or 0)

    def longer(self, texts: Sequence[str]) -> int:
        """How many of the texts are longer than max_length, so that their ends are cut."""
        encoded = self.tokenizer(list(texts), truncation=True, max_length=self.max_length)
        return sum(bool(encoding.overflowing) for encoding in encoded.encodings)

    @torch.inference_mode()
    def logits(self, texts: Sequence[str], batch_size: int = 32) -> NDArray[np.float32]:
        """Raw outputs, (n, classes), in batches padded to their longest, in the order given.

        This is the baseline that people run today, so it stays as they write it.
        """
        self.model.eval()
        parts = []
        for start in range(0, len(texts), batch_size):
            some = list(texts[start : start + batch_size])
            batch = self.tokenizer(
                some,
                truncation=True,
                max_length=self.max_length,
                padding=True,
                padding_side="right",
                return_attention_mask=True,
                return_token_type_ids=False,  # all 0 (`check_reading`), as if they were not given
                return_tensors="pt",
            )
            if not batch["attention_mask"].any(1).all():  # a text without any token
                batch = self.pad(self.tokenize(some)["input_ids"])
            inputs = {name: values.to(self.model.device) for name, values in batch.items()}
            parts.append(self.model(**inputs).logits.float().cpu().numpy())
        return np.concatenate(parts)

    def predict_proba(self, texts: Sequence[str], batch_size: int = 32) -> NDArray[np.float32]:
        """Probabilities, (n, classes)."""
        logits = torch.from_numpy(self.logits(texts, batch_size))
        probabilities: NDArray[np.float32] = logits.softmax(dim=1).numpy()
        return probabilities

    def predict(self, texts: Sequence[str], batch_size: int = 32) -> NDArray[np.str_]:
        """The most probable label's name for each text, (n,)."""
        best = self.logits(texts, batch_size).argmax(axis=1)
        names: NDArray[np.str_] = np.array(self.label_names)[best]
        return names


def check_trainable(name: str, label_names: Sequence[str], max_length: int) -> None:
    """ParetextError now, before any training, for what `Classifier.from_pretrained` will refuse."""
    with progress.using(progress.Silent()):
        Classifier.from_pretrained(name, label_names, max_length)


def without_stop_words(classifier: Classifier, language: str) -> Classifier:
    """The classifier with a tokenizer that removes stop words; the network is the same object."""
    backend = remove_first(classifier.tokenizer.backend_tokenizer, language)
    return replace(classifier, tokenizer=with_backend(classifier.tokenizer, backend))


def with_backend(fast: Any, tokenizer: Tokenizer) -> Any:
    """The transformers tokenizer `fast` with another tokenizers.Tokenizer inside of it.

    It is of the general class, which reads tokenizer.json as it stands; the classes of single
    architectures build their parts anew from the vocabulary when they are loaded.
    """
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **fast.special_tokens_map,
        model_max_length=fast.model_max_length,
        padding_side=fast.padding_side,
        truncation_side=fast.truncation_side,
        model_input_names=fast.model_input_names,
        clean_up_tokenization_spaces=fast.clean_up_tokenization_spaces,
        split_special_tokens=fast.split_special_tokens,
    )
