"""Every family that is read: its graph and its compact copy answer as transformers does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import architectures
import numpy as np
import onnxruntime
import pytest
import tiny
import torch

from paretext.compression import Width
from paretext.compression.step import Outline
from paretext.core.errors import ParetextError
from paretext.graphs.graph import write_graph
from paretext.models.compact import from_encoder
from paretext.models.families.base import family_of, is_known, read_encoder, readable_types

IDS = torch.tensor([[5, 7, 9, 11, 0, 1, 8], [6, 10, 1, 0, 0, 0, 0]])  # paddings among the words too
MASK = torch.tensor([[1] * 7, [1, 1, 1, 1, 0, 0, 0]])


@torch.inference_mode()
def logits(model: Any) -> Any:
    return model(input_ids=IDS, attention_mask=MASK).logits.numpy()


KINDS = sorted({*readable_types(), *architectures.KINDS})


@pytest.mark.parametrize("kind", KINDS)
def test_a_family_is_read_as_transformers_computes_it(kind: str) -> None:
    model = tiny.shake(architectures.model(architectures.config(kind)))
    assert is_known(model.config)
    expected, encoder = logits(model), read_encoder(model)
    assert np.ptp(expected, axis=0).max() > 0.05  # the texts are told apart
    same = {"pad_token_id": model.config.pad_token_id, "id2label": model.config.id2label}
    compact = from_encoder(encoder, **same)
    np.testing.assert_allclose(logits(compact), expected, atol=2e-5)
    np.testing.assert_allclose(
        logits(from_encoder(read_encoder(compact), **same)), expected, atol=2e-5
    )
    session = onnxruntime.InferenceSession(write_graph(encoder).SerializeToString())
    feed = {"input_ids": IDS.numpy(), "attention_mask": MASK.numpy()}
    np.testing.assert_allclose(session.run(["logits"], feed)[0], expected, atol=1e-4)
    cut = onnxruntime.InferenceSession(write_graph(encoder.up_to(7)).SerializeToString())
    np.testing.assert_allclose(cut.run(["logits"], feed)[0], expected, atol=1e-4)
    one = {name: values[:, :1] for name, values in feed.items()}
    alone = model(**{name: torch.from_numpy(each).long() for name, each in one.items()}).logits
    np.testing.assert_allclose(cut.run(["logits"], one)[0], alone.detach().numpy(), atol=1e-4)
    words = replace(encoder, words=encoder.words[::-1].copy())  # read wrongly, it would be seen
    assert np.abs(logits(from_encoder(words, **same)) - expected).max() > 0.01


def test_what_computes_something_else_is_not_taken_for_its_family() -> None:
    for change in (
        {"is_decoder": True},
        {"position_embedding_type": "relative_key"},
        {"hidden_act": "silu"},
    ):
        assert not is_known(architectures.config("bert", **change))
    assert not is_known(architectures.config("longformer"))
    v3 = "deberta-v2 as in version 3"
    for change in ({"conv_kernel_size": 3}, {"share_att_key": False}, {"pos_att_type": ["c2p"]}):
        assert not is_known(architectures.config(v3, **change))
    slower = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}
    ways = {"full_attention": slower, "sliding_attention": slower}
    assert not is_known(architectures.config("modernbert", rope_parameters=ways))


def test_a_step_says_in_its_plan_that_it_does_not_know_the_configuration() -> None:
    known = Outline.of(architectures.config("deberta-v2 as in version 3"))
    assert Width(hidden_size=8).plan(known).width == 8
    other = Outline.of(architectures.config("deberta-v2", conv_kernel_size=3))
    with pytest.raises(ParetextError, match=r"width does not know what a deberta-v2 .* take voc"):
        Width(hidden_size=8).plan(other)


def test_layers_that_share_their_weights_lie_in_the_graph_once() -> None:
    model = tiny.shake(architectures.model(architectures.config("albert")))
    encoder = read_encoder(model)
    compact = from_encoder(encoder, pad_token_id=0, id2label=model.config.id2label)
    sizes = [write_graph(each).ByteSize() for each in (encoder, read_encoder(compact))]
    assert abs(sizes[0] - sizes[1]) < 32 * 32 * 4  # names differ
    with torch.no_grad():
        compact.layers[1].query.weight[0, 0] += 1  # type: ignore[union-attr, operator, index]
    assert write_graph(read_encoder(compact)).ByteSize() > sizes[1] + 32 * 32 * 4


def test_the_dropout_of_a_family_is_its_own() -> None:
    for kind in KINDS:
        config = architectures.config(kind)
        asked = 0.0 if kind == "albert of two groups" or "biases" in kind else 0.1
        assert family_of(config).dropout(config) == asked, kind
