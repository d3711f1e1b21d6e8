"""describe(): what a folder is, and whether an artifact is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paretext.certification.certificate import Certificate
from paretext.certification.wording import headline
from paretext.core.errors import ParetextError
from paretext.core.files import folder_bytes, read_json
from paretext.core.locks import at_work
from paretext.core.run_folder import RunFolder
from paretext.core.settings import model_inside
from paretext.core.unfinished import unfinished
from paretext.runtime.manifest import NAME, Independence, Manifest
from paretext.runtime.rule import Rule


def describe(path: Path) -> dict[str, Any]:
    """Names and values for an artifact (its digests verified), a run or a classifier's folder."""
    if not path.is_dir():
        raise ParetextError(f"{path} is not a folder; give an artifact, a run or a classifier.")
    if (path / NAME).is_file():
        return _artifact(path)
    if RunFolder(path).candidates.is_dir() or unfinished(path) is not None:
        return _run(path)
    if (path / "config.json").is_file():
        return _classifier(path)
    raise ParetextError(
        f"{path} is no artifact ({NAME}), run (candidates/) or classifier (config.json)"
        f"{model_inside(path) or '.'}"
    )


def _artifact(path: Path) -> dict[str, Any]:
    manifest = Manifest.read(path)
    manifest.verify(path)
    agreement = manifest.agreement
    certificate = Certificate.of(path)
    return {
        "kind": "artifact, every digest verified",
        "name": manifest.name,
        "labels": list(manifest.labels),
        "architecture": manifest.architecture,
        "max length": manifest.max_length,
        "done": list(manifest.done),
        "lineage": [f"{each.name} {each.digest[:12]}" for each in manifest.lineage],
        **_rule(manifest.operating),
        "zeros in matrices": f"{manifest.matrices.zeros:,} of {manifest.matrices.weights:,} "
        f"({manifest.matrices.share:.3%})",
        "operators": manifest.operators,
        "agreement": f"{agreement.flipped_predictions} of {agreement.texts} predictions differ "
        f"from PyTorch, probabilities by at most {agreement.largest_probability_difference:.1e}; "
        f"float32 graph's logits by at most {agreement.largest_logit_difference:.1e}",
        "independence": _independence(manifest.independence),
        "certificate": headline(certificate) if certificate else "none",
        "versions": manifest.versions,
        "files": {name: f"{record.bytes:,} bytes" for name, record in manifest.files.items()},
        "bytes in all": folder_bytes(path),
    }


def _rule(rule: Rule | None) -> dict[str, Any]:
    """When its answers stand, where there is a rule."""
    origin = [rule.origin] if rule and rule.origin else []
    return {"answers stand where": [*rule.sentences(), *origin]} if rule else {}


def _independence(independence: Independence | None) -> str:
    """Whether an answer depends on its text alone."""
    if independence is None:
        return "not measured by the version that wrote it"
    return (
        f"{independence.changed_labels} of {independence.texts} predictions differ from the text's "
        f"by itself where others share its call, probabilities by at most "
        f"{independence.largest_probability_difference:.1e}"
    )


def _run(path: Path) -> dict[str, Any]:
    run, begun = RunFolder(path), unfinished(path)
    record = run.chosen
    parent = _values(record) if record.is_file() else {}
    artifacts = [each for each in run.listed() if (each / NAME).is_file()]
    return {
        "kind": "run" if begun is None else "run, not finished",
        **({} if (who := at_work(path)) is None else {"in use by": who}),
        "parent": parent.get("parent", "not chosen yet"),
        "macro-F1 on selection": _scores(parent.get("selection_macro_f1")) or "not known",
        "artifacts": {each.name: f"{folder_bytes(each):,} bytes" for each in artifacts},
        "comparison": str(run.comparison) if run.comparison.is_dir() else "not measured yet",
    }


def _scores(recorded: Any) -> dict[str, str]:
    """What parent.json says of each candidate; of a damaged one, what it holds."""
    scores = recorded if isinstance(recorded, dict) else {}
    return {
        name: f"{score:.4f}" if isinstance(score, float) else str(score)
        for name, score in scores.items()
    }


def _classifier(path: Path) -> dict[str, Any]:
    config = _values(path / "config.json")
    named, labels = config.get("architectures"), config.get("id2label")
    return {
        "kind": "classifier, in PyTorch",
        "architecture": ", ".join(map(str, named)) if isinstance(named, list) else "unknown",
        "labels": list(labels.values()) if isinstance(labels, dict) else "unknown",
        "bytes in all": folder_bytes(path),
    }


def _values(path: Path) -> dict[str, Any]:
    return read_json(path, "write the folder again", lambda values: {**values})
