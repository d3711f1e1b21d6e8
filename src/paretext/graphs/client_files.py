"""What other people's code reads beside the graph: config.json and tokenizer_config.json.

`model_type` is the key by which a client chooses the class that drives a graph. transformers.js
refuses a type that is not on its list ("Unsupported model type"), and so does transformers, whose
`AutoConfig` optimum asks; a known one says in both how the graph is called (ids and a mask in,
logits out) and nothing of what is in it. So here it says just that: the family that the
network is called as. What the network is stands in `architectures`, and for a network of our own in
its settings, which stay in the file. `AutoModelForSequenceClassification` of PyTorch finds no
weights in the folder and says so.

An n-gram model reads characters, no tokens, so it keeps a type of its own: clients refuse it.

`max_position_embeddings` is the longest input of the graph, whose table was cut to it, by
the family's own way of counting; text-embeddings-inference takes its limit from there.
`transformers.js_config` names the file that there is (`dtype` is a suffix to it, no more).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from paretext.core.files import write_json
from paretext.models.classifier import Classifier
from paretext.models.families.base import is_known
from paretext.models.names import COMPACT, CONVOLUTIONAL, NGRAMS, RECURRENT
from paretext.runtime.manifest import CONFIG, TOKENIZER_CONFIG, Manifest

_BERT, _ROBERTA = "bert", "roberta"
_COUNT_PAST_PADDING = ("camembert", _ROBERTA, "xlm-roberta")
"""Their positions begin after the padding token's id, and are counted with the two before."""
_OURS = {
    COMPACT: "CompactForSequenceClassification",
    CONVOLUTIONAL: "ConvolutionalForSequenceClassification",
    RECURRENT: "RecurrentForSequenceClassification",
}
"""text-embeddings-inference knows a classifier by the end of this name."""
_TOKENS = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")


def write_client_files(classifier: Classifier, manifest: Manifest, folder: Path) -> None:
    """Write both files into the artifact's folder."""
    write_json(folder / CONFIG, config_of(classifier, manifest))
    write_json(folder / TOKENIZER_CONFIG, tokenizer_config_of(classifier, manifest))


def config_of(classifier: Classifier, manifest: Manifest) -> dict[str, Any]:
    """The network's own config, and in it what the head of this file says."""
    config = classifier.model.config
    own: str = config.model_type
    kind = own
    if own == COMPACT:
        kind = _ROBERTA if config.skips_padding else _BERT
    elif own in _OURS:
        kind = _BERT
    values: dict[str, Any] = json.loads(config.to_json_string())
    values.pop("_name_or_path", None)
    if kind != own or own == NGRAMS or is_known(config):
        before = manifest.pad_id + 1 if kind in _COUNT_PAST_PADDING else 0
        values["max_position_embeddings"] = manifest.max_length + before
    for name in ("hidden_size", "num_hidden_layers"):  # some families call them otherwise
        if hasattr(config, name):
            values[name] = getattr(config, name)
    return values | {
        "model_type": kind,
        "architectures": [_OURS.get(own, manifest.architecture)],
        "id2label": dict(enumerate(manifest.labels)),
        "label2id": {label: index for index, label in enumerate(manifest.labels)},
        "problem_type": "single_label_classification",
        "pad_token_id": manifest.pad_id,
        "transformers.js_config": {"dtype": "q8" if manifest.is_quantised else "fp32"},
    }


def tokenizer_config_of(classifier: Classifier, manifest: Manifest) -> dict[str, Any]:
    """How to open tokenizer.json: by the class that reads it as it stands."""
    own = classifier.tokenizer
    tokens = {f"{name}_token": getattr(own, f"{name}_token") for name in _TOKENS}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": manifest.max_length,
        "model_input_names": ["input_ids", "attention_mask"],
        "padding_side": manifest.padding_side,
        "truncation_side": own.truncation_side,
        "split_special_tokens": manifest.split_special_tokens,
        "clean_up_tokenization_spaces": False,
        **{name: token for name, token in tokens.items() if token is not None},
    }
