"""The agreement check: a graph answers as transformers does, or nothing is written.

What a graph is compared with is transformers as anybody would write it: one text, its tokenizer,
its network, no padding and nothing of ours between. So the tokenizer that ships is checked
together with the graph, and so is the padding of a batch, which must change no answer.

The data alone would show little of this: its texts may all be short and plain. Texts of the kinds
that have been read otherwise than by transformers are therefore always among them.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from paretext.core.errors import ParetextError, first_line
from paretext.graphs.graph import others
from paretext.models.classifier import Classifier
from paretext.runtime.artifact import Artifact
from paretext.runtime.independence import each_way
from paretext.runtime.manifest import Independence

TOLERANCE = 1e-4
Floats = NDArray[np.float32]

_ODD = (
    "",
    " \t\n ",
    "LOUD, so loud!!! @user https://t.co/x #tag 1,234.50",
    "caf\u00e9 cafe\u0301 \u4f60\u597d \u0441\u043f\u0430\u0441\u0438\u0431\u043e "
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u05e9\u05dc\u05d5\u05dd \u200b\ufeff\xa0",
    "\U0001f602\U0001f44d\U0001f3fd \u2764\ufe0f \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "a" * 1000,
)
_NAMES = 10
_BATCH = 32
_SHOWN = 60


def odd_texts(classifier: Classifier, texts: Sequence[str]) -> list[str]:
    """About twenty texts that a runtime easily reads in another way than transformers: empty and
    blank ones, other scripts, the names of the tokenizer's own tokens, one far above the longest
    input whose ends differ."""
    tokenizer = classifier.tokenizer
    words = list(dict.fromkeys(word for text in texts[:_BATCH] for word in text.split()))[:12]
    words = [*words, "yes", "no"]
    before, after = " ".join(words[::2]), " ".join(words[1::2])
    tokens = dict.fromkeys([*tokenizer.all_special_tokens, *tokenizer.added_tokens_encoder])
    names = list(tokens)[:_NAMES]
    times = classifier.max_length
    return [
        *_ODD,
        *(f"{before} {name} {after}" for name in names),
        f"{before}{''.join(names)}{after.upper()}",
        " ".join([before] * times + [after] * times),
    ]


@torch.inference_mode()
def plain_logits(classifier: Classifier, texts: Sequence[str]) -> Floats:
    """What transformers answers to each text by itself, (texts, classes)."""
    tokenizer, model = classifier.tokenizer, classifier.model.eval()
    parameters = inspect.signature(model.forward).parameters
    takes_all = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values())
    by_length: dict[int, list[int]] = {}
    for row, text in enumerate(texts):
        ids = tokenizer(text, truncation=True, max_length=classifier.max_length)["input_ids"]
        by_length.setdefault(len(ids), []).append(row)
    logits = np.empty((len(texts), len(classifier.label_names)), np.float32)
    for length, rows in by_length.items():
        for start in range(0, len(rows), _BATCH):  # of equal length, so nothing is padded
            some = rows[start : start + _BATCH]
            inputs = tokenizer(
                [texts[row] for row in some],
                truncation=True,
                max_length=classifier.max_length,
                return_attention_mask=True,
                return_tensors="pt",
            )
            if length == 0:  # transformers has no answer here; ours is that of one padding token
                ids = torch.full((len(some), 1), classifier.pad_id)
                inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
            taken = {
                name: values.to(model.device)
                for name, values in inputs.items()
                if takes_all or name in parameters
            }
            try:
                logits[some] = model(**taken).logits.float().cpu().numpy()
            except Exception as error:  # a network's code is anybody's
                raise ParetextError(
                    f"{_kind(classifier)} itself cannot answer {_begin(texts[some[0]])} "
                    f"({first_line(error)}), so nothing was written; {others()}."
                ) from None
    return logits


def check_answers(
    artifact: Artifact, classifier: Classifier, texts: Sequence[str]
) -> tuple[float, Floats]:
    """The largest difference of a logit between the artifact and `plain_logits`, and the latter's
    answers to `texts`.

    ParetextError where it is more than TOLERANCE of the largest logit (or of 1), in batches or with
    each odd text alone. Among those are the shortest input there is and the longest: an exporter
    may take for fixed what it saw once.
    """
    odd = odd_texts(classifier, texts)
    expected = plain_logits(classifier, [*texts, *odd])
    if not np.isfinite(expected).all():
        raise ParetextError(
            f"{_kind(classifier)} answers {_shown([*texts, *odd], ~np.isfinite(expected))} with "
            "what is no number; train it again, with a lower learning rate."
        )
    together = answers(artifact, [*texts, *odd])
    alone = np.concatenate([answers(artifact, [text]) for text in odd])
    allowed = TOLERANCE * max(1.0, float(np.abs(expected).max()))
    away = np.abs(alone - expected[len(texts) :])
    if away.max() > allowed:
        raise ParetextError(
            f"the exported graph differs from PyTorch by {away.max():.2g} in a logit, and "
            f"{allowed:.2g} is allowed (the text {_shown(odd, away)}); {_kind(classifier)} "
            "computes something the export does not know, so nothing was written; try a shorter "
            f"--max-length, or {others()}."
        )
    beside = np.abs(together - expected)
    if beside.max() > allowed:
        raise ParetextError(
            f"{_kind(classifier)} answers {_shown([*texts, *odd], beside)} in another way where "
            f"longer texts are in the batch (a logit differs by {beside.max():.2g}, and "
            f"{allowed:.2g} is allowed), so nothing was written; {others()}."
        )
    largest = max(float(away.max()), float(beside.max()))
    return largest, expected[: len(texts)]


def check_independence(
    artifact: Artifact, classifier: Classifier, texts: Sequence[str]
) -> tuple[Independence, Floats]:
    """How little the answers depend on what shares a call, and the logits of `texts` in bulk.

    ParetextError where a probability moves by more than is allowed.
    """
    asked = [*texts, *odd_texts(classifier, texts)]
    answers(artifact, asked)
    ways = each_way(artifact, asked)
    allowed = ways.allowed(artifact.manifest)
    if ways.differences.max() > allowed:
        raise ParetextError(
            f"{_kind(classifier)} answers {_shown(asked, ways.differences[:, None])} otherwise "
            f"where other texts share its call (a probability differs by "
            f"{ways.differences.max():.2g}, and {allowed:.2g} is allowed), so nothing was "
            "written; leave the quantisation out, or use another model."
        )
    return ways.record(), ways.bulk[: len(texts)]


def answers(artifact: Artifact, texts: Sequence[str]) -> Floats:
    """The artifact's logits; ParetextError where the runtime fails, or gives what is no number."""
    try:
        logits = artifact.logits(texts)
    except Exception as error:  # ONNX Runtime raises kinds of its own
        raise ParetextError(
            f"ONNX Runtime cannot run the graph of {artifact.manifest.architecture} "
            f"({first_line(error)}), so nothing was written; {others()}."
        ) from None
    if not np.isfinite(logits).all():
        raise ParetextError(
            f"the graph answers {_shown(texts, ~np.isfinite(logits))} with what is no number, so "
            "nothing was written; leave the quantisation out, or use another model."
        )
    return logits


def _kind(classifier: Classifier) -> str:
    return type(classifier.model).__name__


def _shown(texts: Sequence[str], away: NDArray[Any]) -> str:
    """The text that is farthest away, its beginning at least."""
    return _begin(texts[int(away.max(axis=1).argmax())])


def _begin(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
