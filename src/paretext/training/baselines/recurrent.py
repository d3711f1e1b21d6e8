"""A recurrent network over words, trained from scratch: the models to beat without pretraining.

`recurrent.RecurrentClassifier` on a table of the words that the training texts use. What keeps so
small a data set from being learned by heart is dropout of embeddings and states, and word dropout:
while it trains, a word is unknown at random, so that no answer hangs on a single word and the
unknown word gets a meaning (Iyyer et al. 2015, "Deep Unordered Composition Rivals Syntactic Methods
for Text Classification", section 2.2). Word embeddings start small: of PyTorch's own spread, 1,
most of what a state sees is noise of words that were hardly trained.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field
from tokenizers import Tokenizer, models, processors, trainers

from paretext.data.balance import supersampled
from paretext.data.dataset import Dataset
from paretext.data.stop_words import remove_first
from paretext.data.words import TOKEN, cutting, plain
from paretext.models.names import Cell
from paretext.training.baselines.tokenizer import PAD, UNKNOWN, fast_tokenizer
from paretext.training.settings import TrainingSettings

if TYPE_CHECKING:
    from paretext.models.classifier import Classifier
    from paretext.training.fit import Fitted

END = "[END]"
_END_ID = 2
_EPOCHS, _MOST_EPOCHS, _STEPS = 12, 60, 1_200
_PATIENCE = 3


class Recurrent(BaseModel):
    """minimum_count: how often the training texts use a word that is known; vocabulary: the most
    words; spread: standard deviation of the first word embeddings; epochs: None is 12, and of few
    texts as many as make 1,200 steps, at most 60; patience: None is 3 epochs, and a quarter of all
    where those are more; the others as in `TrainingSettings` and `RecurrentConfig`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    removes_stop_words: ClassVar[bool] = True

    baseline: Literal["recurrent"] = "recurrent"
    cell: Cell = "gru"
    embedding_size: int = Field(default=100, ge=1)
    hidden_size: int = Field(default=100, ge=1)
    layers: int = Field(default=1, ge=1)
    minimum_count: int = Field(default=2, ge=1)
    vocabulary: int = Field(default=30_000, ge=1)
    spread: float = Field(default=0.3, gt=0)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    word_dropout: float = Field(default=0.1, ge=0, lt=1)
    learning_rate: float = Field(default=5e-3, gt=0)
    batch_size: int = Field(default=64, ge=1)
    epochs: int | None = Field(default=None, ge=1)
    patience: int | None = Field(default=None, ge=1)
    weight_decay: float = Field(default=0.01, ge=0)

    def fit(
        self,
        train: Dataset,
        selection: Dataset,
        training: TrainingSettings,
        *,
        max_length: int,
        language: str | None = None,
        work: Path | None = None,
        label: str = "training a recurrent network",
    ) -> Fitted:
        """Train from scratch; of `training` all counts that the settings here do not have.

        max_length: in words. language: remove its stop words. work: as in `training.fit`.
        """
        from paretext.training.fit import fit

        classifier = self.classifier(train, max_length, training.seed, language)
        epochs = self.epochs or self._epochs(len(supersampled(train, training.supersample)))
        patience = _PATIENCE if self.epochs else max(_PATIENCE, math.ceil(epochs / 4))
        own = {
            "learning_rate": self.learning_rate,
            "batch_size": self.batch_size,
            "epochs": epochs,
            "patience": self.patience or patience,
            "weight_decay": self.weight_decay,
        }
        # bfloat16 gains nothing at these widths, and the cells' own kernels are in float32.
        settings = training.model_copy(update={**own, "precision": "fp32"})
        return fit(classifier, train, selection, settings, work=work, label=label)

    def _epochs(self, texts: int) -> int:
        """A network without pretraining needs steps, too, before it knows any word."""
        enough = math.ceil(_STEPS / math.ceil(texts / self.batch_size))
        return min(max(_EPOCHS, enough), _MOST_EPOCHS)

    def check(self, train: Dataset, language: str | None) -> None:
        """Any texts can be trained on: where no word is known, the answer is the most frequent."""

    def classifier(
        self, train: Dataset, max_length: int, seed: int, language: str | None = None
    ) -> Classifier:
        """The untrained network and its tokenizer, which knows the words of `train`."""
        import torch
        from torch import nn

        from paretext.models.classifier import Classifier
        from paretext.models.recurrent import RecurrentClassifier, RecurrentConfig

        tokenizer = self._tokenizer(train, max_length, language)
        labels = dict(enumerate(train.label_names))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = RecurrentClassifier(
                RecurrentConfig(
                    vocab_size=len(tokenizer),
                    cell=self.cell,
                    embedding_size=self.embedding_size,
                    hidden_size=self.hidden_size,
                    num_hidden_layers=self.layers,
                    dropout=self.dropout,
                    word_dropout=self.word_dropout,
                    unknown_token_id=tokenizer.unk_token_id,
                    pad_token_id=tokenizer.pad_token_id,
                    id2label=labels,
                    label2id={name: index for index, name in labels.items()},
                )
            )
            nn.init.normal_(network.words.weight, std=self.spread)
        network.eval()  # type: ignore[no-untyped-call]
        return Classifier(network, tokenizer, train.label_names, max_length)

    def _tokenizer(self, train: Dataset, max_length: int, language: str | None) -> Any:
        """Lower-case words and marks (`words.TOKEN`); END closes every text, so that none is
        empty."""
        backend: Any = Tokenizer(models.WordLevel({UNKNOWN: 0}, unk_token=UNKNOWN))
        backend.normalizer = plain()
        backend.pre_tokenizer = cutting(TOKEN)
        if language is not None:
            backend = remove_first(backend, language)
        trainer: Any = trainers.WordLevelTrainer(
            vocab_size=self.vocabulary,
            min_frequency=self.minimum_count,
            special_tokens=[PAD, UNKNOWN, END],
            show_progress=False,
        )
        backend.train_from_iterator(train.texts, trainer)
        backend.post_processor = processors.TemplateProcessing(
            single=f"$A {END}", special_tokens=[(END, _END_ID)]
        )
        return fast_tokenizer(backend, max_length)
