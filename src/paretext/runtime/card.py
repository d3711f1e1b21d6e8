"""The model card: an artifact's README.md, written from its manifest."""

from __future__ import annotations

from paretext.core.markdown import escaped
from paretext.runtime.manifest import Manifest
from paretext.runtime.rule import Rule

_NGRAMS = "NgramClassifier"
_CARD = """# {name}

A text classifier made by paretext. It predicts without PyTorch:

```python
from paretext import Artifact

artifact = Artifact.load("path/to/this/folder")
artifact.predict(["some text", "another one"])
```

| | |
|---|---|
| labels | {labels} |
| architecture | {architecture} |
| longest input | {max_length} tokens; longer texts are cut |
| zeros in the matrices | {zeros:,} of {weights:,} ({share:.1%}) |

{operating}## How it was made
{lineage}
{done}

## Agreement with PyTorch
On {texts} texts the float32 graph's logits differ by at most {logits:.1e}. What is in this folder
differs in a probability by at most {probability:.1e} and in {flips} predictions.{independence}

The inputs of `{model}` are {integers} `input_ids` and `attention_mask`, (batch, sequence),
padded on the right with {pad_id}; the output is float32 `logits`, (batch, {classes}).{clients}
"""

_CLIENTS = """
The folder also opens in optimum-onnx and transformers.js."""
_NO_CLIENTS = """
It reads characters and no tokens, so clients that go by `model_type` refuse it."""

_INDEPENDENCE = """
An answer depends on its text alone: where others share its call a probability differs by at most
{:.1e}."""


def model_card(manifest: Manifest) -> str:
    """Markdown for the artifact's README.md."""
    counts, agreement = manifest.matrices, manifest.agreement
    lineage = [f"- from {escaped(a.name)} (sha256 {a.digest[:12]})" for a in manifest.lineage]
    alone = manifest.independence
    opens = _NO_CLIENTS if manifest.architecture == _NGRAMS else _CLIENTS
    return _CARD.format(
        name=escaped(manifest.name),
        labels=", ".join(map(escaped, manifest.labels)),
        architecture=escaped(manifest.architecture),
        max_length=manifest.max_length,
        zeros=counts.zeros,
        weights=counts.weights,
        share=counts.share,
        operating=_operating(manifest.operating),
        lineage="\n".join(lineage),
        done="\n".join(f"- {escaped(sentence)}" for sentence in manifest.done),
        texts=agreement.texts,
        logits=agreement.largest_logit_difference,
        probability=agreement.largest_probability_difference,
        flips=agreement.flipped_predictions,
        independence=_INDEPENDENCE.format(alone.largest_probability_difference) if alone else "",
        model=manifest.model,
        integers=manifest.integers,
        pad_id=manifest.pad_id,
        classes=len(manifest.labels),
        clients="" if manifest.format_version == 1 else opens,
    )


def _operating(rule: Rule | None) -> str:
    """When its answers stand, where there is a rule."""
    if rule is None:
        return ""
    said = "\n".join(f"- {escaped(each)}" for each in rule.sentences())
    origin = f"\n\nIt was {escaped(rule.origin)}." if rule.origin else ""
    return (
        "## When an answer stands\nWhere this is not met, a text is unsure and its answer is "
        f"empty. It answers\n{said}{origin}\n\n"
    )
