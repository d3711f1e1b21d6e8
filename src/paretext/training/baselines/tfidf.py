"""TF-IDF with a linear model, fitted by scikit-learn and kept as an `ngrams.NgramClassifier`.

Words, pairs of words and the pieces of words (n-grams that cross no border between words) are
counted, weighted by 1 + log count and inverse document frequency (Salton & Buckley 1988), scaled to
length 1, and told apart by linear support vector machines, one a class, with squared hinge loss.
The penalty is the one of PENALTIES that is best on the selection split. L1 sets the weights of most
n-grams to exactly 0, and those are left out: better where a few words decide (Ng 2004, "Feature
selection, L1 vs. L2 regularization, and rotational invariance"). L2 keeps them all: better where
texts are few and classes many. The distances to the hyperplanes become probabilities
by one temperature, fitted on the selection split (Guo et al. 2017, "On Calibration of Modern Neural
Networks", section 4.2); no answer changes by it.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.data.balance import class_weights, supersampled
from paretext.data.dataset import Dataset
from paretext.data.stop_words import remove_first
from paretext.data.words import TOKEN, cutting, plain
from paretext.measure.metrics import confusion_matrix, macro_f1
from paretext.measure.temperature import log_loss, temperature
from paretext.training.baselines.tokenizer import PAD, UNKNOWN, fast_tokenizer
from paretext.training.settings import TrainingSettings

if TYPE_CHECKING:
    from paretext.models.classifier import Classifier
    from paretext.models.ngrams import NgramClassifier
    from paretext.training.fit import Fitted

BORDER = "▁"
_UNKNOWN_ID, _BORDER_ID = 1, 2
_LONGEST = 64
"""Characters of the longest n-gram that is counted."""
PENALTIES: tuple[tuple[Literal["l1", "l2"], float], ...] = (
    *(("l1", 0.5), ("l1", 2.0)),
    *(("l2", 0.3), ("l2", 1.0)),
)
"""Each with the inverse of its strength."""
_NEVER = -20.0
"""The score of a label that no training text has."""


class Tfidf(BaseModel):
    """words: the most words of an n-gram; pieces: the shortest and the longest n-gram inside of a
    word, borders included; pieces_weight: of a piece in comparison with a word; minimum_texts: how
    many training texts an n-gram stands in; penalties: those that are tried; max_length: the
    longest input, in characters."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    removes_stop_words: ClassVar[bool] = False

    baseline: Literal["tfidf"] = "tfidf"
    words: int = Field(default=2, ge=1)
    pieces: tuple[int, int] | None = (3, 5)
    pieces_weight: float = Field(default=0.5, gt=0)
    minimum_texts: int = Field(default=2, ge=1)
    pieces_minimum_texts: int = Field(default=5, ge=1)
    penalties: tuple[tuple[Literal["l1", "l2"], float], ...] = PENALTIES
    max_length: int = Field(default=1_000, ge=4)

    def fit(
        self,
        train: Dataset,
        selection: Dataset,
        training: TrainingSettings,
        *,
        max_length: int,
        language: str | None = None,
        work: Path | None = None,
        label: str = "training tfidf",
    ) -> Fitted:
        """The fitted classifier and one row of history; of `training` supersampling, class weights
        and seed count.

        max_length: not used, as it is in tokens. language: remove its stop words. Raises
        ParetextError where no word or piece stands in as many texts as it should.
        """
        from paretext.models.classifier import Classifier
        from paretext.training.fit import Fitted

        tokenizer = self._tokenizer(train, language)
        empty = Classifier(None, tokenizer, train.label_names, self.max_length)
        rows = supersampled(train, training.supersample)
        labels = train.labels[rows]
        classes = len(train.label_names)

        def macro_f1_of(logits: NDArray[Any]) -> float:
            return float(macro_f1(confusion_matrix(selection.labels, logits.argmax(1), classes)))

        best: tuple[float, _Counted, _Machines, NDArray[Any]] | None = None
        with progress.task(label, 1 + len(self.penalties)) as advance:
            every = self._counted(empty, train)
            advance()
            for penalty in self.penalties:
                chosen, machines = (
                    every,
                    self._machines(every, rows, labels, train, training, penalty),
                )
                useful = np.abs(machines[0]).max(axis=0) > 0
                if useful.any() and not useful.all():  # with too few texts none is: all stay
                    chosen = every.keep(useful)
                    machines = self._machines(chosen, rows, labels, train, training, penalty)
                logits = replace(empty, model=_network(chosen, *machines, train)).logits(
                    selection.texts
                )
                if best is None or macro_f1_of(logits) > best[0]:
                    best = (macro_f1_of(logits), chosen, machines, logits)
                    kept = f"{penalty[0].upper()} penalty, C={penalty[1]:g}"
                advance()
        assert best is not None  # the settings name one penalty or more
        _, chosen, machines, logits = best
        heat = temperature(logits, selection.labels)
        weight, bias = (part / heat for part in machines)
        fitted = replace(empty, model=_network(chosen, weight, bias, train))
        progress.say(
            f"{label}: {len(chosen.ngrams):,} of {len(every.ngrams):,} n-grams are kept ({kept})"
        )
        row = {
            "epoch": 1,
            "train_loss": log_loss(chosen.values @ weight.T + bias, train.labels),
            "selection_loss": log_loss(logits / heat, selection.labels),
            "selection_macro_f1": macro_f1_of(logits),
        }
        return Fitted(fitted, (row,))

    def check(self, train: Dataset, language: str | None) -> None:
        """Raise ParetextError, before hours are spent on other models, where `fit` would."""
        from paretext.models.classifier import Classifier

        tokenizer, counts = self._tokenizer(train, language), Counter[str]()
        for text in train.texts:  # nearly always the first few say that there is no fault
            words = set(filter(_is_words, self.ngrams(tokenizer(text)["input_ids"])))
            counts.update(words)
            if any(counts[word] >= self.minimum_texts for word in words):
                return
        self._counted(Classifier(None, tokenizer, train.label_names, self.max_length), train)

    def _tokenizer(self, train: Dataset, language: str | None) -> Any:
        """Texts as one stream of lower-case characters, BORDER around every
        word or mark (`words.TOKEN`).

        BPE that has learned no merge leaves every character by itself, and remembers the pieces
        that it has met.
        """
        clean, cut = plain(), cutting(TOKEN)
        pieces = (cut.pre_tokenize_str(clean.normalize_str(text)) for text in train.texts)
        seen = {letter for of_text in pieces for piece, _ in of_text for letter in piece} - {BORDER}
        tokens = (PAD, UNKNOWN, BORDER, *sorted(seen))
        vocabulary = {token: index for index, token in enumerate(tokens)}
        backend = Tokenizer(models.BPE(vocabulary, [], unk_token=UNKNOWN))
        backend.normalizer = clean
        borders = pre_tokenizers.Metaspace(BORDER, prepend_scheme="always", split=False)
        backend.pre_tokenizer = pre_tokenizers.Sequence([cut, borders])
        backend.post_processor = processors.TemplateProcessing(
            single=f"$A {BORDER}", special_tokens=[(BORDER, _BORDER_ID)]
        )
        if language is not None:
            backend = remove_first(backend, language)
        return fast_tokenizer(backend, self.max_length)

    def _counted(self, characters: Classifier, train: Dataset) -> _Counted:
        from sklearn.feature_extraction.text import TfidfVectorizer

        ids = characters.tokenize(train.texts)["input_ids"]
        vectorizer = TfidfVectorizer(
            analyzer=self.ngrams, min_df=self.minimum_texts, sublinear_tf=True, norm=None
        )
        try:
            values = vectorizer.fit_transform(ids).tocsc()
        except ValueError:  # after pruning, no terms remain
            raise self._nothing_shared(train) from None
        ngrams = np.array(vectorizer.get_feature_names_out(), dtype=object)
        words = np.array([_is_words(gram) for gram in ngrams])
        enough = words | (values.getnnz(axis=0) >= self.pieces_minimum_texts)
        if not enough.any():
            raise self._nothing_shared(train)
        scale = np.where(words, 1.0, self.pieces_weight)
        every = _Counted(values.multiply(scale).tocsc(), ngrams, vectorizer.idf_ * scale)
        return every.keep(enough)

    def _nothing_shared(self, train: Dataset) -> ParetextError:
        return ParetextError(
            f"no word stands in {self.minimum_texts} of the {len(train):,} training texts, and no "
            f"piece of one in {self.pieces_minimum_texts}, so tfidf has nothing to learn from; "
            "give more texts, or train without --model tfidf."
        )

    def ngrams(self, ids: list[int]) -> Iterable[str]:
        """The n-grams of a text's ids, each as the string of the characters with these codes."""
        border, unknown = chr(_BORDER_ID), chr(_UNKNOWN_ID)
        words = [word for word in "".join(map(chr, ids)).split(border) if word]
        grams = [
            f"{border}{border.join(words[start : start + size])}{border}"
            for size in range(1, self.words + 1)
            for start in range(len(words) - size + 1)
        ]
        shortest, longest = self.pieces or (1, 0)
        for word in (f"{border}{word}{border}" for word in words):
            grams += [
                word[start : start + size]
                for size in range(shortest, min(longest, len(word) - 1) + 1)
                for start in range(len(word) - size + 1)
            ]
        return [gram for gram in grams if len(gram) <= _LONGEST and unknown not in gram]

    def _machines(
        self,
        counted: _Counted,
        rows: NDArray[np.int64],
        labels: NDArray[np.int64],
        data: Dataset,
        training: TrainingSettings,
        penalty: tuple[Literal["l1", "l2"], float],
    ) -> _Machines:
        """One machine a class, fitted to these rows of the counted texts."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.svm import LinearSVC

        present, counts = np.unique(labels, return_counts=True)
        balanced = dict(zip(present.tolist(), class_weights(counts).tolist(), strict=True))
        machine = LinearSVC(
            penalty=penalty[0],
            dual=False if penalty[0] == "l1" else "auto",
            C=penalty[1],
            tol=1e-3,
            class_weight=balanced if training.class_weights else None,
            random_state=training.seed,
        )
        with warnings.catch_warnings():  # the last digits of the weights do not matter
            warnings.simplefilter("ignore", ConvergenceWarning)
            machine.fit(counted.values[rows], labels)
        own, ends = machine.coef_, machine.intercept_
        if len(present) == 2:  # one machine for both
            own, ends = np.vstack([-own, own]) / 2, np.concatenate([-ends, ends]) / 2
        weight = np.zeros((len(data.label_names), own.shape[1]))
        bias = np.full(len(data.label_names), _NEVER)
        weight[present], bias[present] = own, ends
        return weight, bias


_Machines = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Weights (classes, n-grams) and biases (classes,)."""


@dataclass(frozen=True)
class _Counted:
    """values: (texts, n-grams), sparse, rows of length 1 after `keep`; ngrams, weights: of each."""

    values: Any
    ngrams: NDArray[np.object_]
    weights: NDArray[np.float64]

    def keep(self, which: NDArray[np.bool_]) -> _Counted:
        """Only these n-grams; a text's length is then that of what is left of it."""
        from sklearn.preprocessing import normalize

        places = np.flatnonzero(which)
        values = normalize(self.values.tocsc()[:, places].tocsr())
        return _Counted(values, self.ngrams[places], self.weights[places])


def _is_words(gram: str) -> bool:
    border = chr(_BORDER_ID)
    return len(gram) > 2 and gram[0] == gram[-1] == border


def _network(
    chosen: _Counted, weight: NDArray[np.float64], bias: NDArray[np.float64], data: Dataset
) -> NgramClassifier:
    """The network of these n-grams, shorter ones first."""
    import torch

    from paretext.models.ngrams import NgramClassifier, NgramConfig

    order = sorted(range(len(chosen.ngrams)), key=lambda i: (len(chosen.ngrams[i]), i))
    grams = [chosen.ngrams[i] for i in order]
    labels = dict(enumerate(data.label_names))
    network = NgramClassifier(
        NgramConfig(
            vocab_size=1 + max(map(ord, "".join(grams))),
            ngrams=len(grams),
            characters=sum(map(len, grams)),
            id2label=labels,
            label2id={name: index for index, name in labels.items()},
        )
    )
    with torch.no_grad():
        network.pool.copy_(torch.tensor([ord(each) for gram in grams for each in gram]))
        network.lengths.copy_(torch.tensor([len(gram) for gram in grams]))
        network.weights.copy_(torch.from_numpy(chosen.weights[order]))
        network.output.weight.copy_(torch.from_numpy(weight[:, order]))
        network.output.bias.copy_(torch.from_numpy(bias))
    network.eval()  # type: ignore[no-untyped-call]
    return network
