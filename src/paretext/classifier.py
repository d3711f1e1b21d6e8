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
from huggingface_hub import HfApi, constants
from huggingface_hub.errors import HfHubHTTPError
from numpy.typing import NDArray
from safetensors import SafetensorError
from tokenizers import Tokenizer
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedTokenizerFast,
)

import paretext.compact
import paretext.ngrams
import paretext.recurrent  # noqa: F401  (they make their classes known to AutoModel)
from paretext.errors import ParetextError
from paretext.files import folder_digest

_POSITIONS_AFTER_PADDING = (
    *("roberta", "xlm-roberta", "xlm-roberta-xl", "roberta-prelayernorm", "camembert"),
    *("mpnet", "longformer", "data2vec-text", "ibert", "xmod"),
)
"""Model types that count positions from padding_idx + 1, as fairseq does."""


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

        The head is drawn with `seed`, unless the source has a trained one for as many labels: then
        training goes on from that. ParetextError if the name is neither, or the encoder
        cannot take `max_length` tokens.
        """
        torch.manual_seed(seed)
        names = dict(enumerate(label_names))
        model, tokenizer = _load(
            name,
            num_labels=len(names),
            id2label=names,
            label2id={label: index for index, label in names.items()},
            ignore_mismatched_sizes=True,
        )
        _check_length(name, model.config, max_length)
        tokenizer.model_max_length = max_length
        return cls(model, tokenizer, tuple(label_names), max_length)

    @classmethod
    def load(cls, folder: str | Path) -> Classifier:
        """A classifier that was trained and saved before, with the labels it was trained on."""
        model, tokenizer = _load(str(folder))
        names = tuple(model.config.id2label[i] for i in range(model.config.num_labels))
        longest = min(tokenizer.model_max_length, longest_input(model.config))
        return cls(model, tokenizer, names, longest)

    def save(self, folder: str | Path) -> None:
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


def longest_input(config: Any) -> int:
    """The most tokens that a model's position table has room for."""
    rows = getattr(config, "max_position_embeddings", None)
    if rows is None:
        return 1_000_000
    if config.model_type in _POSITIONS_AFTER_PADDING:
        return int(rows - config.pad_token_id - 1)  # positions start at padding_idx + 1
    return int(rows)


def source_digest(name: str) -> str:
    """What identifies a model's source: the digest of a local folder, or the hub id itself."""
    return folder_digest(Path(name)) if Path(name).is_dir() else f"hub:{name}"


def check_source(name: str, max_length: int | None = None) -> bool:
    """Fail now, before any training, where `name` is neither a model folder nor on the hub, or
    takes no input of `max_length` tokens.

    Returns whether to read local files only: for a folder, in offline mode, and where the hub does
    not answer one quick question (transformers alone would try again for half a minute; a model
    that was loaded before is still in the cache).
    """
    local = Path(name).exists() or constants.HF_HUB_OFFLINE
    if not local:
        try:
            HfApi().model_info(name, timeout=10)
        except HfHubHTTPError:
            pass  # the hub answers; transformers words the reason better
        except Exception:  # the kind depends on the HTTP library in use
            local = True
    try:
        config = AutoConfig.from_pretrained(name, local_files_only=local)
    except (OSError, ValueError) as error:
        raise _not_a_model(name, error) from None
    if max_length is not None:
        _check_length(name, config, max_length)
    return local


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


def _check_length(name: str, config: Any, max_length: int) -> None:
    longest = longest_input(config)
    if max_length > longest:
        raise ParetextError(
            f"max length is {max_length}, and {name} takes at most {longest} tokens; "
            f"use --max-length {longest}."
        )


def label_names(name: str) -> tuple[str, ...]:
    """The label names of a trained classifier, from its config alone."""
    config = AutoConfig.from_pretrained(name, local_files_only=check_source(name))
    return tuple(config.id2label[index] for index in range(config.num_labels))


def _load(name: str, **config: Any) -> tuple[Any, Any]:
    local = check_source(name)
    try:
        model = AutoModelForSequenceClassification.from_pretrained(
            name, dtype=torch.float32, local_files_only=local, **config
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise _not_a_model(name, error) from None
    return model.eval(), _load_tokenizer(name, local)


def _load_tokenizer(name: str, local: bool) -> Any:
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=local)
    except Exception as error:  # a damaged file raises many kinds, some of them plain Exception
        problem = ValueError(f"its tokenizer cannot be loaded, {type(error).__name__}: {error}")
        raise _not_a_model(name, problem) from None
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):
        # Without its files transformers makes a tokenizer that knows no word.
        raise _not_a_model(name, ValueError("its tokenizer's files are missing"))
    if not getattr(tokenizer, "is_fast", False):
        raise ParetextError(
            f"{name} has no fast tokenizer (tokenizer.json), and artifacts tokenise with it; "
            "convert it with transformers' convert_slow_tokenizer, or choose another model."
        )
    tokenizer.padding_side = "right"
    return tokenizer


def _not_a_model(name: str, error: Exception) -> ParetextError:
    folder = Path(name)
    if folder.is_dir():
        missing = " (it has no config.json)" if not (folder / "config.json").is_file() else ""
        reason = "" if missing else f": {_first_line(error)}"
        return ParetextError(
            f"{name} is not a Hugging Face model folder{missing}{reason}; give a folder with "
            "config.json, model.safetensors and tokenizer.json, or a hub id."
        )
    if folder.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1:
        return ParetextError(f"there is no model folder {name}; check the path, or give a hub id.")
    return ParetextError(
        f"the model {name!r} is not a local folder and could not be had from the Hugging Face hub "
        f"({_first_line(error)}); check the name and the network, or give a local folder."
    )


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
