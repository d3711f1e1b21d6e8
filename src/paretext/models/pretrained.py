"""What a model's folder says, read in one place, and its weights: all of them, or a refusal.

Everything that paretext asks of a folder or hub id before it trusts it stands here: that it brings
no code, what its config says of labels (`config_file`), lengths and padding, that the tokenizer
fits the word table, and that its tensors are all there (`checkpoint`). Only training may begin with
a new head (`heads`), and says so.

Loading a model imports PyTorch, which takes seconds. So `look` reads its config.json alone, and
refuses at once what that shows.

Nothing in a folder is run: `trust_remote_code` is False everywhere, and weights in pickled files
are read by PyTorch's restricted reader (`weights_only`).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from paretext.core import progress
from paretext.core.errors import ParetextError, first_line
from paretext.core.files import folder_digest
from paretext.models.config_file import checked_labels
from paretext.models.families.base import family_of
from paretext.models.hub import hub_answers, is_path, not_a_model

if TYPE_CHECKING:
    from paretext.models.checkpoint import Weights

UNLIMITED = 1_000_000
"""The longest input, in tokens, of a model that has no table of positions."""
_GENERATORS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
_CODE = ("trust_remote_code", "custom code")
"""In what transformers says of a folder that cannot be read without its code."""


@dataclass(frozen=True)
class Source:
    """A folder or hub id whose config has been read. local: whether to read local files only."""

    name: str
    config: Any
    local: bool
    labels: tuple[str, ...]
    """What the config calls its outputs; LABEL_0, LABEL_1, ... where it says nothing."""
    own_code: bool = False
    """Whether it brings code, which is not run: a class of transformers reads it."""

    @classmethod
    def open(cls, name: str) -> Source:
        """ParetextError where `name` is no model, brings code, or contradicts itself.

        For a folder, in offline mode, and where the hub does not answer one quick question, only
        local files are read (transformers alone would try again for half a minute; a model that
        was loaded before is still in the cache).
        """
        from transformers import AutoConfig, PretrainedConfig

        local = _is_local(name)
        with _refusing(name, local):
            values, _ = PretrainedConfig.get_config_dict(name, local_files_only=local)
            labels = checked_labels(name, values)
            config = AutoConfig.from_pretrained(
                name, local_files_only=local, trust_remote_code=False
            )
        if labels is None:
            labels = tuple(config.id2label[index] for index in range(config.num_labels))
        return cls(name, config, local, labels, own_code="auto_map" in values)

    @property
    def is_classifier(self) -> bool:
        """Whether the config says that there is a trained head for one label a text."""
        return self._has_head() and not self._other_answers()

    def _has_head(self) -> bool:
        named = self.config.architectures
        if not named:
            return True  # who names no class may have a head: the tensors will say
        return any(each.endswith(("ForSequenceClassification", "Classifier")) for each in named)

    def require_classifier(self) -> None:
        """ParetextError, from the config alone, for what does not answer with one label of
        several."""
        self.require_architecture()
        if not self._has_head():
            architectures = ", ".join(self.config.architectures)
            if architectures.endswith(_GENERATORS):
                raise ParetextError(
                    f"{self.name} generates text (it is a {architectures}) and has no trained "
                    "classification head; give a classifier, or train one (paretext run --data "
                    "TABLE)."
                )
            what = ", an encoder or embedding model" if architectures.endswith("Model") else ""
            raise ParetextError(
                f"{self.name} has no trained classification head (it is a {architectures}{what}); "
                f"train one first (paretext run --data TABLE --model {self.name})."
            )
        if problem := self._other_answers():
            raise ParetextError(
                f"{self.name} {problem}, which paretext cannot answer yet; give a classifier with "
                "one label a text, or train one from it (paretext run --data TABLE)."
            )

    def require_architecture(self) -> None:
        """ParetextError, from the config alone, for what gives no label from a text's tokens."""
        remedy = "give an encoder, such as distilroberta-base."
        kind = self.config.model_type
        if not isinstance(self.config, SimpleNamespace):  # read without transformers
            from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING

            if type(self.config) not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
                raise ParetextError(
                    f"{self.name} is a model of the type {kind}, which transformers has no text "
                    f"classifier for; {remedy}"
                )
        if getattr(self.config, "is_encoder_decoder", False):
            raise ParetextError(
                f"{self.name} is an encoder-decoder model ({kind}), whose classifier runs both "
                f"parts and answers at an end token that each text must hold once; {remedy}"
            )

    def say_own_code(self) -> None:
        """That the code it brings is not run, and what reads it instead."""
        if self.own_code:
            progress.say(
                f"{self.name}: its own code (auto_map) is not run; transformers' class for "
                f"{self.config.model_type} reads it"
            )

    def check_length(self, max_length: int, tokenizer: Any) -> None:
        """ParetextError for a longest input that the network does not take, or that holds no word
        beside the tokenizer's special tokens."""
        longest, least = longest_input(self.config), 1 + tokenizer.num_special_tokens_to_add()
        if max_length < least:
            raise ParetextError(
                f"max length is {max_length}, and {least} tokens are the least that hold a word "
                f"for {self.name}; use --max-length {min(128, longest)}."
            )
        if max_length > longest:
            raise ParetextError(
                f"max length is {max_length}, and {self.name} takes at most {longest} tokens; "
                f"use --max-length {longest}."
            )

    def _other_answers(self) -> str:
        """What it answers in place of one label; "" if that is what it answers."""
        kind = self.config.problem_type
        if kind == "multi_label_classification":
            return "gives several labels a text (its problem_type is multi_label_classification)"
        if kind == "regression" or len(self.labels) == 1:
            return "gives a number (regression, one output), not a label"
        return ""

    def tokenizer(self) -> Any:
        """Its fast tokenizer, with padding on the right."""
        from transformers import AutoTokenizer

        with _refusing(self.name, self.local, "its tokenizer cannot be loaded, "):
            fast = AutoTokenizer.from_pretrained(
                self.name, local_files_only=self.local, trust_remote_code=False
            )
            longest, known = fast.model_max_length, set(fast.get_vocab())
            if not isinstance(longest, int | float) or not longest >= 1:
                raise ValueError(f"model_max_length is {longest!r}, which is no length")
            fast("a text", truncation=True, max_length=8)
        if known <= set(fast.all_special_tokens):
            # Without its files transformers makes a tokenizer that knows no word.
            missing = ValueError("its tokenizer's files are missing")
            raise not_a_model(self.name, missing, str(missing), local=self.local)
        if not getattr(fast, "is_fast", False):
            raise ParetextError(
                f"{self.name} has no fast tokenizer (tokenizer.json), and artifacts tokenise with "
                "it; convert it with transformers' convert_slow_tokenizer, or choose another model."
            )
        fast.padding_side = "right"
        if fast.pad_token is None:
            fast.pad_token = self._padding(fast)
        return fast

    def _padding(self, tokenizer: Any) -> str:
        """What to pad with where the tokenizer does not say; the mask tells the model to skip it.

        ParetextError where nothing will do.
        """
        own = getattr(self.config, "pad_token_id", None)
        token = tokenizer.convert_ids_to_tokens(own) if isinstance(own, int) and own >= 0 else None
        padding = token or tokenizer.eos_token
        if not isinstance(padding, str):
            raise ParetextError(
                f"the tokenizer of {self.name} has no padding token and no end token to pad with; "
                "name one in its tokenizer_config.json (pad_token)."
            )
        return padding

    def weights(self, tokenizer: Any, labels: Sequence[str] | None = None) -> Weights:
        """The network and transformers' report on it; `labels` for a new head, else its own.

        ParetextError where a tensor of the encoder is missing or of another shape, the checkpoint
        has tensors that no part of such a model has, or the tokenizer has tokens beyond the word
        table.
        """
        import torch
        from transformers import AutoModelForSequenceClassification

        from paretext.models.checkpoint import Weights
        from paretext.models.tokenization import check_tokenizer

        self.require_architecture()
        config = self.config
        text = config.get_text_config()
        counts = family_of(text).positions_after_padding  # it says more than padding there
        if not counts or text.pad_token_id is None:
            # A decoder answers at the last token before the padding, which the tokenizer writes.
            config.pad_token_id = text.pad_token_id = tokenizer.pad_token_id
        if labels is not None:
            name_outputs(config, labels)
        with _refusing(self.name, self.local), quiet():
            model, report = AutoModelForSequenceClassification.from_pretrained(
                self.name,
                config=config,
                dtype=torch.float32,
                local_files_only=self.local,
                trust_remote_code=False,
                weights_only=True,
                ignore_mismatched_sizes=True,  # reported, and refused by name below
                output_loading_info=True,
            )
        loaded = Weights(
            self.name,
            model.eval(),
            missing=frozenset(report["missing_keys"]),
            unexpected=frozenset(report["unexpected_keys"]),
            mismatched={name: (tuple(a), tuple(b)) for name, a, b in report["mismatched_keys"]},
        )
        loaded.check()
        check_tokenizer(loaded.model, tokenizer, f"{self.name} ({type(loaded.model).__name__})")
        return loaded


def look(name: str) -> Source | None:
    """What the config.json of a folder says, or of a hub id whose files are here, as
    `Source.open` will read it but without PyTorch or transformers; ParetextError where it would
    refuse it. None where only the hub knows.
    """
    path = Path(name, "config.json")
    if not path.is_file():
        local = _is_local(name)
        cached = None if Path(name).exists() else _in_cache(name)
        if cached is None and local:
            reason = "it is not among the models loaded before"
            raise not_a_model(name, ValueError(reason), reason, local=True)
        if cached is None:
            return None
        path = cached
    with _refusing(name, local=True):
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError("its config.json holds no settings")
        labels = checked_labels(name, values)
    count = values.get("num_labels") or 2  # as transformers has it
    known = {"architectures": None, "problem_type": None, "model_type": None, **values}
    names = labels or tuple(f"LABEL_{i}" for i in range(count))
    return Source(name, SimpleNamespace(**known), True, names, own_code="auto_map" in values)


def label_names(name: str) -> tuple[str, ...]:
    """The label names of a trained classifier, from its config alone.

    ParetextError where it does not answer with one label a text.
    """
    source = look(name) or Source.open(name)
    source.require_classifier()
    return source.labels


def source_digest(name: str) -> str:
    """What identifies a model's source: the digest of a local folder, or the hub id itself."""
    return folder_digest(Path(name)) if Path(name).is_dir() else f"hub:{name}"


def longest_input(config: Any) -> int:
    """The most tokens that a model's position table has room for; UNLIMITED without a table."""
    text = config.get_text_config()
    rows = next(
        (
            value
            for name in ("max_position_embeddings", "n_positions", "max_seq_len")
            if isinstance(value := getattr(text, name, None), int) and value > 0
        ),
        UNLIMITED,
    )
    if family_of(text).positions_after_padding:
        rows -= int(text.pad_token_id or 0) + 1  # positions start at padding_idx + 1
    return min(rows, UNLIMITED)


def name_outputs(config: Any, labels: Sequence[str]) -> None:
    """Write the label names into a model's config, for one label a text."""
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    config.problem_type = None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Inside, transformers shows neither bars nor reports: what they tell, we check and say."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@contextlib.contextmanager
def _refusing(name: str, local: bool, what: str = "") -> Iterator[None]:
    """Whatever the libraries raise over a folder's files, as one sentence.

    transformers, safetensors, pickle and torch raise kinds of their own, tokenizers plain Exception
    and, from Rust, panics that are none.
    """
    try:
        yield
    except ParetextError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        said = f"{what}{type(error).__name__}: {error}" if what else str(error)
        reason = first_line(ValueError(said or type(error).__name__))
        if any(sign in said for sign in _CODE):
            raise ParetextError(
                f"{name} brings code of its own (auto_map in its config), and paretext runs no "
                "code of a model's folder; use a model whose architecture transformers knows."
            ) from None
        raise not_a_model(name, error, reason, local=local) from None


def _is_local(name: str) -> bool:
    """Whether only local files are to be read."""
    return Path(name).exists() or is_path(name) or not hub_answers(name)


def _in_cache(name: str) -> Path | None:
    """The config.json of a hub id that was loaded before."""
    if is_path(name):
        return None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    with contextlib.suppress(HFValidationError):  # no name that the hub could have
        cached = try_to_load_from_cache(name, "config.json")
        return Path(cached) if isinstance(cached, str) else None
    return None
