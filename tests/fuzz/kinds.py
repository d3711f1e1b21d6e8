"""One small artifact of each kind of graph that is not written from a transformer's layers."""

from __future__ import annotations

from pathlib import Path

import tiny
import torch
import toy
import transformers

from paretext.graphs import export
from paretext.models.classifier import Classifier
from paretext.training.baselines import BASELINES, Recurrent
from paretext.training.fit import TrainingSettings


def make(folder: Path) -> list[Path]:
    """The artifacts' folders: a recurrent network, n-grams, and a network that PyTorch traced."""
    data, selection = toy.dataset(60), toy.dataset(20, 1)
    settings = TrainingSettings(device="cpu", seed=1)
    small = Recurrent.model_validate({"cell": "gru", "embedding_size": 8, "hidden_size": 8})
    ngrams = BASELINES["tfidf"].fit(data, selection, settings, max_length=32)
    made = {
        "recurrent": small.classifier(data, 32, seed=0),
        "ngrams": ngrams.classifier,
        "traced": _traced(folder),
    }
    for name, classifier in made.items():
        export(classifier, folder / name, selection.texts, name=name)
    return [folder / name for name in made]


def _traced(folder: Path) -> Classifier:
    source = tiny.build("bert", folder / "bert", toy.dataset(60).texts)
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(source))
    torch.manual_seed(0)
    config = transformers.AlbertConfig(
        embedding_size=16,
        vocab_size=len(tokenizer),
        num_labels=len(toy.LABELS),
        pad_token_id=tokenizer.pad_token_id,
        max_position_embeddings=64,
        **tiny.SHAPE,
    )
    model = transformers.AlbertForSequenceClassification(config).eval()
    return Classifier(tiny.shake(model), tokenizer, toy.LABELS, 24)
