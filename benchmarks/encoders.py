"""Does every architecture work, or say why not? Each that transformers classifies texts with.

    python benchmarks/encoders.py --out FOLDER [--only NAME ...] [--docs docs/encoders.md]

Each is built with random weights, 2 layers and 32 wide (`tests/architectures.py`), given a tiny
tokenizer (WordPiece, byte-level BPE and Unigram in turn; causal ones have no padding token and pad
on the left, as GPT-2's and Llama's do), and walked through training, every step, export, INT8 and a
certificate on some 60 texts. One hidden channel is 50 times as large as the others, in the words
and in each norm. Its graph is asked with texts from nothing to beyond the longest. A cell works, or
is refused in one sentence with a remedy; anything else is a fault, and the script's exit status is
then 1. A row is a line of FOLDER/encoders.jsonl, and is not made again unless it holds a fault.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from page import table, write_section
from rows import add, rows
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING
from transformers import PreTrainedTokenizerFast as Fast

from paretext.certification.certify import certify
from paretext.compression import (
    Distillation,
    DynamicQuantization,
    Layers,
    LowRankEmbeddings,
    MagnitudePruning,
    Material,
    RecurrentStudent,
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
from paretext.graphs.quantisation import Quantization
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
CELLS = ("load", "train", "export", *INTEGERS, *STEPS, "steps, INT8", "student", "certify")


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
    found = {row["architecture"]: row for row in rows(path)}  # the last of each
    text = markdown([found[name] for name in architectures.NAMES if name in found])
    if options.docs:
        write_section(options.docs, "encoders", text, "Every architecture, every step")
    bad = {name: faults(row) for name, row in found.items() if faults(row)}
    print(json.dumps({"architectures": len(found), "faults": bad}))
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
    model.save_pretrained(folder)
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
    loud = outlier(origin)
    trained = attempt("train", lambda: fit(loud, TRAIN, SELECTION, TRAINING).classifier)
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
            moved[cell] = made.manifest.agreement.largest_probability_difference
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
    apart = np.abs(again.logits(HELD_OUT.texts) - changed.logits(HELD_OUT.texts)).max()
    if not said or apart > 1e-5:
        raise RuntimeError(f"loaded again, it answers otherwise ({apart:.2g})")
    return again


def student(parent: Classifier, material: Material, folder: Path) -> Artifact:
    begun, _ = RecurrentStudent(embedding_size=16, hidden_size=8).apply(parent, material)
    taught, _ = Distillation(epochs=1, copies=0).apply(begun, material)
    return integers(taught, folder, DynamicQuantization(keep_fp32=("output",)))


def certified(candidate: Path, reference: Path) -> None:
    certificate = certify(candidate, reference, HELD_OUT, resamples=200, threads=1, force=True)
    if not certificate.clauses:
        raise RuntimeError("a certificate without clauses")


@torch.no_grad()
def outlier(classifier: Classifier) -> Classifier:
    """The classifier with a hidden channel OUTLIER times as large: in the word table and in the
    gain of every norm of its width."""
    made = classifier.copy()
    words = made.model.get_input_embeddings().weight
    width = words.shape[1]
    for parameter in (words, *made.model.parameters()):
        if parameter is words or (parameter.ndim == 1 and len(parameter) == width):
            parameter[..., width // 3] *= OUTLIER
    return replace(made, model=made.model.eval())


def faults(row: dict[str, Any]) -> list[str]:
    """The cells that ended neither well nor in one sentence with a remedy."""
    return [cell for cell, said in row["cells"].items() if said and not _is_sentence(said)]


def _is_sentence(said: str) -> bool:
    whole = said.endswith(".") and "\n" not in said and not said.startswith(FAULT)
    return whole and (said.startswith("not walked") or ";" in said or ", so " in said)


def markdown(found: list[dict[str, Any]]) -> str:
    """A line an architecture; what is refused by the number of its sentence."""
    numbers: dict[str, int] = {}
    lines = [["architecture", *CELLS]]
    for row in found:
        line = []
        for cell in CELLS:
            said = row["cells"].get(cell)
            if said:
                said = said.replace("model (", "it (").replace(row["architecture"], "NAME")
                line.append(str(numbers.setdefault(said, len(numbers) + 1)))
            else:
                line.append("-" if said is None else "yes")
        lines.append([row["architecture"], *line])
    sentences = "\n".join(f"{number}. {said}" for said, number in numbers.items())
    return f"{table(lines)}\n\n{sentences}"


if __name__ == "__main__":
    sys.exit(main())
