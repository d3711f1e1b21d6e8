"""What a folder says of lengths is read in one place, and holds for every architecture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import architectures
import numpy as np
import pytest
import tiny
import torch
from transformers import CONFIG_MAPPING

from paretext.core.errors import ParetextError
from paretext.models.classifier import Classifier
from paretext.models.pretrained import UNLIMITED, longest_input

NOT_ALONE = ("convbert", "fnet", "nystromformer", "xlnet", "yoso")
"""These read the padding: the mask does not reach all that they do."""


@pytest.fixture(scope="module")
def words() -> Any:
    """A tokenizer of a hundred words and pieces."""
    return tiny._word_piece(tiny.TEXTS)


@pytest.mark.parametrize("name", architectures.NAMES)
def test_the_usual_config_has_a_longest_input(name: str) -> None:
    longest = longest_input(CONFIG_MAPPING[name]())
    assert 100 <= longest <= UNLIMITED


@pytest.mark.parametrize("name", architectures.NAMES)
def test_the_longest_input_is_what_the_network_takes(name: str) -> None:
    """It is taken, and where a table of positions ends, one token more is not."""
    try:
        config = architectures.config(name)
    except Exception as error:
        pytest.skip(f"no small config: {str(error).splitlines()[0]}")
    if getattr(config, "pad_token_id", None) is None:
        config.pad_token_id = 0
    model = architectures.model(config)
    if model is None or not answers(model, 8):
        pytest.skip("no small model of it answers to tokens alone")
    longest = longest_input(config)
    if longest == UNLIMITED:
        assert answers(model, 3 * architectures.POSITIONS)
        return
    assert answers(model, longest)
    if not answers(model, 3 * architectures.POSITIONS):
        assert not answers(model, longest + 1)


@torch.inference_mode()
def answers(model: Any, length: int) -> bool:
    """Whether the network takes so many tokens."""
    ids = torch.full((1, length), 7)
    end = getattr(model.config, "eos_token_id", None)
    ids[:, -1] = end if isinstance(end, int) else 7  # encoders with a decoder answer there
    try:
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    except Exception:
        return False
    return tuple(logits.shape) == (1, 3)


@pytest.mark.parametrize("value", [-1, 0, 10**30])
def test_a_length_that_cannot_be_is_no_limit(value: Any) -> None:
    config = CONFIG_MAPPING["bert"](max_position_embeddings=512)
    config.max_position_embeddings = value
    assert longest_input(config) == UNLIMITED


@pytest.mark.slow
@pytest.mark.parametrize("name", architectures.NAMES)
def test_a_folder_of_every_architecture_is_loaded_or_refused(
    name: str, tmp_path: Path, words: Any
) -> None:
    """With a table of more rows than tokens, no padding in the config, and labels to be given."""
    try:
        config = architectures.config(name, vocab_size=len(words) + 7)
        model = architectures.model(config)
    except Exception as error:
        pytest.skip(f"no small config: {str(error).splitlines()[0]}")
    if model is None:
        pytest.skip("no small model of it")
    model.save_pretrained(tmp_path)
    words.save_pretrained(tmp_path)
    labels, given = ("a", "b", "c", "d"), str(tmp_path)
    refused = refusal(lambda: Classifier.from_pretrained(given, labels, 16))
    reads_padding = "padded on the right" in refused or "no attention mask" in refused
    assert reads_padding == (name in NOT_ALONE), refused
    if refused:
        return
    classifier, again = (Classifier.from_pretrained(given, labels, 16) for _ in range(2))
    assert classifier.model.config.num_labels == 4
    alone = np.concatenate([classifier.logits([text]) for text in tiny.TEXTS])
    np.testing.assert_allclose(classifier.logits(tiny.TEXTS), alone, atol=1e-3)
    for key, tensor in classifier.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[key]), key


def refusal(call: Callable[[], object]) -> str:
    """The one sentence that it ends with; "" where it ends well."""
    try:
        call()
    except ParetextError as error:
        sentence = str(error)
    else:
        return ""
    assert "\n" not in sentence
    return sentence
