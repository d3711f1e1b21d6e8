"""Start a convolutional student in the parent's place, to be taught by the step distillation.

It takes over the tokenizer and the parent's word embeddings, all of them, and learns a matrix that
brings them to a few numbers, not the rows themselves: what the taught words teach it holds for
their neighbours that no text has used. The matrix begins with the directions in which the parent's
embeddings differ most (principal components, each token weighted by its use); the rest is drawn at
random. Source: Kim 2014, "Convolutional Neural Networks for Sentence Classification", section 3.1
(CNN-static), taught as in Tang et al. 2019, "Distilling Task-Specific Knowledge from BERT into
Simple Neural Networks".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from paretext.compression.step import Material, Outline, Step, require_encoder_there
from paretext.compression.steps.low_rank import token_counts
from paretext.core.errors import ParetextError
from paretext.models.families.base import is_known, read_encoder
from paretext.models.names import CONVOLUTIONAL

if TYPE_CHECKING:
    import torch

    from paretext.models.classifier import Classifier


class ConvolutionalStudent(Step):
    """embedding_size: numbers of a word; channels: outputs of a window; window: its words."""

    needs_teaching: ClassVar[str] = "the student knows nothing before it is taught"

    step: Literal["convolutional_student"] = "convolutional_student"
    embedding_size: int = Field(default=64, ge=1)
    channels: int = Field(default=128, ge=1)
    window: int = Field(default=3, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)

    @field_validator("window")
    @classmethod
    def _has_a_middle(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError(f"a window has a word in its middle, so not {value}; give 1, 3 or 5")
        return value

    def plan(self, outline: Outline) -> Outline:
        require_encoder_there(self.step, outline)
        if outline.width:  # where the table is narrower than the layers, `apply` says so
            self._require_narrower(outline.width)
        return replace(
            outline,
            model_type=CONVOLUTIONAL,
            layers=0,
            width=self.channels,
            word_width=self.embedding_size,
        )

    def apply(self, classifier: Classifier, data: Material) -> tuple[Classifier, list[str]]:
        import torch

        from paretext.models.convolutional import ConvolutionalClassifier, ConvolutionalConfig

        self.plan(Outline.of(classifier.model.config))
        config: Any = classifier.model.config
        table = _words(classifier)
        self._require_narrower(table.shape[1])
        counts = token_counts(classifier, data.train, len(table))
        table, directions = principal_components(table, counts)
        torch.manual_seed(data.training.seed)
        model = ConvolutionalClassifier(
            ConvolutionalConfig(
                vocab_size=len(table),
                word_width=table.shape[1],
                embedding_size=self.embedding_size,
                channels=self.channels,
                window=self.window,
                dropout=self.dropout,
                id2label=config.id2label,
                label2id=config.label2id,
                pad_token_id=classifier.pad_id,
            )
        )
        with torch.no_grad():
            model.words.weight.copy_(table)
            first = directions[: self.embedding_size]
            model.projection.weight.copy_(first / (table @ first.T).std())
            model.projection.bias.zero_()
        model.eval()  # type: ignore[no-untyped-call]
        taught = sum(each.numel() for each in model.parameters()) - model.words.weight.numel()
        return replace(classifier, model=model), [
            f"put windows of {self.window} words, {self.channels} outputs each, in the place of "
            f"the encoder: {taught:,} parameters to teach; its word embeddings are the parent's in "
            f"{self.embedding_size} directions"
        ]

    def _require_narrower(self, width: int) -> None:
        """No more directions than the table's own."""
        if self.embedding_size > width:
            raise ParetextError(
                f"the step convolutional_student has the embedding size {self.embedding_size}, and "
                f"the parent's word embeddings are {width} wide there; give at most that."
            )


def _words(classifier: Classifier) -> torch.Tensor:
    """The parent's word embeddings, (tokens, width)."""
    import torch

    from paretext.models.word_table import word_table

    if not is_known(classifier.model.config):
        return word_table(classifier.model)
    encoder = read_encoder(classifier.model)
    table, factor = torch.from_numpy(encoder.words), encoder.word_factor
    return table if factor is None else table @ torch.from_numpy(factor)


def principal_components(
    table: torch.Tensor, counts: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """`table` (tokens, width) with mean 0 and a standard deviation of 1, and its main directions,
    a row each, the first one first; both weighted by counts + 1."""
    import torch

    weight = (counts[: len(table)] + 1).unsqueeze(1)
    centred = table - (table * weight).sum(0) / weight.sum()
    centred = centred / centred.std()
    directions = torch.linalg.eigh((centred * weight).T @ centred)[1]
    return centred, directions.flip(1).T
