"""Start a recurrent student in the parent's place, to be taught by the step distillation.

It takes over the tokenizer and, as word embeddings, the directions in which the parent's differ
most (principal components, each token weighted by its use): words that the parent reads alike
start alike. Everything else is drawn at random. Source: Tang et al. 2019, "Distilling Task-Specific
Knowledge from BERT into Simple Neural Networks" (a BiLSTM student of BERT).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from paretext.compression.step import Material, Outline, Step, compact, require_encoder_there
from paretext.compression.steps.low_rank import token_counts
from paretext.core.errors import ParetextError
from paretext.models.families.base import is_known
from paretext.models.names import RECURRENT, Cell

if TYPE_CHECKING:
    import torch

    from paretext.models.classifier import Classifier


class RecurrentStudent(Step):
    """cell: gru or lstm; hidden_size: width of each direction; layers: one on the other."""

    needs_teaching: ClassVar[str] = "the student knows nothing before it is taught"

    step: Literal["recurrent_student"] = "recurrent_student"
    cell: Cell = "gru"
    embedding_size: int = Field(default=96, ge=1)
    hidden_size: int = Field(default=96, ge=1)
    layers: int = Field(default=1, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)

    def plan(self, outline: Outline) -> Outline:
        require_encoder_there(self.step, outline)
        if outline.width:
            self._require_narrower(outline.width)
        return replace(
            outline,
            model_type=RECURRENT,
            layers=self.layers,
            width=self.hidden_size,
            word_width=self.embedding_size,
        )

    def apply(self, classifier: Classifier, data: Material) -> tuple[Classifier, list[str]]:
        import torch

        from paretext.models.recurrent import RecurrentClassifier, RecurrentConfig

        self.plan(Outline.of(classifier.model.config))
        config: Any = classifier.model.config
        table = _words(classifier)
        self._require_narrower(table.shape[1])
        counts = token_counts(classifier, data.train, len(table))
        torch.manual_seed(data.training.seed)
        model = RecurrentClassifier(
            RecurrentConfig(
                vocab_size=len(table),
                cell=self.cell,
                embedding_size=self.embedding_size,
                hidden_size=self.hidden_size,
                num_hidden_layers=self.layers,
                dropout=self.dropout,
                id2label=config.id2label,
                label2id=config.label2id,
                pad_token_id=classifier.pad_id,
            )
        )
        with torch.no_grad():
            model.words.weight.copy_(principal_components(table, counts, self.embedding_size))
        model.eval()  # type: ignore[no-untyped-call]
        size = sum(parameter.numel() for parameter in model.parameters())
        return replace(classifier, model=model), [
            f"put a {self.cell} of {size:,} parameters in the place of the encoder; its word "
            f"embeddings are the parent's in {self.embedding_size} directions"
        ]

    def _require_narrower(self, width: int) -> None:
        if self.embedding_size > width:
            raise ParetextError(
                f"the step recurrent_student has the embedding size {self.embedding_size}, and the "
                f"parent's word embeddings are {width} wide there; give at most that."
            )


def _words(classifier: Classifier) -> torch.Tensor:
    """The parent's word embeddings, (tokens, width)."""
    from paretext.models.word_table import word_table

    if not is_known(classifier.model.config):
        return word_table(classifier.model)
    parent: Any = compact(classifier).model
    table: torch.Tensor = parent.words.weight.detach()
    return table @ parent.word_factor.weight.detach().T if parent.config.word_rank else table


def principal_components(table: torch.Tensor, counts: torch.Tensor, width: int) -> torch.Tensor:
    """The rows of `table` in their `width` main directions, weighted by counts + 1, with a
    standard deviation of 1."""
    import torch

    weight = (counts[: len(table)] + 1).unsqueeze(1)
    centred = table - (table * weight).sum(0) / weight.sum()
    directions = torch.linalg.svd(centred * weight.sqrt(), full_matrices=False)[2]
    rows: torch.Tensor = centred @ directions[:width].T
    return rows / rows.std()
