"""Words of networks that no family reads: trimmed, factorised, and those of a recurrent student."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import architectures
import numpy as np
import pytest
import tiny
import torch
import toy

from paretext.compression import ConvolutionalStudent, LowRankEmbeddings, Material, Vocabulary
from paretext.compression.step import Outline
from paretext.core.errors import ParetextError
from paretext.models.classifier import Classifier
from paretext.models.word_table import word_table
from paretext.training.settings import TrainingSettings

DATA = toy.dataset(30)
MATERIAL = Material(DATA, DATA, TrainingSettings(epochs=1, device="cpu", precision="fp32"))
KINDS = {"word-piece": tiny._word_piece, "byte-level": tiny._byte_level}
ODD = (
    ("modernbert", "byte-level"),  # rotary, no table of positions
    ("gpt2", "word-piece"),  # answers at the last token that is not padding
    ("data2vec-text", "byte-level"),  # positions count from the padding's number
    ("biogpt", "word-piece"),  # a table that scales what it looks up
    ("flaubert", "word-piece"),  # calls its tokens' numbers otherwise
)


def classifier(name: str, tokenizer: Any, folder: Path) -> Classifier:
    config = architectures.config(name, vocab_size=len(tokenizer) + 7, pad_token_id=1)
    config.pad_token_id = tokenizer.pad_token_id
    tiny.shake(architectures.model(config), 0.05).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Classifier.from_pretrained(str(folder), toy.LABELS, 24)


def same(made: Classifier, folder: Path) -> None:
    """It answers alike when it is loaded again."""
    made.save(folder)
    again = Classifier.load(folder).logits(DATA.texts)
    np.testing.assert_allclose(again, made.logits(DATA.texts), atol=1e-5)


@pytest.mark.parametrize(("name", "kind"), ODD)
def test_words_of_any_network(name: str, kind: str, tmp_path: Path) -> None:
    origin = classifier(name, KINDS[kind]([*tiny.TEXTS, *DATA.texts]), tmp_path / "origin")
    table = word_table(origin.model)
    trimmed, _ = Vocabulary(minimum_count=1).apply(origin, MATERIAL)
    assert len(word_table(trimmed.model)) == len(trimmed.tokenizer) < len(table)
    np.testing.assert_allclose(trimmed.logits(DATA.texts), origin.logits(DATA.texts), atol=1e-4)
    same(trimmed, tmp_path / "trimmed")
    narrow, _ = LowRankEmbeddings(rank=12).apply(trimmed, MATERIAL)
    assert narrow.model.get_input_embeddings().weight.shape == (len(trimmed.tokenizer), 12)
    assert torch.linalg.matrix_rank(word_table(narrow.model)) == 12
    same(narrow, tmp_path / "narrow")
    again, _ = Vocabulary(minimum_count=4).apply(narrow, MATERIAL)
    assert len(again.tokenizer) < len(trimmed.tokenizer)
    assert Outline.of(again.model.config).word_width == 12
    student, _ = ConvolutionalStudent(embedding_size=8, channels=4).apply(again, MATERIAL)
    assert student.model.projection.weight.shape[0] == 8
    same(student, tmp_path / "student")
    torch.testing.assert_close(word_table(origin.model), table)  # it stayed as it was


def test_a_network_that_reads_its_words_elsewhere_is_refused(tmp_path: Path) -> None:
    origin = classifier("gpt2", tiny._word_piece([*tiny.TEXTS, *DATA.texts]), tmp_path)
    before = origin.model.forward

    def forward(input_ids: Any, **given: Any) -> Any:
        answer = before(input_ids=input_ids, **given)
        answer.logits = answer.logits + origin.model.transformer.wte.weight.sum()
        return answer

    origin.model.forward = forward
    with pytest.raises(
        ParetextError, match=r"uses its words elsewhere too, .* \(a logit differs by"
    ):
        LowRankEmbeddings(rank=8).apply(replace(origin), MATERIAL)
    origin.model.set_input_embeddings(torch.nn.Identity())
    with pytest.raises(ParetextError, match="no table with a row for each"):
        word_table(origin.model)
