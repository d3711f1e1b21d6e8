"""Writes an artifact: graph, quantisation, agreement check, tokenizer, configs, manifest, card.

The export ends only when the float32 graph gives PyTorch's logits, through the tokenizer and the
runtime that ship (`agreement`). A quantised graph differs by design: how far is measured and
written into the manifest. Either must answer a text alike alone and beside others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from tokenizers import Tokenizer

from paretext.core.errors import ParetextError
from paretext.core.files import new_folder
from paretext.core.locks import temporary_folder
from paretext.core.ownership import require_own_folder
from paretext.data.sketch import Sketch
from paretext.graphs.agreement import check_answers, check_independence
from paretext.graphs.calibration import Calibration
from paretext.graphs.client_files import write_client_files
from paretext.graphs.convolutional_graph import write_convolutional_graph
from paretext.graphs.graph import write_graph
from paretext.graphs.ngram_graph import write_ngram_graph
from paretext.graphs.quantisation import Quantization
from paretext.graphs.recurrent_graph import write_recurrent_graph
from paretext.graphs.traced import trace_graph
from paretext.models.classifier import Classifier
from paretext.models.families.base import is_known, read_encoder
from paretext.models.names import CONVOLUTIONAL, NGRAMS, RECURRENT
from paretext.models.tokenization import check_tokenizer
from paretext.runtime.artifact import Artifact, prepare, softmax
from paretext.runtime.card import model_card
from paretext.runtime.manifest import (
    CARD,
    CERTIFICATE,
    CONFIG,
    FIRST_MODEL,
    MODEL,
    NAME,
    QUANTIZED_MODEL,
    TOKENIZER,
    TOKENIZER_CONFIG,
    Agreement,
    Ancestor,
    Manifest,
    WeightCount,
    record_files,
)

_WRITERS = {
    CONVOLUTIONAL: write_convolutional_graph,
    RECURRENT: write_recurrent_graph,
    NGRAMS: write_ngram_graph,
}
_GRAPHS = (MODEL, QUANTIZED_MODEL, FIRST_MODEL)
_OTHERS = (TOKENIZER, TOKENIZER_CONFIG, CONFIG, NAME, CARD, CERTIFICATE)
_FILES = "|".join(map(re.escape, (*_GRAPHS, *_OTHERS)))
"""What may be in the folder that an artifact takes the place of."""
_PACKAGES = ("paretext", "torch", "transformers", "tokenizers", "onnx", "onnxruntime")


def export(
    classifier: Classifier,
    folder: str | Path,
    texts: Sequence[str],
    *,
    name: str = "model",
    quantization: Quantization | None = None,
    calibration: Sequence[str] | None = None,
    recipe: Sequence[dict[str, Any]] = (),
    done: Sequence[str] = (),
    lineage: Sequence[Ancestor] = (),
    data: dict[str, str] | None = None,
    seen: Sketch | None = None,
) -> Artifact:
    """Write `classifier` as an artifact to `folder`, and load it.

    texts: real texts on which the graph must agree with PyTorch, logits within 1e-4 (relative
        where a logit is above 1); odd ones are added, whatever these are.
    quantization: quantise the graph after that check; how far its answers move is recorded.
    calibration: texts to measure activation ranges and sensitivity on (default: `texts`).
    recipe, done, lineage, data, seen: the steps so far, what they did, the ancestors, the data's
        fingerprints and the sketch of their texts; they are written into the manifest as they are.
    Raises ParetextError if the graphs disagree, the tokenizer gives what the network cannot read,
        the architecture cannot be exported, an answer depends on what is asked beside it, or
        `folder` holds anything but an artifact.
    """
    folder = Path(folder)
    if not texts:
        raise ParetextError("export needs at least one text to check the graph with.")
    require_own_folder(folder, _FILES, NAME, '"format_version": ')
    check_tokenizer(classifier.model, classifier.tokenizer)
    graph, how = float_graph(classifier)
    sentences = [*done, f"graph {how}: {len(graph.graph.node)} operators"]
    draft = _draft(classifier, name, recipe, lineage, data or {})
    draft = draft.model_copy(update={"seen": seen})
    with temporary_folder() as scratch:
        _write_model(graph, classifier, draft, scratch)
        difference, reference = check_answers(Artifact(scratch, draft), classifier, texts)
    if quantization is not None:
        examples = texts if calibration is None else calibration
        measured_on = Calibration.from_texts(examples, _tokenizer(classifier), draft.pad_id)
        graph, quantised = quantization.apply(graph, measured_on)
        sentences += quantised
        draft = draft.model_copy(
            update={"recipe": (*draft.recipe, quantization.model_dump(mode="json"))}
        )
    with new_folder(folder) as partial:
        _write_model(graph, classifier, draft, partial)
        write_client_files(classifier, draft, partial)
        artifact = Artifact(partial, draft)
        independence, logits = check_independence(artifact, classifier, texts)
        probabilities = softmax(logits)
        expected = softmax(reference)
        manifest = draft.model_copy(
            update={
                "done": tuple(sentences),
                "matrices": count_weights(graph),
                "operators": dict(Counter(node.op_type for node in graph.graph.node)),
                "agreement": Agreement(
                    texts=len(texts),
                    largest_logit_difference=difference,
                    largest_probability_difference=float(np.abs(probabilities - expected).max()),
                    flipped_predictions=int((probabilities.argmax(1) != expected.argmax(1)).sum()),
                ),
                "independence": independence,
            }
        )
        (partial / CARD).write_text(model_card(manifest), encoding="utf-8")
        manifest.model_copy(update={"files": record_files(partial)}).write(partial)
    return Artifact.load(folder)


def require_exportable(classifier: Classifier, texts: Sequence[str]) -> None:
    """ParetextError where PyTorch cannot trace the network, or its graph answers otherwise: known
    before it is trained. Of what is written without tracing, nothing is to be found out."""
    config = classifier.model.config
    if config.model_type in _WRITERS or is_known(config):
        return
    graph, _ = float_graph(classifier)
    draft = _draft(classifier, "model", (), (), {})
    with temporary_folder() as scratch:
        _write_model(graph, classifier, draft, scratch)
        check_answers(Artifact(scratch, draft), classifier, texts)


def float_graph(classifier: Classifier) -> tuple[onnx.ModelProto, str]:
    """The classifier's float32 graph, and how it came about."""
    model = classifier.model
    if model.config.model_type in _WRITERS:
        return _WRITERS[model.config.model_type](model), "written for ONNX Runtime"
    if is_known(model.config):
        graph = write_graph(read_encoder(model).up_to(classifier.max_length))
        return graph, "written for ONNX Runtime"
    return trace_graph(model), "traced by PyTorch, its operators not fused"


def count_weights(model: onnx.ModelProto) -> WeightCount:
    """Numbers and exact zeros in the matrices that the graph multiplies by."""
    names = {name for node in model.graph.node for name in _matrices_of(node)}
    matrices = [
        numpy_helper.to_array(tensor) for tensor in model.graph.initializer if tensor.name in names
    ]
    return WeightCount(
        weights=sum(matrix.size for matrix in matrices),
        zeros=sum(int((matrix == 0).sum()) for matrix in matrices),
    )


def _matrices_of(node: onnx.NodeProto) -> list[str]:
    """The inputs of a node that are matrices it multiplies by."""
    if node.op_type in ("MatMul", "MatMulIntegerToFloat", "QAttention", "Gemm"):
        return [node.input[1]]
    return list(node.input[1:3]) if node.op_type in ("GRU", "LSTM") else []


def _write_model(
    graph: onnx.ModelProto, classifier: Classifier, draft: Manifest, folder: Path
) -> None:
    path = folder / draft.model
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(graph.SerializeToString())
    _tokenizer(classifier).save(str(folder / TOKENIZER), pretty=False)


def _tokenizer(classifier: Classifier) -> Tokenizer:
    """The tokenizer as the runtime uses it: it truncates and does not pad."""
    own = classifier.tokenizer
    tokenizer = Tokenizer.from_str(own.backend_tokenizer.to_str())
    tokenizer.enable_truncation(classifier.max_length, direction=own.truncation_side)
    prepare(tokenizer, classifier.max_length, own.split_special_tokens)
    return tokenizer


def _draft(
    classifier: Classifier,
    name: str,
    recipe: Sequence[dict[str, Any]],
    lineage: Sequence[Ancestor],
    data: dict[str, str],
) -> Manifest:
    """The manifest as far as it is known before the graph has answered."""
    return Manifest(
        name=name,
        labels=classifier.label_names,
        architecture=type(classifier.model).__name__,
        max_length=classifier.max_length,
        pad_id=classifier.pad_id,
        split_special_tokens=classifier.tokenizer.split_special_tokens,
        recipe=tuple(recipe),
        done=(),
        lineage=tuple(lineage),
        data=data,
        matrices=WeightCount(weights=0, zeros=0),
        operators={},
        agreement=Agreement(
            texts=0,
            largest_logit_difference=0,
            largest_probability_difference=0,
            flipped_predictions=0,
        ),
        versions={package: metadata.version(package) for package in _PACKAGES},
        files={},
    )
