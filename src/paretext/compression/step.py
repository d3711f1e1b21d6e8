"""What a step of compression is: frozen settings, and `apply`.

A step takes a classifier and gives a new one; the one it was given stays as it was. Steps are
data: the same object is built from Python and YAML and stored unchanged in the manifest.

A recipe is checked before PyTorch is imported, which takes seconds. So the files of the steps
import it where they apply one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.registry import NamedStep
from paretext.data.dataset import Dataset
from paretext.models.families.base import family_of, is_known, read_encoder, readable_types
from paretext.models.names import COMPACT, CONVOLUTIONAL, FACTORISED, NGRAMS, RECURRENT
from paretext.training.settings import OnEpoch, TrainingSettings

if TYPE_CHECKING:
    from paretext.models.classifier import Classifier

SAMPLE_TEXTS = 512
_ANYWHERE = (
    "vocabulary, low_rank_embeddings, magnitude_pruning, distillation, convolutional_student and "
    "INT8"
)
"""What needs to know no architecture."""


class Teacher(Protocol):
    """The model whose answers a student learns; `methods.teacher` has the one in use."""

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]: ...

    def logits_of_copies(self, rounds: Sequence[Sequence[str]]) -> list[NDArray[np.float32]]: ...

    def states(
        self, texts: Sequence[str], layers: Sequence[int], place: Path
    ) -> list[NDArray[np.float16]] | None: ...

    def whole(self) -> Classifier: ...

    def neighbours(self, texts: Sequence[str]) -> Mapping[str, Sequence[str]]: ...

    def seconds_a_text(self, texts: Sequence[str]) -> float: ...


@dataclass(frozen=True)
class Material:
    """What a step works with. train: fitted on; selection: chooses epochs; training: how the
    parent was trained; teacher: the parent's answers; unlabelled: more texts of the same kind;
    work: a folder for what only helps to go on after an interruption; on_epoch: as `fit` calls
    it, in the steps that train; pause: called there after each optimizer step, and may wait;
    seconds: that a step which teaches may take, None as many as it wants."""

    train: Dataset
    selection: Dataset
    training: TrainingSettings
    teacher: Teacher | None = None
    unlabelled: tuple[str, ...] = ()
    work: Path | None = None
    on_epoch: OnEpoch | None = None
    pause: Callable[[], None] | None = None
    seconds: float | None = None

    def sample(self, texts: int = SAMPLE_TEXTS) -> Dataset:
        """Some training texts to measure importance on, always the same ones."""
        rows = np.random.default_rng(0).permutation(len(self.train))[:texts]
        return self.train.take(np.sort(rows))


@dataclass(frozen=True)
class Outline:
    """What the steps before one leave of a classifier, as far as it can be known beforehand.

    model_type: as in its configuration; width: of the hidden states; word_width: of the word table;
    parents_tokens: whether it reads the tokens that its parent reads; known: whether a family reads
    a model of this configuration.
    """

    model_type: str
    layers: int
    width: int
    word_width: int
    parents_tokens: bool = True
    known: bool = True

    @classmethod
    def of(cls, config: Any) -> Outline:
        """The outline of a model with this configuration."""
        text = config.get_text_config()
        width = int(getattr(text, "hidden_size", None) or 0)
        words = getattr(config, "word_rank", None) or getattr(text, "embedding_size", None)
        layers = int(getattr(text, "num_hidden_layers", None) or 0)
        kind = text.model_type if config.model_type == FACTORISED else config.model_type
        return cls(kind, layers, width, int(words or width), known=is_known(config))


class Step(NamedStep):
    """Base of all steps that change a classifier."""

    def plan(self, outline: Outline) -> Outline:
        """What this step will leave of `outline`; ParetextError if it cannot be applied to that.

        Asked of all steps before the first of them trains anything.
        """
        return outline

    def apply(self, classifier: Classifier, data: Material) -> tuple[Classifier, list[str]]:
        """The changed copy of `classifier`, and sentences that count what was done."""
        raise NotImplementedError


def require_encoder(config: Any) -> None:
    """ParetextError where a parent's configuration is that of a baseline."""
    if config.model_type in (CONVOLUTIONAL, NGRAMS, RECURRENT):
        raise ParetextError(
            f"the parent is a {config.model_type} model, and baselines are not compressed; train "
            "an encoder beside it, such as --model roberta-base."
        )


def require_encoder_there(step: str, outline: Outline) -> None:
    """ParetextError where the steps before have left none."""
    if outline.model_type == CONVOLUTIONAL:
        raise ParetextError(
            f"the step {step} comes after convolutional_student, which leaves no encoder to "
            "change; put it before that, or leave it out."
        )


def require_shapes(step: str, outline: Outline) -> None:
    """ParetextError unless `step` can change the shapes of such a model."""
    require_encoder_there(step, outline)
    if outline.model_type not in (COMPACT, *readable_types()):
        raise ParetextError(
            f"the step {step} does not know the architecture {outline.model_type!r}; it knows "
            f"{', '.join(readable_types())}, and for any other there are {_ANYWHERE}."
        )
    if not outline.known:
        raise ParetextError(
            f"the step {step} does not know what a {outline.model_type} with this configuration "
            "computes (a decoder, another activation, a convolution or other positions than usual "
            f"there); take {_ANYWHERE}, or another model."
        )


def compact(classifier: Classifier) -> Classifier:
    """A copy of `classifier` whose network takes layers of any shape.

    ParetextError for an architecture that is not known.
    """
    from paretext.models.compact import from_encoder

    model: Any = classifier.model
    config = model.config
    if not is_known(config):
        raise ParetextError(
            f"the shapes of {type(model).__name__} ({config.model_type}) cannot be changed; "
            f"that is known of {', '.join(readable_types())}, with their usual positions."
        )
    if config.model_type == COMPACT:
        return classifier.copy()
    if family_of(config).shares_layers:
        progress.say(
            f"{config.model_type}: its layers share their weights; from here on each has its own, "
            "and the file has more of them once they differ"
        )
    network = from_encoder(
        read_encoder(model),
        id2label=config.id2label,
        label2id=config.label2id,
        pad_token_id=config.pad_token_id,
        dropout=family_of(config).dropout(config),
    )
    return replace(classifier, model=network)
