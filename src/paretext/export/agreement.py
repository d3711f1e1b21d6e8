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
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from paretext.artifact import Artifact
from paretext.classifier import Classifier
from paretext.errors import ParetextError
from paretext.export.graph import OTHERS

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
_SHAPES = ((1, 1), (1, 3), (5, 1), (5, 3))
"""Texts and tokens: none of them what the exporter was shown."""


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
                return_tensors="pt",
            )
            if length == 0:  # transformers has no answer here; ours is that of one padding token
                inputs = {"input_ids": torch.full((len(some), 1), classifier.pad_id)}
            taken = {
                name: values.to(model.device)
                for name, values in inputs.items()
                if takes_all or name in parameters
            }
            logits[some] = model(**taken).logits.float().cpu().numpy()
    return logits


def check_answers(
    artifact: Artifact, classifier: Classifier, texts: Sequence[str]
) -> tuple[float, Floats]:
    """The largest difference of a logit between the artifact and `plain_logits`, and the latter's
    answers to `texts`.

    ParetextError where it is more than TOLERANCE of the largest logit (or of 1), with the texts in
    batches as they come, or each odd one alone.
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
    allowed, largest = _allowed(expected), 0.0
    for how, given, found, wanted in (
        ("alone", odd, alone, expected[len(texts) :]),
        ("padded on the right", [*texts, *odd], together, expected),
    ):
        away = np.abs(found - wanted)
        largest = max(largest, float(away.max()))
        if largest > allowed:
            raise ParetextError(
                f"the exported graph differs from PyTorch by {largest:.2g} in a logit, and "
                f"{allowed:.2g} is allowed (the text {_shown(given, away)}, {how}); "
                f"{_kind(classifier)} computes something the export does not know, so nothing was "
                "written."
            )
    return largest, expected[: len(texts)]


def answers(artifact: Artifact, texts: Sequence[str]) -> Floats:
    """The artifact's logits; ParetextError where the runtime fails, or gives what is no number."""
    try:
        logits = artifact.logits(texts)
    except Exception as error:  # ONNX Runtime raises kinds of its own, and a ParetextError of ours
        raise _cannot_run(artifact.manifest.architecture, error) from None
    if not np.isfinite(logits).all():
        raise ParetextError(
            f"the graph answers {_shown(texts, ~np.isfinite(logits))} with what is no number, so "
            "nothing was written; leave the quantisation out, or use another model."
        )
    return logits


@torch.inference_mode()
def check_shapes(graph: onnx.ModelProto, classifier: Classifier) -> None:
    """ParetextError unless a traced graph answers as PyTorch for few tokens and many, one text and
    five: an exporter may take for fixed what it saw once."""
    model, longest = classifier.model.eval(), classifier.max_length
    session = _session(graph, classifier)
    random = np.random.default_rng(0)
    for texts, tokens in (*_SHAPES, (1, longest), (5, longest)):
        ids = torch.from_numpy(random.integers(len(classifier.tokenizer), size=(texts, tokens)))
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        wanted = model(**{name: values.to(model.device) for name, values in inputs.items()}).logits
        expected = wanted.float().cpu().numpy()
        try:
            feed = {name: values.int().numpy() for name, values in inputs.items()}
            found = session.run(["logits"], feed)[0]
        except Exception as error:  # ONNX Runtime raises kinds of its own
            raise _cannot_run(_kind(classifier), error) from None
        same = found.shape == expected.shape
        if not (same and np.abs(found - expected).max() <= _allowed(expected)):
            raise ParetextError(
                f"the graph that PyTorch traces of {_kind(classifier)} does not give PyTorch's "
                f"answers to {texts} x {tokens} tokens, so nothing was written; {OTHERS}."
            )


def _session(graph: onnx.ModelProto, classifier: Classifier) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised; printing it as well helps nobody
    try:
        return onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime raises kinds of its own
        raise _cannot_run(_kind(classifier), error) from None


def _cannot_run(kind: str, error: Exception) -> ParetextError:
    reason = " ".join(str(error).split()).removesuffix(".") or type(error).__name__
    return ParetextError(
        f"ONNX Runtime cannot run the graph of {kind} ({reason}), so nothing was written; {OTHERS}."
    )


def _allowed(expected: Floats) -> float:
    return TOLERANCE * max(1.0, float(np.abs(expected).max()))


def _kind(classifier: Classifier) -> str:
    return type(classifier.model).__name__


def _shown(texts: Sequence[str], away: NDArray[Any]) -> str:
    """The text that is farthest away, its beginning at least."""
    text = texts[int(away.max(axis=1).argmax())]
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
