"""Does every architecture work, or say why not? Each that transformers classifies texts with.

    python benchmarks/encoders.py --out FOLDER [--only NAME ...] [--docs docs/encoders.md]

Each is built with random weights, 2 layers and 32 wide (`tests/architectures.py`), given a tiny
tokenizer (WordPiece, byte-level BPE and Unigram in turn; causal ones have no padding token and pad
on the left, as GPT-2's and Llama's do), and walked through training, every step, export, INT8 and a
certificate on some 60 texts. Its graph is asked with texts from nothing to beyond the longest, and
is quantised once more with a channel of each product's input 50 times as large and its weights as
much smaller (x50). A cell works, or is refused in one sentence with a remedy; anything else is a
fault, and the script's exit status is then 1. A row is a line of FOLDER/encoders.jsonl, and is not
made again unless it holds a fault.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from page import table, write_section
from rows import add, rows
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING
from transformers import PreTrainedTokenizerFast as Fast

from paretext.certification.certify import certify
from paretext.compression import (
    ConvolutionalStudent,
    Distillation,
    DynamicQuantization,
    Layers,
    LowRankEmbeddings,
    MagnitudePruning,
    Material,
    StaticQuantization,
    StructuredPruning,
    Vocabulary,
    Width,
)
from paretext.compression.methods.teacher import ParentTeacher
from paretext.compression.step import Outline, Step
from paretext.core import progress
from paretext.core.errors import ParetextError, first_line
from paretext.graphs import export
from paretext.graphs.calibration import Calibration
from paretext.graphs.quantisation import Quantization
from paretext.graphs.quantised_graph import Counts
from paretext.models.classifier import Classifier
from paretext.runtime.artifact import Artifact
from paretext.training.fit import fit
from paretext.training.settings import TrainingSettings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import architectures
import tiny
import toy

FAULT = "FAULT "
TRAINING = TrainingSettings(batch_size=16, epochs=1, learning_rate=1e-3, device="cpu")
TRAIN, SELECTION, HELD_OUT = toy.dataset(60), toy.dataset(18, 1), toy.dataset(30, 2)
MAX_LENGTH = 24
OUTLIER = 50
SHAKEN = 0.1
"""So that the answers differ from text to text."""
STEPS: dict[str, Step] = {
    "vocabulary": Vocabulary(minimum_count=2),
    "low rank": LowRankEmbeddings(rank=12),
    "layers": Layers(keep=1),
    "heads": StructuredPruning(heads=0.5, neurons=0.5, multiple=8),
    "width": Width(hidden_size=24),
    "distillation": Distillation(epochs=1, copies=0),
    "magnitude": MagnitudePruning(),
}
INTEGERS: dict[str, Quantization] = {
    "INT8": DynamicQuantization(),
    "static": StaticQuantization(),
    "mixed": DynamicQuantization(sensitivity_limit=1e-6),
}
CELLS = ("load", "train", "export", *INTEGERS, "x50", *STEPS, "steps, INT8", "student", "certify")


_HEAD = """Each architecture with random weights, 2 layers, 32 wide: trained for four steps,
exported, quantised in three ways and once more with one channel of each product's input 50 times as
large (x50), then the steps one after the other (each saved and loaded again), all of them exported
in INT8, a student, and a certificate against float32. A number is that of the sentence
below with which it was refused, "-" what needs it. By
`python benchmarks/encoders.py --out FOLDER --docs docs/encoders.md`.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", action="append", choices=architectures.NAMES)
    parser.add_argument("--docs", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "encoders.jsonl"
    for name in options.only or architectures.NAMES:
        kept = {row["architecture"]: row for row in rows(path)}
        if options.only or name not in kept or faults(kept[name]):
            row = walk(name)
            add(path, row)
            print(json.dumps(row), file=sys.stderr, flush=True)
    walked = {row["architecture"]: row for row in rows(path)}  # the last of each
    text = markdown([walked[name] for name in architectures.NAMES if name in walked])
    if options.docs:
        write_section(options.docs, "encoders", text, "Every architecture, every step")
    bad = {name: faults(row) for name, row in walked.items() if faults(row)}
    print(json.dumps({"architectures": len(walked), "faults": bad}))
    return 1 if bad else 0


def walk(name: str) -> dict[str, Any]:
    """How each cell ended for one architecture: "" where it works, else the sentence."""
    torch.set_num_threads(1)
    begin = time.perf_counter()
    cells: dict[str, str] = {}
    moved: dict[str, float] = {}
    with TemporaryDirectory() as folder, progress.using(progress.Silent()):
        try:
            model = write_small(name, Path(folder) / "model")
        except Exception as error:  # transformers, or a library that it needs
            cells["load"] = f"not walked: no small one can be made ({first_line(error)})."
        else:
            if model:
                _walk(Path(folder), cells, moved)
            else:
                cells["load"] = "not walked: its config makes no small network."
    seconds = round(time.perf_counter() - begin, 1)
    cells = {cell: said.replace(f"{folder}/", "") for cell, said in cells.items()}
    return {"architecture": name, "seconds": seconds, "cells": cells, "moved": moved}


def write_small(name: str, folder: Path) -> bool:
    """Write a small random one with a tokenizer; False where there is none."""
    kind = architectures.NAMES.index(name) % 3
    causal = is_causal(name)
    words = (tiny._word_piece, tiny._byte_level, _unigram)[kind]([*tiny.TEXTS, *TRAIN.texts])
    if causal:
        words.eos_token = words.sep_token
        words.pad_token, words.padding_side = None, "left"
    words.save_pretrained(folder)
    usual = architectures.CONFIG_MAPPING[name]()
    if usual.is_encoder_decoder:
        usual.save_pretrained(folder)  # which is all that is read
        return True
    model = architectures.model(architectures.config(name, vocab_size=len(words) + 7))
    if model is None:
        return False
    tiny.shake(model, SHAKEN).save_pretrained(folder)
    return True


def is_causal(name: str) -> bool:
    kind = architectures.CONFIG_MAPPING[name]
    return kind in MODEL_FOR_CAUSAL_LM_MAPPING and kind not in MODEL_FOR_MASKED_LM_MAPPING


def _unigram(texts: list[str]) -> Any:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator(
        texts,
        trainers.UnigramTrainer(
            vocab_size=200, special_tokens=special, unk_token="<unk>", show_progress=False
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = dict(zip(("bos", "pad", "eos", "unk", "mask"), special, strict=True))
    named = {f"{name}_token": token for name, token in names.items()}
    return Fast(tokenizer_object=tokenizer, cls_token="<s>", sep_token="</s>", **named)


def _walk(folder: Path, cells: dict[str, str], moved: dict[str, float]) -> None:
    """Fill in the cells; one that needs what was refused before it is left out. moved: by how much
    integers move a probability at most."""

    def attempt(cell: str, call: Callable[[], Any]) -> Any:
        cells[cell] = ""
        try:
            return call()
        except ParetextError as error:
            cells[cell] = str(error)
        except Exception as error:
            cells[cell] = f"{FAULT}{type(error).__name__}: {first_line(error)}"
        return None

    given = str(folder / "model")
    origin = attempt("load", lambda: Classifier.from_pretrained(given, toy.LABELS, MAX_LENGTH))
    if origin is None:
        return
    trained = attempt("train", lambda: fit(origin, TRAIN, SELECTION, TRAINING).classifier)
    if trained is None:
        return
    trained.save(folder / "parent")
    parent = Classifier.load(folder / "parent")
    artifact = attempt("export", lambda: export(parent, folder / "float32", SELECTION.texts))
    if artifact is None:
        return
    for cell, quantization in INTEGERS.items():
        made = attempt(cell, lambda q=quantization, c=cell: integers(parent, folder / c, q))
        if made is not None:
            moved[cell] = apart(artifact.logits(HELD_OUT.texts), made.logits(HELD_OUT.texts))
    outlier_error = attempt("x50", lambda: outlier(artifact))
    if outlier_error is not None:
        moved["x50"] = outlier_error
    teacher = ParentTeacher(artifact, folder / "parent", folder / "answers")
    material = Material(TRAIN, SELECTION, TRAINING, teacher=teacher)
    small = parent
    for cell, step in STEPS.items():
        changed = attempt(cell, lambda s=step, c=small: stepped(s, c, material, folder / s.kind))
        small = changed or small
    int8 = attempt("steps, INT8", lambda: integers(small, folder / "all", DynamicQuantization()))
    attempt("student", lambda: student(parent, material, folder / "student"))
    attempt("certify", lambda: certified(folder / ("all" if int8 else "INT8"), folder / "float32"))


def integers(classifier: Classifier, folder: Path, how: Quantization) -> Artifact:
    return export(classifier, folder, SELECTION.texts, quantization=how, calibration=TRAIN.texts)


def stepped(step: Step, made: Classifier, material: Material, folder: Path) -> Classifier:
    """What the step leaves, saved and loaded, which must change no answer."""
    step.plan(Outline.of(made.model.config))
    changed, said = step.apply(made, material)
    changed.save(folder)
    again = Classifier.load(folder)
    wanted = changed.logits(HELD_OUT.texts)
    away = np.abs(again.logits(HELD_OUT.texts) - wanted).max() / max(1, np.abs(wanted).max())
    if not said or away > 1e-5:
        raise RuntimeError(f"loaded again, it answers otherwise ({away:.2g})")
    return again


def student(parent: Classifier, material: Material, folder: Path) -> Artifact:
    begun, _ = ConvolutionalStudent(embedding_size=16, channels=8).apply(parent, material)
    taught, _ = Distillation(epochs=1, copies=0).apply(begun, material)
    return integers(taught, folder, DynamicQuantization(keep_fp32=("output",)))


def certified(candidate: Path, reference: Path) -> None:
    certificate = certify(candidate, reference, HELD_OUT, resamples=200, threads=1, force=True)
    if not certificate.clauses:
        raise RuntimeError("a certificate without clauses")


def outlier(artifact: Artifact) -> float:
    """How far INT8 is from float32 where a channel of each product's input is OUTLIER times as
    large, and its weights are as much smaller, so that the answers stay."""
    plain = onnx.load(artifact.folder / artifact.manifest.model)
    loud = onnx.ModelProto()
    loud.CopyFrom(plain)
    stored = {each.name: each for each in loud.graph.initializer}
    nodes = []
    for x in sorted({x for read in Counts.of(plain).matrices.values() for x in read}):
        readers = [n for n in plain.graph.node if n.op_type == "MatMul" and n.input[0] == x]
        width = stored[next(n.input[1] for n in readers if n.input[1] in stored)].dims[0]
        factors = np.ones(width, np.float32)
        factors[width // 3] = OUTLIER
        stored[f"{x}.by"] = numpy_helper.from_array(factors, f"{x}.by")
        nodes.append(helper.make_node("Mul", [x, f"{x}.by"], [f"{x}.loud"]))
    made = {node.input[0]: node for node in nodes}
    del loud.graph.node[:], loud.graph.initializer[:]
    waiting = dict(made)
    known = {each.name for each in plain.graph.input} | {*stored}
    for node in plain.graph.node:
        for name in [n for n in node.input if n in waiting and n in known]:
            loud.graph.node.append(waiting.pop(name))
        if node.op_type == "MatMul" and node.input[0] in made and node.input[1] in stored:
            matrix = numpy_helper.to_array(stored[node.input[1]])
            by = numpy_helper.to_array(stored[f"{node.input[0]}.by"])
            name = f"{node.input[0]}.{node.input[1]}"
            stored[name] = numpy_helper.from_array(matrix / by[:, None], name)
            inputs = [f"{node.input[0]}.loud", name]
            loud.graph.node.append(helper.make_node("MatMul", inputs, node.output, name=node.name))
        else:
            loud.graph.node.append(node)
        known.update(node.output)
    read = {name for node in loud.graph.node for name in node.input}
    loud.graph.initializer.extend(each for name, each in stored.items() if name in read)
    own = artifact._tokenizer
    seen, asked = (
        Calibration.from_texts(data.texts, own, artifact.manifest.pad_id)
        for data in (TRAIN, HELD_OUT)
    )
    integers, _ = DynamicQuantization().apply(loud, seen)
    exact, same, rounded = (asked.log_probabilities(each) for each in (plain, loud, integers))
    if np.abs(exact - same).max() > 1e-3:
        raise RuntimeError("the louder graph answers otherwise")
    return apart(exact, rounded)


def apart(exact: Any, rounded: Any) -> float:
    """The error beside what the answers differ by from text to text: 0 is none, 1 is chance."""
    exact, rounded = (each - each.mean(axis=1, keepdims=True) for each in (exact, rounded))
    return float((exact - rounded).std() / (exact - exact.mean(axis=0)).std())


def faults(row: dict[str, Any]) -> list[str]:
    """The cells that ended neither well nor in one sentence with a remedy."""
    return [cell for cell, said in row["cells"].items() if said and not _is_sentence(said)]


def _is_sentence(said: str) -> bool:
    whole = said.endswith(".") and "\n" not in said and not said.startswith(FAULT)
    return whole and (said.startswith("not walked") or ";" in said or ", so " in said)


def markdown(walked: list[dict[str, Any]]) -> str:
    """A line an architecture; what is refused by the number of its sentence."""
    numbers: dict[str, int] = {}
    lines = [["architecture", *CELLS]]
    for row in walked:
        line = []
        for cell in CELLS:
            said = row["cells"].get(cell)
            if said:
                line.append(str(numbers.setdefault(_general(said, row), len(numbers) + 1)))
            else:
                line.append("-" if said is None else "yes")
        lines.append([row["architecture"], *line])
    sentences = "\n".join(f"{number}. {said}" for said, number in numbers.items())
    far = "".join(
        f"\nError of {cell} beside what the answers differ by (1 is chance): median "
        f"{np.median(errors):.2f} of {len(errors)} architectures; above 1 are "
        f"{sum(each > 1 for each in errors)}, whose answers hardly differ from text to text."
        for cell in (*INTEGERS, "x50")
        if (errors := [row["moved"][cell] for row in walked if cell in row["moved"]])
    )
    missing = [
        name for name in architectures.NAMES if name not in {r["architecture"] for r in walked}
    ]
    rest = f"\n\nNot walked yet: {', '.join(missing)}." if missing else ""
    return f"{_HEAD}{far}\n\n{table(lines)}\n\n{sentences}{rest}"


def _general(said: str, row: dict[str, Any]) -> str:
    """A sentence as it is of every architecture."""
    said = re.sub(r"\w+ForSequenceClassification", "CLASS", said)
    said = re.sub(r"differs by [-.e0-9]+", "differs by X", said)
    said = re.sub(r"architecture '[^']+'", "architecture NAME", said)
    said = said.replace(f"({row['architecture']})", "(NAME)")
    return said.replace("`", "'").replace("|", "/")


if __name__ == "__main__":
    sys.exit(main())
